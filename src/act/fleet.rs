//! The list of nodes, read once for everybody who asks within a moment.

use super::api::Api;
use super::clock::Clock;
use super::error::ApiError;
use crate::decide::Fleet;
use crate::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// A reading of the fleet.
#[derive(Clone)]
pub struct Reading {
    /// Which nodes are Ready.
    pub fleet: Arc<Fleet>,
    /// When the request was sent, in running time.
    pub sent: Duration,
}

/// Reads the fleet; callers who come at once share one request.
pub struct FleetReader {
    api: Api,
    clock: Clock,
    metrics: Metrics,
    last: Mutex<Option<Reading>>,
}

impl FleetReader {
    /// Over `api`.
    pub fn new(api: Api, clock: Clock, metrics: Metrics) -> Self {
        Self {
            api,
            clock,
            metrics,
            last: Mutex::new(None),
        }
    }

    /// A reading that was sent no longer than `age` ago.
    ///
    /// # Errors
    /// See [`ApiError`]; a failed read is not shared.
    pub async fn read(&self, age: Duration) -> Result<Reading, ApiError> {
        let mut last = self.last.lock().await;
        if let Some(reading) = last.as_ref()
            && self.clock.running().saturating_sub(reading.sent) <= age
        {
            return Ok(reading.clone());
        }
        let sent = self.clock.running();
        let fleet = Arc::new(self.api.fleet().await?);
        self.metrics.unreachable(fleet.not_ready.len());
        let reading = Reading { fleet, sent };
        *last = Some(reading.clone());
        Ok(reading)
    }
}
