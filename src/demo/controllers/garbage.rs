//! The garbage collector: what a deleted object owned goes too.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;

use super::Controller;
use super::queue::Queue;
use crate::demo::deletion::{Deletion, delete_as};
use crate::demo::objects::{terminating, uid};
use crate::demo::world::{Change, Key, LEASES, World, controller, key, key_of};

const ACTOR: &str = "generic-garbage-collector";

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    /// The Lease of a node that is gone.
    Lease(String),
    /// What a workload that is gone owned.
    Owned,
}

/// The collector.
#[derive(Default)]
pub(super) struct Garbage {
    tasks: Queue<Task>,
}

impl Controller for Garbage {
    fn observe(&mut self, world: &World, change: &Change) {
        let at = world.now + world.constants.owner_gc_delay;
        match change {
            Change::Node(name) if !world.nodes.contains_key(&key("", name)) => {
                self.tasks.add(Task::Lease(name.clone()), at);
            }
            Change::Workload(kind, key) if !has_workload(world, kind, key) => {
                self.tasks.add(Task::Owned, at);
            }
            _ => {}
        }
    }

    fn next(&self) -> Option<Timestamp> {
        self.tasks.next()
    }

    fn step(&mut self, world: &mut World) {
        while let Some(task) = self.tasks.pop(world.now) {
            match task {
                Task::Lease(node) => collect_lease(world, &node),
                Task::Owned => {
                    collect_replicasets(world);
                    collect_pods(world);
                }
            }
        }
    }
}

fn has_workload(world: &World, kind: &str, key: &Key) -> bool {
    match kind {
        "StatefulSet" => world.statefulsets.contains_key(key),
        "Deployment" => world.deployments.contains_key(key),
        "ReplicaSet" => world.replicasets.contains_key(key),
        _ => world.daemonsets.contains_key(key),
    }
}

/// A Lease without an owner outlives its node.
fn collect_lease(world: &mut World, node: &str) {
    let at = key(LEASES, node);
    let owner = world.leases.get(&at).and_then(|lease| {
        Some(
            lease
                .metadata
                .owner_references
                .as_ref()?
                .first()?
                .uid
                .clone(),
        )
    });
    let lives = world
        .nodes
        .get(&key("", node))
        .and_then(|node| node.metadata.uid.clone());
    if owner.is_some() && owner != lives {
        world.remove::<Lease>(&at);
    }
}

fn collect_replicasets(world: &mut World) {
    let alive: BTreeSet<_> = world
        .deployments
        .values()
        .map(|one| one.metadata.uid.as_deref())
        .collect();
    let orphan = |set: &&ReplicaSet| {
        let owner = controller(&set.metadata).filter(|owner| owner.kind == "Deployment");
        owner.is_some_and(|owner| !alive.contains(&Some(owner.uid.as_str())))
    };
    let gone: Vec<Key> = world
        .replicasets
        .values()
        .filter(orphan)
        .map(key_of)
        .collect();
    for at in gone {
        world.remove::<ReplicaSet>(&at);
    }
}

/// Other owners (a Node, a Job) are not simulated: their pods are left alone.
fn by_workload(pod: &Pod) -> bool {
    controller(&pod.metadata)
        .is_some_and(|owner| matches!(&*owner.kind, "StatefulSet" | "ReplicaSet" | "DaemonSet"))
}

fn collect_pods(world: &mut World) {
    let owners: Vec<String> = world.owners().cloned().collect();
    let alive = |uid: &String| {
        let is = |known: &Option<String>| known.as_ref() == Some(uid);
        world.statefulsets.values().any(|set| is(&set.metadata.uid))
            || world.replicasets.values().any(|set| is(&set.metadata.uid))
            || world.daemonsets.values().any(|set| is(&set.metadata.uid))
    };
    let gone: Vec<String> = owners.into_iter().filter(|uid| !alive(uid)).collect();
    for owner in gone {
        let pods: Vec<(Key, String)> = world
            .pods_of(&owner)
            .filter(|pod| !terminating(pod) && by_workload(pod))
            .map(|pod| (key_of(pod), uid(pod).to_owned()))
            .collect();
        for (at, uid) in pods {
            let asked = Deletion {
                uid: Some(uid),
                ..Deletion::default()
            };
            delete_as(world, ACTOR, &at, &asked);
        }
    }
}
