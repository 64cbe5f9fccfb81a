//! PodGC: pods of nodes that no longer exist, and of nodes declared out of service.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use super::Controller;
use crate::demo::deletion::{Deletion, delete_as};
use crate::demo::objects::{
    OUT_OF_SERVICE, finished, is_node_ready, node_name, set_pod_condition, taints, terminating, uid,
};
use crate::demo::world::{Change, Key, World, key};

const ACTOR: &str = "pod-garbage-collector";

/// The controller; which nodes it misses, and since when, is lost by a restart.
pub(super) struct PodGc {
    tick: Timestamp,
    missing: BTreeMap<String, Timestamp>,
}

impl PodGc {
    pub(super) fn new(world: &World) -> Self {
        Self {
            tick: world.now + world.constants.gc_period,
            missing: BTreeMap::new(),
        }
    }

    fn pass(&mut self, world: &mut World) {
        let nodes: Vec<String> = world.occupied().cloned().collect();
        self.missing
            .retain(|node, _| !world.nodes.contains_key(&key("", node)));
        for name in nodes {
            match world.nodes.get(&key("", &name)) {
                None => {
                    let since = *self.missing.entry(name.clone()).or_insert(world.now);
                    if world.now >= since + world.constants.gc_quarantine {
                        for at in world.pods_on(&name) {
                            collect(world, &at);
                        }
                    }
                }
                Some(node) => {
                    let out = taints(node).iter().any(|taint| taint.key == OUT_OF_SERVICE);
                    if out && !is_node_ready(node) {
                        for at in world.pods_on(&name) {
                            if world.pods.get(&at).is_some_and(terminating) {
                                collect(world, &at);
                            }
                        }
                    }
                }
            }
        }
        let unbound: Vec<Key> = world.unbound().cloned().collect();
        for at in unbound {
            if world.pods.get(&at).is_some_and(terminating) {
                collect(world, &at);
            }
        }
    }
}

impl Controller for PodGc {
    fn observe(&mut self, _world: &World, _change: &Change) {}

    fn next(&self) -> Option<Timestamp> {
        Some(self.tick)
    }

    fn step(&mut self, world: &mut World) {
        self.tick = world.now + world.constants.gc_period;
        self.pass(world);
    }
}

/// Marks a pod Failed and deletes it without grace. A finalizer still holds it.
fn collect(world: &mut World, at: &Key) {
    let now = world.now;
    let Some(pod) = world.pods.get(at) else {
        return;
    };
    if pod.metadata.deletion_grace_period_seconds == Some(0) && finished(pod) {
        return;
    }
    let (uid, orphaned) = (uid(pod).to_owned(), node_name(pod).is_some());
    world.update::<Pod>(at, ACTOR, |pod| {
        if finished(pod) {
            return;
        }
        if orphaned {
            set_pod_condition(
                pod,
                "DisruptionTarget",
                "True",
                Some("DeletionByPodGC"),
                Some("PodGC: node no longer exists"),
                now,
            );
        }
        pod.status.get_or_insert_default().phase = Some("Failed".to_owned());
    });
    delete_as(world, ACTOR, at, &Deletion::now(&uid));
}
