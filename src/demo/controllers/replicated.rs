//! The ReplicaSet and the DaemonSet controller.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetStatus, ReplicaSet, ReplicaSetStatus};
use k8s_openapi::api::core::v1::{Node, Pod, Toleration};

use super::Controller;
use super::queue::Queue;
use super::template::{active, pod_of, ready_count, soon};
use crate::demo::constants::Constants;
use crate::demo::deletion::{Deletion, delete_as};
use crate::demo::objects::{
    NOT_READY, UNREACHABLE, UNSCHEDULABLE, finished, is_pod_ready, node_name, terminating, uid,
};
use crate::demo::world::{Change, Key, World, key_of};

/// The ReplicaSet controller: so many pods of any name. One that is being deleted does not count,
/// so its replacement does not wait for it.
#[derive(Default)]
pub(super) struct ReplicaSets {
    dirty: Queue<Key>,
}

impl Controller for ReplicaSets {
    fn observe(&mut self, world: &World, change: &Change) {
        let key = match change {
            Change::Workload("ReplicaSet", key) => key.clone(),
            Change::Pod {
                key,
                owner: Some((kind, name)),
                ..
            } if kind == "ReplicaSet" => (key.0.clone(), name.clone()),
            _ => return,
        };
        self.dirty.add(key, soon(world.now, &world.constants));
    }

    fn next(&self) -> Option<Timestamp> {
        self.dirty.next()
    }

    fn step(&mut self, world: &mut World) {
        while let Some(at) = self.dirty.pop(world.now) {
            sync_replicas(world, &at);
        }
    }
}

/// A pod of a ReplicaSet with a name of its own.
pub(in crate::demo) fn replica(set: &ReplicaSet, suffix: &str, constants: &Constants) -> Pod {
    let name = format!(
        "{}-{suffix}",
        set.metadata.name.as_deref().unwrap_or_default()
    );
    let template = set
        .spec
        .as_ref()
        .and_then(|spec| spec.template.clone())
        .unwrap_or_default();
    let mut pod = pod_of(set, &template, name, constants);
    pod.metadata.generate_name = set.metadata.name.as_ref().map(|name| format!("{name}-"));
    pod
}

fn sync_replicas(world: &mut World, at: &Key) {
    const ACTOR: &str = "replicaset-controller";
    let Some(set) = world.replicasets.get(at).cloned() else {
        return;
    };
    let owner = set.metadata.uid.clone().unwrap_or_default();
    let wanted = set
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1)
        .max(0) as usize;
    let mut alive: Vec<(bool, Key, String)> = world
        .pods_of(&owner)
        .filter(|pod| active(pod))
        .map(|pod| (is_pod_ready(pod), key_of(pod), uid(pod).to_owned()))
        .collect();
    alive.sort();
    if set.metadata.deletion_timestamp.is_none() {
        for _ in alive.len()..wanted {
            let suffix = world.suffix(5);
            let pod = replica(&set, &suffix, &world.constants);
            world.create(ACTOR, pod);
        }
        // Too many: those that are not Ready go first.
        for (_, at, uid) in alive.iter().take(alive.len().saturating_sub(wanted)) {
            let asked = Deletion {
                uid: Some(uid.clone()),
                ..Deletion::default()
            };
            delete_as(world, ACTOR, at, &asked);
        }
    }
    let pods: Vec<&Pod> = world.pods_of(&owner).filter(|pod| active(pod)).collect();
    let ready = ready_count(pods.iter().copied());
    let status = ReplicaSetStatus {
        replicas: i32::try_from(pods.len()).unwrap_or(i32::MAX),
        fully_labeled_replicas: Some(i32::try_from(pods.len()).unwrap_or(i32::MAX)),
        ready_replicas: Some(ready),
        available_replicas: Some(ready),
        observed_generation: set.metadata.generation,
        ..ReplicaSetStatus::default()
    };
    world.update::<ReplicaSet>(at, ACTOR, |set| set.status = Some(status));
}

/// The DaemonSet controller: one pod on every node, whatever its taints.
#[derive(Default)]
pub(super) struct DaemonSets {
    dirty: Queue<Key>,
    nodes: BTreeSet<String>,
}

impl Controller for DaemonSets {
    fn observe(&mut self, world: &World, change: &Change) {
        let at = soon(world.now, &world.constants);
        match change {
            Change::Workload("DaemonSet", key) => self.dirty.add(key.clone(), at),
            Change::Pod {
                key,
                owner: Some((kind, name)),
                ..
            } if kind == "DaemonSet" => {
                self.dirty.add((key.0.clone(), name.clone()), at);
            }
            Change::Node(node) => {
                let exists = world.get::<Node>("", node).is_some();
                let news = match exists {
                    true => self.nodes.insert(node.clone()),
                    false => self.nodes.remove(node),
                };
                if !news {
                    return;
                }
                for key in world.daemonsets.keys() {
                    self.dirty.add(key.clone(), at);
                }
            }
            _ => {}
        }
    }

    fn next(&self) -> Option<Timestamp> {
        self.dirty.next()
    }

    fn step(&mut self, world: &mut World) {
        while let Some(at) = self.dirty.pop(world.now) {
            sync_daemons(world, &at);
        }
    }
}

/// A DaemonSet's pod on one node, with the tolerations that keep it there.
pub(in crate::demo) fn daemon(
    set: &DaemonSet,
    node: &str,
    suffix: &str,
    constants: &Constants,
) -> Pod {
    let name = format!(
        "{}-{suffix}",
        set.metadata.name.as_deref().unwrap_or_default()
    );
    let template = set
        .spec
        .as_ref()
        .map(|spec| spec.template.clone())
        .unwrap_or_default();
    let mut pod = pod_of(set, &template, name, constants);
    pod.metadata.generate_name = set.metadata.name.as_ref().map(|name| format!("{name}-"));
    let spec = pod.spec.get_or_insert_default();
    spec.node_name = Some(node.to_owned());
    let forever = |key: &str, effect: &str| Toleration {
        key: Some(key.to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some(effect.to_owned()),
        ..Toleration::default()
    };
    let tolerations = spec.tolerations.get_or_insert_default();
    tolerations.retain(|one| one.toleration_seconds.is_none());
    tolerations.extend([
        forever(NOT_READY, "NoExecute"),
        forever(UNREACHABLE, "NoExecute"),
        forever(UNSCHEDULABLE, "NoSchedule"),
    ]);
    pod
}

fn sync_daemons(world: &mut World, at: &Key) {
    const ACTOR: &str = "daemonset-controller";
    let Some(set) = world.daemonsets.get(at).cloned() else {
        return;
    };
    let owner = set.metadata.uid.clone().unwrap_or_default();
    let mut missing: BTreeSet<String> = world.nodes.keys().map(|(_, name)| name.clone()).collect();
    let mut failed = Vec::new();
    for pod in world.pods_of(&owner) {
        let here = node_name(pod).is_some_and(|node| missing.remove(node));
        if (finished(pod) || !here) && !terminating(pod) {
            failed.push((key_of(pod), uid(pod).to_owned()));
        }
    }
    for (at, uid) in failed {
        let asked = Deletion {
            uid: Some(uid),
            ..Deletion::default()
        };
        delete_as(world, ACTOR, &at, &asked);
    }
    if set.metadata.deletion_timestamp.is_none() {
        for node in missing {
            let suffix = world.suffix(5);
            let pod = daemon(&set, &node, &suffix, &world.constants);
            world.create(ACTOR, pod);
        }
    }
    let nodes = i32::try_from(world.nodes.len()).unwrap_or(i32::MAX);
    let pods: Vec<&Pod> = world.pods_of(&owner).collect();
    let ready = ready_count(pods.iter().copied());
    let scheduled = i32::try_from(pods.len()).unwrap_or(i32::MAX);
    let status = DaemonSetStatus {
        desired_number_scheduled: nodes,
        current_number_scheduled: scheduled,
        number_ready: ready,
        number_available: Some(ready),
        number_unavailable: Some(nodes - ready),
        updated_number_scheduled: Some(scheduled),
        observed_generation: set.metadata.generation,
        ..DaemonSetStatus::default()
    };
    world.update::<DaemonSet>(at, ACTOR, |set| set.status = Some(status));
}
