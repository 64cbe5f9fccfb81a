//! One pass over a node: look, judge, work on its pods, and say what is left.

use super::Context;
use super::entry::{Case, Order, PodRecord};
use super::events::Reason;
use super::follow::Follow;
use super::look::{Look, Watch, look};
use super::pod::{PodEnd, PodWork};
use crate::decide::{
    self, Hold, Memory, NodeName, Pod, Progress, RemediationResult, Sight, Skip, Trigger, Verdict,
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
            Verdict::Gone { since } => since,
            Verdict::Removed | Verdict::Hold(..) => None,
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
            Ok((work, end)) => pass.end(work, end),
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

struct Pass {
    context: Arc<Context>,
    node: NodeName,
    trigger: Trigger,
    verdict: Verdict,
    since: Option<jiff::Timestamp>,
    watch: Arc<Watch>,
    work: JoinSet<(PodWork, PodEnd)>,
    records: BTreeMap<String, PodRecord>,
    holds: Vec<(Hold, String)>,
    case: Option<Case>,
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
        for (_, mut record) in records.into_iter().filter(|(_, r)| r.given_up == 0) {
            record.progress.resume(now.saturating_sub(record.rested));
            self.start(record.pod, record.progress, None);
        }
    }

    fn resume(&mut self, record: PodRecord, pod: Pod, now: Duration) {
        if now < record.not_before() {
            let wait = (record.not_before() - now).as_secs();
            self.holds.push((
                Hold::Backoff,
                format!("{} is tried again in {wait} s", pod.path()),
            ));
            self.records.insert(pod.metadata.uid.clone(), record);
            return;
        }
        let mut progress = record.progress.clone();
        if record.given_up == 0 {
            progress.resume(now.saturating_sub(record.rested));
        } else {
            progress = progress.again(now);
            // How often it was given up is remembered until it is free.
            self.records.insert(pod.metadata.uid.clone(), record);
            if self.verdict.held().is_some() {
                return;
            }
        }
        self.start(pod.clone(), progress, Some(Sight::There(Box::new(pod))));
    }

    /// Decides about a pod on which nothing was done yet.
    fn consider(&mut self, pod: Pod, date: Option<jiff::Timestamp>, now: Duration) {
        if self.verdict.held().is_some() {
            return;
        }
        match decide::skip(&pod) {
            Some(Skip::Ready) => {
                self.skipped(&pod, Skip::Ready);
                self.holds
                    .push((Hold::PodReady, format!("{} reads Ready", pod.path())));
                return;
            }
            Some(skip) => return self.skipped(&pod, skip),
            None => {}
        }
        let progress = match self.verdict {
            Verdict::Removed if pod.is_force_deleted() && !pod.metadata.finalizers.is_empty() => {
                Progress::already_deleted(now)
            }
            Verdict::Removed => {
                let why = format!("the Node is gone; PodGC has not deleted {} yet", pod.path());
                self.holds.push((Hold::UnknownNode, why));
                return;
            }
            _ if self.trigger == Trigger::Sweep && !self.is_evicted(&pod, date) => {
                let why = format!("Kubernetes has not evicted {} yet", pod.path());
                self.holds.push((Hold::NotEvicted, why));
                return;
            }
            _ => Progress::default(),
        };
        let dry_run = self.context.settings.dry_run;
        if dry_run && self.context.is_counted(&tried(&pod)) {
            return;
        }
        self.start(pod.clone(), progress, Some(Sight::There(Box::new(pod))));
    }

    /// Without an alert, Kubernetes itself must have given the pod up, or the node been Unknown for
    /// as long as the operator said.
    fn is_evicted(&self, pod: &Pod, date: Option<jiff::Timestamp>) -> bool {
        let wait = self.context.settings.unreachable_for;
        pod.is_terminating() || wait.is_some_and(|wait| decide::unknown_for(self.since, date, wait))
    }

    fn skipped(&self, pod: &Pod, skip: Skip) {
        if self.context.once(&format!("{skip}/{}", pod.metadata.uid)) {
            self.context.metrics.skip(skip);
            let (path, uid) = (pod.path(), &pod.metadata.uid);
            tracing::info!(node = %self.node, pod = path, uid, reason = %skip, "pod skipped");
        }
    }

    fn start(&mut self, pod: Pod, progress: Progress, sight: Option<Sight>) {
        let remediation = self.open_case();
        let work = PodWork {
            context: self.context.clone(),
            watch: self.watch.clone(),
            remediation,
            pod,
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
        let trigger = self.trigger;
        let case = self.case.get_or_insert_with(|| {
            let judgement = "gone: Ready is Unknown, tainted unreachable:NoExecute, Lease run out";
            let judgement = match self.verdict {
                Verdict::Removed => "the Node object is gone, and finalizers keep its pods",
                _ => judgement,
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
            }
        });
        case.id
    }

    /// Takes in how the work on one pod came to rest.
    fn end(&mut self, work: PodWork, end: PodEnd) {
        let now = self.context.clock.running();
        let (ending, progress, first) = match end {
            PodEnd::Ended {
                ending,
                progress,
                first,
            } => (ending, progress, first),
            PodEnd::Held(hold, why, progress) => {
                work.tell(&format!("held ({hold}): {why}"));
                self.holds.push((hold, why));
                if progress.has_begun() {
                    self.record(work.pod, progress, now, 0);
                }
                return;
            }
            PodEnd::Excluded(skip) => return self.skipped(&work.pod, skip),
            PodEnd::Stopped => return,
        };
        let metrics = &self.context.metrics;
        if let Some(deletion) = ending.deletion {
            metrics.deletion(deletion);
        }
        if let Some(patch) = ending.patch {
            metrics.patch(patch);
        }
        work.tell(&format!("{}: {}", ending.result, ending.why));
        self.context.history.pod(work.remediation, &work.pod, |s| {
            s.outcome = Some(ending.result)
        });
        if let Some(case) = &mut self.case {
            case.worst = case.worst.max(ending.result);
        }
        let told = format!(
            "{} on lost node {}: {}",
            work.pod.path(),
            self.node,
            ending.why
        );
        let given_up = self
            .records
            .remove(&work.pod.metadata.uid)
            .map_or(0, |r| r.given_up);
        match ending.result {
            RemediationResult::Freed => {
                if work.pod.is_stateful() {
                    self.follow(work, first);
                }
            }
            RemediationResult::DryRun => {
                self.context.once(&tried(&work.pod));
            }
            RemediationResult::Aborted => {
                self.context
                    .events
                    .of_pod(&work.pod, Reason::Aborted, &told);
            }
            RemediationResult::ProtectedFinalizer
            | RemediationResult::Refused
            | RemediationResult::Failed => {
                self.context
                    .events
                    .of_pod(&work.pod, Reason::GivenUp, &told);
                self.holds.push((Hold::Backoff, told));
                self.record(work.pod, progress, now, given_up + 1);
            }
        }
    }

    fn record(&mut self, pod: Pod, progress: Progress, rested: Duration, given_up: u32) {
        let uid = pod.metadata.uid.clone();
        self.records.insert(
            uid,
            PodRecord {
                pod,
                progress,
                rested,
                given_up,
            },
        );
    }

    fn follow(&self, work: PodWork, first: bool) {
        let follow = Follow {
            context: work.context,
            remediation: work.remediation,
            pod: work.pod,
            since: self.since,
            counts: first,
        };
        tokio::spawn(follow.run());
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
            .any(|r| r.given_up == 0 && r.progress.has_begun());
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

/// Under which a dry run that came to its end is remembered; one that was held is not.
fn tried(pod: &Pod) -> String {
    format!("dry run/{}", pod.metadata.uid)
}

/// Counts a remediation that is over.
pub fn close(context: &Context, node: &NodeName, case: &Case) {
    let took = context.clock.running().saturating_sub(case.began);
    context.metrics.remediation(case.trigger, case.worst, took);
    context
        .history
        .close(case.id, case.worst, context.clock.wall());
    let (trigger, result) = (case.trigger, case.worst);
    tracing::info!(%node, %trigger, %result, seconds = took.as_secs_f64(), "remediation ended");
}
