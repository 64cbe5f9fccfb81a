//! What the end of the work on one pod means: counted, told, followed, or tried again later.

use super::Context;
use super::entry::{Case, PodRecord};
use super::events::Reason;
use super::follow::Follow;
use super::pass::Pass;
use super::pod::{PodEnd, PodWork};
use crate::decide::{Hold, NodeName, Pod, Progress, RemediationResult, Verdict};

impl Pass {
    /// Takes in how the work on one pod came to rest.
    pub(super) async fn end(&mut self, work: PodWork, end: PodEnd) {
        let (ending, progress) = match end {
            PodEnd::Ended { ending, progress } => (ending, progress),
            PodEnd::Held(hold, why, progress) => {
                work.tell(&format!("held ({hold}): {why}"));
                self.holds.push((hold, why));
                if progress.has_begun() || work.given_up > 0 {
                    self.record(work.pod, progress, work.given_up, false);
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
            RemediationResult::ProtectedFinalizer
            | RemediationResult::Refused
            | RemediationResult::Failed => {
                self.context
                    .events
                    .of_pod(&work.pod, Reason::GivenUp, &told);
                self.holds.push((Hold::Backoff, told));
                self.record(work.pod, progress, work.given_up + 1, true);
            }
        }
    }

    fn record(&mut self, pod: Pod, progress: Progress, given_up: u32, backs_off: bool) {
        let uid = pod.metadata.uid.clone();
        let rested = self.context.clock.running();
        let record = PodRecord {
            pod,
            progress,
            rested,
            given_up,
            backs_off,
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
