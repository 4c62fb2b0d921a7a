//! Where answers that are given again are kept: looked up for every request, written seldom.
//!
//! A hit is a lock that readers share and a mark on the entry; what is marked stays longest (CLOCK).
//! moka, which keeps the edge's objects, takes notes of every read, to choose better what stays: that
//! is right for objects that cost a fetch, and here cost as much as all the rest of a lookup.
//!
//! Entries say themselves until when they hold. [`AnswerCache::sweep`] gives the room of those that have
//! ended back before it is needed.

use std::hash::Hash;

use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use crate::grants::KeyState;

/// The index has room for as many at the start, at most: a small node needs no more.
const ROOM_MAX: usize = 1 << 14;

/// A cache of a bounded weight. Keys are hashes already.
#[derive(Debug)]
pub(crate) struct AnswerCache<K, V> {
    kept: Cache<K, V, By<V>, KeyState>,
}

/// Weighs values.
#[derive(Debug)]
struct By<V>(fn(&V) -> u32);

// Derived, it would ask for a value that can be cloned.
impl<V> Clone for By<V> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<K, V> Weighter<K, V> for By<V> {
    fn weight(&self, _: &K, value: &V) -> u64 {
        // What weighs nothing would stay for ever.
        u64::from((self.0)(value).max(1))
    }
}

impl<K: Eq + Hash + Clone, V: Clone> AnswerCache<K, V> {
    /// A cache of at most so much of what `weigh` says. An entry weighs `about` so much: a guess, for
    /// the size of the index, which grows when there are more.
    pub(crate) fn new(weight_max: u64, about: u64, weigh: fn(&V) -> u32) -> Self {
        let room = usize::try_from(weight_max / about.max(1)).unwrap_or(ROOM_MAX);
        let room = room.clamp(1, ROOM_MAX);
        let kept = Cache::with(
            room,
            weight_max,
            By(weigh),
            KeyState,
            DefaultLifecycle::default(),
        );
        Self { kept }
    }

    /// What is kept under a key, whether or not it still holds.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.kept.get(key)
    }

    /// Keeps a value, in the place of another.
    pub(crate) fn insert(&self, key: K, value: V) {
        self.kept.insert(key, value);
    }

    pub(crate) fn remove(&self, key: &K) {
        self.kept.remove(key);
    }

    /// Removes all that do not hold any more.
    pub(crate) fn sweep(&self, holds: impl Fn(&V) -> bool) {
        self.kept.retain(|_, value| holds(value));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.kept.len() as u64
    }

    /// What they weigh.
    #[cfg(test)]
    pub(crate) fn weight(&self) -> u64 {
        self.kept.weight()
    }
}
