//! What is kept of a history that was played, for the oracle and for people.

use crate::draw::History;
use crate::oracle::loss::Left;
use crate::wire::Call;
use jiff::Timestamp;
use nodefall::demo::audit::Entry;
use nodefall::demo::timeline::Line;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What was seen of a history that was played.
pub struct Record {
    pub history: History,
    /// What the replicas asked, in the order of asking.
    pub calls: Vec<Call>,
    /// The audit log's entries about pods, others' as well.
    pub audit: Vec<Entry>,
    /// When a node's kubelet began (true) or ceased to speak to the API server.
    pub speaks: BTreeMap<String, Vec<(Timestamp, bool)>>,
    /// What is left at the end, and why.
    pub left: Vec<Left>,
    /// What each replica tells at the end.
    pub told: BTreeMap<String, Value>,
    /// Nodes that replicas suspect at the end.
    pub suspected: f64,
    /// The time at rest, if it was watched.
    pub rest: Option<Rest>,
    /// What panicked, or ended by itself.
    pub broken: Vec<String>,
    /// Tasks that are alive at the end, and replicas that were ever started.
    pub tasks: (usize, usize),
    pub end: Timestamp,
    /// The whole, for people; empty when nobody asked.
    pub lines: Vec<Line>,
}

/// A time at rest that was watched until the end.
pub struct Rest {
    pub began: Timestamp,
    /// Nodes that were not Ready at its begin or end, or known to a replica then.
    pub troubled: BTreeSet<String>,
}
