//! What a kubelet reports about its node.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeCondition};

use crate::demo::world::time;

const CONDITIONS: [&str; 4] = ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"];

/// Status, reason and message of a condition as a kubelet sees it.
fn truth(kind: &str, healthy: bool) -> (&'static str, &'static str, &'static str) {
    match (kind, healthy) {
        ("Ready", true) => ("True", "KubeletReady", "kubelet is posting ready status"),
        ("Ready", false) => ("False", "KubeletNotReady", "container runtime is down"),
        ("MemoryPressure", _) => (
            "False",
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        ("DiskPressure", _) => (
            "False",
            "KubeletHasNoDiskPressure",
            "kubelet has no disk pressure",
        ),
        _ => (
            "False",
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
    }
}

/// Whether the node's status says anything else than its kubelet would.
pub(super) fn is_wrong(node: &Node, healthy: bool) -> bool {
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref());
    CONDITIONS.iter().any(|kind| {
        conditions
            .unwrap_or_default()
            .iter()
            .find(|one| one.type_ == *kind)
            .is_none_or(|one| one.status != truth(kind, healthy).0)
    })
}

/// Whether the last heartbeat, by the kubelet's clock, is `every` old.
pub(super) fn is_stale(node: &Node, now: Timestamp, every: Duration) -> bool {
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref());
    let ready = conditions
        .unwrap_or_default()
        .iter()
        .find(|one| one.type_ == "Ready");
    ready
        .and_then(|ready| ready.last_heartbeat_time.as_ref())
        .is_none_or(|last| now.duration_since(last.0).unsigned_abs() >= every)
}

/// Writes the node's conditions as its kubelet sees them, stamped by the kubelet's clock. A node
/// that its kubelet registers has all of them from the start.
pub(in crate::demo) fn report(node: &mut Node, healthy: bool, now: Timestamp) {
    let conditions = node
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default();
    for kind in CONDITIONS {
        if !conditions.iter().any(|one| one.type_ == kind) {
            conditions.push(NodeCondition {
                type_: kind.to_owned(),
                ..NodeCondition::default()
            });
        }
    }
    for one in conditions
        .iter_mut()
        .filter(|one| CONDITIONS.contains(&one.type_.as_str()))
    {
        let (status, reason, message) = truth(&one.type_, healthy);
        if one.status != status {
            one.last_transition_time = Some(time(now));
        }
        one.status = status.to_owned();
        one.reason = Some(reason.to_owned());
        one.message = Some(message.to_owned());
        one.last_heartbeat_time = Some(time(now));
    }
}
