//! From a seed to a history: a cluster, what Nodefall is told, and what happens to both.

use crate::act::Act;
use crate::config::{Bound, Config, Spelling};
use crate::plots;
use crate::sender::Alerting;
use fastrand::Rng;
use jiff::SignedDuration;
use nodefall::demo::{Layout, NodePlan, Plan};
use std::time::Duration;

/// The trouble begins when everything runs, and ends so long after.
pub const TROUBLE: Duration = Duration::from_secs(600);

/// The zones of a cluster that has some.
pub const ZONES: [&str; 3] = ["a", "b", "c"];

/// A history before it is played.
#[derive(Clone, Debug)]
pub struct History {
    pub seed: u64,
    pub layout: Layout,
    pub config: Config,
    pub replicas: usize,
    /// How far the clocks of Nodefall's machines are off.
    pub skew: SignedDuration,
    pub alerting: Alerting,
    /// What happens, and how long after the start.
    pub acts: Vec<(Duration, Act)>,
    /// Watched for a while after everything is done: what does Nodefall cost at rest?
    pub idles: bool,
}

impl History {
    /// Names of nodes that strangers tell of and nobody has, at most.
    pub fn strangers(&self) -> usize {
        let forged = self.acts.iter().filter_map(|(_, act)| match act {
            Act::Forged(_, count) => Some(*count),
            _ => None,
        });
        // And "ghost".
        forged.max().unwrap_or_default() + 1
    }
}

/// The history of a seed.
pub fn draw(seed: u64) -> History {
    let rng = &mut Rng::with_seed(seed);
    let layout = layout(rng);
    let config = config(rng);
    let replicas = *pick(rng, &[1, 1, 1, 2, 2, 3]);
    let mut acts = plots::draw(rng, &layout, replicas, &config);
    acts.sort_by_key(|(at, _)| *at);
    History {
        seed,
        config,
        replicas,
        skew: SignedDuration::from_secs(*pick(rng, &[0, 0, 0, -90, 90, 40_000_000])),
        alerting: *pick(
            rng,
            &[
                Alerting::Reliable,
                Alerting::Reliable,
                Alerting::Lossy,
                Alerting::Silent,
            ],
        ),
        layout,
        acts,
        idles: rng.u8(..4) == 0,
    }
}

/// One of several.
pub fn pick<'a, T>(rng: &mut Rng, some: &'a [T]) -> &'a T {
    &some[rng.usize(..some.len())]
}

/// A time of the trouble.
pub fn moment(rng: &mut Rng, from: Duration, to: Duration) -> Duration {
    let (from, to) = (from.as_millis() as u64, to.as_millis() as u64);
    Duration::from_millis(rng.u64(from..to.max(from + 1)))
}

fn layout(rng: &mut Rng) -> Layout {
    let count = match rng.u8(..10) {
        0..7 => rng.usize(3..9),
        7..9 => rng.usize(9..20),
        _ => rng.usize(20..51),
    };
    let zoned = rng.bool();
    // Nodes without a Lease are rare, and then many.
    let leaseless = *pick(rng, &[0, 0, 0, 0, 30]);
    let nodes = (1..=count).map(|number| {
        let mut node = NodePlan::new(&format!("node-{number}"));
        if zoned {
            node = node.zone(ZONES[number % ZONES.len()]);
        }
        if rng.u8(..100) < leaseless {
            node = node.without_lease();
        }
        node.lease_owned = rng.u8(..8) > 0;
        if rng.u8(..4) == 0 {
            node = node.skew(SignedDuration::from_secs(rng.i64(-600..600)));
        }
        node
    });
    let nodes = nodes.collect();
    let layout = Layout {
        nodes,
        ..Layout::default()
    };
    layout
        .statefulset(set(rng, "monitoring", "prometheus-k8s", 2))
        .statefulset(set(rng, "monitoring", "alertmanager-main", 3))
        .statefulset(set(rng, "other", "database", 2))
        .statefulset(
            set(rng, "monitoring", "quiet", 2).annotation("nodefall.io/remediation", "disabled"),
        )
        .replicaset(Plan::new("monitoring", "grafana").replicas(rng.i32(1..4)))
        .daemonset(Plan::new("monitoring", "node-exporter"))
        .pod(Plan::new("monitoring", "prometheus-k8s-debug"))
}

fn set(rng: &mut Rng, namespace: &'static str, name: &'static str, replicas: i32) -> Plan {
    let mut plan = Plan::new(namespace, name)
        .replicas(rng.i32(1..=replicas + 1))
        .grace(*pick(rng, &[0, 30, 120, 600]));
    if rng.bool() {
        plan = plan.parallel();
    }
    match rng.u8(..12) {
        0..3 => plan = plan.finalizer("example.com/keep"),
        3 => {
            plan = plan
                .finalizer("example.com/keep")
                .finalizer("example.com/too")
        }
        4 => plan = plan.finalizer("batch.kubernetes.io/job-tracking"),
        _ => {}
    }
    if rng.u8(..6) == 0 {
        plan = plan.claim();
    }
    plan
}

/// What may be named. Patterns may fit what must never be touched as well.
const NAMES: [&[(&str, &str)]; 6] = [
    &[
        ("monitoring", "prometheus-k8s"),
        ("monitoring", "alertmanager-main"),
    ],
    &[
        ("monitoring", "prometheus-k8s"),
        ("monitoring", "alertmanager-main"),
        ("other", "database"),
    ],
    &[("monitoring", "prometheus-k8s-0"), ("other", "data*-?")],
    &[("monitoring", "*"), ("other", "*")],
    &[
        ("monitoring", "*-k8s-*"),
        ("monitoring", "quiet"),
        ("monitoring", "node-exporter"),
    ],
    &[
        ("monitoring", "grafana-*"),
        ("monitoring", "alertmanager-main"),
    ],
];

fn config(rng: &mut Rng) -> Config {
    let names = pick(rng, &NAMES);
    let secs = Duration::from_secs;
    Config {
        names: names.to_vec(),
        bound: *pick(
            rng,
            &[
                Bound::Percent(49),
                Bound::Percent(49),
                Bound::Percent(33),
                Bound::Percent(20),
                Bound::Percent(100),
                Bound::Nodes(1),
                Bound::Nodes(2),
                Bound::Nodes(5),
            ],
        ),
        period: *pick(
            rng,
            &[
                Some(secs(60)),
                Some(secs(60)),
                Some(secs(5)),
                Some(secs(30)),
                Some(secs(200)),
                None,
            ],
        ),
        unreachable_for: *pick(
            rng,
            &[None, None, Some(secs(0)), Some(secs(20)), Some(secs(120))],
        ),
        delete_timeout: *pick(rng, &[secs(10), secs(10), secs(1), secs(30)]),
        patch_interval: Duration::from_millis(*pick(rng, &[500, 500, 100, 3000])),
        patch_timeout: *pick(rng, &[secs(10), secs(10), secs(0), secs(1), secs(60)]),
        alert_name: pick::<&str>(
            rng,
            &[
                "KubeNodeNotReady",
                "KubeNodeNotReady",
                "KubeNodeUnreachable",
            ],
        ),
        node_label: pick::<&str>(rng, &["node", "node", "node", "instance"]),
        cluster: *pick(rng, &[None, None, Some("ours")]),
        spelling: *pick(
            rng,
            &[
                Spelling::OneByOne,
                Spelling::OneByOne,
                Spelling::Commas,
                Spelling::Pods,
            ],
        ),
        dry_run: rng.u8(..16) == 0,
    }
}
