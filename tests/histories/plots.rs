//! What happens in a history, drawn as small plots: some nodes and their fate, what people do
//! meanwhile, an API that misbehaves, replicas that die, alerts that nobody should send.

use crate::act::Act;
use crate::config::Config;
use crate::draw::{TROUBLE, ZONES, moment, pick};
use crate::{sender, spoil};
use fastrand::Rng;
use jiff::SignedDuration;
use nodefall::demo::Layout;
use std::time::Duration;

type Acts = Vec<(Duration, Act)>;

/// A drawn cluster, and how to draw what happens to it.
struct Stage<'a> {
    rng: &'a mut Rng,
    layout: &'a Layout,
    replicas: usize,
    config: &'a Config,
    acts: Acts,
}

/// What happens to a cluster, in no order.
pub fn draw(rng: &mut Rng, layout: &Layout, replicas: usize, config: &Config) -> Acts {
    let mut stage = Stage {
        rng,
        layout,
        replicas,
        config,
        acts: Vec::new(),
    };
    for _ in 0..*pick(stage.rng, &[1, 1, 1, 2, 2, 3]) {
        stage.fate();
    }
    for _ in 0..*pick(stage.rng, &[0, 0, 1, 1, 2, 4]) {
        stage.people();
    }
    for _ in 0..*pick(stage.rng, &[0, 1, 1, 2, 3, 6]) {
        stage.spoil();
    }
    for _ in 0..*pick(stage.rng, &[0, 0, 0, 1, 1, 2]) {
        stage.die();
    }
    for _ in 0..*pick(stage.rng, &[0, 0, 1, 2, 5]) {
        stage.lie();
    }
    stage.acts
}

impl Stage<'_> {
    fn then(&mut self, at: Duration, act: Act) {
        self.acts.push((at.min(TROUBLE), act));
    }

    /// A node, mostly one of the first: StatefulSets are placed from there on.
    fn node(&mut self) -> String {
        let nodes = &self.layout.nodes;
        let some = match self.rng.u8(..3) {
            0 => nodes.len(),
            _ => nodes.len().min(4),
        };
        pick(self.rng, &nodes[..some]).name.clone()
    }

    /// The nodes that share a fate: mostly one.
    fn some_nodes(&mut self) -> Vec<String> {
        let nodes = &self.layout.nodes;
        match self.rng.u8(..10) {
            0..7 => vec![self.node()],
            7..9 => {
                let count = self.rng.usize(2..=nodes.len().min(6));
                let mut names: Vec<_> = nodes.iter().map(|node| node.name.clone()).collect();
                self.rng.shuffle(&mut names);
                names.truncate(count);
                names
            }
            _ => {
                let zone = Some(*pick(self.rng, &ZONES));
                let there = nodes.iter().filter(|node| node.zone.as_deref() == zone);
                there.map(|node| node.name.clone()).collect()
            }
        }
    }

    /// When it ends, if it does: soon after the control plane saw it, or at any time.
    fn end(&mut self, began: Duration) -> Option<Duration> {
        let secs = Duration::from_secs;
        match self.rng.u8(..6) {
            0 => Some(began + moment(self.rng, secs(1), secs(45))),
            // About when a first deletion is due.
            1 | 2 => Some(began + moment(self.rng, secs(45), secs(100))),
            3 => Some(began + moment(self.rng, secs(100), secs(600))),
            _ => None,
        }
    }

    /// One or more nodes are struck together, within seconds, and perhaps recover.
    fn fate(&mut self) {
        let secs = Duration::from_secs;
        let nodes = self.some_nodes();
        let at = moment(self.rng, secs(0), secs(300));
        let kind = self.rng.u8(..20);
        for node in nodes {
            let began = at + moment(self.rng, secs(0), secs(8));
            let end = self.end(began);
            match kind {
                0..9 => self.switch(began, end, &node, Act::Power),
                9..11 => self.switch(began, end, &node, Act::Network),
                11 => self.switch(began, end, &node, Act::Kubelet),
                12 => self.switch(began, end, &node, Act::Healthy),
                // Its kubelet complains before it goes silent: its pods keep reading Ready.
                13 => {
                    self.then(began, Act::Healthy(node.clone(), false));
                    let gap = moment(self.rng, secs(5), secs(90));
                    self.switch(began + gap, end.map(|end| end + gap), &node, Act::Power);
                }
                14..16 => self.removed(began, end, &node),
                16..18 => self.flaps(began, &node),
                // Cordoned and drained of power, as for a repair.
                18 => {
                    self.then(began, Act::Cordon(node.clone(), true));
                    let gap = moment(self.rng, secs(1), secs(30));
                    self.switch(began + gap, end.map(|end| end + gap), &node, Act::Power);
                }
                // Cut off, and its power goes while nobody sees it.
                _ => {
                    self.then(began, Act::Network(node.clone(), false));
                    let gap = moment(self.rng, secs(5), secs(120));
                    self.switch(began + gap, end.map(|end| end + gap), &node, Act::Power);
                    if let Some(end) = end {
                        self.then(end + gap + gap, Act::Network(node.clone(), true));
                    }
                }
            }
        }
    }

    fn switch(
        &mut self,
        began: Duration,
        end: Option<Duration>,
        node: &str,
        lever: fn(String, bool) -> Act,
    ) {
        self.then(began, lever(node.to_owned(), false));
        if let Some(end) = end {
            self.then(end, lever(node.to_owned(), true));
        }
    }

    /// A node without power, or cut off, or in good health, whose object somebody deletes.
    fn removed(&mut self, began: Duration, end: Option<Duration>, node: &str) {
        let secs = Duration::from_secs;
        let lever = *pick(
            self.rng,
            &[Act::Power, Act::Power, Act::Network, Act::Kubelet],
        );
        self.switch(began, end, node, lever);
        let gap = moment(self.rng, secs(0), secs(200));
        self.then(began + gap, Act::DeleteNode(node.to_owned()));
        let plan = self.layout.nodes.iter().find(|plan| plan.name == node);
        if let (Some(end), Some(plan)) = (end, plan) {
            let back = end.max(began + gap) + moment(self.rng, secs(1), secs(60));
            self.then(back, Act::Register(plan.clone()));
        }
    }

    /// Power that comes and goes.
    fn flaps(&mut self, began: Duration, node: &str) {
        let secs = Duration::from_secs;
        let mut at = began;
        for _ in 0..self.rng.u8(1..5) {
            self.then(at, Act::Power(node.to_owned(), false));
            at += moment(self.rng, secs(2), secs(120));
            self.then(at, Act::Power(node.to_owned(), true));
            at += moment(self.rng, secs(1), secs(60));
        }
        if self.rng.bool() {
            self.then(at, Act::Power(node.to_owned(), false));
        }
    }

    /// What people and other programs do meanwhile.
    fn people(&mut self) {
        let at = moment(self.rng, Duration::ZERO, TROUBLE);
        let set = pick(self.rng, &self.layout.statefulsets);
        let (namespace, name) = (set.namespace.clone(), set.name.clone());
        let pod = format!("{name}-{}", self.rng.i32(0..set.replicas));
        let node = self.node();
        let act = match self.rng.u8(..14) {
            12 | 13 => Act::Recreate(namespace, pod),
            0 | 1 => Act::Roll(namespace, name),
            2 | 3 => Act::Scale(namespace, name, self.rng.i32(0..=4)),
            4 | 5 => Act::Delete {
                namespace,
                pod,
                force: true,
            },
            6 | 7 => Act::Delete {
                namespace,
                pod,
                force: false,
            },
            8 => Act::OptOut(namespace, pod),
            9 => Act::RestartControllerManager,
            10 => Act::Skew(node, SignedDuration::from_secs(self.rng.i64(-5000..5000))),
            _ => Act::Cordon(node, self.rng.bool()),
        };
        self.then(at, act);
    }

    /// A time about when something is to be done about one of the fates.
    fn busy_moment(&mut self) -> Duration {
        let secs = Duration::from_secs;
        let lost: Vec<_> = self.acts.iter().map(|(at, _)| *at).collect();
        match self.rng.u8(..4) {
            1.. if !lost.is_empty() => {
                *pick(self.rng, &lost) + moment(self.rng, secs(40), secs(110))
            }
            _ => moment(self.rng, Duration::ZERO, TROUBLE),
        }
    }

    fn spoil(&mut self) {
        let at = self.busy_moment();
        let fault = spoil::draw(self.rng, self.replicas);
        self.then(at, Act::Fault(fault));
    }

    fn die(&mut self) {
        let at = self.busy_moment();
        let replica = self.rng.usize(..self.replicas);
        let secs = Duration::from_secs;
        let act = match self.rng.u8(..5) {
            0 => Act::Restart(replica),
            _ => Act::Crash {
                replica,
                after: self.rng.u32(0..30),
                effective: self.rng.bool(),
                back: moment(self.rng, secs(0), secs(90)),
            },
        };
        self.then(at, act);
    }

    /// Notifications that are wrong, late, or not for us; and bodies that are none.
    fn lie(&mut self) {
        let at = moment(self.rng, Duration::ZERO, TROUBLE);
        let replica = self.rng.usize(..self.replicas);
        if self.rng.u8(..6) == 0 {
            let bodies = [
                "",
                "{",
                "null",
                r#"{"alerts": 7}"#,
                r#"{"version":"4","alerts":[{}]}"#,
            ];
            let body = *pick(self.rng, &bodies);
            return self.then(at, Act::Garbage(replica, body));
        }
        if self.rng.u8(..6) == 0 {
            let count = *pick(self.rng, &[2, 10, 60]);
            return self.then(at, Act::Forged(replica, count));
        }
        let strange = ["ghost", "..", "node-1/status", "node%2d1", "NODE-1", ""];
        let node = match self.rng.u8(..4) {
            0 => (*pick(self.rng, &strange)).to_owned(),
            _ => self.node(),
        };
        let name = *pick(
            self.rng,
            &[self.config.alert_name, self.config.alert_name, "Watchdog"],
        );
        let cluster = match self.config.cluster {
            Some(ours) => *pick(self.rng, &[ours, ours, "theirs"]),
            None => "any",
        };
        let mut labels = sender::labels(self.config, &node);
        labels.retain(|(label, _)| !matches!(*label, "alertname" | "cluster"));
        labels.push(("alertname", name.to_owned()));
        labels.push(("cluster", cluster.to_owned()));
        let firing = self.rng.u8(..3) > 0;
        self.then(
            at,
            Act::Alert {
                replica,
                firing,
                labels,
            },
        );
    }
}
