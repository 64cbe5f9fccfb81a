//! The whole receiver, webhook to replacement, against the simulated cluster: in memory and on a
//! paused clock, where ten minutes take milliseconds.
#![cfg(feature = "demo")]

mod alerts;
mod answers;
mod bench;
mod changes;
mod comeback;
mod delete;
mod drain;
mod dry_run;
mod follow;
mod freshness;
mod guard;
mod health;
mod holds;
mod leases;
mod orphans;
mod pace;
mod panics;
mod patch;
mod replicas;
mod restart;
mod road;
mod selection;
mod skips;
mod suspects;
mod sweep_cost;
mod sweeps;
