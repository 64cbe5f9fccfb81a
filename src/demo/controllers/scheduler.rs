//! The scheduler: untainted nodes with room, spread by owner and then by number of pods.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};

use super::Controller;
use super::template::soon;
use crate::demo::objects::{
    UNSCHEDULABLE, node_name, set_pod_condition, taints, terminating, tolerates, tolerations,
};
use crate::demo::world::{Change, Key, World, controller};

const ACTOR: &str = "kube-scheduler";

/// The scheduler with the pods that wait for it.
#[derive(Default)]
pub(super) struct Scheduler {
    pending: BTreeSet<Key>,
    due: Option<Timestamp>,
}

impl Controller for Scheduler {
    fn observe(&mut self, world: &World, change: &Change) {
        let retry = match change {
            Change::Pod {
                key, node: None, ..
            } => {
                match world.pods.get(key) {
                    Some(pod) if !terminating(pod) && node_name(pod).is_none() => {
                        // Its own verdict about a pod comes back as a change: not news.
                        self.pending.insert(key.clone())
                    }
                    _ => {
                        self.pending.remove(key);
                        false
                    }
                }
            }
            Change::Pod {
                key, node: Some(_), ..
            } => !world.pods.contains_key(key),
            Change::Node(_) => true,
            _ => false,
        };
        if retry && !self.pending.is_empty() && self.due.is_none() {
            self.due = Some(soon(world.now, &world.constants));
        }
    }

    fn next(&self) -> Option<Timestamp> {
        self.due
    }

    fn step(&mut self, world: &mut World) {
        self.due = None;
        let mut rooms = Rooms::new(world);
        for at in std::mem::take(&mut self.pending) {
            let now = world.now;
            let Some(pod) = world.pods.get(&at) else {
                continue;
            };
            match rooms.choose(world, pod) {
                Some(node) => {
                    rooms.taken(&node);
                    world.update::<Pod>(&at, ACTOR, |pod| {
                        pod.spec.get_or_insert_default().node_name = Some(node);
                        set_pod_condition(pod, "PodScheduled", "True", None, None, now);
                    });
                }
                None => {
                    let words = refusal(world, pod);
                    world.update::<Pod>(&at, ACTOR, |pod| {
                        let reason = Some("Unschedulable");
                        set_pod_condition(pod, "PodScheduled", "False", reason, Some(&words), now);
                    });
                    self.pending.insert(at);
                }
            }
        }
    }
}

/// The nodes by how many pods they hold, so that a choice costs little among thousands.
struct Rooms {
    counts: BTreeMap<String, usize>,
    order: BTreeSet<(usize, String)>,
}

impl Rooms {
    fn new(world: &World) -> Self {
        let counts: BTreeMap<String, usize> = world
            .nodes
            .keys()
            .map(|(_, name)| (name.clone(), world.pod_count(name)))
            .collect();
        let order = counts
            .iter()
            .map(|(name, count)| (*count, name.clone()))
            .collect();
        Self { counts, order }
    }

    /// The emptiest node that fits and holds fewest pods of the same owner.
    fn choose(&self, world: &World, pod: &Pod) -> Option<String> {
        let mut siblings: BTreeMap<&str, usize> = BTreeMap::new();
        if let Some(owner) = controller(&pod.metadata) {
            for node in world.pods_of(&owner.uid).filter_map(node_name) {
                *siblings.entry(node).or_default() += 1;
            }
        }
        let mut best: Option<(usize, &String)> = None;
        for (_, name) in &self.order {
            let Some(node) = world.get::<Node>("", name) else {
                continue;
            };
            if obstacle(world, node, pod).is_some() {
                continue;
            }
            let near = siblings.get(name.as_str()).copied().unwrap_or(0);
            if best.is_none_or(|(least, _)| near < least) {
                best = Some((near, name));
            }
            if near == 0 {
                break;
            }
        }
        best.map(|(_, name)| name.clone())
    }

    fn taken(&mut self, node: &str) {
        if let Some(count) = self.counts.get_mut(node) {
            self.order.remove(&(*count, node.to_owned()));
            *count += 1;
            self.order.insert((*count, node.to_owned()));
        }
    }
}

/// Why a pod does not fit on a node, in the scheduler's words; `None` when it does.
fn obstacle(world: &World, node: &Node, pod: &Pod) -> Option<String> {
    let spec = node.spec.as_ref();
    let tolerated = |taint| tolerations(pod).iter().any(|one| tolerates(one, taint));
    let cordon = |taint: &&k8s_openapi::api::core::v1::Taint| taint.key == UNSCHEDULABLE;
    let cordoned = spec.is_some_and(|spec| spec.unschedulable == Some(true))
        || taints(node).iter().any(|taint| cordon(&taint));
    if cordoned && !taints(node).iter().find(cordon).is_some_and(tolerated) {
        return Some("node(s) were unschedulable".to_owned());
    }
    let refused = taints(node)
        .iter()
        .find(|taint| taint.effect != "PreferNoSchedule" && !tolerated(taint));
    if let Some(taint) = refused {
        let value = taint.value.as_deref().unwrap_or_default();
        return Some(format!(
            "node(s) had untolerated taint {{{}: {value}}}",
            taint.key
        ));
    }
    let room = node.status.as_ref().and_then(|status| {
        status
            .allocatable
            .as_ref()?
            .get("pods")?
            .0
            .parse::<usize>()
            .ok()
    });
    let name = node.metadata.name.as_deref().unwrap_or_default();
    if room.is_some_and(|room| world.pod_count(name) >= room) {
        return Some("Too many pods".to_owned());
    }
    None
}

/// The scheduler's message when nothing fits.
fn refusal(world: &World, pod: &Pod) -> String {
    let total = world.nodes.len();
    if total == 0 {
        return "no nodes available to schedule pods".to_owned();
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for node in world.nodes.values() {
        if let Some(reason) = obstacle(world, node, pod) {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let mut list: Vec<String> = reasons
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    list.sort();
    format!(
        "0/{total} nodes are available: {}. preemption: 0/{total} nodes are available: \
         {total} Preemption is not helpful for scheduling.",
        list.join(", ")
    )
}
