//! What is known of credentials, under a digest that is worth nothing to anybody else.

use ring::hmac;
use ring::rand::SystemRandom;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// A digest under a key that this process drew and never tells. Two are compared in the usual way: how
/// long that takes says nothing about what was digested.
pub(in crate::serve) type Digest = [u8; 32];

/// The key.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Seal(hmac::Key);

impl Seal {
    /// Draws a new key.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(in crate::serve) fn new() -> Result<Self, String> {
        hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map(Self)
            .map_err(|_| "the system has no random numbers".to_owned())
    }

    /// The digest of these parts; where one ends and the next begins matters.
    pub(in crate::serve) fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        let mut digest = Digest::default();
        // A tag of HMAC-SHA256 is as long.
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }
}

/// A bounded number of things, each for a bounded time.
#[derive(Debug)]
pub(super) struct Memory<V> {
    most: usize,
    known: Mutex<BTreeMap<Digest, (Instant, V)>>,
}

impl<V: Clone> Memory<V> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            known: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Digest, (Instant, V)>> {
        // Nothing in here can panic half-way.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of it now.
    pub(super) fn get(&self, digest: &Digest) -> Option<V> {
        let mut known = self.known();
        match known.get(digest) {
            Some((until, value)) if Instant::now() < *until => Some(value.clone()),
            Some(_) => {
                known.remove(digest);
                None
            }
            None => None,
        }
    }

    /// Remembers it until then. Of too many, what would be forgotten next goes.
    pub(super) fn put(&self, digest: Digest, value: V, until: Instant) {
        let mut known = self.known();
        if known.len() >= self.most && !known.contains_key(&digest) {
            // A walk over some hundred entries, once for each credential too many.
            let next = known.iter().min_by_key(|(_, (until, _))| *until);
            if let Some(digest) = next.map(|(digest, _)| *digest) {
                known.remove(&digest);
            }
        }
        known.insert(digest, (until, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_digest_depends_on_every_part_and_on_the_key() {
        let seal = Seal::new().expect("random numbers");
        let parts: [&[&[u8]]; 5] = [
            &[b"ab", b"c"],
            &[b"a", b"bc"],
            &[b"abc"],
            &[b"abc", b""],
            &[],
        ];
        for (index, one) in parts.iter().enumerate() {
            assert_eq!(seal.digest(one), seal.digest(one));
            for other in &parts[index + 1..] {
                assert_ne!(seal.digest(one), seal.digest(other), "{one:?} {other:?}");
            }
        }
        let other = Seal::new().expect("random numbers");
        assert_ne!(seal.digest(parts[0]), other.digest(parts[0]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded_in_number_and_in_time() {
        let (seal, memory) = (Seal::new().expect("random numbers"), Memory::new(3));
        let digest = |n: u64| seal.digest(&[&n.to_be_bytes()]);
        let began = Instant::now();
        for n in 0..1000 {
            memory.put(digest(n), n, began + Duration::from_secs(n + 1));
            assert!(memory.known().len() <= 3);
        }
        let left = |n| memory.get(&digest(n));
        assert_eq!(
            [996, 997, 998, 999].map(left),
            [None, Some(997), Some(998), Some(999)]
        );
        // Once more the same takes nobody's place.
        memory.put(digest(999), 7, began + Duration::from_secs(2000));
        assert_eq!([997, 998, 999].map(left), [Some(997), Some(998), Some(7)]);
        tokio::time::advance(Duration::from_secs(999)).await;
        assert_eq!([997, 998, 999].map(left), [None, None, Some(7)]);
        assert_eq!(memory.known().len(), 1);
    }
}
