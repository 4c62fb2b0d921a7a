//! Publishes that come again.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::schema::Outcome;

/// Author and client id.
type Key = (String, String);

/// The answers that were given, for a while.
#[derive(Debug)]
pub(crate) struct Dedup {
    answers: BTreeMap<Arc<Key>, Outcome>,
    /// Oldest first.
    order: VecDeque<(u64, Arc<Key>)>,
    entries_max: usize,
    keep_ms: u64,
}

impl Dedup {
    pub(crate) fn new(entries_max: usize, keep_ms: u64) -> Self {
        Self {
            answers: BTreeMap::new(),
            order: VecDeque::new(),
            entries_max,
            keep_ms,
        }
    }

    pub(crate) fn answer(&self, key: &Key) -> Option<&Outcome> {
        self.answers.get(key)
    }

    /// Remembers the answer to a key that has none.
    pub(crate) fn insert(&mut self, now_ms: u64, key: Key, outcome: Outcome) {
        while self.order.len() >= self.entries_max {
            self.pop();
        }
        let key = Arc::new(key);
        self.answers.insert(Arc::clone(&key), outcome);
        self.order.push_back((now_ms, key));
    }

    pub(crate) fn expire(&mut self, now_ms: u64) {
        while self
            .order
            .front()
            .is_some_and(|(at_ms, _)| at_ms + self.keep_ms <= now_ms)
        {
            self.pop();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    fn pop(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.answers.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> Key {
        ("author".to_owned(), id.to_owned())
    }

    fn outcome(seq: u64) -> Outcome {
        Outcome::Accepted {
            seq: Some(seq),
            id: "m".to_owned(),
        }
    }

    #[test]
    fn answers_are_kept_up_to_their_number_and_age() {
        let mut dedup = Dedup::new(2, 1_000);
        dedup.insert(0, key("a"), outcome(1));
        dedup.insert(500, key("b"), outcome(2));
        assert_eq!(dedup.answer(&key("a")), Some(&outcome(1)));
        dedup.insert(600, key("c"), outcome(3));
        assert_eq!(dedup.answer(&key("a")), None);
        dedup.expire(1_500);
        assert_eq!(dedup.answer(&key("b")), None);
        assert_eq!(dedup.answer(&key("c")), Some(&outcome(3)));
        assert_eq!(dedup.len(), 1);
    }
}
