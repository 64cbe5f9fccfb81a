//! What is remembered of one node between two looks at it.

use super::alerts::Alerts;
use crate::decide::{Hold, Memory, NodeName, Pod, Progress, RemediationResult, Trigger};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// The waits before a failed or refused pod is tried again: doubling from the first to the last.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// The waits between two looks at a held node: doubling from the first to the last.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// The time between two looks at a suspect on which nothing is left to do.
const WATCH: Duration = Duration::from_secs(60);

/// An alert that is not repeated for so long is forgotten; kube-prometheus repeats every 12 hours.
const UNREPEATED: Duration = Duration::from_secs(13 * 3600);

/// A node that every look found alive, or gone with nothing left to do, is no suspect any more.
const CALM: Duration = Duration::from_secs(600);

/// What is remembered of a node. Times are running time.
#[derive(Default)]
pub struct Entry {
    /// The alerts that suspect it.
    pub alerts: Alerts,
    /// True when the last sweep handed it on.
    pub swept: bool,
    /// True while a task works on it.
    pub busy: bool,
    /// True when its first alert came meanwhile: that task does not know of it.
    pub news: bool,
    /// Its place in the line while it waits for its first look after a trigger.
    pub first: Option<u64>,
    /// True once it was looked at.
    pub looked: bool,
    /// When it is to be looked at again.
    pub again: Option<Duration>,
    /// Looks since it was held.
    pub looks: u32,
    /// Why it is held.
    pub held: Option<Held>,
    /// Since when every look found nothing to do.
    pub calm: Option<Duration>,
    /// What earlier looks saw.
    pub memory: Memory,
    /// Pods that were begun or given up, by UID.
    pub pods: BTreeMap<String, PodRecord>,
    /// The remediation that is open.
    pub case: Option<Case>,
}

/// A hold that stands.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Held {
    /// The reason.
    pub reason: Hold,
    /// The reason in a line.
    pub why: String,
    /// Since when, for people.
    pub since: Timestamp,
}

/// A remediation that is not finished.
#[derive(Clone)]
pub struct Case {
    /// Its number in the history.
    pub id: u64,
    /// What began it.
    pub trigger: Trigger,
    /// When it began.
    pub began: Duration,
    /// The worst ending of a pod so far; none while nothing was done.
    pub worst: Option<RemediationResult>,
    /// True when it is a new try at pods that were given up: it does not count again.
    pub retry: bool,
    /// When the node turned Unknown.
    pub since: Option<Timestamp>,
}

/// A pod between two looks.
pub struct PodRecord {
    /// The pod as it was judged.
    pub pod: Pod,
    /// How far the work has come.
    pub progress: Progress,
    /// When the work came to rest.
    pub rested: Duration,
    /// How often it was given up.
    pub given_up: u32,
    /// How it rests.
    pub rest: Rest,
    /// Why it was held last, so that it is told once.
    pub told: Option<Hold>,
}

/// How a pod rests between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Held in the middle of its work.
    Held,
    /// Given up for now; it is tried again.
    BacksOff,
    /// Given up for good.
    ForGood,
}

impl PodRecord {
    /// A pod on which nothing was done yet.
    pub fn new(pod: Pod, progress: Progress, now: Duration) -> Self {
        Self {
            pod,
            progress,
            rested: now,
            given_up: 0,
            rest: Rest::Held,
            told: None,
        }
    }

    /// True when it is held in the middle of a try.
    pub fn is_held(&self) -> bool {
        self.rest == Rest::Held
    }

    /// When it may be tried again; at once when it was only held.
    pub fn not_before(&self) -> Duration {
        match self.rest {
            Rest::Held => return self.rested,
            Rest::ForGood => return Duration::MAX,
            Rest::BacksOff => {}
        }
        let doubled = RETRY
            .0
            .saturating_mul(1 << (self.given_up.max(1) - 1).min(16));
        self.rested + doubled.min(RETRY.1)
    }
}

impl Entry {
    /// What a task on it would be triggered by.
    pub fn trigger(&self) -> Trigger {
        match self.alerts.is_empty() {
            true => Trigger::Sweep,
            false => Trigger::Alert,
        }
    }

    /// True while work on one of its pods has begun and is not finished.
    pub fn has_begun(&self) -> bool {
        self.pods
            .values()
            .any(|record| record.is_held() && record.progress.has_begun())
    }

    /// Forgets alerts that were not repeated, and all of them once the node was calm long enough.
    pub fn expire(&mut self, now: Duration) {
        if self
            .calm
            .is_some_and(|since| now.saturating_sub(since) >= CALM)
        {
            self.alerts.clear();
        }
        self.alerts.expire(now, UNREPEATED);
    }

    /// True while there is a reason to remember it.
    pub fn is_wanted(&self) -> bool {
        self.busy || self.swept || !self.alerts.is_empty() || self.has_begun()
    }

    /// True when it is looked at again by itself; a node that only the sweep knows waits for the
    /// next sweep, unless work has begun on it.
    pub fn has_own_schedule(&self) -> bool {
        !self.alerts.is_empty() || self.has_begun()
    }

    /// When the node, held just now, is looked at again.
    pub fn next_look(&mut self, reason: Hold, now: Duration) -> Duration {
        let wait = now + Self::wait(self.looks);
        self.looks += 1;
        match reason {
            // Earlier than the first pod's next try there is nothing to see.
            Hold::Backoff => self
                .pods
                .values()
                .map(PodRecord::not_before)
                .min()
                .unwrap_or(wait)
                .max(now + AGAIN.0),
            _ => wait,
        }
    }

    /// When a node that needs nothing at the moment is looked at again: it may come back, or be
    /// lost once more, without a word from its alert.
    pub fn next_watch(&self, now: Duration) -> Option<Duration> {
        self.has_own_schedule().then_some(now + WATCH)
    }

    /// The wait before a look, after so many.
    pub fn wait(looks: u32) -> Duration {
        AGAIN.0.saturating_mul(1 << looks.min(8)).min(AGAIN.1)
    }
}

/// One task's order: what it needs of the entry.
pub struct Order {
    /// The node.
    pub node: NodeName,
    /// What triggered it.
    pub trigger: Trigger,
    /// What earlier looks saw.
    pub memory: Memory,
    /// Pods begun or given up.
    pub pods: BTreeMap<String, PodRecord>,
    /// The open remediation.
    pub case: Option<Case>,
}
