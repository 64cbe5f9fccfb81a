//! Effects on Kubernetes: who is suspected, the loop that reconciles one node at a time, the calls.
//!
//! ```text
//! desk (suspects, sweep's finds) ─> schedule ─> pass: look ─> decide ─> pods: delete ─> wait ─> patch
//!   ^                                             │                          └─> follow
//!   └──────────── hold, looked at again ──────────┘
//! ```

mod access;
mod alerts;
mod api;
mod client;
mod clock;
mod desk;
mod ending;
mod entry;
mod error;
mod events;
mod fleet;
mod follow;
mod history;
mod look;
mod pacer;
mod pass;
mod pod;
mod queue;
mod schedule;
mod status;
mod sweep;
mod table;
mod token_review;
mod transport;

pub use api::{Api, Right};
pub use client::connect;
pub use clock::Clock;
pub use desk::{Desk, MAX_SUSPICIONS, Suspected};
pub use error::ApiError;
pub use schedule::run;
pub use token_review::TokenReviews;
pub use transport::{Transport, chain};

use crate::metrics::Metrics;
use crate::settings::Settings;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// How many things are remembered that count only once; each costs some 150 bytes.
const COUNTED: usize = 10_000;

/// What was counted already, and in which order, so that the oldest can be forgotten.
#[derive(Default)]
struct Counted {
    seen: BTreeSet<String>,
    order: VecDeque<String>,
}

/// What every piece of work needs.
pub struct Context {
    /// The settings.
    pub settings: Settings,
    /// The calls.
    pub api: Api,
    /// The clock.
    pub clock: Clock,
    /// The counters.
    pub metrics: Metrics,
    fleet: fleet::FleetReader,
    pacer: Arc<pacer::Pacer>,
    history: history::History,
    events: events::Events,
    counted: Mutex<Counted>,
    draining: watch::Receiver<bool>,
}

impl Context {
    /// Joins the parts; the future writes Events and ends with the last user of the context.
    pub fn new(
        settings: Settings,
        api: Api,
        clock: Clock,
        metrics: Metrics,
        draining: watch::Receiver<bool>,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send) {
        let pacer = Arc::new(pacer::Pacer::new(clock));
        let dry_run = settings.dry_run;
        let (events, writer) = events::Events::new(api.clone(), clock, pacer.clone(), dry_run);
        let fleet = fleet::FleetReader::new(api.clone(), clock, metrics.clone());
        let history = history::History::default();
        let counted = Mutex::default();
        let context = Self {
            settings,
            api,
            clock,
            metrics,
            fleet,
            pacer,
            history,
            events,
            counted,
            draining,
        };
        (Arc::new(context), writer)
    }

    /// True when a dry run has judged the pod of that UID before.
    fn was_judged(&self, uid: &str) -> bool {
        self.counted().seen.contains(&judged(uid))
    }

    /// Notes that a dry run has judged the pod of that UID.
    fn judged(&self, uid: &str) {
        self.once(&judged(uid));
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True the first time that it is asked for `what`.
    fn once(&self, what: &str) -> bool {
        let mut counted = self.counted();
        if !counted.seen.insert(what.to_owned()) {
            return false;
        }
        counted.order.push_back(what.to_owned());
        if counted.order.len() > COUNTED
            && let Some(oldest) = counted.order.pop_front()
        {
            counted.seen.remove(&oldest);
        }
        true
    }

    /// True once the process is being stopped: what has begun is finished, nothing else begins.
    fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }
}

/// The key under which a dry run's judgement counts once.
fn judged(uid: &str) -> String {
    format!("dry run/{uid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_counted_once_is_forgotten_after_ten_thousand_others() {
        let desk = Desk::idle("");
        let context = desk.context();
        assert!(context.once("first"));
        assert!(!context.once("first"));
        for n in 0..COUNTED {
            assert!(context.once(&n.to_string()));
        }
        assert!(context.once("first"), "the oldest was forgotten");
        let counted = context.counted();
        assert_eq!(
            (counted.seen.len(), counted.order.len()),
            (COUNTED, COUNTED)
        );
    }
}
