//! One pass over a node: look, judge, work on its pods, and say what is left.

use super::Context;
use super::ending::close;
use super::entry::{Case, Order, PodRecord};
use super::look::{Look, Watch, look};
use super::pod::{PodEnd, PodWork};
use crate::decide::{
    self, Choice, Hold, Memory, NodeName, Pod, Progress, RemediationResult, Sight, Skip, Trigger,
    Verdict,
};
use std::collections::BTreeMap;
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
    /// True when the node is alive, or gone for good with nothing left to do.
    pub calm: bool,
}

/// Looks at the node of `order` and does what the verdict permits. `permit` is given back once the
/// node was looked at.
pub async fn run(context: Arc<Context>, order: Order, permit: OwnedSemaphorePermit) -> Findings {
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
        watch: Arc::new(watch),
        work: JoinSet::new(),
        records: BTreeMap::new(),
        holds: Vec::new(),
        case,
        context,
        node,
        trigger,
        verdict,
    };
    pass.begin(named, records, date).await;
    while let Some(end) = pass.work.join_next().await {
        match end {
            Ok((work, end)) => pass.end(work, end).await,
            Err(error) => {
                // The pod is looked at again from scratch; its siblings go on.
                tracing::error!(node = %pass.node, %error, "the work on a pod broke off");
                pass.holds.push((
                    Hold::NotUnderstood,
                    "the work on a pod broke off".to_owned(),
                ));
            }
        }
    }
    pass.rest(calm).await
}

/// A pass in progress.
pub(super) struct Pass {
    pub(super) context: Arc<Context>,
    pub(super) node: NodeName,
    trigger: Trigger,
    verdict: Verdict,
    pub(super) since: Option<jiff::Timestamp>,
    pub(super) watch: Arc<Watch>,
    work: JoinSet<(PodWork, PodEnd)>,
    pub(super) records: BTreeMap<String, PodRecord>,
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
        for (_, mut record) in records.into_iter().filter(|(_, r)| !r.backs_off) {
            record.progress.resume(now.saturating_sub(record.rested));
            self.start(record.pod, record.progress, None, record.given_up);
        }
    }

    fn resume(&mut self, mut record: PodRecord, pod: Pod, now: Duration) {
        let early = record.not_before().saturating_sub(now);
        if !early.is_zero() {
            let why = format!("{} is tried again in {} s", pod.path(), early.as_secs());
            self.holds.push((Hold::Backoff, why));
        }
        if !early.is_zero() || (record.backs_off && self.verdict.held().is_some()) {
            self.records.insert(pod.metadata.uid.clone(), record);
            return;
        }
        if record.backs_off {
            record.progress = record.progress.again(now);
        } else {
            record.progress.resume(now.saturating_sub(record.rested));
        }
        let sight = Sight::There(Box::new(pod.clone()));
        self.start(pod, record.progress, Some(sight), record.given_up);
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
            Choice::Skip(skip) => {
                self.skipped(&pod, skip);
                if skip == Skip::Ready {
                    let why = format!("{} reads Ready", pod.path());
                    self.holds.push((Hold::PodReady, why));
                }
                return;
            }
        };
        if self.context.settings.dry_run && self.context.was_judged(&pod.metadata.uid) {
            return;
        }
        let sight = Sight::There(Box::new(pod.clone()));
        self.start(pod, progress, Some(sight), 0);
    }

    pub(super) fn skipped(&self, pod: &Pod, skip: Skip) {
        if self.context.once(&format!("{skip}/{}", pod.metadata.uid)) {
            self.context.metrics.skip(skip);
            let (path, uid) = (pod.path(), &pod.metadata.uid);
            tracing::info!(node = %self.node, pod = path, uid, reason = %skip, "pod skipped");
        }
    }

    fn start(&mut self, pod: Pod, progress: Progress, sight: Option<Sight>, given_up: u32) {
        let remediation = self.open_case();
        let work = PodWork {
            context: self.context.clone(),
            watch: self.watch.clone(),
            remediation,
            pod,
            given_up,
        };
        self.work.spawn(async move {
            let sight = match sight {
                Some(sight) => sight,
                None => work.read().await,
            };
            let end = work.run(progress, sight).await;
            (work, end)
        });
    }

    fn open_case(&mut self) -> u64 {
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
                worst: RemediationResult::Freed,
                since,
            }
        });
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
            .any(|r| !r.backs_off && r.progress.has_begun());
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
            calm,
        }
    }
}
