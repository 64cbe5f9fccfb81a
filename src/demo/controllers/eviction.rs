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

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Node, Taint, Toleration};

    use super::*;
    use crate::demo::build::build;
    use crate::demo::constants::Constants;
    use crate::demo::layout::{Layout, Plan};
    use crate::demo::objects::UNREACHABLE;

    /// When the pod is evicted after its node got these taints, with these further tolerations.
    fn evicted(keys: &[&str], further: &[(&str, Option<i64>)]) -> Option<Duration> {
        let layout = Layout::nodes(1).pod(Plan::new("n", "p"));
        let mut world = build(Constants::default(), &layout);
        let taints = keys.iter().map(|key| Taint {
            key: (*key).to_owned(),
            effect: "NoExecute".to_owned(),
            ..Taint::default()
        });
        world.update::<Node>(&key("", "node-1"), "test", |node| {
            node.spec.get_or_insert_default().taints = Some(taints.collect());
        });
        world.update::<Pod>(&key("n", "p"), "test", |pod| {
            let known = pod
                .spec
                .get_or_insert_default()
                .tolerations
                .get_or_insert_default();
            known.extend(further.iter().map(|(key, seconds)| Toleration {
                key: Some((*key).to_owned()),
                operator: Some("Exists".to_owned()),
                toleration_seconds: *seconds,
                ..Toleration::default()
            }));
        });
        let mut controller = TaintEviction::default();
        controller.observe(&world, &Change::Node("node-1".to_owned()));
        let due = controller.next()?;
        Some(due.duration_since(world.now).unsigned_abs())
    }

    #[test]
    fn the_shortest_toleration_counts_and_none_is_at_once() {
        assert_eq!(evicted(&[UNREACHABLE], &[]), Some(Duration::from_secs(300)));
        assert_eq!(evicted(&[UNREACHABLE, "other"], &[]), Some(Duration::ZERO));
        assert_eq!(
            evicted(&[UNREACHABLE, "other"], &[("other", Some(7))]),
            Some(Duration::from_secs(7))
        );
        assert_eq!(evicted(&["other"], &[("other", None)]), None, "for ever");
        assert_eq!(evicted(&[], &[]), None);
    }
}
