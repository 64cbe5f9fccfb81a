//! The delays of a simulated Kubernetes, with the defaults of a real one.

use std::time::Duration;

use jiff::Timestamp;

/// Every delay and period of the simulated cluster. The default is what Kubernetes 1.36 does with
/// its default settings.
#[derive(Clone, Debug)]
pub struct Constants {
    /// What the cluster's clock shows when it is created.
    pub start: Timestamp,
    /// `leaseDurationSeconds` of the node Leases, in whole seconds.
    pub lease_duration: Duration,
    /// How often a kubelet renews its Lease, and looks whether its node's status is what it thinks.
    pub renew_interval: Duration,
    /// How often a kubelet with a Lease writes `lastHeartbeatTime` when nothing has changed.
    pub heartbeat_interval: Duration,
    /// How long a kubelet that returned takes until it reports its node Ready.
    pub node_ready_delay: Duration,
    /// `--node-monitor-period` of the node lifecycle controller.
    pub monitor_period: Duration,
    /// `--node-monitor-grace-period`: a node not heard of for longer turns Unknown.
    pub grace_period: Duration,
    /// How long after the taint the node's pods read not Ready (observed: 10 to 50 ms).
    pub pods_not_ready_delay: Duration,
    /// The time between two NoExecute taints in one zone (`--node-eviction-rate` of 0.1).
    pub taint_interval: Duration,
    /// The same in a large zone with too many nodes NotReady (`--secondary-node-eviction-rate`).
    pub slow_taint_interval: Duration,
    /// `--large-cluster-size-threshold`: up to so many nodes, such a zone is not tainted at all.
    pub large_zone: usize,
    /// `--unhealthy-zone-threshold`: the share of NotReady nodes from which a zone is disrupted.
    pub unhealthy_share: f64,
    /// The toleration of not-ready and unreachable that every pod gets, in whole seconds.
    pub toleration: Duration,
    /// How long PodGC waits from one pass to the next.
    pub gc_period: Duration,
    /// How long PodGC waits before it believes that a pod's Node is gone.
    pub gc_quarantine: Duration,
    /// How long the garbage collector takes to remove what a deleted object owned.
    pub owner_gc_delay: Duration,
    /// From a pod being bound to it being Ready.
    pub pod_start: Duration,
    /// From a pod being deleted to its kubelet having stopped it, if its grace is not shorter.
    pub pod_stop: Duration,
    /// How long the workload controllers and the scheduler take to see a change.
    pub reaction: Duration,
    /// How long a volume stays attached to a node that is not healthy after its pod is gone.
    pub detach_after: Duration,
}

impl Default for Constants {
    fn default() -> Self {
        Self {
            // 2026-01-01T00:00:00Z: a fixed day, so that a history is the same every time.
            start: Timestamp::constant(1_767_225_600, 0),
            lease_duration: Duration::from_secs(40),
            renew_interval: Duration::from_secs(10),
            heartbeat_interval: Duration::from_secs(300),
            node_ready_delay: Duration::from_secs(5),
            monitor_period: Duration::from_secs(5),
            grace_period: Duration::from_secs(50),
            pods_not_ready_delay: Duration::from_millis(30),
            taint_interval: Duration::from_secs(10),
            slow_taint_interval: Duration::from_secs(100),
            large_zone: 50,
            unhealthy_share: 0.55,
            toleration: Duration::from_secs(300),
            gc_period: Duration::from_secs(20),
            gc_quarantine: Duration::from_secs(40),
            owner_gc_delay: Duration::from_millis(500),
            pod_start: Duration::from_secs(2),
            pod_stop: Duration::from_secs(1),
            reaction: Duration::from_millis(10),
            detach_after: Duration::from_secs(360),
        }
    }
}
