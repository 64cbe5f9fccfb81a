//! What the end of the work on one pod means: counted, told, followed, or tried again later.

use super::Context;
use super::entry::{Case, PodRecord};
use super::events::Reason;
use super::follow::Follow;
use super::pass::Pass;
use super::pod::{PodEnd, PodWork};
use crate::decide::{Hold, NodeName, Pod, Progress, RemediationResult};
use std::time::Duration;

impl Pass {
    /// Takes in how the work on one pod came to rest.
    pub(super) fn end(&mut self, work: PodWork, end: PodEnd) {
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
                self.context.judged(&work.pod.metadata.uid);
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
