//! The list of nodes, read once for everybody who asks within a moment.

use super::api::Api;
use super::clock::Clock;
use super::error::ApiError;
use crate::decide::{Fleet, NodeName};
use crate::metrics::Metrics;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A reading of the fleet.
#[derive(Clone)]
pub struct Reading {
    /// Which nodes are Ready.
    pub fleet: Arc<Fleet>,
    /// When the request was sent, in running time.
    pub sent: Duration,
}

impl Reading {
    /// True when the fleet was read no earlier than `since` and shows the node as Ready.
    pub fn shows_ready(&self, node: &NodeName, since: Duration) -> bool {
        self.sent >= since && self.fleet.ready.contains(node.as_str())
    }
}

/// Reads the fleet; callers who come at once share one request, and its failure.
pub struct FleetReader {
    api: Api,
    clock: Clock,
    metrics: Metrics,
    /// Held while a request is under way.
    turn: tokio::sync::Mutex<()>,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    reading: Option<Reading>,
    /// The last failure, and when it came.
    failure: Option<(ApiError, Duration)>,
}

impl FleetReader {
    /// Over `api`.
    pub fn new(api: Api, clock: Clock, metrics: Metrics) -> Self {
        Self {
            api,
            clock,
            metrics,
            turn: tokio::sync::Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// A reading that was sent no longer than `age` ago, or is being made now.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn read(&self, age: Duration) -> Result<Reading, ApiError> {
        let asked = self.clock.running();
        let _turn = self.turn.lock().await;
        if let Some(answer) = self.shared(asked, age) {
            return answer;
        }
        let sent = self.clock.running();
        let read = self.api.fleet().await;
        let mut last = self.last();
        match read {
            Ok(fleet) => {
                self.metrics.unreachable(fleet.not_ready.len());
                let fleet = Arc::new(fleet);
                let reading = Reading { fleet, sent };
                last.reading = Some(reading.clone());
                Ok(reading)
            }
            Err(error) => {
                last.failure = Some((error.clone(), self.clock.running()));
                Err(error)
            }
        }
    }

    /// The last reading, whoever asked for it, if it was sent after `since`.
    pub fn newer(&self, since: Duration) -> Option<Reading> {
        let last = self.last();
        let newer = |reading: &&Reading| reading.sent > since;
        last.reading.as_ref().filter(newer).cloned()
    }

    /// What another caller brought, for one who asked at `asked`.
    fn shared(&self, asked: Duration, age: Duration) -> Option<Result<Reading, ApiError>> {
        let last = self.last();
        if let Some(reading) = &last.reading
            && asked.saturating_sub(reading.sent) <= age
        {
            return Some(Ok(reading.clone()));
        }
        // Who waited for it does not wait for the next one to fail as well.
        let (error, came) = last.failure.as_ref()?;
        (*came > asked).then(|| Err(error.clone()))
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
