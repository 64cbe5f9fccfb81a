//! The front door, called in memory (`answers`) and over TCP in real time (`wire`).

mod answers;
mod certificates;
mod credentials;
mod http2;
mod large;
pub(super) mod pki;
mod reload;
mod support;
mod wire;
