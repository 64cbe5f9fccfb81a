//! What the node lifecycle controller writes: conditions, taints, the pods' Ready.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Pod, Taint};

use crate::demo::objects::{
    NOT_READY, UNREACHABLE, UNSCHEDULABLE, is_pod_ready, node_ready, phase, set_pod_condition,
};
use crate::demo::world::{World, key, time};

/// The name under which it writes.
pub(super) const MANAGER: &str = "kube-controller-manager";

/// A node that is not heard of: its conditions are not known any more.
pub(super) fn set_unknown(node: &mut Node, now: Timestamp) {
    let created = node.metadata.creation_timestamp.clone();
    let conditions = node
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default();
    for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
        match conditions.iter_mut().find(|one| one.type_ == kind) {
            Some(one) if one.status == "Unknown" => {}
            Some(one) => {
                one.status = "Unknown".to_owned();
                one.reason = Some("NodeStatusUnknown".to_owned());
                one.message = Some("Kubelet stopped posting node status.".to_owned());
                one.last_transition_time = Some(time(now));
            }
            None => conditions.push(NodeCondition {
                type_: kind.to_owned(),
                status: "Unknown".to_owned(),
                reason: Some("NodeStatusNeverUpdated".to_owned()),
                message: Some("Kubelet never posted node status.".to_owned()),
                last_heartbeat_time: created.clone(),
                last_transition_time: Some(time(now)),
            }),
        }
    }
}

/// Turns the Ready of a node's pods False.
pub(super) fn mark_pods_not_ready(world: &mut World, node: &str) {
    let now = world.now;
    for at in world.pods_on(node) {
        world.update::<Pod>(&at, MANAGER, |pod| {
            if is_pod_ready(pod) && phase(pod) == "Running" {
                set_pod_condition(pod, "Ready", "False", None, None, now);
            }
        });
    }
}

/// Brings a node's NoSchedule taints in line with its Ready and its cordon.
pub(super) fn no_schedule_taints(world: &mut World, node: &str) {
    let now = world.now;
    world.update::<Node>(&key("", node), MANAGER, |node| {
        let ready = node_ready(node).map_or("", |ready| ready.status.as_str());
        let cordoned = node
            .spec
            .as_ref()
            .is_some_and(|spec| spec.unschedulable == Some(true));
        let wanted = [
            (NOT_READY, ready == "False"),
            (UNREACHABLE, ready == "Unknown"),
            (UNSCHEDULABLE, cordoned),
        ];
        for (taint, wanted) in wanted {
            match wanted {
                true => add_taint(node, taint, "NoSchedule", now),
                false => drop_taint(node, taint, "NoSchedule"),
            }
        }
    });
}

/// Puts a taint, unless it is there.
pub(super) fn add_taint(node: &mut Node, key: &str, effect: &str, now: Timestamp) {
    let taints = node
        .spec
        .get_or_insert_default()
        .taints
        .get_or_insert_default();
    if taints
        .iter()
        .any(|taint| taint.key == key && taint.effect == effect)
    {
        return;
    }
    taints.push(Taint {
        key: key.to_owned(),
        effect: effect.to_owned(),
        time_added: Some(time(now)),
        value: None,
    });
}

/// Takes a taint off.
pub(super) fn drop_taint(node: &mut Node, key: &str, effect: &str) {
    let Some(spec) = &mut node.spec else { return };
    if let Some(taints) = &mut spec.taints {
        taints.retain(|taint| taint.key != key || taint.effect != effect);
        if taints.is_empty() {
            spec.taints = None;
        }
    }
}
