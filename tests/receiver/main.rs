//! The whole receiver, webhook to replacement, against the simulated cluster: in memory and on a
//! paused clock, where ten minutes take milliseconds.
#![cfg(feature = "demo")]

mod bench;
mod road;
