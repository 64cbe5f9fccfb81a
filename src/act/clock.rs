//! The one clock of this room: running time for timeouts, wall time for people.

use jiff::Timestamp;
use std::time::Duration;
use tokio::time::Instant;

/// Wall and running time. Copies share their origin.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    /// Set in simulations, where the wall must stand still with tokio's paused clock.
    base: Option<Timestamp>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self {
            origin: Instant::now(),
            base: None,
        }
    }

    /// A clock whose wall time is `base` plus the time that tokio's clock has run since.
    pub fn simulated(base: Timestamp) -> Self {
        Self {
            origin: Instant::now(),
            base: Some(base),
        }
    }

    /// Time since the clock was made; monotonic.
    pub fn running(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Wall time.
    pub fn wall(&self) -> Timestamp {
        match self.base {
            None => Timestamp::now(),
            Some(base) => base.saturating_add(self.running()).unwrap_or(base),
        }
    }

    /// Both, for a judgement.
    pub fn now(&self) -> crate::decide::Now {
        crate::decide::Now {
            wall: self.wall(),
            running: self.running(),
        }
    }
}
