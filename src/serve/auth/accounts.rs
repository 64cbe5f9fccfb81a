//! ServiceAccount tokens, by what the API server says of them: asked seldom, and few at a time.

use super::Accounts;
use super::memory::{Digest, Memory, Seal};
use crate::act::TokenReviews;
use crate::serve::rate::Rate;
use crate::serve::turns::Turns;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// After so long the API server is asked again: a ServiceAccount that was deleted is known until then.
const FRESH: Duration = Duration::from_secs(60);

/// So long what it said counts while it does not answer.
const KNOWN: Duration = Duration::from_secs(120);

/// So long what it does not know, or is not on the list, is refused without asking again.
const REFUSED: Duration = Duration::from_secs(10);

/// So many tokens are remembered: those of callers for longer, so that strangers' give way.
const REMEMBERED: usize = 256;

/// Questions at a time.
const AT_A_TIME: usize = 4;

/// Questions that wait for their turn.
const WAITING: usize = 16;

/// New tokens are asked about 20 times a second, as often as the API server is asked anything that is not
/// urgent.
const INTERVAL: Duration = Duration::from_millis(50);

/// And so many times at once: the callers after a restart.
const BURST: u32 = 20;

/// How long one waits for its turn; a review takes up to 5 s more, and Alertmanager's peers wait 15 s.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest token; Kubernetes' own are some 1,200 bytes long.
const LONGEST: usize = 8 * 1024;

/// What the API server said of a token.
#[derive(Clone, Debug)]
struct Said {
    /// The user; none where it does not know the token.
    user: Option<Arc<str>>,
    /// From then on it is asked again.
    fresh_until: Instant,
}

/// Why it is not known whose token it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Too many are being asked about.
    Busy,
    /// The API server does not say.
    Unavailable(String),
}

/// Asks, and remembers.
pub(super) struct Reviews {
    api: TokenReviews,
    seal: Seal,
    memory: Memory<Said>,
    turns: Turns,
    rate: Rate,
}

impl Reviews {
    pub(super) fn new(api: TokenReviews, seal: Seal) -> Self {
        Self {
            api,
            seal,
            memory: Memory::new(REMEMBERED),
            turns: Turns::new(AT_A_TIME, WAITING, PATIENCE),
            rate: Rate::every(INTERVAL, BURST),
        }
    }

    /// The user whose token this is; none where it is nobody's.
    ///
    /// # Errors
    /// It is not known.
    pub(super) async fn user(
        &self,
        token: &[u8],
        accounts: &Accounts,
    ) -> Result<Option<Arc<str>>, Unknown> {
        let audience = &*accounts.audience;
        let Some((token, ends)) = read(token) else {
            return Ok(None);
        };
        let left = ends.map(|ends| ends.saturating_sub(since_1970()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(None);
        }
        let digest = self.seal.digest(&[token.as_bytes(), audience.as_bytes()]);
        let known = self.memory.get(&digest);
        if let Some(said) = known.as_ref().filter(|s| Instant::now() < s.fresh_until) {
            return Ok(said.user.clone());
        }
        // Who is known is not kept out by those who make tokens up.
        if known.is_none() && !self.rate.take() {
            return Err(Unknown::Busy);
        }
        match (self.ask(token, audience).await, known) {
            (Ok(user), _) => Ok(self.remember(digest, user, left, accounts)),
            // Better what it said lately than nobody at all.
            (Err(_), Some(said)) => Ok(said.user),
            (Err(why), None) => Err(why),
        }
    }

    async fn ask(&self, token: &str, audience: &str) -> Result<Option<String>, Unknown> {
        let _turn = self.turns.take().await.ok_or(Unknown::Busy)?;
        let answer = self.api.review(token, audience).await;
        answer.map_err(|error| Unknown::Unavailable(error.to_string()))
    }

    fn remember(
        &self,
        digest: Digest,
        user: Option<String>,
        left: Option<Duration>,
        accounts: &Accounts,
    ) -> Option<Arc<str>> {
        // Who is not let in must not take the place of who is.
        let is_let_in = user
            .as_ref()
            .is_some_and(|user| accounts.allowed.contains(user));
        let (fresh, known) = match is_let_in {
            true => (FRESH, KNOWN),
            false => (REFUSED, REFUSED),
        };
        // No longer than the token itself.
        let left = left.unwrap_or(KNOWN);
        let now = Instant::now();
        let user: Option<Arc<str>> = user.map(Into::into);
        let said = Said {
            user: user.clone(),
            fresh_until: now + fresh.min(left),
        };
        self.memory.put(digest, said, now + known.min(left));
        user
    }
}

fn since_1970() -> Duration {
    // A clock before 1970 lets no token end.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// A token as ServiceAccounts have them, a signed JWT, and when it ends where that can be read. Nothing
/// else is worth a question.
fn read(token: &[u8]) -> Option<(&str, Option<Duration>)> {
    #[derive(Deserialize)]
    struct Claims {
        exp: Option<u64>,
    }
    if token.len() > LONGEST {
        return None;
    }
    let token = std::str::from_utf8(token).ok()?;
    let mut parts = token.split('.').map(|part| {
        let decoded = URL_SAFE_NO_PAD.decode(part).ok();
        decoded.filter(|bytes| !bytes.is_empty())
    });
    let (_, claims, _) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() {
        return None;
    }
    let claims: Option<Claims> = serde_json::from_slice(&claims).ok();
    let ends = claims.and_then(|claims| claims.exp);
    Some((token, ends.map(Duration::from_secs)))
}

#[cfg(test)]
mod tests;
