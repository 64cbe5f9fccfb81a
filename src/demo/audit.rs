//! The audit log: every request, and for writes to pods what was true at that moment.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use super::objects::{has_unreachable_taint, node_name, node_ready, pod_ready};
use super::world::World;

/// One request, or one deletion by a controller of the cluster itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When it took effect, by the API server's clock.
    pub at: Timestamp,
    /// `get`, `list`, `watch`, `create`, `update`, `patch` or `delete`.
    pub verb: &'static str,
    /// The resource's plural name, with its subresource if any (`pods`, `nodes/status`).
    pub resource: String,
    /// The namespace; empty for what has none, or a list over all.
    pub namespace: String,
    /// The name; empty for lists and creations.
    pub name: String,
    /// The HTTP status of what took effect, whether or not its answer arrived; 0 when a fault kept
    /// it from taking effect.
    pub status: u16,
    /// Done by the cluster's own controllers, not asked through its API.
    pub own: bool,
    /// Who asked: the request's `User-Agent`, or a controller's name.
    pub user_agent: String,
    /// Asked with `dryRun=All`.
    pub dry_run: bool,
    /// What was true of the pod that a write was about, before it. `None` for other requests.
    pub truth: Option<Truth>,
}

impl Entry {
    /// Whether the request changes something, if it succeeds.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb, "get" | "list" | "watch")
    }
}

/// What was true of a pod when it was written to, whatever the API showed.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    /// The pod's UID.
    pub uid: String,
    /// The UID that the request asked for as a precondition, or named in its patch.
    pub wanted_uid: Option<String>,
    /// The node it is bound to; empty when none.
    pub node: String,
    /// That node had power.
    pub power: bool,
    /// Its kubelet ran.
    pub kubelet: bool,
    /// It could reach the API server.
    pub reachable: bool,
    /// This pod's containers were running there.
    pub containers_running: bool,
    /// Status of the Node's Ready condition; empty when there is no such Node or condition.
    pub node_ready: String,
    /// The Node carried `node.kubernetes.io/unreachable:NoExecute`.
    pub tainted: bool,
    /// Status of the pod's own Ready condition; empty when it has none.
    pub pod_ready: String,
    /// The pod was already being deleted.
    pub terminating: bool,
    /// The pod's `deletionGracePeriodSeconds` before the request.
    pub grace: Option<i64>,
}

impl Truth {
    /// Reads the world about a pod.
    pub fn of(world: &World, pod: &Pod, wanted_uid: Option<String>) -> Self {
        let node_key = node_name(pod).unwrap_or_default().to_owned();
        let machine = world.machines.get(&node_key);
        let node = world.nodes.get(&(String::new(), node_key.clone()));
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        Self {
            wanted_uid,
            power: machine.is_some_and(|machine| machine.power),
            kubelet: machine.is_some_and(|machine| machine.alive()),
            reachable: machine.is_some_and(|machine| machine.reachable),
            containers_running: machine.is_some_and(|machine| machine.running.contains(&uid)),
            node_ready: node
                .and_then(node_ready)
                .map(|ready| ready.status.clone())
                .unwrap_or_default(),
            tainted: node.is_some_and(has_unreachable_taint),
            pod_ready: pod_ready(pod)
                .map(|ready| ready.status.clone())
                .unwrap_or_default(),
            terminating: pod.metadata.deletion_timestamp.is_some(),
            grace: pod.metadata.deletion_grace_period_seconds,
            node: node_key,
            uid,
        }
    }
}
