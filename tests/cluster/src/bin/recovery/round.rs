//! One round: a power loss on every road, and when what happened.

use crate::bed::Bed;
use crate::roads::{Means, ROADS, Road};
use crate::watch::{Change, watch};
use jiff::Timestamp;
use nodefall_testbed::audit::{Call, Mark};
use nodefall_testbed::process::say;
use nodefall_testbed::workload::{NAMESPACE, Pod, condition};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Who is not back by then is never back.
const PATIENCE: Duration = Duration::from_secs(600);

/// Powers are cut at random within so long: the longest period of what they may fall upon, which are
/// the renewals of Leases (10 s), the scrapes (15 s), PodGC (20 s) and the sweeps (1 minute).
const SPREAD: Duration = Duration::from_secs(60);

/// What happens on the way, in that order.
#[derive(Clone, Copy)]
pub enum Stage {
    /// The node's Ready condition turns Unknown.
    Unknown,
    /// Who is to act hears of it: by the alert, by the sweep's first look at the node, by hand. For
    /// Kubernetes alone: it begins to evict the pod.
    Told,
    /// Nodefall judges that the node is gone.
    Judged,
    /// The old pod's object is gone.
    Deleted,
    /// The replacement is Ready on another node.
    Ready,
}

impl Stage {
    /// All of them, by name.
    pub const NAMES: [&str; 5] = ["unknown", "told", "judged", "deleted", "ready"];
}

/// A power loss, and what came of it.
pub struct Loss {
    /// The road.
    pub road: &'static Road,
    /// The pod that is lost with its node.
    pub pod: Pod,
    /// When the power was cut; until then it is to be.
    pub lost: Option<Timestamp>,
    due: Instant,
    at: [Option<Timestamp>; Stage::NAMES.len()],
}

impl Loss {
    fn new(bed: &Bed, road: &'static Road) -> Self {
        let chance = RandomState::new().build_hasher().finish();
        let wait = Duration::from_millis(chance % SPREAD.as_millis() as u64);
        Self {
            road,
            pod: bed.pod(road),
            lost: None,
            due: Instant::now() + wait,
            at: Default::default(),
        }
    }

    /// Seconds from the power loss to each stage that was reached.
    pub fn seconds(&self) -> [Option<f64>; Stage::NAMES.len()] {
        let since = |at: Timestamp| Some(at.duration_since(self.lost?).as_millis() as f64 / 1000.0);
        self.at.map(|at| at.and_then(since))
    }

    fn note(&mut self, stage: Stage, at: Option<Timestamp>) {
        let known = &mut self.at[stage as usize];
        *known = known.or(at);
    }

    fn has(&self, stage: Stage) -> bool {
        self.at[stage as usize].is_some()
    }

    fn is_over(&self) -> bool {
        let patience = PATIENCE.as_secs_f64();
        let waited = |lost| Timestamp::now().duration_since(lost).as_secs_f64();
        self.has(Stage::Ready) || self.lost.is_some_and(|lost| waited(lost) > patience)
    }

    fn see(&mut self, at: Timestamp, change: &Change) {
        if self.lost.is_none() {
            return;
        }
        let (Change::Is(object) | Change::Gone(object)) = change;
        let seen = Pod::read(object);
        if seen.name == self.pod.node {
            let unknown = condition(object, "Ready") == "Unknown";
            self.note(Stage::Unknown, unknown.then_some(at));
        }
        if seen.name != self.pod.name {
            return;
        }
        if seen.uid == self.pod.uid {
            let evicts = self.road.means == Means::Kubernetes && seen.terminating;
            self.note(Stage::Told, evicts.then_some(at));
            self.note(
                Stage::Deleted,
                matches!(change, Change::Gone(_)).then_some(at),
            );
        } else if seen.ready && seen.node != self.pod.node {
            self.note(Stage::Ready, Some(at));
        }
    }

    /// What Nodefall's log tells of this loss, and for a sweep the API server's: the first read of the
    /// node by who deleted the pod.
    fn look_up(&mut self, bed: &Bed, calls: &[Call]) {
        let Some(lost) = self.lost else { return };
        let (road, node) = (self.road, self.pod.node.clone());
        let told = match road.means {
            Means::Sweep(_) => {
                let deletes = |call: &&Call| {
                    call.verb == "delete" && call.bound_to() == Some(self.pod.uid.as_str())
                };
                let token = calls.iter().find(deletes).map(|call| &call.token);
                let reads = |call: &&Call| {
                    let node_read = call.resource == "nodes" && call.name == node;
                    node_read && Some(&call.token) == token && call.at >= lost
                };
                calls.iter().find(reads).map(|call| call.at)
            }
            _ => bed.logged(road, "alert", &node, lost),
        };
        self.note(Stage::Told, told);
        let judged = bed.logged(road, "remediation begins", &node, lost);
        self.note(Stage::Judged, judged);
    }
}

/// Cuts a power on every road, waits until each has led to its end, and gives the powers back.
pub fn play(bed: &mut Bed) -> Vec<Loss> {
    let mark = bed.cluster.audit().mark();
    let (listener, changes) = mpsc::channel();
    let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    watch(&bed.cluster.client, "/api/v1/nodes", listener.clone());
    watch(&bed.cluster.client, &pods, listener);
    let mut losses: Vec<_> = ROADS.iter().map(|road| Loss::new(bed, road)).collect();
    while !losses.iter().all(Loss::is_over) {
        for loss in &mut losses {
            if loss.lost.is_none() && loss.due <= Instant::now() {
                loss.lost = Some(Timestamp::now());
                bed.cluster.cut_power(&loss.pod.node);
            }
        }
        if let Ok((at, change)) = changes.recv_timeout(Duration::from_millis(10)) {
            for loss in &mut losses {
                loss.see(at, &change);
            }
        }
        for loss in &mut losses {
            let by_hand = loss.road.means == Means::Taint && loss.has(Stage::Unknown);
            if by_hand && !loss.has(Stage::Told) {
                bed.put_taint(&loss.pod.node);
                loss.note(Stage::Told, Some(Timestamp::now()));
            }
        }
    }
    finish(bed, mark, &mut losses);
    losses
}

fn finish(bed: &mut Bed, mark: Mark, losses: &mut [Loss]) {
    let calls = bed.cluster.audit().ours(mark);
    for loss in losses.iter_mut() {
        loss.look_up(bed, &calls);
        let reached = Stage::NAMES.iter().zip(loss.seconds());
        let reached = reached.filter_map(|(name, at)| Some(format!(" {name} {:.3}", at?)));
        say(&format!(
            "{}:{}",
            loss.road.name,
            reached.collect::<String>()
        ));
    }
    let lost: Vec<_> = losses
        .iter()
        .map(|loss| (loss.road, loss.pod.node.as_str()))
        .collect();
    bed.restore(&lost);
}
