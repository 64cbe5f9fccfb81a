//! So many at a time, and so many that wait for their turn, for so long.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Turns for what is dear; a clone gives out the same.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    free: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    patience: Duration,
}

/// A turn; over when this is dropped.
pub(super) type Turn = OwnedSemaphorePermit;

impl Turns {
    /// So many at a time, and so many that wait no longer than `patience`.
    pub(super) fn new(at_a_time: usize, waiting: usize, patience: Duration) -> Self {
        Self {
            free: Arc::new(Semaphore::new(at_a_time)),
            waiting: Arc::new(Semaphore::new(waiting)),
            patience,
        }
    }

    /// Waits for a turn; none when too many wait, or it does not come in time.
    pub(super) async fn take(&self) -> Option<Turn> {
        let _waits = self.waiting.try_acquire().ok()?;
        let turn = timeout(self.patience, self.free.clone().acquire_owned()).await;
        turn.ok()?.ok()
    }
}
