//! The program as a process among others, in real time: it listens on a real port, reaches the
//! simulated cluster's API over TCP, and is told by a real Alertmanager of what a real Prometheus
//! saw.
#![cfg(feature = "demo")]

mod answers;
mod api;
mod clients;
mod door;
mod health;
mod interruptions;
mod monitoring;
mod outages;
mod secure;
mod tls;
