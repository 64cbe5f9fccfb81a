//! The work on one pod: the judged, timed delete and the finalizer patch, each call under a fresh
//! verdict.

use super::Context;
use super::error::ApiError;
use super::events::Reason;
use super::look::Watch;
use crate::decide::{
    DeletionResult, Destructive, Ending, Hold, Permission, Pod, Progress, RemediationResult, Reply,
    Sight, Skip, Step, permits,
};
use std::sync::Arc;

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
    /// The remediation's number in the history.
    pub remediation: u64,
    /// The pod as it was judged; its UID is its identity.
    pub pod: Pod,
    /// How often it was given up before.
    pub given_up: u32,
}

impl PodWork {
    /// Works on the pod from `progress` until it is free, given up or held.
    pub async fn run(&self, mut progress: Progress, mut sight: Sight) -> PodEnd {
        let limits = &self.context.settings.limits;
        loop {
            let call = match progress.next(&sight, limits, self.context.clock.running()) {
                Step::End(ending) => return PodEnd::Ended { ending, progress },
                Step::Wait(wait) => {
                    tokio::time::sleep(wait).await;
                    sight = self.read().await;
                    continue;
                }
                Step::Do(call) => call,
            };
            let Sight::There(current) = &sight else {
                sight = self.read().await;
                continue;
            };
            let verdict = self.watch.verdict().await;
            let begun = progress.has_begun();
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
            let sent = self.context.clock.running();
            let reply = self.call(call, current).await;
            if call == Destructive::Delete && reply == Reply::Acknowledged {
                progress.was_first |= fresh;
                self.context.metrics.deletion(DeletionResult::Deleted);
            }
            if matches!(reply, Reply::Conflict(_)) {
                self.watch.distrust().await;
            }
            progress.note(call, reply, limits, sent, self.context.clock.running());
            sight = self.read().await;
        }
    }

    /// Reads the pod; another UID under its name is as good as none.
    pub async fn read(&self) -> Sight {
        let meta = &self.pod.metadata;
        match self.context.api.pod(&meta.namespace, &meta.name).await {
            Ok(answer) => match answer.object {
                Some(pod) if pod.metadata.uid == meta.uid => Sight::There(Box::new(pod)),
                _ => Sight::Gone,
            },
            Err(error) => Sight::Unread(error.to_string()),
        }
    }

    async fn call(&self, call: Destructive, current: &Pod) -> Reply {
        let (result, what) = match call {
            Destructive::Delete => (self.context.api.delete_pod(current).await, "DELETE"),
            Destructive::Patch => (
                self.context.api.clear_finalizers(current).await,
                "finalizer patch",
            ),
        };
        let finalizers = current.metadata.finalizers.join(", ");
        let reply = reply(result);
        let heard = match &reply {
            Reply::Acknowledged => "acknowledged",
            Reply::Conflict(why) | Reply::Refused(why) | Reply::Again(why, _) => why,
        };
        let with = match call {
            Destructive::Delete => "grace 0, bound to its UID".to_owned(),
            Destructive::Patch => format!("strips {finalizers}"),
        };
        self.tell(&format!("{what} ({with}): {heard}"));
        if reply == Reply::Acknowledged {
            let (reason, done) = match call {
                Destructive::Delete => (Reason::ForceDeleted, "Force-deleted pod".to_owned()),
                Destructive::Patch => (
                    Reason::FinalizersCleared,
                    format!("Cleared finalizers {finalizers} of pod"),
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
        tracing::info!(node = self.pod.node(), pod, uid, "{what}");
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
