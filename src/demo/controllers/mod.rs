//! The controllers, the scheduler and the kubelets of the simulated cluster.
//!
//! Each is told what changed ([`Controller::observe`]), says when it has something to do next
//! ([`Controller::next`]) and then does it in one pure step of the world. [`Controllers::settle`]
//! lets them work until nothing is due any more.

pub(super) mod deployment;
mod eviction;
mod garbage;
pub(super) mod heartbeat;
mod kubelet;
mod node_lifecycle;
mod pod_gc;
mod queue;
pub(super) mod replicated;
mod scheduler;
pub(super) mod statefulset;
mod taints;
pub(super) mod template;
mod zones;

use jiff::Timestamp;

use super::world::{Change, World};

/// One control loop.
trait Controller: Send {
    /// Hears of a change, as from an informer.
    fn observe(&mut self, world: &World, change: &Change);
    /// When it has something to do next.
    fn next(&self) -> Option<Timestamp>;
    /// Does what is due at `world.now`. Afterwards `next` is later than `world.now`, or the step
    /// made changes that it will hear of.
    fn step(&mut self, world: &mut World);
}

/// All control loops of a cluster, in the order in which they are asked.
pub struct Controllers {
    /// What runs in the kube-controller-manager.
    manager: Vec<Box<dyn Controller>>,
    /// What does not: the kubelets and the scheduler.
    others: Vec<Box<dyn Controller>>,
}

impl Controllers {
    /// Control loops that start now.
    pub fn new(world: &World) -> Self {
        let mut controllers = Self {
            manager: manager(world),
            others: vec![
                Box::new(kubelet::Kubelets::new(world)),
                Box::new(scheduler::Scheduler::default()),
            ],
        };
        for change in world.everything() {
            controllers.observe(world, &change);
        }
        controllers
    }

    /// The kube-controller-manager starts again: everything it had noted is forgotten.
    pub fn restart_manager(&mut self, world: &World) {
        self.manager = manager(world);
        for change in world.everything() {
            self.manager
                .iter_mut()
                .for_each(|one| one.observe(world, &change));
        }
    }

    /// Lets everybody do what is due at `world.now`, until nothing is.
    pub fn settle(&mut self, world: &mut World) {
        loop {
            for change in world.take_changes() {
                self.observe(world, &change);
            }
            let mut idle = true;
            for one in self.manager.iter_mut().chain(&mut self.others) {
                if one.next().is_some_and(|due| due <= world.now) {
                    one.step(world);
                    idle = false;
                }
            }
            if idle {
                return;
            }
        }
    }

    /// When the next control loop has something to do.
    pub fn next(&self) -> Option<Timestamp> {
        self.manager
            .iter()
            .chain(&self.others)
            .filter_map(|one| one.next())
            .min()
    }

    fn observe(&mut self, world: &World, change: &Change) {
        self.manager
            .iter_mut()
            .chain(&mut self.others)
            .for_each(|one| one.observe(world, change));
    }
}

fn manager(world: &World) -> Vec<Box<dyn Controller>> {
    vec![
        Box::new(node_lifecycle::NodeLifecycle::new(world)),
        Box::new(eviction::TaintEviction::default()),
        Box::new(statefulset::StatefulSets::default()),
        Box::new(deployment::Deployments::default()),
        Box::new(replicated::ReplicaSets::default()),
        Box::new(replicated::DaemonSets::default()),
        Box::new(pod_gc::PodGc::new(world)),
        Box::new(garbage::Garbage::default()),
    ]
}
