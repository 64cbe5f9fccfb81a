//! A work queue with due times, each item in it once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

/// Items and when each is due; an item that is added twice keeps the earlier time.
pub(super) struct Queue<T> {
    due: BTreeSet<(Timestamp, T)>,
    at: BTreeMap<T, Timestamp>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            due: BTreeSet::new(),
            at: BTreeMap::new(),
        }
    }
}

impl<T: Ord + Clone> Queue<T> {
    /// Adds an item, or moves it if this is earlier.
    pub(super) fn add(&mut self, item: T, at: Timestamp) {
        match self.at.get(&item) {
            Some(known) if *known <= at => return,
            Some(known) => {
                self.due.remove(&(*known, item.clone()));
            }
            None => {}
        }
        self.at.insert(item.clone(), at);
        self.due.insert((at, item));
    }

    /// Forgets an item.
    pub(super) fn remove(&mut self, item: &T) {
        if let Some(at) = self.at.remove(item) {
            self.due.remove(&(at, item.clone()));
        }
    }

    /// When the first item is due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes the first item that is due.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<T> {
        if self.next()? > now {
            return None;
        }
        let (_, item) = self.due.pop_first()?;
        self.at.remove(&item);
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_time_wins_and_order_is_kept() {
        let at = |second| Timestamp::constant(second, 0);
        let mut queue = Queue::default();
        queue.add("b", at(5));
        queue.add("a", at(5));
        queue.add("b", at(9));
        queue.add("c", at(9));
        queue.add("c", at(1));
        assert_eq!(queue.pop(at(0)), None);
        let order: Vec<_> = std::iter::from_fn(|| queue.pop(at(5))).collect();
        assert_eq!(order, ["c", "a", "b"]);
        assert_eq!(queue.next(), None);
    }
}
