//! No harm, by what was true: when a DELETE or a patch of a pod was sent, and when it took effect.

use super::Judgement;
use super::harm::Broken;
use crate::record::Record;
use crate::wire::{Ask, Call};
use jiff::{SignedDuration, Timestamp};
use nodefall::demo::audit::Entry;

/// A kubelet that came back has renewed its Lease by then; or, without one, reported its node.
const GREETING: SignedDuration = SignedDuration::from_millis(100);
const REPORT: SignedDuration = SignedDuration::from_secs(10);

/// How a pod may be touched while its containers run on a node with power: docs/safety.md.
pub const POSSIBLE: [&str; 5] = [CUT_OFF, NO_KUBELET, REMOVED, JUST_BACK, ON_THE_WAY];
const CUT_OFF: &str = "a living pod cut off";
const NO_KUBELET: &str = "a living pod without kubelet";
const REMOVED: &str = "a living pod of a removed Node";
const JUST_BACK: &str = "a living pod just back";
const ON_THE_WAY: &str = "a living pod back while the call was on its way";

/// A call is on its way for no longer.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(7);

/// What allowed a call, by what its replica had read.
pub struct Evidence {
    /// When the older of the two reads, Node and Lease, was asked for.
    pub asked: Timestamp,
    /// There was no such Node.
    pub removed: bool,
}

/// The containers of the pod of that UID did not run on a node with power when the call was sent; or the API could not know
/// it.
pub fn when_sent(
    record: &Record,
    call: &Call,
    uid: &str,
    evidence: &Evidence,
    judgement: &mut Judgement,
) -> Result<(), Broken> {
    let truth = call.truth.as_ref();
    let Some(truth) = truth.filter(|truth| truth.lives() && truth.uid == uid) else {
        return Ok(());
    };
    let node = &truth.node;
    let mut plans = record.history.layout.nodes.iter();
    let leased = plans.any(|plan| plan.name == *node && plan.lease);
    let greeting = if leased { GREETING } else { REPORT };
    // What the API server was asked is as old as the reads.
    let spoke = record.speaks.get(node).into_iter().flatten();
    let then = spoke
        .take_while(|(at, _)| *at + greeting <= evidence.asked)
        .last();
    if !truth.reachable {
        judgement.count(CUT_OFF);
    } else if !truth.kubelet {
        judgement.count(NO_KUBELET);
    } else if evidence.removed {
        judgement.count(REMOVED);
    } else if then.is_some_and(|(_, speaks)| !speaks) {
        judgement.count(JUST_BACK);
    } else {
        return Err((
            "harm",
            format!("{truth:?}, and its kubelet spoke at {then:?}"),
        ));
    }
    Ok(())
}

/// The same when calls took effect: later than they were sent, on the pod that was meant.
pub fn when_done(record: &Record, judgement: &mut Judgement) {
    let done = record.audit.iter();
    let done = done.filter(|entry| entry.user_agent.starts_with("nodefall") && entry.status == 200);
    for entry in done {
        if let Err((rule, why)) = effect(record, entry, judgement) {
            judgement.find(rule, entry.at, format!("{why}: {entry:?}"));
        }
    }
}

fn effect(record: &Record, entry: &Entry, judgement: &mut Judgement) -> Result<(), Broken> {
    let Some(truth) = &entry.truth else {
        return Ok(());
    };
    if truth.wanted_uid.as_ref() != Some(&truth.uid) {
        return Err(("another uid", "another pod was meant".to_owned()));
    }
    let sent = record.calls.iter().rev().find(|call| {
        call.sent <= entry.at && *call.replica == *entry.user_agent && is_about(call, entry)
    });
    let Some(sent) = sent else {
        return Err(("harm", "nobody sent it".to_owned()));
    };
    // What was so already then is judged already.
    let lived = sent.truth.as_ref().is_some_and(|truth| truth.lives());
    if lived || !(truth.power && truth.containers_running) {
        return Ok(());
    }
    if entry.at.duration_since(sent.sent) > ON_ITS_WAY {
        return Err(("harm", format!("it was sent at {}", sent.sent)));
    }
    judgement.count(ON_THE_WAY);
    Ok(())
}

/// Whether a call is the one that an entry of the audit log tells of.
fn is_about(call: &Call, entry: &Entry) -> bool {
    let verb = match call.ask {
        Ask::Delete(..) => "delete",
        _ => "patch",
    };
    verb == entry.verb && call.target() == Some((&entry.namespace, &entry.name))
}
