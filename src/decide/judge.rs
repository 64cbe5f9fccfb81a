//! Is the node gone? The control plane's own observation is the evidence (Ready `Unknown` and the
//! NoExecute taint); the kubelet's Lease may only add doubt.

use super::guard::{Fleet, MaxUnreachable};
use super::labels::Hold;
use super::objects::{Answer, Condition, Lease, Node};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// What kubelets ask for when their Lease does not say (`--node-lease-duration-seconds`).
const LEASE_DURATION: Duration = Duration::from_secs(40);

/// How old a node's last heartbeat must be where it has no Lease: without one a kubelet reports every
/// 10 s, but with one only every 5 minutes, and the Lease may just have been lost.
const HEARTBEAT_AGE: Duration = Duration::from_secs(6 * 60);

/// How far apart two looks must have seen the same heartbeat.
const HEARTBEAT_STILL: Duration = Duration::from_secs(15);

/// The time of a judgement.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Our wall clock; only asked where an answer lacks the API server's.
    pub wall: Timestamp,
    /// Time since this process started: for ages of what we saw ourselves.
    pub running: Duration,
}

/// What one look at a node brought back.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The Node.
    pub node: Answer<Node>,
    /// Its Lease.
    pub lease: Answer<Lease>,
    /// All nodes.
    pub fleet: Arc<Fleet>,
    /// True when the fleet was read no earlier than the Node, and shows it as Ready.
    pub ready_in_fleet: bool,
    /// True when a selected pod on it carries the reason `NodeLost`: Kubernetes before 1.13.
    pub node_lost: bool,
    /// True when finalizers keep a selected pod of it that is already deleted with grace 0.
    pub orphans: bool,
}

/// What earlier looks at the same node saw.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The heartbeat, and when we saw this value first.
    heartbeat: Option<(Timestamp, Duration)>,
    /// The Lease's `renewTime`, and when we saw it change to this value (never: first sight).
    renew: Option<(Timestamp, Option<Duration>)>,
}

impl Memory {
    /// Notes what a look shows, for the judgement of this look and of later ones.
    pub fn note(&mut self, node: &Answer<Node>, lease: &Answer<Lease>, running: Duration) {
        let heartbeat = node
            .object
            .as_ref()
            .and_then(Node::ready)
            .and_then(|c| c.last_heartbeat_time);
        if self.heartbeat.map(|(value, _)| value) != heartbeat {
            self.heartbeat = heartbeat.map(|value| (value, running));
        }
        let renew = lease.object.as_ref().and_then(|l| l.spec.renew_time);
        if self.renew.map(|(value, _)| value) != renew {
            let changed = self.renew.is_some().then_some(running);
            self.renew = renew.map(|value| (value, changed));
        }
    }
}

/// What a look proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The node is gone.
    Gone {
        /// When it turned Unknown, by the control plane's clock: Ready's `lastTransitionTime`.
        since: Option<Timestamp>,
        /// The evidence in one line.
        why: String,
    },
    /// The Node object is gone and PodGC deals with its pods; only finalizers are left to us.
    Removed,
    /// It stays as it is, for this reason, told in one line.
    Hold(Hold, String),
}

impl Verdict {
    /// The hold's reason.
    pub fn held(&self) -> Option<Hold> {
        match self {
            Self::Hold(hold, _) => Some(*hold),
            Self::Gone { .. } | Self::Removed => None,
        }
    }
}

/// Judges `name` by the evidence.
pub fn judge(
    name: &str,
    evidence: &Evidence,
    memory: &Memory,
    bound: MaxUnreachable,
    now: Now,
) -> Verdict {
    match gone(name, evidence, memory, bound, now) {
        Ok(verdict) => verdict,
        Err((hold, why)) => Verdict::Hold(hold, why),
    }
}

fn gone(
    name: &str,
    evidence: &Evidence,
    memory: &Memory,
    bound: MaxUnreachable,
    now: Now,
) -> Result<Verdict, (Hold, String)> {
    if evidence.ready_in_fleet {
        return hold(Hold::NodeReady, "the list of nodes shows it as Ready");
    }
    let Some(node) = &evidence.node.object else {
        if !evidence.orphans {
            return hold(Hold::UnknownNode, "the API has no Node of that name");
        }
        evidence.fleet.permits(bound, name)?;
        return Ok(Verdict::Removed);
    };
    let ready = unknown(node)?;
    // Before the finer doubts: while it is shut, one request tells it for all nodes.
    evidence.fleet.permits(bound, name)?;
    let (lost, silence) = match &evidence.lease.object {
        Some(lease) => {
            let silence = lease_silence(lease, evidence.lease.date, memory, now)?;
            (false, silence)
        }
        None => {
            let silence = heartbeat_silence(evidence.node.date, memory, now)?;
            (evidence.node_lost, silence)
        }
    };
    if !node.is_tainted_unreachable() && !lost {
        return hold(
            Hold::NotTainted,
            "it carries no taint node.kubernetes.io/unreachable:NoExecute (yet, or for a moment)",
        );
    }
    let since = ready.last_transition_time;
    let when = since.map_or_else(String::new, |since| format!(" since {since}"));
    let mark = if lost {
        "its pods read NodeLost"
    } else {
        "tainted unreachable:NoExecute"
    };
    let why = format!("Ready is Unknown{when}, {mark}, {silence}");
    Ok(Verdict::Gone { since, why })
}

/// The Ready condition, when it is `Unknown`.
fn unknown(node: &Node) -> Result<&Condition, (Hold, String)> {
    let Some(ready) = node.ready() else {
        return hold(
            Hold::NotUnderstood,
            "its status has no condition Ready, or more than one",
        );
    };
    match ready.status.as_str() {
        "Unknown" => Ok(ready),
        "True" => hold(Hold::NodeReady, "it is Ready"),
        "False" => hold(
            Hold::KubeletAlive,
            "Ready is False: its kubelet reports, so containers may be running",
        ),
        other => {
            let other = super::names::quoted(other);
            hold(
                Hold::NotUnderstood,
                format!("its Ready condition has the status {other}"),
            )
        }
    }
}

/// How long the Lease has been silent, in words; longer than it lasts.
fn lease_silence(
    lease: &Lease,
    date: Option<Timestamp>,
    memory: &Memory,
    now: Now,
) -> Result<String, (Hold, String)> {
    let duration = match lease.spec.lease_duration_seconds {
        None => LEASE_DURATION,
        Some(seconds) => match u64::try_from(seconds) {
            Ok(seconds) if seconds > 0 => Duration::from_secs(seconds),
            _ => return hold(Hold::NotUnderstood, format!("its Lease lasts {seconds} s")),
        },
    };
    let written = lease
        .metadata
        .managed_fields
        .iter()
        .filter_map(|f| f.time)
        .max();
    if let (Some(written), Some(date)) = (written, date) {
        let age = date.duration_since(written).as_secs();
        let lasts = duration.as_secs();
        let words = format!("its Lease was written {age} s ago and lasts {lasts} s");
        if is_older(written, date, duration) {
            return Ok(words);
        }
        return hold(Hold::LeaseFresh, words);
    }
    // The API server's clock is not to be had: the kubelet's stamp against ours, and what we saw.
    let Some((renewed, changed)) = memory.renew else {
        return hold(
            Hold::NotUnderstood,
            "its Lease says neither when it was written nor renewed",
        );
    };
    if changed.is_some_and(|changed| now.running.saturating_sub(changed) < duration) {
        return hold(Hold::LeaseFresh, "its Lease was seen to be renewed");
    }
    let words = format!("its Lease was renewed at {renewed}");
    if !is_older(renewed, now.wall, duration) {
        return hold(Hold::LeaseFresh, words);
    }
    Ok(words)
}

/// Where there is no Lease: how long the heartbeat has been silent, in words.
fn heartbeat_silence(
    date: Option<Timestamp>,
    memory: &Memory,
    now: Now,
) -> Result<String, (Hold, String)> {
    let (Some((heartbeat, seen)), Some(date)) = (memory.heartbeat, date) else {
        return hold(
            Hold::NotUnderstood,
            "it has no Lease, and its lastHeartbeatTime or the API server's Date is missing",
        );
    };
    if !is_older(heartbeat, date, HEARTBEAT_AGE) {
        return hold(
            Hold::HeartbeatFresh,
            format!("it has no Lease, and its last heartbeat of {heartbeat} is not 6 minutes old"),
        );
    }
    if now.running.saturating_sub(seen) < HEARTBEAT_STILL {
        return hold(
            Hold::HeartbeatFresh,
            "it has no Lease, and its heartbeat has not been seen unchanged for 15 s",
        );
    }
    Ok(format!(
        "no Lease, and its last heartbeat was at {heartbeat}"
    ))
}

/// True when `then` lies at least `age` before `now`; never for a time in the future.
fn is_older(then: Timestamp, now: Timestamp, age: Duration) -> bool {
    Duration::try_from(now.duration_since(then)).is_ok_and(|passed| passed >= age)
}

/// True once the node has been Unknown for `wait`, by the control plane's clocks.
pub fn unknown_for(since: Option<Timestamp>, date: Option<Timestamp>, wait: Duration) -> bool {
    wait.is_zero()
        || matches!((since, date), (Some(since), Some(date)) if is_older(since, date, wait))
}

fn hold<T>(hold: Hold, why: impl Into<String>) -> Result<T, (Hold, String)> {
    Err((hold, why.into()))
}

#[cfg(test)]
mod tests;
