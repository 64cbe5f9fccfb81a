//! The alerts that suspect a node.

use std::time::Duration;

/// Alerts by their keys, in that order, and when each was heard last. No map, since nearly every node
/// has one alert, thousands of nodes may have one, and a map's smallest piece has room for eleven.
#[derive(Default)]
pub struct Alerts(Vec<(Box<str>, Duration)>);

impl Alerts {
    fn find(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(key))
    }

    /// Notes that one was heard.
    pub fn hear(&mut self, key: String, now: Duration) {
        match self.find(&key) {
            Ok(known) => self.0[known].1 = now,
            Err(place) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(place, (key.into(), now));
            }
        }
    }

    /// Forgets one; false when it was not known.
    pub fn forget(&mut self, key: &str) -> bool {
        self.find(key).map(|known| self.0.remove(known)).is_ok()
    }

    /// Whether it is known.
    pub fn knows(&self, key: &str) -> bool {
        self.find(key).is_ok()
    }

    /// Forgets those that were heard no more for `age`.
    pub fn expire(&mut self, now: Duration, age: Duration) {
        self.0.retain(|(_, heard)| now.saturating_sub(*heard) < age);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_heard_forgotten_and_expire() {
        let at = Duration::from_secs;
        let mut alerts = Alerts::default();
        for (second, key) in [(1, "b"), (2, "c"), (3, "a"), (4, "b")] {
            alerts.hear(key.to_owned(), at(second));
        }
        assert_eq!(alerts.len(), 3);
        assert!(["a", "b", "c"].iter().all(|key| alerts.knows(key)));
        assert!(alerts.forget("a") && !alerts.forget("a") && !alerts.knows("a"));
        // "b" was heard again.
        alerts.expire(at(10), at(7));
        assert!(alerts.knows("b") && !alerts.knows("c"));
        alerts.clear();
        assert!(alerts.is_empty());
    }
}
