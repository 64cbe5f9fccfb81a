//! What the operator asked for, as plain values that every room reads.

use crate::decide::{AlertRules, Limits, MaxUnreachable, Selector};
use std::time::Duration;

/// The settings of the receiver, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which pods may be remediated; never empty.
    pub selectors: Vec<Selector>,
    /// Which alerts name a node that may be gone.
    pub alerts: AlertRules,
    /// The storm guard's bound.
    pub max_unreachable: MaxUnreachable,
    /// Time between sweeps; `None` when the sweep is off.
    pub period: Option<Duration>,
    /// How long a node must have been Unknown before the sweep acts on pods that Kubernetes has not
    /// begun to evict; `None`: never.
    pub unreachable_for: Option<Duration>,
    /// The timed delete and the finalizer patch.
    pub limits: Limits,
    /// Judge, log and answer, but change nothing.
    pub dry_run: bool,
}

impl Settings {
    /// The namespaces that the selectors look in, each once, sorted.
    pub fn namespaces(&self) -> Vec<&str> {
        let mut namespaces: Vec<_> = self.selectors.iter().map(Selector::namespace).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        namespaces
    }
}
