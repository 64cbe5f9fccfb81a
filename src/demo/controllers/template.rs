//! Pods as the workload controllers make them, and as admission completes them.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodStatus, PodTemplateSpec, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::demo::constants::Constants;
use crate::demo::objects::{NOT_READY, UNREACHABLE, finished, is_pod_ready, terminating};
use crate::demo::world::Kind;

/// A pod of a template, owned by `owner`, not bound to a node.
pub(in crate::demo) fn pod_of<K: Kind>(
    owner: &K,
    template: &PodTemplateSpec,
    name: String,
    constants: &Constants,
) -> Pod {
    let meta = owner.metadata();
    let mut pod = Pod {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: meta.namespace.clone(),
            owner_references: Some(vec![owner_reference(owner)]),
            ..template.metadata.clone().unwrap_or_default()
        },
        spec: template.spec.clone(),
        status: None,
    };
    admit(&mut pod, constants);
    pod
}

/// What the API server's admission and defaulting add to every new pod.
pub(in crate::demo) fn admit(pod: &mut Pod, constants: &Constants) {
    pod.metadata.generation.get_or_insert(1);
    let spec = pod.spec.get_or_insert_default();
    default_spec(spec);
    spec.enable_service_links.get_or_insert(true);
    spec.priority.get_or_insert(0);
    spec.preemption_policy
        .get_or_insert_with(|| "PreemptLowerPriority".to_owned());
    spec.service_account_name
        .get_or_insert_with(|| "default".to_owned());
    default_tolerations(spec, constants);
    let status = pod.status.get_or_insert_with(PodStatus::default);
    status.phase.get_or_insert_with(|| "Pending".to_owned());
    status
        .qos_class
        .get_or_insert_with(|| "BestEffort".to_owned());
}

/// What the API server adds to a pod's spec, in a template too.
pub(in crate::demo) fn default_spec(spec: &mut PodSpec) {
    let text = |field: &mut Option<String>, value: &str| {
        field.get_or_insert_with(|| value.to_owned());
    };
    text(&mut spec.restart_policy, "Always");
    text(&mut spec.scheduler_name, "default-scheduler");
    text(&mut spec.dns_policy, "ClusterFirst");
    spec.termination_grace_period_seconds.get_or_insert(30);
    spec.security_context.get_or_insert_default();
    for one in &mut spec.containers {
        let latest = one.image.as_ref().is_none_or(|image| {
            let name = image.rsplit('/').next().unwrap_or_default();
            !name.contains(':') || name.ends_with(":latest")
        });
        let policy = if latest { "Always" } else { "IfNotPresent" };
        text(&mut one.image_pull_policy, policy);
        text(&mut one.termination_message_path, "/dev/termination-log");
        text(&mut one.termination_message_policy, "File");
        one.resources.get_or_insert_default();
    }
}

/// The DefaultTolerationSeconds admission plugin.
fn default_tolerations(spec: &mut PodSpec, constants: &Constants) {
    let known = spec.tolerations.get_or_insert_default();
    for key in [NOT_READY, UNREACHABLE] {
        let covered = known.iter().any(|one| {
            one.key.as_deref().is_none_or(|known| known == key)
                && one
                    .effect
                    .as_deref()
                    .is_none_or(|effect| effect == "NoExecute")
        });
        if !covered {
            known.push(Toleration {
                key: Some(key.to_owned()),
                operator: Some("Exists".to_owned()),
                effect: Some("NoExecute".to_owned()),
                toleration_seconds: Some(constants.toleration.as_secs().cast_signed()),
                value: None,
            });
        }
    }
}

/// The reference by which an object owns what its controller makes.
pub(in crate::demo) fn owner_reference<K: Kind>(owner: &K) -> OwnerReference {
    let meta = owner.metadata();
    OwnerReference {
        api_version: K::API_VERSION.to_owned(),
        kind: K::KIND.to_owned(),
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// A short hash of a template, as revisions carry in their names.
pub(in crate::demo) fn revision_of(template: &PodTemplateSpec) -> String {
    let text = serde_json::to_string(template).unwrap_or_default();
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("{hash:08x}")
}

/// Whether a pod counts as one of its workload's replicas.
pub(super) fn active(pod: &Pod) -> bool {
    !terminating(pod) && !finished(pod)
}

/// Ready pods among some, as a status reports them.
pub(super) fn ready_count<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> i32 {
    let ready = pods.into_iter().filter(|pod| is_pod_ready(pod)).count();
    i32::try_from(ready).unwrap_or(i32::MAX)
}

/// When a workload controller gets to a change that it hears of now.
pub(super) fn soon(now: Timestamp, constants: &Constants) -> Timestamp {
    now + constants.reaction
}
