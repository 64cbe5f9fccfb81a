//! A steady rate for what is not urgent: repeated looks, Events, patient polling.

use super::clock::Clock;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// 20 requests a second in all: a hundredth of what an API server's default flow control allows.
const INTERVAL: Duration = Duration::from_millis(50);

/// Hands out places in line, oldest first.
pub struct Pacer {
    clock: Clock,
    next: Mutex<Duration>,
}

impl Pacer {
    /// With an empty line.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            next: Mutex::new(Duration::ZERO),
        }
    }

    /// Waits until so many requests may be sent.
    pub async fn take(&self, requests: u32) {
        let now = self.clock.running();
        let wait = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let place = (*next).max(now);
            *next = place + INTERVAL * requests;
            place.saturating_sub(now)
        };
        tokio::time::sleep(wait).await;
    }
}
