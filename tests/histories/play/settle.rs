//! When a history is over, and what is left then.

use super::{Play, Task};
use crate::draw::TROUBLE;
use crate::oracle::loss::{self, Excuse, Left};
use crate::stage;
use nodefall::demo::world::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long it may take until everything is done, once the trouble is over: eviction after 5 minutes,
/// a sweep, waits of up to 5 minutes between two tries, 6 minutes for a volume.
const BOUND: Duration = Duration::from_secs(20 * 60);

/// What is only held must be so for as long, and a period of the sweep, before it passes for the end.
const HELD: Duration = Duration::from_secs(150);

/// What has been so for as long every replica has seen: a look each 15 s, a reminder each minute.
const STEADY: Duration = Duration::from_secs(90);

/// A pod that reads Ready is evicted by then.
const EVICTION: Duration = Duration::from_secs(330);

impl Play<'_> {
    /// Waits until nothing is left to do, or all that is left is rightly held.
    pub(super) async fn settle(&mut self) -> Vec<Left> {
        let (step, end) = (Duration::from_secs(5), TROUBLE + BOUND);
        let mut now = TROUBLE;
        let mut done = Duration::ZERO;
        let mut since: BTreeMap<Key, (Option<Excuse>, Duration)> = BTreeMap::new();
        loop {
            let mut left = self.left();
            for it in &mut left {
                let (excuse, began) = since.entry(it.pod.clone()).or_insert((it.excuse, now));
                if *excuse != it.excuse {
                    (*excuse, *began) = (it.excuse, now);
                }
                // A replica that has just started has to hear of it first.
                let since = self.last_start.max(*began);
                let steady = STEADY + self.history.config.period.unwrap_or_default();
                // Where taints come and go, the wait for the eviction begins anew each time.
                let steady = steady + it.excuse.map_or(EVICTION, |_| Duration::ZERO);
                it.steady = now.saturating_sub(since) >= steady;
            }
            let passes = |left: &Left| matches!(left.excuse, None | Some(Excuse::Heartbeat));
            done = if left.iter().any(passes) {
                Duration::ZERO
            } else {
                done + step
            };
            // A replica that is away must not miss the end.
            let whole = self.replicas.iter().all(Option::is_some);
            let ready = left.iter().any(|it| it.excuse == Some(Excuse::PodReady));
            let held = if ready { EVICTION } else { HELD };
            let held = held + self.history.config.period.unwrap_or_default();
            let enough = if left.is_empty() { step } else { held };
            if whole && done >= enough || now >= end {
                return left;
            }
            // A restart or a loss may have cost suspects; the monitoring repeats itself.
            if self.history.config.period.is_none() && now.as_secs().is_multiple_of(60) {
                self.remind();
            }
            now += step;
            self.until(now).await;
        }
    }

    /// Nodes that are not Ready, and what any replica knows of.
    pub(super) async fn troubled(&self) -> BTreeSet<String> {
        let mut troubled: BTreeSet<_> = self.cluster.read(stage::troubled_nodes);
        for replica in self.replicas.iter().flatten() {
            let status = replica.status().await;
            let nodes = status["nodes"].as_array().into_iter().flatten();
            troubled.extend(nodes.filter_map(|it| Some(it["node"].as_str()?.to_owned())));
        }
        troubled
    }

    pub(super) fn left(&self) -> Vec<Left> {
        let config = &self.history.config;
        self.cluster.read(|world| loss::left(world, config))
    }

    /// Every replica hears of every node that reads Unknown.
    fn remind(&mut self) {
        let unknown = self.cluster.read(stage::unknown_nodes);
        let now = self.began.elapsed();
        for node in unknown {
            self.queue(now, Task::Notify(node, true));
        }
    }
}
