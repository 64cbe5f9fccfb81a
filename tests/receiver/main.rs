//! The whole receiver, webhook to replacement, against the simulated cluster: in memory and on a
//! paused clock, where ten minutes take milliseconds.
#![cfg(feature = "demo")]

mod alerts;
mod answers;
mod bench;
mod dry_run;
mod guard;
mod holds;
mod leases;
mod orphans;
mod road;
mod selection;
mod skips;
mod suspects;
mod sweeps;
