//! No harm: each DELETE and patch of a pod, by what its replica had been told when it sent it.

use super::truth::{self, Evidence};
use super::{Judgement, reads};
use crate::record::Record;
use crate::wire::{Answer, Ask, Call};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

/// How old the reads of Node and Lease may be when they allow a destructive call.
const NODE_AGE: SignedDuration = SignedDuration::from_secs(3);
/// The same for the list of nodes, and for the pod itself.
const OTHERS_AGE: SignedDuration = SignedDuration::from_secs(10);
/// A node without a Lease must have been silent for as long.
const SILENCE: Duration = Duration::from_secs(360);

/// Judges every destructive call of a history.
pub fn judge(record: &Record, judgement: &mut Judgement) {
    for (number, call) in record.calls.iter().enumerate() {
        if let Ask::Other(what) = &call.ask {
            judgement.find("unknown request", call.sent, what.clone());
        }
        if let Some((namespace, name)) = call.target() {
            judgement.count(match call.ask {
                Ask::Delete(..) => "deletions sent",
                _ => "patches sent",
            });
            let case = Case {
                record,
                before: &record.calls[..number],
                call,
                namespace,
                name,
            };
            if let Err((rule, why)) = case.judge(judgement) {
                let what = format!("{} sent {:?}: {why}", call.replica, call.ask);
                judgement.find(rule, call.sent, what);
            }
        }
    }
}

/// Which rule is broken, and why.
pub type Broken = (&'static str, String);

/// One destructive call, and what its replica asked before.
struct Case<'r> {
    record: &'r Record,
    before: &'r [Call],
    call: &'r Call,
    namespace: &'r str,
    name: &'r str,
}

impl<'r> Case<'r> {
    fn judge(&self, judgement: &mut Judgement) -> Result<(), Broken> {
        if self.record.history.config.dry_run {
            return Err(("dry run", "nothing may be changed".to_owned()));
        }
        let uid = self.asked_uid()?;
        let pod = self.pod(&uid)?;
        let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
        let evidence = self.node_allows(node, &pod)?;
        self.guard_allows(node)?;
        self.never_ready_since(node, evidence.asked)?;
        truth::when_sent(self.record, self.call, &uid, &evidence, judgement)
    }

    /// The call is one of the two that are known, and bound to a UID.
    fn asked_uid(&self) -> Result<String, Broken> {
        let body: Value = serde_json::from_slice(&self.call.body).unwrap_or_default();
        let (uid, rest) = match self.call.ask {
            Ask::Delete(..) => (
                &body["preconditions"]["uid"],
                body["gracePeriodSeconds"] == 0,
            ),
            _ => {
                let uid = &body["metadata"]["uid"];
                let whole = json!({"metadata": {"uid": uid, "finalizers": null}});
                (uid, body == whole)
            }
        };
        match uid.as_str() {
            Some(uid) if rest && !uid.is_empty() => Ok(uid.to_owned()),
            _ => Err(("form", format!("its body is {body}"))),
        }
    }

    /// The reads of this replica that had been answered, the last first, and not too old.
    fn answered(&self, age: SignedDuration) -> impl Iterator<Item = (&'r Call, &'r Answer)> {
        let (before, call) = (self.before, self.call);
        let recent = before
            .iter()
            .rev()
            .take_while(move |it| call.sent.duration_since(it.sent) <= age);
        recent.filter_map(move |it| {
            let answer = it.answer.as_ref().filter(|answer| answer.at <= call.sent);
            answer
                .filter(|_| it.replica == call.replica)
                .map(|answer| (it, answer))
        })
    }

    /// The pod as this replica last saw it: the same one, named, and not excluded.
    fn pod(&self, uid: &str) -> Result<Value, Broken> {
        let seen = self.answered(OTHERS_AGE).find_map(|(it, answer)| {
            let about = match &it.ask {
                Ask::Pod(namespace, name) => namespace == self.namespace && name == self.name,
                Ask::Pods(namespace, _) => namespace == self.namespace,
                _ => false,
            };
            (about && answer.status == 200)
                .then(|| reads::pod(answer, self.name))
                .flatten()
        });
        let Some(pod) = seen else {
            return Err(("unread pod", "the pod was not read within 10 s".to_owned()));
        };
        if pod["metadata"]["uid"] != uid {
            return Err((
                "another uid",
                format!("the pod that was read is {}", pod["metadata"]),
            ));
        }
        let owner = reads::owner(&pod)["name"].as_str();
        if !self
            .record
            .history
            .config
            .names(self.namespace, self.name, owner)
        {
            return Err(("not named", format!("no NAME selects it (owner {owner:?})")));
        }
        if let Some(why) = reads::excluded(&pod) {
            return Err(("excluded", why.to_owned()));
        }
        if reads::ready(&pod) == "True" && !reads::terminating(&pod) {
            return Err((
                "ready pod",
                "it reads Ready and is not Terminating".to_owned(),
            ));
        }
        if matches!(self.call.ask, Ask::Patch(..)) {
            self.patch_allowed(&pod)?;
        }
        Ok(pod)
    }

    /// Finalizers are cleared only of what was deleted with grace 0, and not at once.
    fn patch_allowed(&self, pod: &Value) -> Result<(), Broken> {
        let kept = pod["metadata"]["finalizers"].as_array();
        if kept
            .into_iter()
            .flatten()
            .any(|it| it == "batch.kubernetes.io/job-tracking")
        {
            return Err((
                "protected finalizer",
                "it keeps a Job's bookkeeping".to_owned(),
            ));
        }
        if !reads::forced(pod) {
            return Err((
                "early patch",
                "the pod was not deleted with grace 0".to_owned(),
            ));
        }
        let wait = self.record.history.config.delete_timeout;
        let deleted = self.before.iter().filter(|it| {
            it.replica == self.call.replica
                && it.ask == Ask::Delete(self.namespace.to_owned(), self.name.to_owned())
                && it
                    .success()
                    .is_some_and(|answer| answer.at <= self.call.sent)
        });
        let last = deleted
            .filter_map(|it| it.answer.as_ref())
            .map(|answer| answer.at)
            .max();
        match last {
            Some(at) if self.call.sent.duration_since(at).unsigned_abs() < wait => {
                Err(("early patch", format!("its deletion was answered at {at}")))
            }
            _ => Ok(()),
        }
    }

    /// The node is gone by what its Node and Lease said.
    fn node_allows(&self, node: &str, pod: &Value) -> Result<Evidence, Broken> {
        let newest = |ask: Ask| {
            let mut reads = self.answered(NODE_AGE);
            reads.find(|(it, answer)| it.ask == ask && matches!(answer.status, 200 | 404))
        };
        let unread = |what: &str| ("unread node", format!("no {what} of {node} within 3 s"));
        let (asked, answer) = newest(Ask::Node(node.to_owned())).ok_or_else(|| unread("Node"))?;
        if answer.status == 404 {
            let only_finalizers = matches!(self.call.ask, Ask::Patch(..)) && reads::forced(pod);
            return match only_finalizers {
                true => Ok(Evidence {
                    asked: asked.sent,
                    removed: true,
                }),
                false => Err((
                    "removed node",
                    "only finalizers may be cleared there".to_owned(),
                )),
            };
        }
        let object = reads::json(answer);
        if reads::ready(&object) != "Unknown" {
            return Err((
                "node speaks",
                format!("Ready reads {:?}", reads::ready(&object)),
            ));
        }
        if !reads::tainted(&object) {
            return Err(("not tainted", "the Node carries no taint".to_owned()));
        }
        let (lease_asked, lease) =
            newest(Ask::Lease(node.to_owned())).ok_or_else(|| unread("Lease"))?;
        let silent = match lease.status {
            404 => reads::heartbeat_age(answer).is_some_and(|age| age >= SILENCE),
            _ => reads::lease_age(lease).is_some_and(|(age, lasts)| age >= lasts),
        };
        if !silent {
            return Err(("kubelet speaks", format!("{:?}", reads::lease_age(lease))));
        }
        Ok(Evidence {
            asked: asked.sent.min(lease_asked.sent),
            removed: false,
        })
    }

    /// Few enough nodes were not Ready, by the list as it was read last. One that arrived at the very
    /// moment of the call may have come too late for it.
    fn guard_allows(&self, node: &str) -> Result<(), Broken> {
        let lists = self
            .answered(OTHERS_AGE)
            .filter(|(it, answer)| it.ask == Ask::Nodes && answer.status == 200);
        let mut allowed = Err(("unread fleet", "no list of nodes within 10 s".to_owned()));
        for (_, answer) in lists {
            allowed = self.fleet_allows(answer, node);
            if allowed.is_ok() || answer.at < self.call.sent {
                break;
            }
        }
        allowed
    }

    fn fleet_allows(&self, answer: &Answer, node: &str) -> Result<(), Broken> {
        let (ready, not) = reads::fleet(answer);
        let allowed = self.record.history.config.bound.of(ready.len() + not.len());
        if not.len() > allowed {
            return Err((
                "storm",
                format!("{} nodes are not Ready: {not:?}", not.len()),
            ));
        }
        match ready.iter().any(|name| name != node) {
            true => Ok(()),
            false => Err(("no other node", format!("Ready are {ready:?}"))),
        }
    }

    /// No read that was sent with the judged ones, or later, showed the node Ready.
    fn never_ready_since(&self, node: &str, asked: Timestamp) -> Result<(), Broken> {
        let shown = self.answered(NODE_AGE).find(|(it, answer)| {
            it.sent >= asked
                && answer.status == 200
                && match &it.ask {
                    Ask::Node(name) if name == node => reads::ready(&reads::json(answer)) == "True",
                    Ask::Nodes => reads::fleet(answer).0.iter().any(|name| name == node),
                    _ => false,
                }
        });
        match shown {
            Some((it, _)) => Err((
                "ready node",
                format!("{:?} of {} showed it", it.ask, it.sent),
            )),
            None => Ok(()),
        }
    }
}
