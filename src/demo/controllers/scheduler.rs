//! The scheduler: untainted nodes with room, spread by owner and then by number of pods.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeSpec, Pod, Taint, Toleration};

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
    /// The nodes' specs as seen last: only taints and cordons are news, heartbeats are not.
    nodes: BTreeMap<String, NodeSpec>,
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
            Change::Node(name) => match world.get::<Node>("", name) {
                Some(node) => {
                    let spec = node.spec.clone().unwrap_or_default();
                    self.nodes.insert(name.clone(), spec.clone()) != Some(spec)
                }
                None => self.nodes.remove(name).is_some(),
            },
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
        let mut rooms = Rooms::default();
        for at in std::mem::take(&mut self.pending) {
            let now = world.now;
            let Some(pod) = world.pods.get(&at) else {
                continue;
            };
            match rooms.choose(world, pod) {
                Ok(node) => {
                    rooms.taken(&node);
                    world.update::<Pod>(&at, ACTOR, |pod| {
                        pod.spec.get_or_insert_default().node_name = Some(node);
                        set_pod_condition(pod, "PodScheduled", "True", None, None, now);
                    });
                }
                Err(words) => {
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

/// The nodes open to pods of the same tolerations, by how many pods they hold: a choice costs
/// little even among thousands.
struct Room {
    tolerations: Vec<Toleration>,
    open: BTreeSet<(usize, String)>,
    counts: BTreeMap<String, (usize, usize)>,
    /// The message for those that fit nowhere.
    refusal: String,
}

#[derive(Default)]
struct Rooms(Vec<Room>);

impl Rooms {
    /// The emptiest open node among those with fewest pods of the same owner, or the scheduler's
    /// words about why there is none.
    fn choose(&mut self, world: &World, pod: &Pod) -> Result<String, String> {
        let wanted = tolerations(pod);
        let known = self.0.iter().position(|room| room.tolerations == wanted);
        let at = known.unwrap_or_else(|| {
            self.0.push(Room::new(world, pod));
            self.0.len() - 1
        });
        let room = &self.0[at];
        let mut siblings: BTreeMap<&str, usize> = BTreeMap::new();
        if let Some(owner) = controller(&pod.metadata) {
            for node in world.pods_of(&owner.uid).filter_map(node_name) {
                *siblings.entry(node).or_default() += 1;
            }
        }
        let mut best: Option<(usize, &String)> = None;
        for (_, name) in &room.open {
            let near = siblings.get(name.as_str()).copied().unwrap_or(0);
            if best.is_none_or(|(least, _)| near < least) {
                best = Some((near, name));
            }
            if near == 0 {
                break;
            }
        }
        best.map(|(_, name)| name.clone())
            .ok_or_else(|| room.refusal.clone())
    }

    fn taken(&mut self, node: &str) {
        for room in &mut self.0 {
            let Some((count, limit)) = room.counts.get_mut(node) else {
                continue;
            };
            room.open.remove(&(*count, node.to_owned()));
            *count += 1;
            if *count < *limit {
                room.open.insert((*count, node.to_owned()));
            }
        }
    }
}

impl Room {
    fn new(world: &World, pod: &Pod) -> Self {
        let mut room = Self {
            tolerations: tolerations(pod).to_vec(),
            open: BTreeSet::new(),
            counts: BTreeMap::new(),
            refusal: String::new(),
        };
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for ((_, name), node) in &world.nodes {
            let count = world.pod_count(name);
            match obstacle(node, pod, count) {
                Some(reason) => *reasons.entry(reason).or_default() += 1,
                None => {
                    room.open.insert((count, name.clone()));
                    room.counts.insert(name.clone(), (count, capacity(node)));
                }
            }
        }
        room.refusal = refusal(world.nodes.len(), &reasons);
        room
    }
}

/// How many pods a node holds at most.
fn capacity(node: &Node) -> usize {
    let status = node.status.as_ref();
    let pods = status.and_then(|status| status.allocatable.as_ref()?.get("pods"));
    pods.and_then(|pods| pods.0.parse().ok())
        .unwrap_or(usize::MAX)
}

/// Why a pod does not fit on a node, in the scheduler's words; `None` when it does.
fn obstacle(node: &Node, pod: &Pod, count: usize) -> Option<String> {
    let spec = node.spec.as_ref();
    let tolerated = |taint| tolerations(pod).iter().any(|one| tolerates(one, taint));
    let cordon = |taint: &&Taint| taint.key == UNSCHEDULABLE;
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
    if count >= capacity(node) {
        return Some("Too many pods".to_owned());
    }
    None
}

/// The scheduler's message when nothing fits.
fn refusal(total: usize, reasons: &BTreeMap<String, usize>) -> String {
    if total == 0 {
        return "no nodes available to schedule pods".to_owned();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::build::build;
    use crate::demo::constants::Constants;
    use crate::demo::controllers::statefulset::member;
    use crate::demo::layout::{Layout, Plan};
    use crate::demo::world::key;

    fn world() -> (World, Pod) {
        let set = Plan::new("n", "db").replicas(2);
        let layout = Layout::nodes(3)
            .statefulset(set)
            .pod(Plan::new("n", "bare"));
        let world = build(Constants::default(), &layout);
        let pod = member(&world.statefulsets[&key("n", "db")], 2, &world.constants);
        (world, pod)
    }

    #[test]
    fn siblings_are_kept_apart_and_the_emptiest_node_is_taken() {
        let (world, mut pod) = world();
        // node-1 holds two pods, node-2 one, and node-3 none.
        assert_eq!(
            Rooms::default().choose(&world, &pod),
            Ok("node-3".to_owned())
        );
        pod.metadata.owner_references = None;
        let mut rooms = Rooms::default();
        for expected in ["node-3", "node-2", "node-3", "node-1"] {
            let node = rooms.choose(&world, &pod).unwrap();
            assert_eq!(node, expected);
            rooms.taken(&node);
        }
    }

    #[test]
    fn a_full_node_and_a_taint_are_told_apart() {
        let (mut world, pod) = world();
        for (node, taint) in [("node-1", true), ("node-2", false), ("node-3", false)] {
            world.update::<Node>(&key("", node), "test", |node| {
                if taint {
                    node.spec.get_or_insert_default().taints = Some(vec![Taint {
                        key: "team".to_owned(),
                        value: Some("a".to_owned()),
                        effect: "NoSchedule".to_owned(),
                        time_added: None,
                    }]);
                } else if let Some(status) = &mut node.status {
                    let room = status.allocatable.get_or_insert_default();
                    room.entry("pods".to_owned()).or_default().0 = "0".to_owned();
                }
            });
        }
        let words = Rooms::default().choose(&world, &pod).unwrap_err();
        let expected = "0/3 nodes are available: 1 node(s) had untolerated taint {team: a}, \
                        2 Too many pods. preemption:";
        assert!(words.starts_with(expected), "{words}");
        let none = BTreeMap::new();
        assert_eq!(refusal(0, &none), "no nodes available to schedule pods");
    }
}
