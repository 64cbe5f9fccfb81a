//! The node lifecycle controller: Ready `Unknown`, taints, the pods' Ready.
//!
//! After `pkg/controller/nodelifecycle/node_lifecycle_controller.go` of Kubernetes 1.36. It
//! believes only what it has observed, by its own clock: a Lease or heartbeat that *changed*.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};

use super::Controller;
use super::queue::Queue;
use super::taints::{
    MANAGER, add_taint, drop_taint, mark_pods_not_ready, no_schedule_taints, set_unknown,
};
use super::zones::{Census, Turn, Zones, zone_of};
use crate::demo::objects::{NOT_READY, UNREACHABLE, node_ready, taints};
use crate::demo::world::{Change, LEASES, World, key};

/// What was observed last of one node, and when.
struct Health {
    heartbeat: Option<Time>,
    renewed: Option<MicroTime>,
    heard: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ready {
    True,
    False,
    Unknown,
}

/// One node as a pass finds it.
struct Seen {
    name: String,
    zone: String,
    ready: Ready,
    heartbeat: Option<Time>,
    renewed: Option<MicroTime>,
    /// Keys of its NoExecute taints that are this controller's own.
    tainted: (bool, bool),
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    NoSchedule(String),
    PodsNotReady(String),
}

/// The controller with its memory, which a restart loses.
pub(super) struct NodeLifecycle {
    health: BTreeMap<String, Health>,
    zones: Zones,
    /// Nodes that wait for their NoExecute taint, by when they were noticed.
    to_taint: BTreeMap<String, Timestamp>,
    tasks: Queue<Task>,
    tick: Timestamp,
    /// When the next of those that wait may be tainted.
    pass: Option<Timestamp>,
}

impl NodeLifecycle {
    pub(super) fn new(world: &World) -> Self {
        Self {
            health: BTreeMap::new(),
            zones: Zones::default(),
            to_taint: BTreeMap::new(),
            tasks: Queue::default(),
            tick: world.now,
            pass: None,
        }
    }

    /// One pass over all nodes, as every `--node-monitor-period`.
    fn monitor(&mut self, world: &mut World) {
        let mut census: BTreeMap<String, Census> = BTreeMap::new();
        let all = look(world);
        for seen in &all {
            self.zones.meet(&seen.zone, world.now, &world.constants);
            let ready = self.judge(world, seen);
            let count = census.entry(seen.zone.clone()).or_default();
            match ready {
                Ready::True => count.ready += 1,
                _ => count.not_ready += 1,
            }
        }
        match self.zones.turn(&census, world.now, &world.constants) {
            Turn::None => {}
            Turn::AllDead => all.iter().for_each(|seen| self.forgive(world, &seen.name)),
            Turn::Revived => {
                self.health
                    .values_mut()
                    .for_each(|health| health.heard = world.now);
            }
        }
    }

    /// Looks at one node; answers what its Ready is now.
    fn judge(&mut self, world: &mut World, seen: &Seen) -> Ready {
        let (now, name) = (world.now, &seen.name);
        let known = self.health.contains_key(name);
        let health = self.health.entry(name.clone()).or_insert_with(|| Health {
            heartbeat: seen.heartbeat.clone(),
            renewed: None,
            heard: now,
        });
        if health.heartbeat != seen.heartbeat {
            health.heartbeat.clone_from(&seen.heartbeat);
            health.heard = now;
        }
        // Only a renewal later than the last one counts, whatever the clocks say.
        if seen.renewed > health.renewed {
            health.renewed.clone_from(&seen.renewed);
            health.heard = now;
        }
        let silent = now > health.heard + world.constants.grace_period;
        let mut tainted = seen.tainted;
        if !known {
            // Seen for the first time: the taint that another found is not believed.
            self.forgive(world, name);
            tainted = (false, false);
        }
        let ready = if silent { Ready::Unknown } else { seen.ready };
        if ready != seen.ready {
            world.update::<Node>(&key("", name), MANAGER, |node| set_unknown(node, now));
        }
        match (ready, tainted) {
            (Ready::True, (false, false)) => {}
            (Ready::True, _) => self.forgive(world, name),
            (Ready::False, (_, true)) => swap(world, name, UNREACHABLE, NOT_READY),
            (Ready::Unknown, (true, _)) => swap(world, name, NOT_READY, UNREACHABLE),
            (Ready::False, (false, false)) | (Ready::Unknown, (false, false)) => {
                self.to_taint.entry(name.clone()).or_insert(now);
                self.pass = Some(now);
            }
            (Ready::False, (true, false)) | (Ready::Unknown, (false, true)) => {}
        }
        if seen.ready == Ready::True && ready != Ready::True {
            let at = now + world.constants.pods_not_ready_delay;
            self.tasks.add(Task::PodsNotReady(name.clone()), at);
        }
        ready
    }

    /// Takes the NoExecute taints off.
    fn forgive(&mut self, world: &mut World, name: &str) {
        self.to_taint.remove(name);
        world.update::<Node>(&key("", name), MANAGER, |node| {
            drop_taint(node, UNREACHABLE, "NoExecute");
            drop_taint(node, NOT_READY, "NoExecute");
        });
    }

    /// One pass over the nodes that wait for their taint, as fast as their zones allow.
    fn taint(&mut self, world: &mut World) {
        self.pass = None;
        let now = world.now;
        let mut waiting: Vec<(Timestamp, String)> = self
            .to_taint
            .iter()
            .map(|(name, since)| (*since, name.clone()))
            .collect();
        waiting.sort();
        for (_, name) in waiting {
            let Some(node) = world.get::<Node>("", &name) else {
                continue;
            };
            let taint = match ready_of(node) {
                Ready::True => None,
                Ready::False => Some(NOT_READY),
                Ready::Unknown => Some(UNREACHABLE),
            };
            let zone = zone_of(node);
            if let Some(taint) = taint {
                if let Err(later) = self.zones.take(&zone, now, &world.constants) {
                    self.pass = [self.pass, later].into_iter().flatten().min();
                    continue;
                }
                world.update::<Node>(&key("", &name), MANAGER, |node| {
                    add_taint(node, taint, "NoExecute", now);
                });
            }
            self.to_taint.remove(&name);
        }
    }
}

impl Controller for NodeLifecycle {
    fn observe(&mut self, world: &World, change: &Change) {
        let Change::Node(name) = change else { return };
        if world.get::<Node>("", name).is_some() {
            // NoSchedule taints follow every change of a node without waiting for a pass.
            self.tasks.add(Task::NoSchedule(name.clone()), world.now);
        } else {
            self.health.remove(name);
            self.to_taint.remove(name);
        }
    }

    fn next(&self) -> Option<Timestamp> {
        [Some(self.tick), self.pass, self.tasks.next()]
            .into_iter()
            .flatten()
            .min()
    }

    fn step(&mut self, world: &mut World) {
        if self.tick <= world.now {
            self.tick = world.now + world.constants.monitor_period;
            self.monitor(world);
        }
        if self.pass.is_some_and(|pass| pass <= world.now) {
            self.taint(world);
        }
        while let Some(task) = self.tasks.pop(world.now) {
            match task {
                Task::NoSchedule(node) => no_schedule_taints(world, &node),
                Task::PodsNotReady(node) => mark_pods_not_ready(world, &node),
            }
        }
    }
}

/// Reads all nodes with their Leases, which are in the same order.
fn look(world: &World) -> Vec<Seen> {
    let mut leases = world.list::<Lease>(Some(LEASES), None).peekable();
    let mut all = Vec::with_capacity(world.nodes.len());
    for ((_, name), node) in &world.nodes {
        while leases.next_if(|((_, lease), _)| lease < name).is_some() {}
        let lease = leases
            .next_if(|((_, lease), _)| lease == name)
            .map(|(_, lease)| lease);
        let has = |key: &str| {
            taints(node)
                .iter()
                .any(|taint| taint.key == key && taint.effect == "NoExecute")
        };
        all.push(Seen {
            name: name.clone(),
            zone: zone_of(node),
            ready: ready_of(node),
            heartbeat: node_ready(node).and_then(|ready| ready.last_heartbeat_time.clone()),
            renewed: lease.and_then(|lease| lease.spec.as_ref()?.renew_time.clone()),
            tainted: (has(NOT_READY), has(UNREACHABLE)),
        });
    }
    all
}

fn ready_of(node: &Node) -> Ready {
    match node_ready(node).map(|ready| ready.status.as_str()) {
        Some("True") => Ready::True,
        Some("False") => Ready::False,
        _ => Ready::Unknown,
    }
}

/// A node that has one taint and now earns the other gets it at once.
fn swap(world: &mut World, name: &str, old: &str, new: &str) {
    let now = world.now;
    world.update::<Node>(&key("", name), MANAGER, |node| {
        drop_taint(node, old, "NoExecute");
        add_taint(node, new, "NoExecute", now);
    });
}
