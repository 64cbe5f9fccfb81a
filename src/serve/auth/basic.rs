//! Passwords. A check by bcrypt costs 75 ms of a core at the usual cost, so strangers get few of them.

use super::methods::Methods;
use crate::serve::turns::Turns;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a good password is remembered: Alertmanager repeats itself every 5 minutes. What is known
/// belongs to one hash, so it is never known for too long, and goes with the configuration anyway.
const REMEMBERED_FOR: Duration = Duration::from_secs(10 * 60);

/// Checks at a time, as in the toolkit: strangers never take more than one core.
const AT_A_TIME: usize = 1;

/// Checks that wait for their turn; a queue of so many takes 1.2 s at the usual cost.
const WAITING: usize = 16;

/// How long one waits for its turn; Alertmanager's peers wait 15 s for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Turns for checks of passwords.
#[derive(Clone, Debug)]
pub(super) struct Checks(Turns);

/// Too many passwords are being checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

impl Checks {
    pub(super) fn new() -> Self {
        Self(Turns::new(AT_A_TIME, WAITING, PATIENCE))
    }

    /// Compares off the async threads; a check that has begun keeps its turn, whoever hangs up.
    async fn verify(&self, password: Vec<u8>, hash: Arc<str>) -> Result<bool, Busy> {
        let turn = self.0.take().await.ok_or(Busy)?;
        let check = move || {
            let _turn = turn;
            bcrypt::verify(password, &hash).unwrap_or(false)
        };
        // A panic is no proof of a password.
        Ok(tokio::task::spawn_blocking(check).await.unwrap_or(false))
    }
}

/// A user and a password, as they came; none where this is not base64, or has no colon.
pub(super) fn parse(encoded: &[u8]) -> Option<(String, Vec<u8>)> {
    let decoded = STANDARD.decode(encoded).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let user = std::str::from_utf8(&decoded[..colon]).ok()?.to_owned();
    Some((user, decoded[colon + 1..].to_vec()))
}

/// Whether that is a user's password.
///
/// # Errors
/// There was no turn for it in time.
pub(super) async fn is_good(
    methods: &Methods,
    checks: &Checks,
    user: &str,
    password: Vec<u8>,
) -> Result<bool, Busy> {
    // A user that does not exist costs as much as the dearest: where all hashes have one cost, the time
    // tells nothing.
    let (hash, exists) = match (methods.users.get(user), &methods.costliest) {
        (Some(hash), _) => (hash, true),
        (None, Some((_, hash))) => (hash, false),
        (None, None) => return Ok(false),
    };
    let parts = [user.as_bytes(), hash.as_bytes(), &password];
    let digest = methods.seal.digest(&parts);
    if exists && methods.good.get(&digest).is_some() {
        return Ok(true);
    }
    let good = checks.verify(password, hash.clone()).await? && exists;
    if good {
        let until = Instant::now() + REMEMBERED_FOR;
        methods.good.put(digest, (), until);
    }
    Ok(good)
}

#[cfg(test)]
mod tests {
    use super::super::methods::Methods;
    use super::*;
    use crate::serve::web_config::tests::HASH;

    fn methods() -> Methods {
        let mut methods = Methods::none().expect("random numbers");
        let users = [("alice".to_owned(), HASH.to_owned())].into();
        methods.users(&users).expect("a user");
        methods
    }

    #[tokio::test]
    async fn only_the_password_of_that_user_is_good() {
        let (methods, checks) = (methods(), Checks::new());
        for (user, password, good) in [
            ("alice", "secret", true),
            ("alice", "secret", true),
            ("alice", "Secret", false),
            ("alice", "", false),
            ("bob", "secret", false),
            ("", "secret", false),
        ] {
            let checked = is_good(&methods, &checks, user, password.into()).await;
            assert_eq!(checked, Ok(good), "{user} {password}");
        }
        let nobody = Methods::none().expect("random numbers");
        let checked = is_good(&nobody, &checks, "alice", "secret".into()).await;
        assert_eq!(checked, Ok(false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_that_does_not_exist_costs_a_check_and_a_known_password_none() {
        let (methods, checks) = (methods(), Checks::new());
        let check = |user, password: &str| {
            let password = password.as_bytes().to_vec();
            is_good(&methods, &checks, user, password)
        };
        assert_eq!(check("alice", "secret").await, Ok(true));
        // Somebody's check goes on for ever.
        let turn = checks.0.take().await;
        let began = Instant::now();
        assert_eq!(check("alice", "secret").await, Ok(true));
        assert!(began.elapsed().is_zero());
        for (user, password) in [("bob", "secret"), ("alice", "wrong"), ("bob", "wrong")] {
            let began = Instant::now();
            assert_eq!(check(user, password).await, Err(Busy), "{user}");
            assert!(began.elapsed() >= PATIENCE);
        }
        tokio::time::advance(REMEMBERED_FOR).await;
        assert_eq!(check("alice", "secret").await, Err(Busy));
        drop(turn);
        assert_eq!(check("alice", "secret").await, Ok(true));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_sixteen_wait_for_their_turn() {
        let checks = Checks::new();
        let turn = checks.0.take().await;
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..WAITING {
            let checks = checks.clone();
            waiting.spawn(async move { checks.verify(b"secret".to_vec(), HASH.into()).await });
        }
        tokio::task::yield_now().await;
        let began = Instant::now();
        let more = checks.verify(b"secret".to_vec(), HASH.into()).await;
        assert_eq!((more, began.elapsed()), (Err(Busy), Duration::ZERO));
        drop(turn);
        let checked = waiting.join_all().await;
        assert_eq!(checked, [Ok(true); 16]);
    }

    #[test]
    fn what_is_no_user_and_password_is_none() {
        for (encoded, expected) in [
            ("YTpi", Some(("a", "b"))),
            ("YTpiOmM=", Some(("a", "b:c"))),
            ("Og==", Some(("", ""))),
            ("YQ==", None),
            ("YTpi=", None),
            ("YTp", None),
            ("a:b", None),
            ("/zpi", None),
            ("", None),
        ] {
            let expected = expected.map(|(user, password)| (user.to_owned(), password.into()));
            assert_eq!(parse(encoded.as_bytes()), expected, "{encoded}");
        }
    }
}
