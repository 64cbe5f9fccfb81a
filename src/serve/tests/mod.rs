//! The front door, called in memory (`answers`) and over TCP in real time (`wire`).

mod answers;
mod support;
mod wire;
