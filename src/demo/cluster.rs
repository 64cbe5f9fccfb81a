//! The handle of a simulated cluster: its clock, its API, and what can be done to its machines.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::audit::Entry;
use super::build;
use super::constants::Constants;
use super::controllers::Controllers;
use super::faults::{Fault, Faults};
use super::layout::{Layout, NodePlan};
use super::world::{Change, Machine, World, key};

/// A simulated cluster. Clones are the same cluster. Nothing moves in it until [`Cluster::run`]
/// is polled.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Something was written: the controllers look at once.
    written: Notify,
    born: Instant,
    start: Timestamp,
}

/// What the lock protects.
pub(super) struct State {
    pub(super) world: World,
    pub(super) controllers: Controllers,
    pub(super) faults: Faults,
    pub(super) access: super::access::Access,
}

impl Cluster {
    /// A cluster in good order. Its clock starts at [`Constants::start`] and goes as tokio's does.
    pub fn new(constants: Constants, layout: &Layout) -> Self {
        let start = constants.start;
        let world = build::build(constants, layout);
        let controllers = Controllers::new(&world);
        let state = State {
            world,
            controllers,
            faults: Faults::default(),
            access: super::access::Access::default(),
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                written: Notify::new(),
                born: Instant::now(),
                start,
            }),
        }
    }

    /// Lets the controllers, the scheduler and the kubelets work, each when it is due. Never ends.
    pub async fn run(&self) {
        loop {
            let next = {
                let mut state = self.lock();
                let State {
                    world, controllers, ..
                } = &mut *state;
                controllers.settle(world);
                controllers.next()
            };
            let sleep = async {
                match next {
                    Some(due) => tokio::time::sleep_until(self.instant(due)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.shared.written.notified() => {}
                () = sleep => {}
            }
        }
    }

    /// The time of the API server's clock.
    pub fn now(&self) -> Timestamp {
        self.shared.start + self.shared.born.elapsed()
    }

    /// Reads anything, unnoticed by the controllers.
    pub fn read<R>(&self, look: impl FnOnce(&World) -> R) -> R {
        look(&self.lock().world)
    }

    /// Changes, or reads, anything. The controllers hear of what changed.
    pub fn edit<R>(&self, change: impl FnOnce(&mut World) -> R) -> R {
        let answer = change(&mut self.lock().world);
        self.shared.written.notify_one();
        answer
    }

    /// The audit log so far.
    pub fn audit(&self) -> Vec<Entry> {
        self.lock().world.audit.clone()
    }

    /// Injects a fault into the API.
    pub fn inject(&self, fault: Fault) {
        let mut state = self.lock();
        let now = state.world.now;
        state.faults.add(fault, now);
    }

    /// Takes all faults back, requests that hang excepted.
    pub fn clear_faults(&self) {
        self.lock().faults = Faults::default();
    }

    /// Takes a right away: access reviews say so, and requests are answered 403.
    pub fn deny_access(&self, verb: &str, resource: &str) {
        self.lock().access.deny(verb, resource);
    }

    /// Access reviews deny a right that requests have all the same, as when it is granted by name.
    pub fn hide_access(&self, verb: &str, resource: &str) {
        self.lock().access.hide(verb, resource);
    }

    /// Cuts a node's power: kubelet and containers stop at once, nothing is written any more.
    pub fn cut_power(&self, node: &str) {
        self.machine(node, |machine| {
            machine.power = false;
            machine.running.clear();
        });
    }

    /// Gives power back: the kubelet starts, renews its Lease, and starts what is still bound.
    pub fn give_power(&self, node: &str) {
        self.machine(node, |machine| {
            machine.power = true;
            machine.kubelet = true;
        });
    }

    /// Stops the kubelet. The containers go on.
    pub fn stop_kubelet(&self, node: &str) {
        self.machine(node, |machine| machine.kubelet = false);
    }

    /// Starts the kubelet again.
    pub fn start_kubelet(&self, node: &str) {
        self.machine(node, |machine| machine.kubelet = true);
    }

    /// The kubelet reports Ready `False` (or `True` again) while its containers go on.
    pub fn kubelet_not_ready(&self, node: &str, not_ready: bool) {
        self.machine(node, |machine| machine.healthy = !not_ready);
    }

    /// Cuts a node off from the API server (or heals that) while everything on it goes on.
    pub fn partition(&self, node: &str, cut: bool) {
        self.machine(node, |machine| machine.reachable = !cut);
    }

    /// Sets how far a kubelet's clock is ahead; negative: behind.
    pub fn skew(&self, node: &str, skew: SignedDuration) {
        self.edit(|world| {
            if let Some(machine) = world.machines.get_mut(node) {
                machine.skew = skew;
            }
        });
    }

    /// Deletes the Node object. The machine goes on.
    pub fn delete_node(&self, node: &str) {
        self.edit(|world| world.remove::<Node>(&key("", node)));
    }

    /// Adds a node, or registers one again whose object was deleted.
    pub fn add_node(&self, plan: &NodePlan) {
        self.edit(|world| {
            world.remove::<Node>(&key("", &plan.name));
            build::add_node(world, plan);
            world.notice(Change::Machine(plan.name.clone()));
        });
    }

    /// Cordons or uncordons a node.
    pub fn cordon(&self, node: &str, unschedulable: bool) {
        self.edit(|world| {
            world.update::<Node>(&key("", node), "kubectl", |node| {
                node.spec.get_or_insert_default().unschedulable = unschedulable.then_some(true);
            })
        });
    }

    /// Restarts the kube-controller-manager: what it had observed, and its timers, are lost.
    pub fn restart_controller_manager(&self) {
        let mut state = self.lock();
        let State {
            world, controllers, ..
        } = &mut *state;
        controllers.restart_manager(world);
        drop(state);
        self.shared.written.notify_one();
    }

    fn machine(&self, node: &str, change: impl FnOnce(&mut Machine)) {
        self.edit(|world| {
            if let Some(machine) = world.machines.get_mut(node) {
                change(machine);
                world.notice(Change::Machine(node.to_owned()));
            }
        });
    }

    /// The state, with its clock set to now.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.world.now = self.now();
        state
    }

    /// Wakes the controllers after a write through the API.
    pub(super) fn wake(&self) {
        self.shared.written.notify_one();
    }

    fn instant(&self, at: Timestamp) -> Instant {
        let since = at.duration_since(self.shared.start);
        self.shared.born + std::time::Duration::try_from(since).unwrap_or_default()
    }
}
