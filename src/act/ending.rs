//! What the end of the work on one pod means: counted, told, followed, or tried again later.

use super::Context;
use super::entry::{Case, PodRecord, Rest};
use super::events::Reason;
use super::follow::Follow;
use super::pass::Pass;
use super::pod::{PodEnd, PodWork};
use crate::decide::{Hold, NodeName, Progress, RemediationResult, Verdict};

impl Pass {
    /// Takes in how the work on one pod came to rest.
    pub(super) async fn end(&mut self, work: PodWork, end: PodEnd) {
        let (ending, progress) = match end {
            PodEnd::Ended { ending, progress } => (ending, progress),
            PodEnd::Held(hold, why, progress) => {
                if work.told != Some(hold) {
                    work.tell(&format!("held ({hold}): {why}"));
                }
                let record = PodRecord {
                    given_up: work.given_up,
                    told: Some(hold),
                    ..PodRecord::new(work.pod, progress, self.context.clock.running())
                };
                return self.waiting.push((record, hold, why));
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
            case.worst = case.worst.max(Some(ending.result));
        }
        let told = format!(
            "{} on lost node {}: {}",
            work.pod.path(),
            self.node,
            ending.why
        );
        match ending.result {
            RemediationResult::Freed => {
                if work.pod.is_stateful() {
                    self.follow(work, progress.was_first);
                }
            }
            RemediationResult::DryRun => {
                self.context.judged(&work.pod.metadata.uid);
            }
            RemediationResult::Aborted => {
                self.context
                    .events
                    .of_pod(&work.pod, Reason::Aborted, &told);
                // Its alert may go on firing, and the node be lost again: it stays in sight.
                if let Verdict::Hold(Hold::NodeReady, why) = self.watch.verdict().await {
                    self.holds.push((Hold::NodeReady, why));
                }
            }
            RemediationResult::ProtectedFinalizer => {
                self.give_up(work, progress, Rest::ForGood, told);
            }
            RemediationResult::Refused | RemediationResult::Failed => {
                self.holds.push((Hold::Backoff, told.clone()));
                self.give_up(work, progress, Rest::BacksOff, told);
            }
        }
    }

    fn give_up(&mut self, work: PodWork, progress: Progress, rest: Rest, told: String) {
        // Repeats are in the log and in the history.
        if work.given_up == 0 {
            self.context
                .events
                .of_pod(&work.pod, Reason::GivenUp, &told);
        }
        let uid = work.pod.metadata.uid.clone();
        let record = PodRecord {
            given_up: work.given_up + 1,
            rest,
            ..PodRecord::new(work.pod, progress, self.context.clock.running())
        };
        self.records.insert(uid, record);
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
}

/// Counts a remediation that is over, if anything was done in it.
pub fn close(context: &Context, node: &NodeName, case: &Case) {
    let took = context.clock.running().saturating_sub(case.began);
    let Some(result) = case.worst else {
        tracing::info!(%node, trigger = %case.trigger, "remediation ended: nothing was touched");
        return context.history.discard(case.id);
    };
    if !case.retry {
        context.metrics.remediation(case.trigger, result, took);
    }
    context.history.close(case.id, result, context.clock.wall());
    let (trigger, seconds) = (case.trigger, took.as_secs_f64());
    tracing::info!(%node, %trigger, %result, seconds, "remediation ended");
}
