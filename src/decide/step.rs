//! The next step for one pod: delete, wait, patch, and when to stop. Times are the process's running
//! time; what was waited while held is taken out by [`Progress::resume`].

use super::judge::Verdict;
use super::labels::{DeletionResult, Hold, PatchResult, RemediationResult, Skip};
use super::objects::Pod;
use super::select::skip;
use std::time::Duration;

/// The Job controller's bookkeeping: without it a Job miscounts, so it is never stripped.
const PROTECTED_FINALIZER: &str = "batch.kubernetes.io/job-tracking";

/// The first and the longest wait between two reads of a pod that is being deleted.
const POLL: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

/// The first and the longest wait after a DELETE that failed and may be tried again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// The longest wait that the server may ask for: longer, and an odd answer could stop the work.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// How long one pod's deletion may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the acknowledged DELETE to the first finalizer patch.
    pub delete_timeout: Duration,
    /// Between two patches.
    pub patch_interval: Duration,
    /// From the first patch to giving up.
    pub patch_timeout: Duration,
}

/// A destructive call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destructive {
    /// DELETE with grace 0 and the UID.
    Delete,
    /// The merge patch that clears the finalizers.
    Patch,
}

/// What the API server made of a destructive call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done.
    Acknowledged,
    /// 404, or 409 for another UID: a read tells.
    Conflict(String),
    /// 403 or 422, in the server's own words.
    Refused(String),
    /// 429, 5xx, a timeout or a lost connection; with the wait that the server asked for.
    Again(String, Option<Duration>),
}

/// What the last read of the pod showed.
#[derive(Clone, Debug)]
pub enum Sight {
    /// Its name is free, or carries another UID.
    Gone,
    /// It is still there.
    There(Box<Pod>),
    /// The read failed.
    Unread(String),
}

/// What to do next with one pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// This call, if the judgement is fresh and permits it.
    Do(Destructive),
    /// Wait so long, then read the pod again.
    Wait(Duration),
    /// Nothing any more.
    End(Ending),
}

/// How the work on one pod ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// In a word.
    pub result: RemediationResult,
    /// How the deletion ended, unless it was acknowledged (and counted) before.
    pub deletion: Option<DeletionResult>,
    /// How the patching ended, if it came to that.
    pub patch: Option<PatchResult>,
    /// In a line, for people.
    pub why: String,
}

/// How far the work on one pod has come.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// When this process sent its first DELETE.
    first_delete: Option<Duration>,
    /// When a DELETE was acknowledged.
    acknowledged: Option<Duration>,
    /// When the first patch was sent.
    first_patch: Option<Duration>,
    /// True once a patch was acknowledged.
    patched: bool,
    /// No destructive call before this time.
    not_before: Duration,
    /// Failed DELETEs in a row.
    failures: u32,
    /// Reads since the last destructive call.
    reads: u32,
    /// 403 or 422, to be explained by a read.
    refusal: Option<String>,
    /// The last error, for the ending.
    last_error: Option<String>,
    /// True when a DELETE of this process was the first to force it: who counts the recovery.
    pub was_first: bool,
}

impl Progress {
    /// For a pod that somebody else (PodGC) deleted with grace 0: what is left is to wait and patch.
    pub fn already_deleted(now: Duration) -> Self {
        Self {
            acknowledged: Some(now),
            ..Self::default()
        }
    }

    /// For a new try at a pod that this process gave up before; an acknowledged DELETE stays so.
    pub fn again(self) -> Self {
        Self {
            acknowledged: self.acknowledged,
            was_first: self.was_first,
            ..Self::default()
        }
    }

    /// True once a destructive call was sent, answered or not.
    pub fn has_begun(&self) -> bool {
        self.first_delete.is_some() || self.first_patch.is_some()
    }

    /// Takes out the time that was spent held.
    pub fn resume(&mut self, held: Duration) {
        for time in [
            &mut self.first_delete,
            &mut self.acknowledged,
            &mut self.first_patch,
        ] {
            *time = time.map(|time| time + held);
        }
    }

    /// Notes the answer to a DELETE or patch that was sent at `sent`.
    pub fn note(
        &mut self,
        call: Destructive,
        reply: Reply,
        limits: &Limits,
        sent: Duration,
        now: Duration,
    ) {
        self.reads = 0;
        let pause = match call {
            Destructive::Delete => {
                self.first_delete.get_or_insert(sent);
                self.failures += 1;
                let doubled = BACKOFF.0.saturating_mul(1 << (self.failures - 1).min(8));
                now + doubled.min(BACKOFF.1)
            }
            Destructive::Patch => {
                self.first_patch.get_or_insert(sent);
                sent + limits.patch_interval
            }
        };
        self.not_before = pause;
        match (reply, call) {
            (Reply::Acknowledged, Destructive::Delete) => self.acknowledged = Some(now),
            (Reply::Acknowledged, Destructive::Patch) => self.patched = true,
            (Reply::Refused(why), _) => self.refusal = Some(why),
            (Reply::Conflict(why), _) => self.last_error = Some(why),
            (Reply::Again(why, wait), _) => {
                self.last_error = Some(why);
                self.not_before = pause.max(now + wait.unwrap_or_default().min(RETRY_AFTER));
            }
        }
    }

    /// What to do next, given what the last read showed.
    pub fn next(&mut self, sight: &Sight, limits: &Limits, now: Duration) -> Step {
        let pod = match sight {
            Sight::Gone => return Step::End(self.freed()),
            Sight::Unread(why) if self.is_over(limits, now) || self.is_blind(limits, now) => {
                return Step::End(self.given_up(RemediationResult::Failed, why.clone()));
            }
            Sight::Unread(_) => return self.poll(BACKOFF.1),
            Sight::There(pod) => pod,
        };
        if let Some(why) = self.refusal.take() {
            return Step::End(self.given_up(RemediationResult::Refused, why));
        }
        if self.is_over(limits, now) {
            let kept = pod.finalizers();
            let error = self
                .last_error
                .clone()
                .unwrap_or_else(|| "it is still there".to_owned());
            let why = if kept.is_empty() {
                error
            } else {
                format!("{error}; finalizers: {kept}")
            };
            return Step::End(self.given_up(RemediationResult::Failed, why));
        }
        let Some(acknowledged) = self.acknowledged else {
            return self
                .when_due(self.not_before, now)
                .unwrap_or(Step::Do(Destructive::Delete));
        };
        let due = match self.first_patch {
            None => acknowledged + limits.delete_timeout,
            Some(_) => self.not_before,
        };
        if let Some(wait) = self.when_due(due, now) {
            return wait;
        }
        if pod
            .metadata
            .finalizers
            .iter()
            .any(|f| f == PROTECTED_FINALIZER)
        {
            let why = format!("{PROTECTED_FINALIZER} keeps it, which is never stripped");
            return Step::End(self.given_up(RemediationResult::ProtectedFinalizer, why));
        }
        Step::Do(Destructive::Patch)
    }

    /// Ends the work because the node came back, or the pod opted out meanwhile.
    pub fn abort(&self, why: String) -> Ending {
        self.given_up(RemediationResult::Aborted, why)
    }

    fn is_over(&self, limits: &Limits, now: Duration) -> bool {
        match (self.acknowledged, self.first_delete, self.first_patch) {
            (Some(_), _, first_patch) => {
                first_patch.is_some_and(|first| now >= first + limits.patch_timeout)
            }
            (None, Some(first), _) => now >= first + limits.delete_timeout + limits.patch_timeout,
            (None, None, _) => false,
        }
    }

    /// True when the pod could not be read for as long as deleting and patching it may take: too
    /// long to hold up the rest of its node.
    fn is_blind(&self, limits: &Limits, now: Duration) -> bool {
        let budget = limits.delete_timeout + limits.patch_timeout;
        self.acknowledged.is_some_and(|since| now >= since + budget)
    }

    fn when_due(&mut self, due: Duration, now: Duration) -> Option<Step> {
        let left = due.checked_sub(now).filter(|left| !left.is_zero())?;
        match self.poll(POLL.1) {
            Step::Wait(poll) => Some(Step::Wait(poll.min(left))),
            other => Some(other),
        }
    }

    fn poll(&mut self, longest: Duration) -> Step {
        let wait = POLL.0.saturating_mul(1 << self.reads.min(8)).min(longest);
        self.reads += 1;
        Step::Wait(wait)
    }

    fn freed(&self) -> Ending {
        let patch = self.first_patch.map(|_| match self.patched {
            true => PatchResult::Cleared,
            false => PatchResult::Gone,
        });
        let (deletion, why) = match (self.acknowledged, patch) {
            (None, _) => (Some(DeletionResult::Gone), "it was gone already"),
            (Some(_), Some(PatchResult::Cleared)) => (None, "gone: its finalizers were cleared"),
            (Some(_), _) => (None, "gone"),
        };
        Ending {
            result: RemediationResult::Freed,
            deletion,
            patch,
            why: why.to_owned(),
        }
    }

    fn given_up(&self, result: RemediationResult, why: String) -> Ending {
        let (deletion, patch) = match result {
            RemediationResult::Freed => (None, None),
            RemediationResult::DryRun => (Some(DeletionResult::DryRun), None),
            RemediationResult::Aborted => {
                (Some(DeletionResult::Aborted), Some(PatchResult::Aborted))
            }
            RemediationResult::ProtectedFinalizer => (None, Some(PatchResult::ProtectedFinalizer)),
            RemediationResult::Refused => {
                (Some(DeletionResult::Refused), Some(PatchResult::Refused))
            }
            RemediationResult::Failed => (Some(DeletionResult::Failed), Some(PatchResult::Failed)),
        };
        let acknowledged = self.acknowledged.is_some();
        Ending {
            result,
            deletion: deletion.filter(|_| !acknowledged),
            patch: patch.filter(|_| acknowledged),
            why,
        }
    }
}

/// Whether a destructive call may be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Yes.
    Granted,
    /// Not now.
    Held(Hold, String),
    /// Never more: the node came back.
    Aborted(String),
    /// Never more: the pod is not to be touched.
    Excluded(Skip),
}

/// Asks the verdict and the pod itself, as it was last read, about one destructive call.
pub fn permits(call: Destructive, verdict: &Verdict, pod: &Pod, begun: bool) -> Permission {
    match verdict {
        Verdict::Hold(Hold::NodeReady, why) if begun => return Permission::Aborted(why.clone()),
        Verdict::Hold(hold, why) => return Permission::Held(*hold, why.clone()),
        Verdict::Removed if call == Destructive::Delete || !pod.is_force_deleted() => {
            let why = "its Node object is gone, and PodGC has not deleted the pod yet".to_owned();
            return Permission::Held(Hold::UnknownNode, why);
        }
        Verdict::Removed | Verdict::Gone { .. } => {}
    }
    match skip(pod) {
        Some(Skip::Ready) => {
            Permission::Held(Hold::PodReady, format!("{} reads Ready", pod.path()))
        }
        Some(reason) => Permission::Excluded(reason),
        None => Permission::Granted,
    }
}

#[cfg(test)]
mod tests;
