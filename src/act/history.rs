//! The last remediations, for people and for `GET /api/v1/remediations`.

use crate::decide::{NodeName, Pod, RemediationResult, Trigger};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many remediations are remembered.
const REMEMBERED: usize = 256;

/// How many steps of one pod are remembered: a default run has at most 24.
const STEPS: usize = 64;

/// Work on one node, from the first judgement that permitted it.
#[derive(Clone, Debug, Serialize)]
pub struct Remediation {
    /// Its number, counted from 1 at the start of the process.
    pub id: u64,
    /// The node.
    pub node: NodeName,
    /// What set it going.
    pub trigger: Trigger,
    /// Why the node was taken for gone.
    pub judgement: String,
    /// When the work began.
    pub began: Timestamp,
    /// When the last pod's name was free or given up.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub result: Option<RemediationResult>,
    /// The pods.
    pub pods: Vec<PodStory>,
}

/// What happened to one pod.
#[derive(Clone, Debug, Serialize)]
pub struct PodStory {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID of the pod that was judged.
    pub uid: String,
    /// Step by step.
    pub steps: Vec<Step>,
    /// How its deletion ended.
    pub outcome: Option<RemediationResult>,
    /// The replacement, for a StatefulSet's pod.
    pub replacement: Option<Replacement>,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What, in a line.
    pub what: String,
}

/// What came in the place of a StatefulSet's pod.
#[derive(Clone, Debug, Serialize)]
pub struct Replacement {
    /// `pending`, `ready`, or why it will not come.
    pub state: String,
    /// Its UID, once it exists.
    pub uid: Option<String>,
    /// Where it runs.
    pub node: Option<String>,
    /// Seconds from the node's turning Unknown to the replacement's being Ready.
    pub recovery_seconds: Option<f64>,
}

/// The last remediations.
#[derive(Default)]
pub struct History {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    remediations: VecDeque<Remediation>,
}

impl History {
    /// Opens a remediation and returns its number; the oldest falls out.
    pub fn open(&self, node: &NodeName, trigger: Trigger, judgement: &str, now: Timestamp) -> u64 {
        let mut inner = self.lock();
        inner.next += 1;
        let id = inner.next;
        if inner.remediations.len() == REMEMBERED {
            inner.remediations.pop_front();
        }
        inner.remediations.push_back(Remediation {
            id,
            node: node.clone(),
            trigger,
            judgement: judgement.to_owned(),
            began: now,
            ended: None,
            result: None,
            pods: Vec::new(),
        });
        id
    }

    /// Notes how a remediation ended.
    pub fn close(&self, id: u64, result: RemediationResult, now: Timestamp) {
        self.change(id, |r| (r.result, r.ended) = (Some(result), Some(now)));
    }

    /// Forgets a remediation in which nothing was done.
    pub fn discard(&self, id: u64) {
        self.lock().remediations.retain(|r| r.id != id);
    }

    /// Notes a step of one pod. Of too many, the first and the last are kept.
    pub fn step(&self, id: u64, pod: &Pod, now: Timestamp, what: &str) {
        self.pod(id, pod, |story| {
            if story.steps.len() == STEPS {
                story.steps.remove(STEPS / 2);
            }
            story.steps.push(Step {
                at: now,
                what: what.to_owned(),
            });
        });
    }

    /// Changes what is told of one pod; its story begins with the first change.
    pub fn pod(&self, id: u64, pod: &Pod, change: impl FnOnce(&mut PodStory)) {
        self.change(id, |remediation| {
            let pods = &mut remediation.pods;
            let known = pods.iter().position(|p| p.uid == pod.metadata.uid);
            let index = known.unwrap_or_else(|| {
                pods.push(PodStory {
                    namespace: pod.metadata.namespace.clone(),
                    name: pod.metadata.name.clone(),
                    uid: pod.metadata.uid.clone(),
                    steps: Vec::new(),
                    outcome: None,
                    replacement: None,
                });
                pods.len() - 1
            });
            change(&mut pods[index]);
        });
    }

    /// The newest first; of one node, when given.
    pub fn list(&self, node: Option<&NodeName>) -> Vec<Remediation> {
        let wanted = |r: &&Remediation| node.is_none_or(|node| *node == r.node);
        self.lock()
            .remediations
            .iter()
            .rev()
            .filter(wanted)
            .cloned()
            .collect()
    }

    fn change(&self, id: u64, change: impl FnOnce(&mut Remediation)) {
        if let Some(remediation) = self.lock().remediations.iter_mut().find(|r| r.id == id) {
            change(remediation);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> NodeName {
        NodeName::parse("node-1").expect("a name")
    }

    #[test]
    fn the_last_256_remediations_are_remembered() {
        let history = History::default();
        let open = || history.open(&node(), Trigger::Alert, "gone", Timestamp::UNIX_EPOCH);
        let ids: Vec<_> = (0..300).map(|_| open()).collect();
        let listed: Vec<_> = history.list(None).iter().map(|r| r.id).collect();
        assert_eq!(listed.len(), 256);
        assert_eq!((listed[0], listed[255]), (ids[299], ids[44]));
    }

    #[test]
    fn of_too_many_steps_the_first_and_the_last_are_kept() {
        let history = History::default();
        let id = history.open(&node(), Trigger::Alert, "gone", Timestamp::UNIX_EPOCH);
        let pod = serde_json::from_value(serde_json::json!({"metadata": {"uid": "u1"}}));
        let pod: Pod = pod.expect("a pod");
        for step in 0..1000 {
            history.step(id, &pod, Timestamp::UNIX_EPOCH, &step.to_string());
        }
        let steps = &history.list(None)[0].pods[0].steps;
        let told = |n: usize| steps[n].what.as_str();
        assert_eq!(steps.len(), 64);
        assert_eq!([told(0), told(31), told(63)], ["0", "31", "999"]);
    }
}
