//! One pass over a node: look, judge, work on its pods, and say what is left.

use super::Context;
use super::ending::close;
use super::entry::{Case, Entry, Order, PodRecord, Rest};
use super::look::{Look, Watch, look};
use super::pod::{PodEnd, PodWork};
use crate::decide::{self, Choice, Hold, Memory, NodeName, Pod, Progress, Skip, Trigger, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

/// What a pass leaves for the next one.
pub struct Findings {
    /// What it saw.
    pub memory: Memory,
    /// Pods that are begun or given up.
    pub pods: BTreeMap<String, PodRecord>,
    /// The remediation, while it is open.
    pub case: Option<Case>,
    /// Why the node is held, if it is.
    pub hold: Option<(Hold, String)>,
    /// Named pods of the node, one for each owner.
    pub owners: Vec<Pod>,
    /// True when the node is alive, or gone for good with nothing left to do.
    pub calm: bool,
}

/// Looks at the node of `order` and does what the verdict permits. `permit` is given back once the
/// node was looked at.
pub async fn run(context: Arc<Context>, order: Order, permit: OwnedSemaphorePermit) -> Findings {
    let asked = context.clock.running();
    let looked = look(&context, &order.node, &order.memory).await;
    drop(permit);
    let Order {
        node,
        trigger,
        memory,
        pods: records,
        case,
    } = order;
    let Look {
        named,
        verdict,
        date,
        watch,
    } = match looked {
        Ok(look) => look,
        Err(hold) => {
            return Findings {
                memory,
                pods: records,
                case,
                hold: Some(hold),
                owners: Vec::new(),
                calm: false,
            };
        }
    };
    let calm = match verdict.held() {
        Some(Hold::NodeReady) => true,
        Some(Hold::UnknownNode) => named.is_empty(),
        _ => false,
    };
    let mut pass = Pass {
        since: match verdict {
            Verdict::Gone { since, .. } => since,
            Verdict::Removed | Verdict::Hold(..) => case.as_ref().and_then(|case| case.since),
        },
        asked,
        watch: Arc::new(watch),
        work: JoinSet::new(),
        records: BTreeMap::new(),
        waiting: Vec::new(),
        holds: Vec::new(),
        owners: owners(&named),
        case,
        context,
        node,
        trigger,
        verdict,
    };
    pass.begin(named, records, date).await;
    pass.work().await;
    pass.rest(calm).await
}

/// A pass in progress.
pub(super) struct Pass {
    pub(super) context: Arc<Context>,
    pub(super) node: NodeName,
    trigger: Trigger,
    verdict: Verdict,
    pub(super) since: Option<jiff::Timestamp>,
    /// When the look was sent, in running time.
    asked: Duration,
    pub(super) watch: Arc<Watch>,
    work: JoinSet<(PodWork, PodEnd)>,
    pub(super) records: BTreeMap<String, PodRecord>,
    /// Pods that are held while their siblings are worked on, and why.
    pub(super) waiting: Vec<(PodRecord, Hold, String)>,
    owners: Vec<Pod>,
    pub(super) holds: Vec<(Hold, String)>,
    pub(super) case: Option<Case>,
}

impl Pass {
    /// Starts the work on every pod that is begun or may be begun.
    async fn begin(
        &mut self,
        named: Vec<Pod>,
        mut records: BTreeMap<String, PodRecord>,
        date: Option<jiff::Timestamp>,
    ) {
        if let Verdict::Hold(hold, why) = &self.verdict {
            self.holds.push((*hold, why.clone()));
        }
        let now = self.context.clock.running();
        for pod in named {
            match records.remove(&pod.metadata.uid) {
                Some(record) => self.resume(record, pod, now),
                None => self.consider(pod, date, now),
            }
        }
        // What was begun and is no longer listed may be gone: its own read tells.
        for record in records.into_values().filter(PodRecord::is_held) {
            self.resume_held(record, false, now);
        }
    }

    /// Works until every pod came to rest. One that is held has its own looks while its siblings are
    /// worked on, and is left to the node's next look when it is the last.
    async fn work(&mut self) {
        let mut looks = 0;
        while !self.work.is_empty() {
            let wait = Entry::wait(looks);
            tokio::select! {
                biased;
                Some(end) = self.work.join_next() => match end {
                    Ok((work, end)) => self.end(work, end).await,
                    Err(error) => self.broken(&error),
                },
                () = tokio::time::sleep(wait), if !self.waiting.is_empty() => {
                    looks += 1;
                    let now = self.context.clock.running();
                    for (record, ..) in std::mem::take(&mut self.waiting) {
                        self.resume_held(record, false, now);
                    }
                }
            }
        }
        for (record, hold, why) in std::mem::take(&mut self.waiting) {
            self.holds.push((hold, why));
            // What was not begun is chosen anew.
            if record.progress.has_begun() || record.given_up > 0 {
                self.records.insert(record.pod.metadata.uid.clone(), record);
            }
        }
    }

    /// The pod is looked at again from scratch; its siblings go on.
    fn broken(&mut self, error: &tokio::task::JoinError) {
        tracing::error!(node = %self.node, %error, "the work on a pod broke off");
        let why = "the work on a pod broke off".to_owned();
        self.holds.push((Hold::NotUnderstood, why));
    }

    /// Goes on with a pod that earlier looks left.
    fn resume(&mut self, mut record: PodRecord, pod: Pod, now: Duration) {
        record.pod = pod;
        if record.is_held() {
            return self.resume_held(record, true, now);
        }
        let early = record.not_before().saturating_sub(now);
        if record.rest == Rest::BacksOff && !early.is_zero() {
            let why = format!(
                "{} is tried again in {} s",
                record.pod.path(),
                early.as_secs()
            );
            self.holds.push((Hold::Backoff, why));
        }
        if !early.is_zero() || self.verdict.held().is_some() {
            self.records.insert(record.pod.metadata.uid.clone(), record);
            return;
        }
        record.progress = record.progress.again();
        self.start(record, true);
    }

    fn resume_held(&mut self, mut record: PodRecord, is_listed: bool, now: Duration) {
        record.progress.resume(now.saturating_sub(record.rested));
        self.start(record, is_listed);
    }

    /// Decides about a pod on which nothing was done yet.
    fn consider(&mut self, pod: Pod, date: Option<jiff::Timestamp>, now: Duration) {
        // The node's own hold stands already.
        if self.verdict.held().is_some() {
            return;
        }
        let wait = self.context.settings.unreachable_for;
        let evicted = wait.is_some_and(|wait| decide::unknown_for(self.since, date, wait));
        let progress = match decide::choose(&pod, &self.verdict, self.trigger, evicted) {
            Choice::Delete => Progress::default(),
            Choice::Clear => Progress::already_deleted(now),
            Choice::Hold(hold, why) => return self.holds.push((hold, why)),
            Choice::Skip(Skip::Ready) => {
                self.skipped(&pod, Skip::Ready);
                let why = format!("{} reads Ready", pod.path());
                // Its Ready may turn False while its siblings are worked on. Without an alert it
                // waits for its eviction then: the node's next look tells.
                if self.trigger == Trigger::Sweep && !evicted {
                    return self.holds.push((Hold::PodReady, why));
                }
                let record = PodRecord::new(pod, Progress::default(), now);
                return self.waiting.push((record, Hold::PodReady, why));
            }
            Choice::Skip(skip) => return self.skipped(&pod, skip),
        };
        if self.context.settings.dry_run && self.context.was_judged(&pod.metadata.uid) {
            return;
        }
        self.start(PodRecord::new(pod, progress, now), true);
    }

    pub(super) fn skipped(&self, pod: &Pod, skip: Skip) {
        if self.context.once(&format!("{skip}/{}", pod.metadata.uid)) {
            self.context.metrics.skip(skip);
            let (path, uid) = (pod.path(), &pod.metadata.uid);
            tracing::info!(node = %self.node, pod = path, uid, reason = %skip, "pod skipped");
        }
    }

    /// Starts the work on a pod; one that the look did not list is read first.
    fn start(&mut self, record: PodRecord, is_listed: bool) {
        let looked = is_listed.then(|| (record.pod.clone(), self.asked));
        let work = PodWork {
            context: self.context.clone(),
            watch: self.watch.clone(),
            trigger: self.trigger,
            remediation: self.open_case(record.given_up > 0),
            pod: record.pod,
            given_up: record.given_up,
            told: record.told,
        };
        let progress = record.progress;
        self.work.spawn(async move {
            let end = work.run(progress, looked).await;
            (work, end)
        });
    }

    /// The number of the remediation in the history. A new try at pods that were given up does not
    /// count again, unless another pod joins it.
    fn open_case(&mut self, retry: bool) -> u64 {
        let (context, node) = (&self.context, &self.node);
        let (trigger, since) = (self.trigger, self.since);
        let case = self.case.get_or_insert_with(|| {
            let judgement = match &self.verdict {
                Verdict::Gone { why, .. } | Verdict::Hold(_, why) => why.as_str(),
                Verdict::Removed => "the Node object is gone, and finalizers keep its pods",
            };
            tracing::info!(node = %node, %trigger, judgement, "remediation begins");
            let id = context
                .history
                .open(node, trigger, judgement, context.clock.wall());
            let began = context.clock.running();
            Case {
                id,
                trigger,
                began,
                worst: None,
                since,
                retry,
            }
        });
        case.retry &= retry;
        case.id
    }

    /// Closes the remediation when nothing of it is left, and says what is.
    async fn rest(mut self, calm: bool) -> Findings {
        // The first hold in this order is the node's: the pods' own come last.
        let rank = |hold: &Hold| match hold {
            Hold::Backoff => 3,
            Hold::NotEvicted => 2,
            Hold::PodReady => 1,
            _ => 0,
        };
        self.holds.sort_by_key(|(hold, _)| rank(hold));
        let hold = self.holds.into_iter().next();
        let begun = self
            .records
            .values()
            .any(|r| r.is_held() && r.progress.has_begun());
        let waits = match &hold {
            None => false,
            Some((hold, _)) => !matches!(
                hold,
                Hold::NodeReady | Hold::UnknownNode | Hold::NotEvicted | Hold::Backoff
            ),
        };
        if !begun
            && !waits
            && let Some(case) = self.case.take()
        {
            close(&self.context, &self.node, &case);
        }
        let memory = self.watch.memory().await;
        Findings {
            memory,
            pods: self.records,
            case: self.case,
            hold,
            owners: self.owners,
            calm,
        }
    }
}

/// One pod for each controller that owns some of them.
fn owners(pods: &[Pod]) -> Vec<Pod> {
    let mut seen = BTreeSet::new();
    let news = |pod: &&Pod| {
        pod.controller()
            .is_some_and(|owner| seen.insert(owner.uid.clone()))
    };
    pods.iter().filter(news).cloned().collect()
}
