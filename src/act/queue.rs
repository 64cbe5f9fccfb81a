//! The desk's own bookkeeping: who is looked at when, who is held, who is forgotten.

use super::Context;
use super::ending::close;
use super::entry::{Entry, Held, Order};
use super::events::Reason;
use crate::decide::{Hold, NodeName, Pod, Trigger};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// All that is remembered, and the queues over it.
#[derive(Default)]
pub struct State {
    /// The nodes.
    pub nodes: BTreeMap<NodeName, Entry>,
    /// Alerts over all nodes.
    pub suspicions: usize,
    /// Nodes that an alert suspects.
    pub suspected: usize,
    /// Nodes to be looked at for the first time after a trigger, by their place in the line.
    pub firsts: BTreeMap<u64, NodeName>,
    /// Nodes to be looked at again, by time.
    pub agains: BTreeSet<(Duration, NodeName)>,
    /// Suspects that may be dropped for new ones: alive, or unknown to the API.
    droppable: BTreeSet<NodeName>,
    /// When the guard is asked again for all whom it holds, and how often it was.
    pub storm: Option<(Duration, u32)>,
}

impl State {
    /// Changes a node's alerts and keeps count of them.
    pub fn change(&mut self, node: &NodeName, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.nodes.get_mut(node) else {
            return;
        };
        self.suspicions -= entry.alerts.len();
        self.suspected -= usize::from(!entry.alerts.is_empty());
        change(entry);
        self.suspicions += entry.alerts.len();
        self.suspected += usize::from(!entry.alerts.is_empty());
    }

    /// Makes room for one more suspicion of `node`, at the cost of one that led to nothing.
    pub fn make_room(&mut self, context: &Context, node: &NodeName) -> bool {
        let full = self.suspicions;
        while self.suspicions == full {
            let Some(victim) = self.droppable.iter().find(|name| *name != node).cloned() else {
                return false;
            };
            self.droppable.remove(&victim);
            self.change(&victim, |entry| entry.alerts.clear());
            tracing::warn!(node = %victim, "suspect dropped: there are too many, and it led to nothing");
            self.tidy(context, &victim);
        }
        true
    }

    /// Puts a node in the line for its first look.
    pub fn queue_first(&mut self, node: &NodeName) {
        if let Some(entry) = self.nodes.get_mut(node)
            && entry.first.is_none()
        {
            let place = self.firsts.last_key_value().map_or(0, |(last, _)| last + 1);
            entry.first = Some(place);
            entry.looks = 0;
            self.firsts.insert(place, node.clone());
        }
    }

    /// Takes the oldest of that line in hand.
    pub fn take_first(&mut self) -> Option<Order> {
        let (_, node) = self.firsts.first_key_value()?;
        self.take(&node.clone())
    }

    /// Takes a node in hand; none when it is, or was forgotten.
    pub fn take(&mut self, node: &NodeName) -> Option<Order> {
        let entry = self.nodes.get_mut(node).filter(|e| !e.busy)?;
        entry.busy = true;
        entry.looked = true;
        if let Some(place) = entry.first.take() {
            self.firsts.remove(&place);
        }
        if let Some(due) = entry.again.take() {
            self.agains.remove(&(due, node.clone()));
        }
        self.droppable.remove(node);
        Some(Order {
            node: node.clone(),
            trigger: entry.trigger(),
            memory: entry.memory.clone(),
            pods: std::mem::take(&mut entry.pods),
            case: entry.case.take(),
        })
    }

    /// Sets when a node is looked at again.
    pub fn due_again(&mut self, node: &NodeName, due: Duration) {
        if let Some(entry) = self.nodes.get_mut(node).filter(|e| !e.busy) {
            if let Some(old) = entry.again.replace(due) {
                self.agains.remove(&(old, node.clone()));
            }
            self.agains.insert((due, node.clone()));
        }
    }

    /// Notes that a node is held, or no longer, and tells of the change.
    pub fn hold(
        &mut self,
        context: &Context,
        node: &NodeName,
        hold: Option<(Hold, String)>,
        owners: &[Pod],
        now: Duration,
    ) {
        let Some(entry) = self.nodes.get_mut(node) else {
            return;
        };
        let before = entry.held.as_ref().map(|h| h.reason);
        let Some((reason, why)) = hold else {
            entry.looks = 0;
            let watch = entry.next_watch(now);
            if let Some(before) = before {
                tracing::info!(%node, reason = %before, "no longer held");
                context.metrics.held(before, -1);
                entry.held = None;
            }
            if let Some(due) = watch {
                self.due_again(node, due);
            }
            return;
        };
        if before != Some(reason) {
            if let Some(before) = before {
                context.metrics.held(before, -1);
            }
            context.metrics.held(reason, 1);
            context.metrics.hold(reason);
            tell(context, node, entry.trigger(), reason, &why, owners);
            entry.looks = 0;
        }
        let since = entry
            .held
            .take()
            .filter(|h| h.reason == reason)
            .map(|h| h.since);
        let since = since.unwrap_or_else(|| context.clock.wall());
        entry.held = Some(Held { reason, why, since });
        if !entry.has_own_schedule() {
            return;
        }
        match reason {
            Hold::StormGuard => {
                let first_wait = (now + Entry::wait(0), 1);
                self.storm.get_or_insert(first_wait);
            }
            _ => {
                let due = entry.next_look(reason, now);
                self.due_again(node, due);
            }
        }
        if matches!(reason, Hold::NodeReady | Hold::UnknownNode) {
            self.droppable.insert(node.clone());
        }
    }

    /// Forgets a node that nothing speaks for any more.
    pub fn tidy(&mut self, context: &Context, node: &NodeName) {
        let Some(entry) = self.nodes.get(node) else {
            return;
        };
        if entry.is_wanted() {
            return;
        }
        let Some(entry) = self.nodes.remove(node) else {
            return;
        };
        if let Some(held) = entry.held {
            context.metrics.held(held.reason, -1);
        }
        if let Some(case) = entry.case {
            close(context, node, &case);
        }
        if let Some(place) = entry.first {
            self.firsts.remove(&place);
        }
        if let Some(due) = entry.again {
            self.agains.remove(&(due, node.clone()));
        }
        self.droppable.remove(node);
    }
}

/// Tells people of a hold; `owners` are pods, one for each owner that has some on the node.
fn tell(
    context: &Context,
    node: &NodeName,
    trigger: Trigger,
    reason: Hold,
    why: &str,
    owners: &[Pod],
) {
    // The sweep's daily bread is no news for people.
    if reason == Hold::NotEvicted {
        tracing::debug!(%node, %trigger, %reason, why, "held");
        return;
    }
    tracing::warn!(%node, %trigger, %reason, why, "held");
    let note = format!("Node {node} is held, nothing is touched: {why}");
    // A Node that is not there has no Events, and PodGC's business is none of its pods' owners'.
    if reason == Hold::UnknownNode {
        return;
    }
    context.events.of_node(node, Reason::Held, &note);
    for pod in owners {
        context.events.of_owner(pod, Reason::Held, &note);
    }
}
