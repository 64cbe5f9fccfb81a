//! After the deletion: waits for a StatefulSet's replacement and tells what keeps it from coming.

use super::Context;
use super::error::ApiError;
use super::events::Reason;
use crate::decide::{Pod, StatefulSet, check_subdomain};
use crate::metrics::Replaced;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// A replacement that takes longer is no longer waited for; a volume takes 6 minutes.
const PATIENCE: Duration = Duration::from_secs(600);

/// Polls are quick for so long: most replacements are Ready within seconds.
const QUICK: Duration = Duration::from_secs(30);

/// The waits between two polls, at first, while quick, and afterwards.
const POLL: (Duration, Duration, Duration) = (
    Duration::from_millis(50),
    Duration::from_millis(500),
    Duration::from_secs(5),
);

/// What a read of the replacement's name shows.
enum Sign {
    /// It is Ready: where, and the API server's clock.
    Ready {
        uid: String,
        node: String,
        date: Option<Timestamp>,
    },
    /// Not yet, and why.
    Pending {
        uid: Option<String>,
        node: Option<String>,
        why: String,
    },
    /// No pod has the name.
    Absent,
    /// It will not come.
    Never(String),
}

/// A replacement that is waited for.
pub struct Follow {
    /// What everything needs.
    pub context: Arc<Context>,
    /// The remediation's number in the history.
    pub remediation: u64,
    /// The pod that is gone.
    pub pod: Pod,
    /// When its node turned Unknown.
    pub since: Option<Timestamp>,
    /// True when this replica counts the recovery.
    pub counts: bool,
}

impl Follow {
    /// Waits until the replacement is Ready, will never come, or [`PATIENCE`] is over.
    pub async fn run(self) {
        let clock = self.context.clock;
        let started = clock.running();
        let mut wait = POLL.0;
        let mut last = String::new();
        let mut asked = None;
        loop {
            let waited = clock.running().saturating_sub(started);
            let mut sign = self.look().await;
            // Why there is no pod takes many reads to say: not at every poll.
            if matches!(sign, Sign::Absent)
                && asked.is_none_or(|asked| waited.saturating_sub(asked) >= POLL.2)
            {
                asked = Some(waited);
                sign = self.why_absent().await;
            }
            match sign {
                Sign::Ready { uid, node, date } => return self.recovered(uid, node, date),
                Sign::Never(why) => return self.gave_up(Replaced::Never, &why),
                Sign::Absent => {}
                Sign::Pending { uid, node, why } => {
                    if why != last {
                        tracing::info!(
                            node = self.pod.node(),
                            pod = self.pod.path(),
                            why,
                            "replacement pending"
                        );
                    }
                    self.note(&why, uid, node, None);
                    last = why;
                }
            }
            if waited >= PATIENCE {
                let why = format!("not Ready after 10 minutes: {last}");
                return self.gave_up(Replaced::Late, &why);
            }
            if waited < QUICK {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(POLL.1);
            } else {
                tokio::time::sleep(POLL.2).await;
                self.context.pacer.take(1).await;
            }
        }
    }

    async fn look(&self) -> Sign {
        let meta = &self.pod.metadata;
        let answer = match self.context.api.pod(&meta.namespace, &meta.name).await {
            Ok(answer) => answer,
            Err(error) => return pending(None, None, error.to_string()),
        };
        let Some(pod) = answer.object else {
            return Sign::Absent;
        };
        let (uid, node) = (pod.metadata.uid.clone(), pod.node().to_owned());
        if uid == meta.uid {
            return pending(None, None, "the old pod is still there".to_owned());
        }
        if pod.is_ready() && !pod.is_terminating() {
            return Sign::Ready {
                uid,
                node,
                date: answer.date,
            };
        }
        if node.is_empty() {
            let condition = pod
                .condition("PodScheduled")
                .filter(|c| c.status == "False");
            let words = condition.map_or("the scheduler has not said why", |c| &c.message);
            return pending(Some(uid), None, format!("not scheduled: {words}"));
        }
        let why = match pod.claim() {
            Some(claim) => format!(
                "volume: it is scheduled, not Ready, and mounts the claim {claim} (an attached \
                 volume is given up by a lost node after 6 minutes)"
            ),
            None => "scheduled, not Ready".to_owned(),
        };
        pending(Some(uid), Some(node), why)
    }

    /// Why no pod of that name exists: from its StatefulSet.
    async fn why_absent(&self) -> Sign {
        let (meta, owner) = (&self.pod.metadata, self.pod.controller());
        let (Some(owner), Some(ordinal)) = (owner, ordinal(&meta.name)) else {
            return pending(None, None, "no pod of that name exists".to_owned());
        };
        // The API server checks no owner's name, and this one goes into a path.
        if let Err(why) = check_subdomain(&owner.name) {
            return Sign::Never(format!("the name of its owner {why}"));
        }
        let set = match self
            .context
            .api
            .stateful_set(&meta.namespace, &owner.name)
            .await
        {
            Ok(answer) => answer.object.filter(|s| s.metadata.uid == owner.uid),
            Err(error) => return pending(None, None, error.to_string()),
        };
        let Some(set) = set.filter(|s| s.metadata.deletion_timestamp.is_none()) else {
            return Sign::Never(format!("its StatefulSet {} is deleted", owner.name));
        };
        let start = set.spec.ordinals.as_ref().map_or(0, |o| o.start);
        let end = start.saturating_add(set.spec.replicas.unwrap_or(1));
        if !(start..end).contains(&ordinal) {
            return Sign::Never(format!("its StatefulSet {} was scaled down", owner.name));
        }
        match self.lower_not_ready(&set, start, ordinal).await {
            Err(error) => pending(None, None, error.to_string()),
            Ok(Some(name)) => pending(None, None, format!("lower ordinals: {name} is not Ready")),
            Ok(None) => pending(None, None, "its StatefulSet has not made it yet".to_owned()),
        }
    }

    /// Under `OrderedReady` a pod is made when all lower ordinals are Ready.
    async fn lower_not_ready(
        &self,
        set: &StatefulSet,
        start: u32,
        ordinal: u32,
    ) -> Result<Option<String>, ApiError> {
        if set.spec.pod_management_policy.as_deref() == Some("Parallel") {
            return Ok(None);
        }
        for lower in start..ordinal {
            let name = format!("{}-{lower}", set.metadata.name);
            self.context.pacer.take(1).await;
            let answer = self
                .context
                .api
                .pod(&self.pod.metadata.namespace, &name)
                .await?;
            if !answer
                .object
                .is_some_and(|p| p.is_ready() && !p.is_terminating())
            {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    fn recovered(&self, uid: String, node: String, date: Option<Timestamp>) {
        let took = self
            .since
            .zip(date)
            .map(|(since, date)| date.duration_since(since));
        let took = took.and_then(|took| Duration::try_from(took).ok());
        if let Some(took) = took.filter(|_| self.counts) {
            self.context.metrics.recovery(took);
        }
        let after = took.map_or_else(String::new, |took| {
            format!(", {} s after the node turned Unknown", took.as_secs())
        });
        let pod = self.pod.path();
        let what = format!("replacement of {pod} Ready on {node}{after}");
        tracing::info!(node = self.pod.node(), pod, uid, "{what}");
        self.note("ready", Some(uid), Some(node), took);
        let now = self.context.clock.wall();
        self.context
            .history
            .step(self.remediation, &self.pod, now, &what);
        if self.counts {
            self.context.metrics.replaced(Replaced::Ready);
            self.context
                .events
                .of_pod(&self.pod, Reason::Recovered, &what);
        }
    }

    fn gave_up(&self, result: Replaced, why: &str) {
        let pod = self.pod.path();
        tracing::warn!(node = self.pod.node(), pod, why, "no replacement");
        self.note(why, None, None, None);
        if self.counts {
            self.context.metrics.replaced(result);
            let note = format!("No replacement of {pod}: {why}");
            self.context
                .events
                .of_pod(&self.pod, Reason::NotRecovered, &note);
        }
    }

    fn note(&self, state: &str, uid: Option<String>, node: Option<String>, took: Option<Duration>) {
        let replacement = super::history::Replacement {
            state: state.to_owned(),
            uid,
            node,
            recovery_seconds: took.map(|took| took.as_secs_f64()),
        };
        self.context
            .history
            .pod(self.remediation, &self.pod, |story| {
                story.replacement = Some(replacement);
            });
    }
}

fn pending(uid: Option<String>, node: Option<String>, why: String) -> Sign {
    Sign::Pending { uid, node, why }
}

/// The ordinal at the end of a StatefulSet pod's name.
fn ordinal(name: &str) -> Option<u32> {
    name.rsplit_once('-')?.1.parse().ok()
}
