//! Nothing lost: at the end every selected pod of a node without power has been replaced, or what
//! keeps it is right.

use super::Judgement;
use crate::config::Config;
use crate::record::Record;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Pod;
use nodefall::demo::objects::{
    has_unreachable_taint, is_node_ready, is_pod_ready, node_name, node_ready, terminating, uid,
};
use nodefall::demo::world::{Key, World, controller, key};

/// How long a node without a Lease must have been silent.
const SILENCE: SignedDuration = SignedDuration::from_secs(360);

/// Something that is not done yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    pub pod: Key,
    pub uid: String,
    /// Where the pod is bound; empty when there is no such pod.
    pub node: String,
    /// What rightly keeps it.
    pub excuse: Option<Excuse>,
    /// That has been so for long enough that replicas have seen it.
    pub steady: bool,
}

/// What may keep a pod where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excuse {
    Storm,
    NoOtherNode,
    NotTainted,
    PodReady,
    /// Without a Lease, and its last report is not old by its own clock: that passes, after an hour and
    /// more where that clock is ahead.
    Heartbeat,
    /// Its Node is gone, and nothing tells of it without a sweep.
    Removed,
    /// A finalizer that is never cleared.
    Protected,
    /// A lower ordinal has to be Ready first.
    Ordered,
    /// No node takes it.
    Unschedulable,
}

impl Excuse {
    /// What a replica may give as its reason.
    fn reasons(self) -> &'static [&'static str] {
        match self {
            Self::Storm => &["storm_guard"],
            Self::NoOtherNode => &["no_other_node", "storm_guard"],
            Self::NotTainted => &["not_tainted"],
            Self::PodReady => &["pod_ready"],
            Self::Heartbeat => &["heartbeat_fresh"],
            Self::Removed => &["unknown_node"],
            // Nothing holds the node itself.
            Self::Protected | Self::Ordered | Self::Unschedulable => &[],
        }
    }
}

/// What is not done yet.
pub fn left(world: &World, config: &Config) -> Vec<Left> {
    if config.dry_run {
        return Vec::new();
    }
    let mut left: Vec<_> = world
        .pods
        .iter()
        .filter(|(at, pod)| is_wanted(config, at, pod))
        .filter_map(|(at, pod)| stuck(world, config, at, pod))
        .collect();
    left.extend(missing(world, config));
    left
}

/// Whether a pod is one that Nodefall may recover.
fn is_wanted(config: &Config, at: &Key, pod: &Pod) -> bool {
    let notes = pod.metadata.annotations.as_ref();
    let opted_out = notes.is_some_and(|notes| {
        notes
            .get("nodefall.io/remediation")
            .is_some_and(|it| it == "disabled")
    });
    let owner = controller(&pod.metadata);
    let comes_back =
        owner.is_some_and(|it| matches!(it.kind.as_str(), "StatefulSet" | "ReplicaSet"));
    comes_back && !opted_out && config.names(&at.0, &at.1, owner.map(|it| it.name.as_str()))
}

/// A pod that is still bound to a node without power.
fn stuck(world: &World, config: &Config, at: &Key, pod: &Pod) -> Option<Left> {
    let name = node_name(pod)?;
    if world.machines.get(name).is_none_or(|machine| machine.power) {
        return None;
    }
    let (ready, not): (Vec<_>, Vec<_>) = world
        .nodes
        .iter()
        .partition(|(_, node)| is_node_ready(node));
    let node = world.nodes.get(&key("", name));
    let finalizers = pod.metadata.finalizers.iter().flatten();
    let protected = finalizers
        .clone()
        .any(|it| it == "batch.kubernetes.io/job-tracking");
    // First: nobody holds what nobody tells of.
    let excuse = if node.is_none() && config.period.is_none() {
        Some(Excuse::Removed)
    } else if not.len() > config.bound.of(ready.len() + not.len()) {
        Some(Excuse::Storm)
    } else if ready.iter().all(|((_, other), _)| other == name) {
        Some(Excuse::NoOtherNode)
    } else if protected && pod.metadata.deletion_grace_period_seconds == Some(0) {
        Some(Excuse::Protected)
    } else if spoke_lately(world, name) {
        Some(Excuse::Heartbeat)
    } else if node.is_some_and(|node| !has_unreachable_taint(node)) {
        Some(Excuse::NotTainted)
    } else if is_pod_ready(pod) && !terminating(pod) {
        Some(Excuse::PodReady)
    } else {
        None
    };
    Some(Left {
        pod: at.clone(),
        uid: uid(pod).to_owned(),
        node: name.to_owned(),
        excuse,
        steady: false,
    })
}

/// Whether a node without a Lease reported less than 6 minutes ago, by its own clock.
fn spoke_lately(world: &World, node: &str) -> bool {
    let leased = world.leases.contains_key(&key("kube-node-lease", node));
    let ready = world.nodes.get(&key("", node)).and_then(node_ready);
    let last = ready.and_then(|ready| ready.last_heartbeat_time.as_ref());
    !leased && last.is_some_and(|last| world.now.duration_since(last.0) < SILENCE)
}

/// Pods that their StatefulSets want, and that are not Ready anywhere.
fn missing(world: &World, config: &Config) -> Vec<Left> {
    let mut missing = Vec::new();
    for ((namespace, name), set) in &world.statefulsets {
        let Some(spec) = &set.spec else { continue };
        let ordered = spec.pod_management_policy.as_deref() != Some("Parallel");
        let mut waits = false;
        for ordinal in 0..spec.replicas.unwrap_or(1) {
            let at = key(namespace, &format!("{name}-{ordinal}"));
            let pod = world.pods.get(&at);
            if pod.is_some_and(is_pod_ready) && !pod.is_some_and(terminating) {
                continue;
            }
            // One on a node without power is told already; one on a living node is the kubelet's.
            let bound = pod.and_then(node_name).is_some();
            let named = config.names(namespace, &at.1, Some(name));
            if named && !bound {
                let kept = pod.is_some_and(|pod| terminating(pod) && has_finalizers(pod));
                let excuse = if kept {
                    // Somebody deleted it before it had a node.
                    Some(Excuse::Protected)
                } else if waits && ordered {
                    Some(Excuse::Ordered)
                } else if !has_room(world) {
                    Some(Excuse::Unschedulable)
                } else {
                    None
                };
                missing.push(Left {
                    pod: at,
                    uid: String::new(),
                    node: String::new(),
                    excuse,
                    steady: false,
                });
            }
            waits = true;
        }
    }
    missing
}

fn has_finalizers(pod: &Pod) -> bool {
    pod.metadata
        .finalizers
        .as_ref()
        .is_some_and(|all| !all.is_empty())
}

/// Whether any node takes pods.
fn has_room(world: &World) -> bool {
    let cordoned = |node: &k8s_openapi::api::core::v1::Node| {
        node.spec
            .as_ref()
            .is_some_and(|spec| spec.unschedulable == Some(true))
    };
    world
        .nodes
        .values()
        .any(|node| is_node_ready(node) && !cordoned(node))
}

/// Judges what is left at the end of a history.
pub fn judge(record: &Record, judgement: &mut Judgement) {
    for left in &record.left {
        if !left.steady {
            judgement.count("left, and the reason has just changed");
            continue;
        }
        let Some(excuse) = left.excuse else {
            let what = format!("{left:?}; told is {}", about(record, &left.node));
            judgement.find("lost", record.end, what);
            continue;
        };
        // A pod's own excuse may stand behind one of its sibling.
        let siblings = record.left.iter().filter(|other| other.node == left.node);
        let excuses = siblings.filter_map(|other| other.excuse);
        let right: Vec<_> = excuses.flat_map(Excuse::reasons).collect();
        if excuse.reasons().is_empty() {
            judgement.count("left, and nothing to be held");
            continue;
        }
        let held = held(record, &left.node);
        for (replica, reason) in &held {
            if !right.contains(&reason) {
                let what = format!("{replica} holds {left:?} for {reason}");
                judgement.find("wrong reason", record.end, what);
            }
        }
        match held.is_empty() && excuse != Excuse::Removed {
            true => judgement.find("not held", record.end, format!("{left:?}")),
            false => judgement.count("left with a right reason"),
        }
    }
}

/// Which replicas hold a node, and why.
fn held<'r>(record: &'r Record, node: &str) -> Vec<(&'r str, &'r str)> {
    let mut held = Vec::new();
    for (replica, status) in &record.told {
        let nodes = status["nodes"].as_array().into_iter().flatten();
        let reasons = nodes
            .filter(|it| it["node"] == node)
            .filter_map(|it| it["held"]["reason"].as_str());
        held.extend(reasons.map(|reason| (replica.as_str(), reason)));
    }
    held
}

fn about(record: &Record, node: &str) -> String {
    let nodes = record
        .told
        .values()
        .filter_map(|it| it["nodes"].as_array())
        .flatten();
    let lines: Vec<_> = nodes
        .filter(|it| it["node"] == node)
        .map(|it| it.to_string())
        .collect();
    lines.join(" ")
}
