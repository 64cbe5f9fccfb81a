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

    /// The defaults, for the pods of kube-prometheus.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        let selector = |name| Selector::parse("monitoring", name).expect("a selector");
        Self {
            selectors: vec![selector("prometheus-k8s"), selector("alertmanager-main")],
            alerts: AlertRules {
                alert_names: vec!["KubeNodeNotReady".to_owned()],
                matches: Vec::new(),
                node_label: "node".to_owned(),
            },
            max_unreachable: MaxUnreachable::Percent(49),
            period: Some(Duration::from_secs(60)),
            unreachable_for: None,
            limits: Limits {
                delete_timeout: Duration::from_secs(10),
                patch_interval: Duration::from_millis(500),
                patch_timeout: Duration::from_secs(10),
            },
            dry_run: false,
        }
    }
}
