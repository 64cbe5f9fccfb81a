//! How quick a cluster is.

use std::time::Duration;

/// The timings of a control plane and its kubelets.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// `leaseDurationSeconds` of the node Leases; kubelets renew four times as often.
    pub lease: Duration,
    /// `--node-monitor-grace-period`: a node not heard of for longer turns Unknown.
    pub grace: Duration,
    /// `--node-monitor-period`: how often that is asked.
    pub monitor: Duration,
    /// `--node-eviction-rate`: NoExecute taints a second in a zone.
    pub taint_rate: f32,
    /// How long pods tolerate an unreachable node where their templates do not say.
    pub toleration: Duration,
}

impl Profile {
    /// As Kubernetes 1.36 is by default.
    pub const STOCK: Self = Self {
        lease: Duration::from_secs(40),
        grace: Duration::from_secs(50),
        monitor: Duration::from_secs(5),
        taint_rate: 0.1,
        toleration: Duration::from_secs(300),
    };

    /// As quick as a busy machine lets it be without taking a slow kubelet for a dead one.
    pub const QUICK: Self = Self {
        lease: Duration::from_secs(4),
        grace: Duration::from_secs(6),
        monitor: Duration::from_millis(500),
        // Not 1.0: the limiter of a disrupted zone (client-go's fake one) says that it has that rate,
        // and the controller would leave it in place when the zone is well again.
        taint_rate: 2.0,
        toleration: Duration::from_secs(300),
    };
}
