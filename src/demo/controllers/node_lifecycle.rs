//! The node lifecycle controller: Ready `Unknown`, taints, the pods' Ready, the zone rule.
//!
//! After `pkg/controller/nodelifecycle/node_lifecycle_controller.go` of Kubernetes 1.36. It
//! believes only what it has observed, by its own clock: a Lease or heartbeat that *changed*.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Pod, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};

use super::Controller;
use super::queue::Queue;
use crate::demo::objects::{
    NOT_READY, UNREACHABLE, UNSCHEDULABLE, is_node_ready, is_pod_ready, node_ready, phase,
    set_pod_condition, taints,
};
use crate::demo::world::{Change, Key, LEASES, World, key, time};

const MANAGER: &str = "kube-controller-manager";
const REGION_LABEL: &str = "topology.kubernetes.io/region";
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// What was observed last of one node, and when.
#[derive(Clone)]
struct Health {
    heartbeat: Option<Time>,
    renewed: Option<MicroTime>,
    heard: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Normal,
    /// 55 % and more than two nodes NotReady, with others Ready.
    Partial,
    /// Nobody is Ready.
    Full,
}

struct Zone {
    state: State,
    /// When the next NoExecute taint may be put; `None` never.
    allowed: Option<Timestamp>,
}

/// The controller with its memory, which a restart loses.
pub(super) struct NodeLifecycle {
    health: BTreeMap<String, Health>,
    zones: BTreeMap<String, Zone>,
    /// Nodes that wait for their NoExecute taint, by when they were noticed.
    to_taint: BTreeMap<String, Timestamp>,
    not_ready: Queue<Key>,
    tick: Timestamp,
    pass: Option<Timestamp>,
}

impl NodeLifecycle {
    pub(super) fn new(world: &World) -> Self {
        Self {
            health: BTreeMap::new(),
            zones: BTreeMap::new(),
            to_taint: BTreeMap::new(),
            not_ready: Queue::default(),
            tick: world.now,
            pass: None,
        }
    }

    /// One pass over all nodes, as every `--node-monitor-period`.
    fn monitor(&mut self, world: &mut World) {
        let names: Vec<String> = world.nodes.keys().map(|(_, name)| name.clone()).collect();
        self.health
            .retain(|name, _| world.nodes.contains_key(&key("", name)));
        self.to_taint
            .retain(|name, _| world.nodes.contains_key(&key("", name)));
        let mut census: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for name in &names {
            let Some(node) = world.nodes.get(&key("", name)) else {
                continue;
            };
            let zone = zone_of(node);
            if !self.health.contains_key(name) {
                // Seen for the first time: neither taint nor age is believed.
                self.forgive(world, name);
            }
            if !self.zones.contains_key(&zone) {
                let allowed = Some(world.now + world.constants.taint_interval);
                self.zones.insert(
                    zone.clone(),
                    Zone {
                        state: State::Normal,
                        allowed,
                    },
                );
            }
            let ready = self.judge(world, name);
            let (alive, dead) = census.entry(zone).or_default();
            *if ready { alive } else { dead } += 1;
        }
        self.zones.retain(|zone, _| census.contains_key(zone));
        self.zone_rule(world, &names, &census);
    }

    /// Looks at one node; answers whether it is Ready.
    fn judge(&mut self, world: &mut World, name: &str) -> bool {
        let now = world.now;
        let Some(node) = world.get::<Node>("", name) else {
            return false;
        };
        let was_ready = is_node_ready(node);
        let heartbeat = node_ready(node).and_then(|ready| ready.last_heartbeat_time.clone());
        let lease: Option<&Lease> = world.get(LEASES, name);
        let renewed = lease.and_then(|lease| lease.spec.as_ref()?.renew_time.clone());
        let health = self
            .health
            .entry(name.to_owned())
            .or_insert_with(|| Health {
                heartbeat: heartbeat.clone(),
                renewed: None,
                heard: now,
            });
        if health.heartbeat != heartbeat {
            health.heartbeat = heartbeat;
            health.heard = now;
        }
        // Only a renewal later than the last one counts, whatever the clocks say.
        if renewed.is_some() && renewed > health.renewed {
            health.renewed = renewed;
            health.heard = now;
        }
        let unknown = node_ready(node).is_some_and(|ready| ready.status == "Unknown");
        if !unknown && now > health.heard + world.constants.grace_period {
            world.update::<Node>(&key("", name), MANAGER, |node| set_unknown(node, now));
        }
        let Some(node) = world.get::<Node>("", name) else {
            return false;
        };
        let status = node_ready(node)
            .map_or("Unknown", |ready| ready.status.as_str())
            .to_owned();
        match status.as_str() {
            "True" => self.forgive(world, name),
            other => self.mark(world, name, other == "Unknown"),
        }
        if was_ready && status != "True" {
            let at = now + world.constants.pods_not_ready_delay;
            self.not_ready.add(key("", name), at);
        }
        status == "True"
    }

    /// A node in trouble: the other taint is swapped at once, a first one waits for its zone.
    fn mark(&mut self, world: &mut World, name: &str, unknown: bool) {
        let (wanted, other) = if unknown {
            (UNREACHABLE, NOT_READY)
        } else {
            (NOT_READY, UNREACHABLE)
        };
        let now = world.now;
        let Some(node) = world.get::<Node>("", name) else {
            return;
        };
        let has = |key: &str| {
            taints(node)
                .iter()
                .any(|t| t.key == key && t.effect == "NoExecute")
        };
        if has(other) {
            world.update::<Node>(&key("", name), MANAGER, |node| {
                drop_taint(node, other, "NoExecute");
                add_taint(node, wanted, "NoExecute", now);
            });
        } else if !has(wanted) {
            self.to_taint.entry(name.to_owned()).or_insert(now);
            self.pass = Some(now);
        }
    }

    /// Takes the NoExecute taints off.
    fn forgive(&mut self, world: &mut World, name: &str) {
        self.to_taint.remove(name);
        let tainted = |node: &Node| taints(node).iter().any(|taint| taint.effect == "NoExecute");
        if !world.get("", name).is_some_and(tainted) {
            return;
        }
        world.update::<Node>(&key("", name), MANAGER, |node| {
            drop_taint(node, UNREACHABLE, "NoExecute");
            drop_taint(node, NOT_READY, "NoExecute");
        });
    }

    /// `handleDisruption`: how fast each zone's nodes may be tainted.
    fn zone_rule(
        &mut self,
        world: &mut World,
        names: &[String],
        census: &BTreeMap<String, (usize, usize)>,
    ) {
        let states: BTreeMap<&String, State> = census
            .iter()
            .map(|(zone, (alive, dead))| {
                let share = *dead as f64 / (alive + dead).max(1) as f64;
                let state = if *alive == 0 && *dead > 0 {
                    State::Full
                } else if *dead > 2 && share >= world.constants.unhealthy_share {
                    State::Partial
                } else {
                    State::Normal
                };
                (zone, state)
            })
            .collect();
        let all_dead = states.values().all(|state| *state == State::Full);
        let all_were_dead = self.zones.values().all(|zone| zone.state == State::Full);
        if all_dead && all_were_dead {
            return;
        }
        if all_dead {
            for name in names {
                self.forgive(world, name);
            }
            for zone in self.zones.values_mut() {
                *zone = Zone {
                    state: State::Full,
                    allowed: None,
                };
            }
            return;
        }
        if all_were_dead {
            for health in self.health.values_mut() {
                health.heard = world.now;
            }
        }
        for (name, zone) in &mut self.zones {
            let (Some(state), Some((alive, dead))) = (states.get(name), census.get(name)) else {
                continue;
            };
            if zone.state == *state && !all_were_dead {
                continue;
            }
            zone.state = *state;
            zone.allowed = interval(world, *state, alive + dead)
                .map(|interval| zone.allowed.unwrap_or(world.now + interval).max(world.now));
        }
    }

    /// One pass over the nodes that wait for their taint, as fast as their zones allow.
    fn taint(&mut self, world: &mut World) {
        self.pass = None;
        let mut waiting: Vec<(Timestamp, String)> = self
            .to_taint
            .iter()
            .map(|(name, since)| (*since, name.clone()))
            .collect();
        waiting.sort();
        let sizes = self.zone_sizes(world);
        for (_, name) in waiting {
            let Some(node) = world.get::<Node>("", &name) else {
                continue;
            };
            let zone_name = zone_of(node);
            let Some(zone) = self.zones.get_mut(&zone_name) else {
                continue;
            };
            let Some(allowed) = zone.allowed else {
                continue;
            };
            if allowed > world.now {
                self.pass = Some(self.pass.map_or(allowed, |pass| pass.min(allowed)));
                continue;
            }
            let size = sizes.get(&zone_name).copied().unwrap_or(0);
            zone.allowed = interval(world, zone.state, size).map(|wait| world.now + wait);
            self.to_taint.remove(&name);
            let now = world.now;
            world.update::<Node>(&key("", &name), MANAGER, |node| {
                match node_ready(node).map(|ready| ready.status.as_str()) {
                    Some("True") => {}
                    Some("False") => add_taint(node, NOT_READY, "NoExecute", now),
                    _ => add_taint(node, UNREACHABLE, "NoExecute", now),
                }
            });
        }
    }

    fn zone_sizes(&self, world: &World) -> BTreeMap<String, usize> {
        let mut sizes = BTreeMap::new();
        for node in world.nodes.values() {
            *sizes.entry(zone_of(node)).or_default() += 1;
        }
        sizes
    }
}

impl Controller for NodeLifecycle {
    fn observe(&mut self, world: &World, change: &Change) {
        // NoSchedule taints follow every change of a node without waiting for a pass.
        if let Change::Node(name) = change {
            self.not_ready.add(key("NoSchedule", name), world.now);
        }
    }

    fn next(&self) -> Option<Timestamp> {
        [Some(self.tick), self.pass, self.not_ready.next()]
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
        while let Some((kind, node)) = self.not_ready.pop(world.now) {
            match kind.as_str() {
                "" => mark_pods_not_ready(world, &node),
                _ => no_schedule_taints(world, &node),
            }
        }
    }
}

/// The time between two taints; `None`: none at all.
fn interval(world: &World, state: State, nodes: usize) -> Option<std::time::Duration> {
    match state {
        State::Normal | State::Full => Some(world.constants.taint_interval),
        State::Partial if nodes > world.constants.large_zone => {
            Some(world.constants.slow_taint_interval)
        }
        State::Partial => None,
    }
}

fn zone_of(node: &Node) -> String {
    let label = |name: &str| {
        node.metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(name))
            .map_or("", |it| it)
    };
    format!("{}:\u{0}:{}", label(REGION_LABEL), label(ZONE_LABEL))
}

fn set_unknown(node: &mut Node, now: Timestamp) {
    let conditions = node
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default();
    for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
        match conditions.iter_mut().find(|one| one.type_ == kind) {
            Some(one) if one.status == "Unknown" => {}
            Some(one) => {
                one.status = "Unknown".to_owned();
                one.reason = Some("NodeStatusUnknown".to_owned());
                one.message = Some("Kubelet stopped posting node status.".to_owned());
                one.last_transition_time = Some(time(now));
            }
            None => conditions.push(NodeCondition {
                type_: kind.to_owned(),
                status: "Unknown".to_owned(),
                reason: Some("NodeStatusNeverUpdated".to_owned()),
                message: Some("Kubelet never posted node status.".to_owned()),
                last_heartbeat_time: node.metadata.creation_timestamp.clone(),
                last_transition_time: Some(time(now)),
            }),
        }
    }
}

fn mark_pods_not_ready(world: &mut World, node: &str) {
    let now = world.now;
    for at in world.pods_on(node) {
        world.update::<Pod>(&at, MANAGER, |pod| {
            if is_pod_ready(pod) && phase(pod) == "Running" {
                set_pod_condition(pod, "Ready", "False", None, None, now);
            }
        });
    }
}

fn no_schedule_taints(world: &mut World, node: &str) {
    let now = world.now;
    world.update::<Node>(&key("", node), MANAGER, |node| {
        let ready = node_ready(node)
            .map_or("", |ready| ready.status.as_str())
            .to_owned();
        let cordoned = node
            .spec
            .as_ref()
            .is_some_and(|spec| spec.unschedulable == Some(true));
        let wanted = [
            (NOT_READY, ready == "False"),
            (UNREACHABLE, ready == "Unknown"),
            (UNSCHEDULABLE, cordoned),
        ];
        for (taint, wanted) in wanted {
            match wanted {
                true => add_taint(node, taint, "NoSchedule", now),
                false => drop_taint(node, taint, "NoSchedule"),
            }
        }
    });
}

fn add_taint(node: &mut Node, key: &str, effect: &str, now: Timestamp) {
    let taints = node
        .spec
        .get_or_insert_default()
        .taints
        .get_or_insert_default();
    if taints
        .iter()
        .any(|taint| taint.key == key && taint.effect == effect)
    {
        return;
    }
    taints.push(Taint {
        key: key.to_owned(),
        effect: effect.to_owned(),
        time_added: Some(time(now)),
        value: None,
    });
}

fn drop_taint(node: &mut Node, key: &str, effect: &str) {
    let Some(spec) = &mut node.spec else { return };
    if let Some(taints) = &mut spec.taints {
        taints.retain(|taint| taint.key != key || taint.effect != effect);
        if taints.is_empty() {
            spec.taints = None;
        }
    }
}
