//! An embedded, simulated Kubernetes: enough of it to be told from a real one by nobody who does
//! what this product does.
//!
//! [`world`] is the state, `controllers` move it, `http` serves it as an API, [`faults`] spoil
//! that API and [`audit`] remembers what was asked, and what was true then. [`Cluster`] holds them
//! together. [`scenario`] plays `nodefall demo` on it, told as a [`timeline`], with levers to pull
//! ([`control`]). Production code never imports any of this.

mod access;
pub mod audit;
mod build;
mod cluster;
pub mod command;
pub mod constants;
pub mod control;
mod controllers;
mod defaults;
mod deletion;
pub mod faults;
mod guide;
mod http;
pub mod kinds;
pub mod layout;
pub mod machine;
pub mod objects;
pub mod scenario;
mod stamps;
pub mod timeline;
pub mod world;

pub use cluster::Cluster;
pub use constants::Constants;
pub use layout::{Layout, NodePlan, Plan};
