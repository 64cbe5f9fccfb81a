//! All kubelets: Leases, node status, and the pods' containers.
//!
//! A kubelet acts on what it can see: without power or process it does nothing, and cut off from
//! the API server its containers go on while nothing is written.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};

use super::Controller;
use super::heartbeat::{self, is_stale, is_wrong};
use super::queue::Queue;
use crate::demo::deletion::{Deletion, delete_as};
use crate::demo::objects::{
    claims, finished, is_pod_ready, node_name, set_creating, set_running, set_stopped, terminating,
    uid,
};
use crate::demo::world::{Attachment, Change, Key, LEASES, World, key, micro_time};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    /// Renew the node's Lease.
    Renew(String),
    /// Compare the node's status with the truth, and report.
    Report(String),
    /// Start or stop a pod.
    Pod(Key),
    /// Stop containers whose pod is gone from the API.
    Orphans(String),
}

/// Every kubelet of the cluster.
pub(super) struct Kubelets {
    tasks: Queue<Task>,
    /// Pods on their way up, by UID, and when they run.
    starting: BTreeMap<String, Timestamp>,
    /// Pods on their way down, by UID, and when they have stopped.
    stopping: BTreeMap<String, Timestamp>,
}

impl Kubelets {
    pub(super) fn new(world: &World) -> Self {
        let mut tasks = Queue::default();
        let period = world.constants.renew_interval.as_millis() as u64;
        for (number, name) in world.machines.keys().enumerate() {
            // Kubelets are not in step with each other.
            let phase = Duration::from_millis((number as u64 * 1237) % period.max(1));
            tasks.add(Task::Renew(name.clone()), world.now + phase);
            tasks.add(Task::Report(name.clone()), world.now + phase);
        }
        Self {
            tasks,
            starting: BTreeMap::new(),
            stopping: BTreeMap::new(),
        }
    }

    fn renew(&mut self, world: &mut World, node: String) {
        let Some(machine) = world.machines.get(&node) else {
            return;
        };
        if !machine.speaks() || !machine.lease {
            return;
        }
        let stamp = micro_time(world.now + machine.skew);
        world.update::<Lease>(&key(LEASES, &node), "kubelet", |lease| {
            lease.spec.get_or_insert_default().renew_time = Some(stamp);
        });
        self.tasks.add(
            Task::Renew(node),
            world.now + world.constants.renew_interval,
        );
    }

    fn report(&mut self, world: &mut World, node: String) {
        let Some(machine) = world.machines.get(&node) else {
            return;
        };
        if !machine.speaks() {
            return;
        }
        let by_its_clock = world.now + machine.skew;
        let every = match machine.lease {
            true => world.constants.heartbeat_interval,
            false => world.constants.renew_interval,
        };
        let healthy = machine.healthy;
        let due = |it: &Node| is_wrong(it, healthy) || is_stale(it, by_its_clock, every);
        if world.get("", &node).is_some_and(due) {
            world.update::<Node>(&key("", &node), "kubelet", |node| {
                heartbeat::report(node, healthy, by_its_clock);
            });
        }
        self.tasks.add(Task::Report(node), world.now + every);
    }

    /// One look at one pod.
    fn sync(&mut self, world: &mut World, at: Key) {
        let Some(pod) = world.pods.get(&at) else {
            return;
        };
        let (Some(node), uid) = (node_name(pod).map(str::to_owned), uid(pod).to_owned()) else {
            return;
        };
        let Some(machine) = world.machines.get(&node) else {
            return;
        };
        if !machine.speaks() {
            self.starting.remove(&uid);
            self.stopping.remove(&uid);
            return;
        }
        if terminating(pod) {
            self.stop(world, at, node, uid);
        } else if !finished(pod) {
            self.start(world, at, node, uid);
        }
    }

    fn start(&mut self, world: &mut World, at: Key, node: String, uid: String) {
        let Some(pod) = world.pods.get(&at) else {
            return;
        };
        let running = world
            .machines
            .get(&node)
            .is_some_and(|one| one.running.contains(&uid));
        if running && is_pod_ready(pod) {
            return;
        }
        let now = world.now;
        if !running {
            let ready = *self
                .starting
                .entry(uid.clone())
                .or_insert(now + world.constants.pod_start);
            let claims: Vec<Key> = claims(pod).map(|claim| key(&at.0, claim)).collect();
            let volumes = claims
                .iter()
                .filter_map(|claim| attachable(world, claim, &node))
                .max();
            let due = ready.max(volumes.unwrap_or(now));
            if due > now {
                world.update::<Pod>(&at, "kubelet", |pod| set_creating(pod, now));
                self.tasks.add(Task::Pod(at), due);
                return;
            }
            for claim in claims {
                world.volumes.insert(
                    claim,
                    Attachment {
                        node: node.clone(),
                        free_at: None,
                    },
                );
            }
        }
        self.starting.remove(&uid);
        if let Some(machine) = world.machines.get_mut(&node) {
            machine.running.insert(uid.clone());
        }
        let address = address(&uid);
        world.update::<Pod>(&at, "kubelet", |pod| set_running(pod, &address, now));
    }

    fn stop(&mut self, world: &mut World, at: Key, node: String, uid: String) {
        let Some(pod) = world.pods.get(&at) else {
            return;
        };
        let running = world
            .machines
            .get(&node)
            .is_some_and(|one| one.running.contains(&uid));
        let grace = pod.metadata.deletion_grace_period_seconds;
        if finished(pod) && !running && grace == Some(0) {
            // Stopped and deleted already: a finalizer holds what is left.
            return;
        }
        let now = world.now;
        let grace = Duration::from_secs(grace.unwrap_or(0).unsigned_abs());
        let takes = world.constants.pod_stop.min(grace);
        let due = *self.stopping.entry(uid.clone()).or_insert(now + takes);
        if due > now {
            self.tasks.add(Task::Pod(at), due);
            return;
        }
        self.stopping.remove(&uid);
        self.starting.remove(&uid);
        if let Some(machine) = world.machines.get_mut(&node) {
            machine.running.remove(&uid);
        }
        world.update::<Pod>(&at, "kubelet", |pod| {
            if !finished(pod) {
                set_stopped(pod, now);
            }
        });
        delete_as(world, &format!("kubelet/{node}"), &at, &Deletion::now(&uid));
    }

    /// Stops what runs without a pod: force-deleted ones, and those deleted while it was away.
    fn stop_orphans(&mut self, world: &mut World, node: &str) {
        let wanted: Vec<String> = world
            .pods_on(node)
            .iter()
            .filter_map(|at| world.pods.get(at)?.metadata.uid.clone())
            .collect();
        if let Some(machine) = world
            .machines
            .get_mut(node)
            .filter(|machine| machine.speaks())
        {
            machine.running.retain(|uid| wanted.contains(uid));
        }
    }

    /// A machine changed: whoever can speak now does so at once.
    fn machine_changed(&mut self, world: &World, node: &str) {
        let Some(machine) = world.machines.get(node) else {
            return;
        };
        if !machine.power {
            // What was on its way up or down is lost with the power.
            for at in world.pods_on(node) {
                if let Some(pod) = world.pods.get(&at) {
                    self.starting.remove(uid(pod));
                    self.stopping.remove(uid(pod));
                }
            }
        }
        if !machine.speaks() {
            return;
        }
        let now = world.now;
        self.tasks.add(Task::Renew(node.to_owned()), now);
        self.tasks.remove(&Task::Report(node.to_owned()));
        self.tasks.add(
            Task::Report(node.to_owned()),
            now + world.constants.node_ready_delay,
        );
        self.tasks.add(
            Task::Orphans(node.to_owned()),
            now + world.constants.pod_stop,
        );
        for at in world.pods_on(node) {
            self.tasks
                .add(Task::Pod(at), now + world.constants.reaction);
        }
    }
}

impl Kubelets {
    /// A kubelet compares its node's status with the truth every ten seconds.
    fn node_changed(&mut self, world: &World, name: &str) {
        let Some(machine) = world.machines.get(name) else {
            return;
        };
        if machine.speaks()
            && world
                .get("", name)
                .is_some_and(|it| is_wrong(it, machine.healthy))
        {
            let at = world.now + world.constants.renew_interval;
            self.tasks.add(Task::Report(name.to_owned()), at);
        }
    }
}

impl Controller for Kubelets {
    fn observe(&mut self, world: &World, change: &Change) {
        match change {
            Change::Machine(node) => self.machine_changed(world, node),
            Change::Node(name) => self.node_changed(world, name),
            Change::Pod {
                key,
                node: Some(node),
                ..
            } => {
                if world.pods.contains_key(key) {
                    self.tasks
                        .add(Task::Pod(key.clone()), world.now + world.constants.reaction);
                } else {
                    let stopped = world.now + world.constants.pod_stop;
                    self.tasks.add(Task::Orphans(node.clone()), stopped);
                }
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
                Task::Renew(node) => self.renew(world, node),
                Task::Report(node) => self.report(world, node),
                Task::Pod(at) => self.sync(world, at),
                Task::Orphans(node) => self.stop_orphans(world, &node),
            }
        }
    }
}

/// When a claim's volume can be attached to `node`; `None` when nothing stands in the way.
fn attachable(world: &World, claim: &Key, node: &str) -> Option<Timestamp> {
    let attached = world.volumes.get(claim).filter(|one| one.node != node)?;
    // A node that came back lets go at once.
    if attached.free_at.is_some()
        && world
            .machines
            .get(&attached.node)
            .is_some_and(|m| m.speaks())
    {
        return None;
    }
    // Still used there: look again.
    Some(
        attached
            .free_at
            .unwrap_or(world.now + world.constants.monitor_period),
    )
}

/// An address for a pod, from its UID.
fn address(uid: &str) -> String {
    let bits = uid.bytes().fold(0u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    format!("10.244.{}.{}", (bits >> 8) & 0xff, bits & 0xff)
}
