//! The desk: which nodes are suspected, held or in hand. Whoever serves HTTP puts suspects here; the
//! schedule takes orders from it and brings findings back.

use super::Context;
use super::entry::{Entry, Order};
use super::pass::Findings;
use super::queue::State;
use super::token_review::TokenReviews;
use crate::decide::{Hold, NodeName};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How many alerts may suspect nodes at once: some 10 MB of memory.
pub const MAX_SUSPICIONS: usize = 10_000;

/// What became of a suspicion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspected {
    /// The node is a suspect now.
    New,
    /// It was one already.
    Joined,
    /// There are too many.
    NoRoom,
}

/// A handle to the desk.
#[derive(Clone)]
pub struct Desk {
    shared: Arc<Shared>,
}

struct Shared {
    context: Arc<Context>,
    state: Mutex<State>,
    /// Why no work is taken in; empty when it is.
    unready: watch::Sender<String>,
    first: Notify,
    again: Notify,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    /// An empty desk that takes in nothing until it is told to.
    pub fn new(context: Arc<Context>) -> Self {
        let shared = Shared {
            context,
            state: Mutex::default(),
            unready: watch::Sender::new("the API server has not been reached yet".to_owned()),
            first: Notify::new(),
            again: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// A desk whose loop does not run and that no API server stands behind.
    #[cfg(test)]
    pub(crate) fn idle(unready: &str) -> Self {
        Self::idle_before(axum::Router::new(), unready)
    }

    /// The same, before an API server of the test's own.
    #[cfg(test)]
    pub(crate) fn idle_before(service: axum::Router, unready: &str) -> Self {
        use super::{Api, Clock, Transport};
        let client = kube::Client::new(service, "default");
        let (clock, metrics) = (Clock::system(), crate::metrics::Metrics::new());
        let api = Api::new(Transport::new(client, metrics.clone(), clock));
        let (_, draining) = watch::channel(false);
        let settings = crate::settings::Settings::for_tests();
        let (context, _) = Context::new(settings, api, clock, metrics, draining);
        let desk = Self::new(context);
        desk.set_unready(unready);
        desk
    }

    /// Asks whose a token is.
    pub fn token_reviews(&self) -> TokenReviews {
        TokenReviews::new(self.context().api.clone())
    }

    /// What everything needs.
    pub(super) fn context(&self) -> &Arc<Context> {
        &self.shared.context
    }

    /// Puts a node among the suspects, for the alert of that key, and wakes the loop.
    pub fn suspect(&self, node: NodeName, key: String) -> Suspected {
        let now = self.now();
        let mut state = self.state();
        let entry = state.nodes.get(&node);
        let known = entry.is_some_and(|e| e.alerts.knows(&key));
        let joined = entry.is_some_and(|e| !e.alerts.is_empty() || e.busy);
        let news = entry.is_none_or(|e| e.alerts.is_empty());
        if !known && state.suspicions >= MAX_SUSPICIONS && !state.make_room(self.context(), &node) {
            return Suspected::NoRoom;
        }
        state.nodes.entry(node.clone()).or_default();
        state.change(&node, |entry| entry.alerts.hear(key, now));
        match state.nodes.get_mut(&node) {
            Some(entry) if entry.busy => entry.news |= news,
            _ if news => {
                state.queue_first(&node);
                self.shared.first.notify_one();
            }
            _ => {}
        }
        self.publish(&state);
        if joined {
            Suspected::Joined
        } else {
            Suspected::New
        }
    }

    /// Lifts the suspicion that the alert of that key raised; true when there was one. Work that
    /// has begun goes on.
    pub fn resolve(&self, node: &NodeName, key: &str) -> bool {
        let mut state = self.state();
        let mut lifted = false;
        state.change(node, |entry| lifted = entry.alerts.forget(key));
        state.tidy(self.context(), node);
        self.publish(&state);
        lifted
    }

    /// Says why no work is taken in, if so.
    ///
    /// # Errors
    /// The reason in a line.
    pub fn readiness(&self) -> Result<(), String> {
        if self.context().is_draining() {
            return Err("shutting down".to_owned());
        }
        let unready = self.shared.unready.borrow();
        if unready.is_empty() {
            Ok(())
        } else {
            Err(unready.clone())
        }
    }

    pub(super) fn set_unready(&self, why: &str) {
        self.context().metrics.ready(why.is_empty());
        self.shared.unready.send_replace(why.to_owned());
    }

    /// Waits for the node that was triggered first and takes it in hand.
    pub(super) async fn next_first(&self) -> Order {
        loop {
            let woken = self.shared.first.notified();
            if let Some(order) = self.state().take_first() {
                return order;
            }
            woken.await;
        }
    }

    /// Waits until a node is due to be looked at again.
    pub(super) async fn next_again(&self) -> NodeName {
        loop {
            let woken = self.shared.again.notified();
            let due = self.state().agains.first().cloned();
            match due {
                None => woken.await,
                Some((due, node)) => match due.saturating_sub(self.now()) {
                    Duration::ZERO => return node,
                    wait => {
                        tokio::select! {
                            biased;
                            () = woken => {}
                            () = tokio::time::sleep(wait) => {}
                        }
                    }
                },
            }
        }
    }

    /// Takes a node in hand that is due again; none when that changed meanwhile.
    pub(super) fn take_again(&self, node: &NodeName) -> Option<Order> {
        let now = self.now();
        let mut state = self.state();
        let due = state.nodes.get(node)?.again.is_some_and(|due| due <= now);
        due.then(|| state.take(node)).flatten()
    }

    /// Takes back a node with what was found; none when the pass broke off.
    pub(super) fn finish(&self, node: &NodeName, findings: Option<Findings>) {
        let now = self.now();
        let mut state = self.state();
        let Some(entry) = state.nodes.get_mut(node) else {
            return;
        };
        entry.busy = false;
        let news = std::mem::take(&mut entry.news);
        let (hold, owners) = match findings {
            Some(findings) => {
                entry.memory = findings.memory;
                entry.pods = findings.pods;
                entry.case = findings.case;
                entry.calm = findings.calm.then(|| entry.calm.unwrap_or(now));
                (findings.hold, findings.owners)
            }
            None => {
                let why = "an internal error broke the look off".to_owned();
                (Some((Hold::NotUnderstood, why)), Vec::new())
            }
        };
        state.change(node, |entry| entry.expire(now));
        state.hold(self.context(), node, hold, &owners, now);
        state.tidy(self.context(), node);
        if news {
            // Not behind the thousands that may wait to be looked at again.
            state.queue_first(node);
            self.shared.first.notify_one();
        }
        self.shared.again.notify_one();
        self.publish(&state);
    }

    /// Takes over what a sweep found: the nodes that may be gone. Held by the guard, they wait.
    pub(super) fn hand_on(&self, found: &BTreeSet<NodeName>, guard: Result<(), String>) {
        let now = self.now();
        let mut state = self.state();
        let gone = state
            .nodes
            .iter()
            .filter(|(name, e)| e.swept && !found.contains(*name));
        let gone: Vec<_> = gone.map(|(name, _)| name.clone()).collect();
        for node in gone {
            if let Some(entry) = state.nodes.get_mut(&node) {
                entry.swept = false;
            }
            state.tidy(self.context(), &node);
        }
        for node in found {
            let entry = state.nodes.entry(node.clone()).or_default();
            entry.swept = true;
            if entry.busy || entry.first.is_some() || entry.again.is_some() {
                continue;
            }
            match &guard {
                // What every sweep finds is looked at again at the steady rate.
                Ok(()) if entry.looked => state.due_again(node, now),
                Ok(()) => state.queue_first(node),
                Err(why) => {
                    let hold = Some((Hold::StormGuard, why.clone()));
                    state.hold(self.context(), node, hold, &[], now);
                }
            }
        }
        self.shared.first.notify_one();
        self.shared.again.notify_one();
        self.publish(&state);
    }

    /// True while nodes of the last sweep wait to be looked at.
    pub(super) fn is_sweeping(&self) -> bool {
        let state = self.state();
        state
            .firsts
            .values()
            .any(|name| state.nodes.get(name).is_some_and(|e| e.swept))
    }

    /// When the guard is to be asked again for those whom it holds.
    pub(super) fn storm_due(&self) -> Option<Duration> {
        self.state().storm.map(|(due, _)| due)
    }

    /// Notes what the guard said for all whom it holds.
    pub(super) fn storm_asked(&self, is_calm: bool) {
        let now = self.now();
        let mut state = self.state();
        let Some((_, asked)) = state.storm else {
            return;
        };
        let held = |e: &Entry| {
            e.held
                .as_ref()
                .is_some_and(|h| h.reason == Hold::StormGuard)
        };
        let held = state
            .nodes
            .iter()
            .filter(|(_, e)| held(e) && e.has_own_schedule());
        let held: Vec<_> = held.map(|(name, _)| name.clone()).collect();
        if !is_calm && !held.is_empty() {
            state.storm = Some((now + Entry::wait(asked), asked + 1));
            return;
        }
        state.storm = None;
        for node in held {
            state.due_again(&node, now);
        }
        self.shared.again.notify_one();
    }

    /// Forgets alerts that were not repeated for too long.
    pub(super) fn expire(&self) {
        let now = self.now();
        let mut state = self.state();
        let names: Vec<_> = state.nodes.keys().cloned().collect();
        for node in names {
            state.change(&node, |entry| entry.expire(now));
            state.tidy(self.context(), &node);
        }
        self.publish(&state);
    }

    fn publish(&self, state: &State) {
        self.context().metrics.suspected(state.suspected);
    }

    fn now(&self) -> Duration {
        self.context().clock.running()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_look_that_breaks_off_holds_its_node() {
        let desk = Desk::idle("");
        let node = NodeName::parse("node-1").expect("a name");
        assert_eq!(desk.suspect(node.clone(), "key".to_owned()), Suspected::New);
        assert!(desk.state().take_first().is_some());
        desk.finish(&node, None);
        let state = desk.state();
        let entry = &state.nodes[&node];
        assert!(
            !entry.busy && entry.again.is_some(),
            "it is looked at again"
        );
        let held = entry.held.as_ref().map(|held| held.reason);
        assert_eq!(held, Some(Hold::NotUnderstood));
    }
}
