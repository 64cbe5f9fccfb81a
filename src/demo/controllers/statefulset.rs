//! The StatefulSet controller: stable names, ordinals in order or in parallel, rolling updates.
//!
//! After `pkg/controller/statefulset/stateful_set_control.go`: a name is made again only once it
//! is free, so a pod that hangs in deletion on a dead node keeps its replacement away.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::{PersistentVolumeClaimVolumeSource, Pod, Volume};

use super::Controller;
use super::queue::Queue;
use super::template::{active, owner_reference, pod_of, ready_count, revision_of, soon};
use crate::demo::constants::Constants;
use crate::demo::deletion::{Deletion, delete_as};
use crate::demo::objects::{finished, is_pod_ready, terminating, uid};
use crate::demo::world::{Change, Key, World, controller, key, key_of};

const ACTOR: &str = "statefulset-controller";
const REVISION_LABEL: &str = "controller-revision-hash";

/// The controller.
#[derive(Default)]
pub(super) struct StatefulSets {
    dirty: Queue<Key>,
}

impl Controller for StatefulSets {
    fn observe(&mut self, world: &World, change: &Change) {
        let key = match change {
            Change::Workload("StatefulSet", key) => key.clone(),
            Change::Pod {
                key,
                owner: Some((kind, name)),
                ..
            } if kind == "StatefulSet" => (key.0.clone(), name.clone()),
            _ => return,
        };
        self.dirty.add(key, soon(world.now, &world.constants));
    }

    fn next(&self) -> Option<Timestamp> {
        self.dirty.next()
    }

    fn step(&mut self, world: &mut World) {
        while let Some(at) = self.dirty.pop(world.now) {
            sync(world, &at);
        }
    }
}

/// A StatefulSet's pod of one ordinal, with its identity and its claims.
pub(in crate::demo) fn member(set: &StatefulSet, ordinal: i32, constants: &Constants) -> Pod {
    let spec = set.spec.clone().unwrap_or_default();
    let name = member_name(set, ordinal);
    let mut pod = pod_of(set, &spec.template, name.clone(), constants);
    pod.metadata.generate_name = set.metadata.name.as_ref().map(|name| format!("{name}-"));
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(
        "statefulset.kubernetes.io/pod-name".to_owned(),
        name.clone(),
    );
    labels.insert(
        "apps.kubernetes.io/pod-index".to_owned(),
        ordinal.to_string(),
    );
    labels.insert(REVISION_LABEL.to_owned(), update_revision(set));
    let pod_spec = pod.spec.get_or_insert_default();
    pod_spec.hostname = Some(name.clone());
    pod_spec.subdomain.clone_from(&spec.service_name);
    for template in spec.volume_claim_templates.iter().flatten() {
        let claim = template.metadata.name.clone().unwrap_or_default();
        pod_spec.volumes.get_or_insert_default().push(Volume {
            name: claim.clone(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: format!("{claim}-{name}"),
                read_only: None,
            }),
            ..Volume::default()
        });
    }
    pod
}

fn member_name(set: &StatefulSet, ordinal: i32) -> String {
    format!(
        "{}-{ordinal}",
        set.metadata.name.as_deref().unwrap_or_default()
    )
}

fn update_revision(set: &StatefulSet) -> String {
    let template = set.spec.as_ref().map(|spec| revision_of(&spec.template));
    format!(
        "{}-{}",
        set.metadata.name.as_deref().unwrap_or_default(),
        template.unwrap_or_default()
    )
}

fn revision(pod: &Pod) -> &str {
    pod.metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(REVISION_LABEL))
        .map_or("", |it| it)
}

fn sync(world: &mut World, at: &Key) {
    let Some(set) = world.statefulsets.get(at).cloned() else {
        return;
    };
    if set.metadata.deletion_timestamp.is_none() {
        reconcile(world, &set);
    }
    update_status(world, &set);
}

/// One pass: at most one step in order, or as much as there is to do in parallel.
fn reconcile(world: &mut World, set: &StatefulSet) {
    let spec = set.spec.clone().unwrap_or_default();
    let replicas = spec.replicas.unwrap_or(1);
    let ordered = spec.pod_management_policy.as_deref() != Some("Parallel");
    let owner = set.metadata.uid.clone().unwrap_or_default();
    let namespace = set.metadata.namespace.clone().unwrap_or_default();

    for ordinal in 0..replicas {
        let at = key(&namespace, &member_name(set, ordinal));
        adopt(world, set, &at);
        match world.pods.get(&at) {
            None => {
                let pod = member(set, ordinal, &world.constants);
                world.create(ACTOR, pod);
            }
            Some(pod) if finished(pod) && !terminating(pod) => {
                let uid = uid(pod).to_owned();
                delete_as(world, ACTOR, &at, &ordinary(uid));
            }
            Some(pod) if active(pod) && is_pod_ready(pod) => continue,
            Some(_) => {}
        }
        // The next ordinal waits until this one is Ready.
        if ordered {
            return;
        }
    }

    let mut members = BTreeMap::new();
    for pod in world.pods_of(&owner) {
        if let Some(ordinal) = ordinal_of(set, pod) {
            members.insert(
                ordinal,
                (key_of(pod), uid(pod).to_owned(), terminating(pod)),
            );
        }
    }
    for (ordinal, (at, uid, terminating)) in members.iter().rev() {
        if *ordinal < replicas {
            break;
        }
        if !terminating {
            delete_as(world, ACTOR, at, &ordinary(uid.clone()));
        }
        if ordered {
            return;
        }
    }

    if spec
        .update_strategy
        .and_then(|strategy| strategy.type_)
        .as_deref()
        == Some("OnDelete")
    {
        return;
    }
    let wanted = update_revision(set);
    for ordinal in (0..replicas).rev() {
        let at = key(&namespace, &member_name(set, ordinal));
        let Some(pod) = world.pods.get(&at) else {
            return;
        };
        if revision(pod) != wanted && !terminating(pod) {
            let uid = uid(pod).to_owned();
            delete_as(world, ACTOR, &at, &ordinary(uid));
            return;
        }
        if !active(pod) || !is_pod_ready(pod) {
            return;
        }
    }
}

/// A pod of its name and labels that nobody controls becomes its own.
fn adopt(world: &mut World, set: &StatefulSet, at: &Key) {
    let selector = set.spec.as_ref().map(|spec| &spec.selector);
    let wanted = selector.and_then(|selector| selector.match_labels.clone());
    let stray = world.pods.get(at).is_some_and(|pod| {
        let labels = pod.metadata.labels.clone().unwrap_or_default();
        let mut wanted = wanted.iter().flatten();
        controller(&pod.metadata).is_none()
            && !terminating(pod)
            && wanted.all(|(key, value)| labels.get(key) == Some(value))
    });
    if stray {
        world.update::<Pod>(at, ACTOR, |pod| {
            let owners = pod.metadata.owner_references.get_or_insert_default();
            owners.push(owner_reference(set));
        });
    }
}

fn ordinary(uid: String) -> Deletion {
    Deletion {
        uid: Some(uid),
        ..Deletion::default()
    }
}

fn ordinal_of(set: &StatefulSet, pod: &Pod) -> Option<i32> {
    let name = pod.metadata.name.as_deref()?;
    name.strip_prefix(set.metadata.name.as_deref()?)?
        .strip_prefix('-')?
        .parse()
        .ok()
}

fn update_status(world: &mut World, set: &StatefulSet) {
    let owner = set.metadata.uid.clone().unwrap_or_default();
    let pods: Vec<&Pod> = world.pods_of(&owner).collect();
    let wanted = update_revision(set);
    let ready = ready_count(pods.iter().copied());
    let count = |matching: &dyn Fn(&Pod) -> bool| {
        i32::try_from(pods.iter().filter(|pod| matching(pod)).count()).unwrap_or(i32::MAX)
    };
    let updated = count(&|pod| revision(pod) == wanted);
    let replicas = count(&|_| true);
    let old = set.status.clone().unwrap_or_default();
    let current = match old.current_revision.clone() {
        Some(current) if updated < replicas => current,
        _ => wanted.clone(),
    };
    let status = StatefulSetStatus {
        replicas,
        ready_replicas: Some(ready),
        available_replicas: Some(ready),
        current_replicas: Some(count(&|pod| revision(pod) == current)),
        updated_replicas: Some(updated),
        current_revision: Some(current),
        update_revision: Some(wanted),
        observed_generation: set.metadata.generation,
        ..old
    };
    world.update::<StatefulSet>(&key_of(set), ACTOR, |set| set.status = Some(status));
}
