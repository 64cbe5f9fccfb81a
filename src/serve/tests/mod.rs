//! The front door, called in memory (`answers`) and over TCP in real time (`wire`).

mod answers;
mod large;
mod support;
mod wire;
