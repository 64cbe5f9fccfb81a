//! The work on one pod: the judged, timed delete and the finalizer patch, each call under a fresh
//! verdict.

use super::Context;
use super::error::ApiError;
use super::events::Reason;
use super::look::Watch;
use crate::decide::{
    DeletionResult, Destructive, Ending, Hold, Permission, Pod, Progress, RemediationResult, Reply,
    Sight, Skip, Step, Trigger, permits,
};
use std::sync::Arc;
use std::time::Duration;

/// A pod that was read longer ago than this is read again before a destructive call. Its UID guards
/// its identity; its node's evidence is held to a closer bound.
const POD_AGE: Duration = Duration::from_secs(10);

/// How the work on one pod came to rest.
pub enum PodEnd {
    /// Its name is free, or it is given up.
    Ended {
        /// How.
        ending: Ending,
        /// The way that was gone.
        progress: Progress,
    },
    /// It waits for the node to be looked at again.
    Held(Hold, String, Progress),
    /// It is not to be touched after all.
    Excluded(Skip),
    /// The process is being stopped, and nothing had begun.
    Stopped,
}

/// One pod in hand.
pub struct PodWork {
    /// What everything needs.
    pub context: Arc<Context>,
    /// The judgement of its node.
    pub watch: Arc<Watch>,
    /// What set the work going.
    pub trigger: Trigger,
    /// The remediation's number in the history.
    pub remediation: u64,
    /// The pod as it was judged; its UID is its identity.
    pub pod: Pod,
    /// How often it was given up before.
    pub given_up: u32,
    /// Why it was held last.
    pub told: Option<Hold>,
}

impl PodWork {
    /// Works on the pod from `progress` until it is free, given up or held. `looked` is the pod as a
    /// list showed it, and when that was asked for.
    pub async fn run(&self, mut progress: Progress, looked: Option<(Pod, Duration)>) -> PodEnd {
        let clock = &self.context.clock;
        let limits = &self.context.settings.limits;
        let (mut sight, mut seen) = match looked {
            Some((pod, asked)) => (Sight::There(Box::new(pod)), asked),
            None => self.read().await,
        };
        loop {
            let call = match progress.next(&sight, limits, clock.running()) {
                Step::End(ending) => return PodEnd::Ended { ending, progress },
                Step::Wait(wait) => {
                    tokio::time::sleep(wait).await;
                    (sight, seen) = self.read().await;
                    continue;
                }
                Step::Do(call) => call,
            };
            let verdict = self.watch.verdict().await;
            let begun = progress.has_begun();
            // An opt-out may have come since, or the pod may have gone.
            let is_old = clock.running().saturating_sub(seen) > POD_AGE;
            let current = match &sight {
                Sight::There(pod) if !is_old => pod,
                _ => {
                    (sight, seen) = self.read().await;
                    continue;
                }
            };
            match permits(call, &verdict, current, begun) {
                Permission::Granted => {}
                Permission::Held(hold, why) => return PodEnd::Held(hold, why, progress),
                Permission::Excluded(skip) if !begun => return PodEnd::Excluded(skip),
                Permission::Excluded(skip) => {
                    let ending = progress.abort(format!("it is not to be touched: {skip}"));
                    return PodEnd::Ended { ending, progress };
                }
                Permission::Aborted(why) => {
                    let ending = progress.abort(why);
                    return PodEnd::Ended { ending, progress };
                }
            }
            if self.context.settings.dry_run {
                let ending = dry_run(call);
                return PodEnd::Ended { ending, progress };
            }
            if self.context.is_draining() && !begun {
                return PodEnd::Stopped;
            }
            let fresh = !current.is_force_deleted();
            let sent = clock.running();
            let reply = self.call(call, current).await;
            if call == Destructive::Delete && reply == Reply::Acknowledged {
                progress.was_first |= fresh;
                self.context.metrics.deletion(DeletionResult::Deleted);
            }
            if matches!(reply, Reply::Conflict(_)) {
                self.watch.distrust().await;
            }
            progress.note(call, reply, limits, sent, clock.running());
            (sight, seen) = self.read().await;
        }
    }

    /// Reads the pod, and says when; another UID under its name is as good as none.
    async fn read(&self) -> (Sight, Duration) {
        let (meta, asked) = (&self.pod.metadata, self.context.clock.running());
        let sight = match self.context.api.pod(&meta.namespace, &meta.name).await {
            Ok(answer) => match answer.object {
                Some(pod) if pod.metadata.uid == meta.uid => Sight::There(Box::new(pod)),
                _ => Sight::Gone,
            },
            Err(error) => Sight::Unread(error.to_string()),
        };
        (sight, asked)
    }

    async fn call(&self, call: Destructive, current: &Pod) -> Reply {
        let (result, what) = match call {
            Destructive::Delete => (self.context.api.delete_pod(current).await, "DELETE"),
            Destructive::Patch => (
                self.context.api.clear_finalizers(current).await,
                "finalizer patch",
            ),
        };
        let finalizers = current.finalizers();
        let reply = reply(result);
        let heard = match &reply {
            Reply::Acknowledged => "acknowledged",
            Reply::Conflict(why) | Reply::Refused(why) | Reply::Again(why, _) => why,
        };
        let with = match call {
            Destructive::Delete => "grace 0, bound to its UID".to_owned(),
            Destructive::Patch => format!("strips finalizers: {finalizers}"),
        };
        self.tell(&format!("{what} ({with}): {heard}"));
        if reply == Reply::Acknowledged {
            let (reason, done) = match call {
                Destructive::Delete => (Reason::ForceDeleted, "Force-deleted pod".to_owned()),
                Destructive::Patch => (
                    Reason::FinalizersCleared,
                    format!("Cleared finalizers ({finalizers}) of pod"),
                ),
            };
            let note = format!(
                "{done} {} on lost node {}",
                self.pod.path(),
                self.pod.node()
            );
            self.context.events.of_pod(&self.pod, reason, &note);
        }
        reply
    }

    /// Notes one step in the log and in the history.
    pub fn tell(&self, what: &str) {
        let (pod, uid) = (self.pod.path(), &self.pod.metadata.uid);
        tracing::info!(node = self.pod.node(), pod, uid, trigger = %self.trigger, "{what}");
        let now = self.context.clock.wall();
        self.context
            .history
            .step(self.remediation, &self.pod, now, what);
    }
}

fn dry_run(call: Destructive) -> Ending {
    let call = match call {
        Destructive::Delete => "force-deleted",
        Destructive::Patch => "stripped of its finalizers",
    };
    Ending {
        result: RemediationResult::DryRun,
        deletion: Some(DeletionResult::DryRun),
        patch: None,
        why: format!("dry run: it would be {call}"),
    }
}

/// What an answer means for the pod. 404 is success; the read that follows tells.
fn reply(result: Result<(), ApiError>) -> Reply {
    match result {
        Ok(()) => Reply::Acknowledged,
        Err(ApiError::Status {
            code: 404 | 409,
            message,
            ..
        }) => Reply::Conflict(message),
        Err(ApiError::Status {
            code: 403 | 422,
            message,
            ..
        }) => Reply::Refused(message),
        Err(ApiError::Status {
            code,
            message,
            retry_after,
        }) => Reply::Again(
            format!("the API server answered {code}: {message}"),
            retry_after,
        ),
        // A write that was taken and whose answer cannot be read: the next read tells.
        Err(error) => Reply::Again(error.to_string(), None),
    }
}
