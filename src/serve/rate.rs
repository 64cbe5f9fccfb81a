//! `rate_limit`: a bucket of tokens, one more each interval, one less each request.

use super::web_config::file::RateLimit;
use jiff::SignedDuration;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The bucket.
#[derive(Debug)]
pub(super) struct Rate {
    interval: Duration,
    burst: u32,
    /// How many there are, and since when that is so.
    tokens: Mutex<(u32, Instant)>,
}

impl Rate {
    /// None where the interval is 0: there is no limit.
    ///
    /// # Errors
    /// One line that names the field.
    pub(super) fn new(limit: &RateLimit) -> Result<Option<Self>, String> {
        let expected = || "interval: expected a duration like 500ms or 1m30s".to_owned();
        let interval = match limit.interval.as_deref() {
            None | Some("" | "0") => return Ok(None),
            Some(text) => text.parse::<SignedDuration>().map_err(|_| expected())?,
        };
        let interval = Duration::try_from(interval).map_err(|_| expected())?;
        if interval.is_zero() {
            return Ok(None);
        }
        // The toolkit would let nobody in, and not say so.
        let burst = limit.burst.filter(|burst| *burst > 0);
        let burst = burst.ok_or("burst: at least 1 is needed, else nobody gets in")?;
        Ok(Some(Self::every(interval, burst)))
    }

    /// One each interval, and so many at once.
    pub(super) fn every(interval: Duration, burst: u32) -> Self {
        Self {
            interval,
            burst,
            tokens: Mutex::new((burst, Instant::now())),
        }
    }

    /// Takes one, where there is one.
    pub(super) fn take(&self) -> bool {
        // Nothing in here can panic half-way.
        let mut state = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, since) = &mut *state;
        let grown = since.elapsed().as_nanos() / self.interval.as_nanos();
        let grown = u32::try_from(grown).unwrap_or(u32::MAX);
        match tokens.saturating_add(grown) {
            full if full >= self.burst => (*tokens, *since) = (self.burst, Instant::now()),
            some => (*tokens, *since) = (some, *since + self.interval * grown),
        }
        let taken = *tokens > 0;
        *tokens = tokens.saturating_sub(1);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(interval: &str, burst: u32) -> RateLimit {
        RateLimit {
            interval: Some(interval.to_owned()),
            burst: Some(burst),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_one_each_interval() {
        let rate = Rate::new(&limit("1s", 3)).expect("good").expect("a limit");
        let taken = |rate: &Rate| (0..10).filter(|_| rate.take()).count();
        assert_eq!(taken(&rate), 3);
        tokio::time::advance(Duration::from_millis(999)).await;
        assert_eq!(taken(&rate), 0);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(taken(&rate), 1);
        tokio::time::advance(Duration::from_secs(1000)).await;
        assert_eq!(taken(&rate), 3);
        // What is left of an interval is not lost.
        for _ in 0..4 {
            tokio::time::advance(Duration::from_millis(750)).await;
            rate.take();
        }
        assert_eq!(taken(&rate), 0);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(taken(&rate), 1);
    }

    #[test]
    fn an_interval_of_0_is_no_limit_and_nonsense_is_refused() {
        for interval in ["", "0", "0s"] {
            assert!(
                Rate::new(&limit(interval, 0)).expect("good").is_none(),
                "{interval}"
            );
        }
        assert!(Rate::new(&RateLimit::default()).expect("good").is_none());
        for (interval, burst, words) in [
            ("1s", 0, "burst: at least 1"),
            ("-1s", 1, "interval: expected"),
            ("1", 1, "interval: expected"),
            ("often", 1, "interval: expected"),
        ] {
            let why = Rate::new(&limit(interval, burst)).expect_err(interval);
            assert!(why.starts_with(words), "{why}");
        }
    }
}
