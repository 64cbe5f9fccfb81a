//! A log that strangers write: at most a line a second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Between two lines.
const INTERVAL: Duration = Duration::from_secs(1);

/// When the last line was, and how many were left out since.
#[derive(Debug, Default)]
pub(in crate::serve) struct Log(Mutex<(Option<Instant>, u64)>);

impl Log {
    /// How many were left out since the last line, where there may be one now.
    pub(in crate::serve) fn line(&self) -> Option<u64> {
        // Nothing in here can panic half-way.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, left_out) = &mut *state;
        if last.is_some_and(|last| last.elapsed() < INTERVAL) {
            *left_out += 1;
            return None;
        }
        *last = Some(Instant::now());
        Some(std::mem::take(left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_a_second_says_how_many_were_left_out() {
        let log = Log::default();
        assert_eq!(log.line(), Some(0));
        for _ in 0..1000 {
            assert_eq!(log.line(), None);
        }
        tokio::time::advance(INTERVAL).await;
        assert_eq!(log.line(), Some(1000));
        assert_eq!(log.line(), None);
        tokio::time::advance(INTERVAL * 2).await;
        assert_eq!(log.line(), Some(1));
    }
}
