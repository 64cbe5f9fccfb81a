//! No noise: how much is asked, how often, and how much is kept.

use super::Judgement;
use crate::record::{Record, Rest};
use crate::wire::{Ask, Call};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Within which calls about the same thing are counted.
const WINDOW: SignedDuration = SignedDuration::from_secs(10);

/// Calls of one replica about one pod in any 10 s, the patches excepted: while a pod goes, or its
/// replacement comes, it is read after 50 ms, growing to 500 ms.
const ABOUT_POD: usize = 45;

/// The same about one node: its Node and its Lease, when it is looked at and while it is acted on.
const ABOUT_NODE: usize = 25;

/// Lists of the nodes, or of a namespace's pods; Events; and the rights at the start. Besides, one or
/// two for each node that strangers tell of.
const OTHERS: usize = 60;

/// DELETEs of one pod by one replica in a history: three to seven in each try, and a try after 5 s,
/// 10 s, and so on to 5 minutes.
const DELETES: usize = 90;

/// What one remediation of a pod may take: in any 10 minutes a replica asks so often about its name while
/// the replacement is waited for (two reads each 5 s), and so often for each second that the drawn
/// options let it wait for a deletion and patch (the pod twice a second, in a few tries).
const REMEDIATION: SignedDuration = SignedDuration::from_secs(600);
const FOLLOWED: usize = 300;
const EACH_SECOND: usize = 8;

/// How often its finalizers are patched anew within that time, for as long as the options say.
const TRIES: usize = 4;

/// Judges the calls, and what is kept at the end.
pub fn judge(record: &Record, judgement: &mut Judgement) {
    again(record, judgement);
    rate(record, judgement);
    kept(record, judgement);
    if let Some(it) = &record.rest {
        rest(record, it, judgement);
    }
}

/// What was deleted with an answer is not deleted once more, and what is not is not for ever.
fn again(record: &Record, judgement: &mut Judgement) {
    let mut answered: BTreeMap<(Arc<str>, String), Timestamp> = BTreeMap::new();
    let mut sent: BTreeMap<(Arc<str>, String), usize> = BTreeMap::new();
    for call in record
        .calls
        .iter()
        .filter(|call| matches!(call.ask, Ask::Delete(..)))
    {
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let uid = body["preconditions"]["uid"].as_str().unwrap_or_default();
        let who = (call.replica.clone(), uid.to_owned());
        if let Some(at) = answered.get(&who).filter(|at| **at <= call.sent) {
            let what = format!("{who:?} was deleted, and it was answered at {at}");
            judgement.find("deleted again", call.sent, what);
        }
        let times = sent.entry(who.clone()).or_default();
        *times += 1;
        if *times == DELETES {
            judgement.find("loop", call.sent, format!("{DELETES} deletions by {who:?}"));
        }
        if let Some(answer) = call.success() {
            judgement.count("deletions answered");
            answered.entry(who).or_insert(answer.at);
        }
    }
}

/// What is asked about one thing, in any 10 s.
fn rate(record: &Record, judgement: &mut Judgement) {
    let interval = record.history.config.patch_interval.as_millis().max(1);
    // Each patch is followed by up to four reads, further and further apart.
    let patches = usize::try_from(5 * 10_000 / interval).unwrap_or(usize::MAX);
    let config = &record.history.config;
    let waits = (config.delete_timeout + config.patch_timeout).as_secs() as usize;
    let patched = config.patch_timeout.as_secs() as usize * patches / 10;
    let remediation = FOLLOWED + EACH_SECOND * waits + TRIES * patched;
    let mut calls: BTreeMap<(Arc<str>, String), Vec<Timestamp>> = BTreeMap::new();
    // The pods of one name that were deleted one after the other: each was a remediation.
    let mut remediated: BTreeMap<(Arc<str>, String), BTreeSet<&[u8]>> = BTreeMap::new();
    for call in &record.calls {
        let who = (call.replica.clone(), subject(&call.ask));
        if let Ask::Delete(..) = call.ask {
            let bodies = remediated.entry(who.clone()).or_default();
            bodies.insert(&call.body);
        }
        calls.entry(who).or_default().push(call.sent);
    }
    for ((replica, subject), times) in calls {
        let bound = match subject.split(' ').next() {
            Some("pod") => ABOUT_POD + patches,
            // After a conflict the node is judged anew, and a patch may be one.
            Some("node") => ABOUT_NODE + patches,
            _ => OTHERS + 2 * record.history.strangers(),
        };
        let most = most_within(&times, WINDOW);
        if most > bound {
            let what = format!("{replica} asked {most} times about {subject} within 10 s");
            judgement.find("too many calls", times[0], what);
        }
        let done = remediated.get(&(replica.clone(), subject.clone()));
        let bound = remediation * done.map_or(1, BTreeSet::len);
        let most = most_within(&times, REMEDIATION);
        if subject.starts_with("pod ") && most > bound {
            let what = format!("{replica} asked {most} times about {subject} within 10 minutes");
            judgement.find("too many calls", times[0], what);
        }
    }
}

/// The most of these moments, in order, that lie within so long a time.
fn most_within(times: &[Timestamp], window: SignedDuration) -> usize {
    let within = |first: usize| {
        let until = times[first] + window;
        times.partition_point(|at| *at < until) - first
    };
    (0..times.len()).map(within).max().unwrap_or_default()
}

/// What a call is about, in a word, and which.
fn subject(ask: &Ask) -> String {
    match ask {
        Ask::Node(name) | Ask::Lease(name) => format!("node {name}"),
        Ask::Pod(namespace, name)
        | Ask::Delete(namespace, name)
        | Ask::Patch(namespace, name)
        | Ask::StatefulSet(namespace, name) => format!("pod {namespace}/{name}"),
        Ask::Nodes => "nodes".to_owned(),
        Ask::Pods(namespace, _) => format!("pods {namespace}"),
        Ask::Event => "events".to_owned(),
        Ask::Review => "rights".to_owned(),
        Ask::Other(what) => format!("other {what}"),
    }
}

/// Suspects, remediations and tasks are bounded by what there is.
fn kept(record: &Record, judgement: &mut Judgement) {
    let nodes = record.history.layout.nodes.len();
    // Each replica suspects at most the nodes, and what strangers told it of.
    let named = nodes + record.history.strangers();
    if record.suspected > (record.history.replicas * named) as f64 {
        let what = format!("{} of {named} are suspected", record.suspected);
        judgement.find("too many suspects", record.end, what);
    }
    for (replica, status) in &record.told {
        let kept = status["remediations"].as_array().map_or(0, Vec::len);
        if kept > 256 {
            judgement.find("history", record.end, format!("{replica} keeps {kept}"));
        }
    }
    let (tasks, lives) = record.tasks;
    // Two for each node that is looked at; strangers may tell of many at once.
    let looks = 2 * record.history.strangers().min(32);
    let bound = 8 + 8 * lives + looks + recent(record, record.end);
    if tasks > bound {
        let what = format!("{tasks} tasks of {lives} lives, more than {bound}");
        judgement.find("too many tasks", record.end, what);
    }
}

/// Pods that were deleted within 10 minutes, and whose replacement may still be waited for.
fn recent(record: &Record, until: Timestamp) -> usize {
    let young = |call: &&Call| until.duration_since(call.sent) < SignedDuration::from_secs(610);
    let calls = record.calls.iter().filter(young).filter_map(Call::target);
    calls.collect::<BTreeSet<_>>().len()
}

/// At rest a sweep costs a list of nodes and a list of pods in each namespace. A node that is not
/// Ready, held or suspected is looked at every 15 s at most, twice as often while it comes and goes;
/// and so often the guard is asked about those that it holds.
fn rest(record: &Record, rest: &Rest, judgement: &mut Judgement) {
    let config = &record.history.config;
    let seconds = record.end.duration_since(rest.began).as_secs() as usize;
    let namespaces = config.namespaces();
    let period = config
        .period
        .map_or(seconds, |period| period.as_secs() as usize);
    let sweeps = seconds / period.max(1) + 1;
    let every = period.min(15);
    let looks = rest.troubled.len() * (2 * seconds / every + 10) * (3 + namespaces);
    let follows = recent(record, rest.began) * seconds / 5 * 4;
    let usual = sweeps * (1 + namespaces) + seconds / 15 + 5 + looks + follows;
    // A loop asks many times more; what ends just then may ask a little more.
    let bound = 2 * usual;
    let mut asked: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
    let told = |call: &&Call| matches!(call.ask, Ask::Event | Ask::Review);
    let calls = record.calls.iter().filter(|call| call.sent > rest.began);
    for call in calls.filter(|call| !told(call)) {
        *asked.entry(&call.replica).or_default() += 1;
    }
    for (replica, asks) in asked {
        judgement.count("replicas watched at rest");
        if asks > bound {
            let what = format!(
                "{replica} asked {asks} times in {seconds} s, more than {bound}; in trouble were {:?}",
                rest.troubled
            );
            judgement.find("restless", rest.began, what);
        }
    }
}
