//! The taint eviction controller: NoExecute taints end pods whose toleration is over.
//!
//! The eviction is an ordinary delete, with the pod's own grace: on a dead node it never ends.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use super::Controller;
use super::queue::Queue;
use crate::demo::deletion::{Deletion, delete_as};
use crate::demo::objects::{
    node_name, set_pod_condition, taints, terminating, tolerates, tolerations, uid,
};
use crate::demo::world::{Change, Key, World, key};

const ACTOR: &str = "taint-eviction-controller";

/// The controller; its timers are lost by a restart.
#[derive(Default)]
pub(super) struct TaintEviction {
    /// Pods by key and UID, and when they are to be evicted.
    timers: Queue<(Key, String)>,
}

impl TaintEviction {
    fn consider(&mut self, world: &World, at: &Key) {
        let Some(pod) = world.pods.get(at) else {
            return;
        };
        let item = (at.clone(), uid(pod).to_owned());
        let Some(node) = node_name(pod).and_then(|node| world.nodes.get(&key("", node))) else {
            return;
        };
        let mut tainted = taints(node)
            .iter()
            .filter(|one| one.effect == "NoExecute")
            .peekable();
        if tainted.peek().is_none() || terminating(pod) {
            self.timers.remove(&item);
            return;
        }
        let mut patience: Option<Duration> = None;
        for taint in tainted {
            let mut covering = tolerations(pod)
                .iter()
                .filter(|one| tolerates(one, taint))
                .peekable();
            if covering.peek().is_none() {
                patience = Some(Duration::ZERO);
                break;
            }
            for seconds in covering.filter_map(|one| one.toleration_seconds) {
                let seconds = Duration::from_secs(seconds.max(0).unsigned_abs());
                patience = Some(patience.map_or(seconds, |known| known.min(seconds)));
            }
        }
        // A timer that runs already is kept: the queue holds on to the earlier time.
        match patience {
            Some(patience) => self.timers.add(item, world.now + patience),
            None => self.timers.remove(&item),
        }
    }
}

impl Controller for TaintEviction {
    fn observe(&mut self, world: &World, change: &Change) {
        match change {
            Change::Node(node) => {
                for at in world.pods_on(node) {
                    self.consider(world, &at);
                }
            }
            Change::Pod { key, .. } => self.consider(world, key),
            _ => {}
        }
    }

    fn next(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    fn step(&mut self, world: &mut World) {
        while let Some((at, wanted)) = self.timers.pop(world.now) {
            if world.pods.get(&at).is_none_or(|pod| uid(pod) != wanted) {
                continue;
            }
            let now = world.now;
            world.update::<Pod>(&at, ACTOR, |pod| {
                set_pod_condition(
                    pod,
                    "DisruptionTarget",
                    "True",
                    Some("DeletionByTaintManager"),
                    Some("Taint manager: deleting due to NoExecute taint"),
                    now,
                );
            });
            let asked = Deletion {
                uid: Some(wanted),
                ..Deletion::default()
            };
            delete_as(world, ACTOR, &at, &asked);
        }
    }
}
