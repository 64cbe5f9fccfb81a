//! The machines behind the Nodes: what is true, whatever the API shows.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

/// The truth about one machine, whatever the API shows.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Has power. Without, nothing runs there.
    pub power: bool,
    /// The kubelet process runs; containers go on without it.
    pub kubelet: bool,
    /// The API server can be reached from there.
    pub reachable: bool,
    /// What the kubelet reports as Ready; `false` while containers go on is a sick runtime.
    pub healthy: bool,
    /// The kubelet keeps a Lease; virtual kubelets do not.
    pub lease: bool,
    /// How far its clock is ahead of the API server's; negative: behind.
    pub skew: SignedDuration,
    /// UIDs of the pods whose containers run there now.
    pub running: BTreeSet<String>,
}

impl Machine {
    /// A machine in good order, with no pods yet.
    pub fn new(lease: bool, skew: SignedDuration) -> Self {
        Self {
            power: true,
            kubelet: true,
            reachable: true,
            healthy: true,
            lease,
            skew,
            running: BTreeSet::new(),
        }
    }

    /// Whether its kubelet runs.
    pub fn alive(&self) -> bool {
        self.power && self.kubelet
    }

    /// Whether its kubelet runs and its writes reach the API server.
    pub fn speaks(&self) -> bool {
        self.alive() && self.reachable
    }
}

/// A volume claim's attachment to a node.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// Where the volume is attached.
    pub node: String,
    /// When it may be attached elsewhere; `None` while a pod uses it.
    pub free_at: Option<Timestamp>,
}
