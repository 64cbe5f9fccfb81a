//! Small readers and makers of Kubernetes objects that several rooms of the simulation share.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
    ContainerStatus, Node, NodeCondition, Pod, PodCondition, PodIP, PodStatus, Taint, Toleration,
};

use super::world::time;

/// Taint key of a node that is not heard of.
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// Taint key of a node whose kubelet reports trouble.
pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// Taint key of a cordoned node.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// Taint key by which a person says that a node is really off.
pub const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// A node's Ready condition.
pub fn node_ready(node: &Node) -> Option<&NodeCondition> {
    node.status
        .as_ref()?
        .conditions
        .as_ref()?
        .iter()
        .find(|one| one.type_ == "Ready")
}

/// Whether a node's Ready condition is `True`.
pub fn is_node_ready(node: &Node) -> bool {
    node_ready(node).is_some_and(|ready| ready.status == "True")
}

/// A node's taints.
pub fn taints(node: &Node) -> &[Taint] {
    node.spec
        .as_ref()
        .and_then(|spec| spec.taints.as_deref())
        .unwrap_or_default()
}

/// Whether a node carries a taint of that key and effect.
pub fn has_taint(node: &Node, key: &str, effect: &str) -> bool {
    taints(node)
        .iter()
        .any(|taint| taint.key == key && taint.effect == effect)
}

/// Whether a node carries the taint that evicts pods from a node that is not heard of.
pub fn has_unreachable_taint(node: &Node) -> bool {
    has_taint(node, UNREACHABLE, "NoExecute")
}

/// A pod's Ready condition.
pub fn pod_ready(pod: &Pod) -> Option<&PodCondition> {
    pod.status
        .as_ref()?
        .conditions
        .as_ref()?
        .iter()
        .find(|one| one.type_ == "Ready")
}

/// Whether a pod's Ready condition is `True`.
pub fn is_pod_ready(pod: &Pod) -> bool {
    pod_ready(pod).is_some_and(|ready| ready.status == "True")
}

/// The node a pod is bound to.
pub fn node_name(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

/// A pod's phase, `Pending` when it has none.
pub fn phase(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or("Pending")
}

/// Whether a pod is being deleted.
pub fn terminating(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Whether a pod has ended for good.
pub fn finished(pod: &Pod) -> bool {
    matches!(phase(pod), "Failed" | "Succeeded")
}

/// A pod's UID.
pub fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

/// The names of the volume claims that a pod uses.
pub fn claims(pod: &Pod) -> impl Iterator<Item = &str> {
    pod.spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten())
        .filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.as_str()))
}

/// Whether a toleration covers a taint, as `Toleration.ToleratesTaint` has it.
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or_default();
    let key = toleration.key.as_deref().unwrap_or_default();
    if (!effect.is_empty() && effect != taint.effect) || (!key.is_empty() && key != taint.key) {
        return false;
    }
    match toleration.operator.as_deref() {
        Some("Exists") => true,
        _ => {
            !key.is_empty()
                && toleration.value.as_deref().unwrap_or_default()
                    == taint.value.as_deref().unwrap_or_default()
        }
    }
}

/// A pod's tolerations.
pub fn tolerations(pod: &Pod) -> &[Toleration] {
    pod.spec
        .as_ref()
        .and_then(|spec| spec.tolerations.as_deref())
        .unwrap_or_default()
}

/// Sets a condition of a pod; the transition time moves only when the status does.
pub fn set_pod_condition(
    pod: &mut Pod,
    kind: &str,
    status: &str,
    reason: Option<&str>,
    message: Option<&str>,
    now: Timestamp,
) {
    let conditions = pod
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default();
    let known = conditions.iter().position(|one| one.type_ == kind);
    let since = match known.map(|at| &conditions[at]) {
        Some(old) if old.status == status => old.last_transition_time.clone(),
        _ => Some(time(now)),
    };
    let condition = PodCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.map(str::to_owned),
        message: message.map(str::to_owned),
        last_transition_time: since,
        observed_generation: (kind == "DisruptionTarget")
            .then_some(pod.metadata.generation)
            .flatten(),
        ..PodCondition::default()
    };
    match known {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
}

/// A pod's status as its kubelet reports it once everything runs.
pub fn set_running(pod: &mut Pod, address: &str, now: Timestamp) {
    for kind in [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
    ] {
        set_pod_condition(pod, kind, "True", None, None, now);
    }
    set_containers(pod, true, || ContainerState {
        running: Some(ContainerStateRunning {
            started_at: Some(time(now)),
        }),
        ..ContainerState::default()
    });
    let status = pod.status.get_or_insert_default();
    status.phase = Some("Running".to_owned());
    status.pod_ip = Some(address.to_owned());
    status.pod_ips = Some(vec![PodIP {
        ip: address.to_owned(),
    }]);
    status.start_time.get_or_insert_with(|| time(now));
}

/// A pod's status as its kubelet reports it while its containers are being created.
pub fn set_creating(pod: &mut Pod, now: Timestamp) {
    let names: Vec<String> = container_names(pod);
    let message = format!("containers with unready status: [{}]", names.join(" "));
    set_pod_condition(pod, "Initialized", "True", None, None, now);
    for kind in ["Ready", "ContainersReady"] {
        set_pod_condition(
            pod,
            kind,
            "False",
            Some("ContainersNotReady"),
            Some(&message),
            now,
        );
    }
    set_containers(pod, false, || ContainerState {
        waiting: Some(ContainerStateWaiting {
            reason: Some("ContainerCreating".to_owned()),
            message: None,
        }),
        ..ContainerState::default()
    });
    let status = pod.status.get_or_insert_default();
    status.phase = Some("Pending".to_owned());
    status.start_time.get_or_insert_with(|| time(now));
}

/// A pod's status as its kubelet reports it once the containers have been stopped.
pub fn set_stopped(pod: &mut Pod, now: Timestamp) {
    for kind in ["Ready", "ContainersReady"] {
        set_pod_condition(pod, kind, "False", Some("PodCompleted"), None, now);
    }
    set_containers(pod, false, || ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: 0,
            reason: Some("Completed".to_owned()),
            finished_at: Some(time(now)),
            ..ContainerStateTerminated::default()
        }),
        ..ContainerState::default()
    });
    pod.status.get_or_insert_default().phase = Some("Succeeded".to_owned());
}

fn container_names(pod: &Pod) -> Vec<String> {
    pod.spec
        .iter()
        .flat_map(|spec| {
            spec.containers
                .iter()
                .map(|container| container.name.clone())
        })
        .collect()
}

/// Sets the state of all containers; one that is in that kind of state already keeps it.
fn set_containers(pod: &mut Pod, ready: bool, state: impl Fn() -> ContainerState) {
    let images: Vec<(String, String)> = pod
        .spec
        .iter()
        .flat_map(|spec| &spec.containers)
        .map(|one| (one.name.clone(), one.image.clone().unwrap_or_default()))
        .collect();
    let status: &mut PodStatus = pod.status.get_or_insert_default();
    let old = status.container_statuses.take().unwrap_or_default();
    status.container_statuses = Some(
        images
            .into_iter()
            .map(|(name, image)| {
                let before = old.iter().find(|one| one.name == name);
                let new = state();
                let same = before.and_then(|one| one.state.clone()).filter(|old| {
                    old.running.is_some() == new.running.is_some()
                        && old.waiting.is_some() == new.waiting.is_some()
                });
                ContainerStatus {
                    image_id: format!("docker.io/{image}@sha256:0"),
                    name,
                    image,
                    ready,
                    restart_count: before.map_or(0, |one| one.restart_count),
                    started: Some(ready),
                    state: Some(same.unwrap_or(new)),
                    ..ContainerStatus::default()
                }
            })
            .collect(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toleration(key: &str, operator: &str, effect: &str) -> Toleration {
        Toleration {
            key: (!key.is_empty()).then(|| key.to_owned()),
            operator: Some(operator.to_owned()),
            effect: (!effect.is_empty()).then(|| effect.to_owned()),
            ..Toleration::default()
        }
    }

    #[test]
    fn tolerations_match_as_in_kubernetes() {
        let taint = Taint {
            key: UNREACHABLE.to_owned(),
            effect: "NoExecute".to_owned(),
            ..Taint::default()
        };
        assert!(tolerates(
            &toleration(UNREACHABLE, "Exists", "NoExecute"),
            &taint
        ));
        assert!(tolerates(&toleration("", "Exists", ""), &taint));
        assert!(tolerates(&toleration(UNREACHABLE, "Equal", ""), &taint));
        assert!(!tolerates(
            &toleration(NOT_READY, "Exists", "NoExecute"),
            &taint
        ));
        assert!(!tolerates(
            &toleration(UNREACHABLE, "Exists", "NoSchedule"),
            &taint
        ));
    }

    #[test]
    fn a_conditions_time_moves_with_its_status_only() {
        let mut pod = Pod::default();
        let first = Timestamp::constant(100, 0);
        let later = Timestamp::constant(200, 0);
        set_pod_condition(&mut pod, "Ready", "True", None, None, first);
        set_pod_condition(&mut pod, "Ready", "True", Some("Other"), None, later);
        assert_eq!(
            pod_ready(&pod).unwrap().last_transition_time,
            Some(time(first))
        );
        set_pod_condition(&mut pod, "Ready", "False", None, None, later);
        assert_eq!(
            pod_ready(&pod).unwrap().last_transition_time,
            Some(time(later))
        );
    }
}
