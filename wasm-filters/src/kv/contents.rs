//! What one filter keeps for one tenant, and the rule for what may come in.
//!
//! Single-threaded: `KvSpace` holds it under a lock, and that is what makes each operation atomic.

use super::KvError;
use super::bucket::{Bucket, Rate};
use super::node::Node;
use super::table::{Table, Weigh};
use crate::manifest::KvLimits;

/// How many expired entries every write takes out on its way, so that they go even when nobody asks
/// for them and nothing is full.
const SWEEP_PER_WRITE: usize = 4;

/// What the node counts for an entry beside its key and value: two pointers to the key, the slots
/// in the map and in the set of expiries, both half empty, and what the allocator adds.
pub(super) const ENTRY_OVERHEAD_BYTES: u64 = 192;

/// Values and buckets of one (tenant, filter).
///
/// Buckets lie beside the values: `take-token` and `set` on one key do not see each other, so that
/// neither can fail because of the other. Both count against the same limits.
#[derive(Debug, Default)]
pub(super) struct Contents {
    values: Table<Box<[u8]>>,
    buckets: Table<Bucket>,
}

/// The bounds of one operation, and its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds<'a> {
    pub(super) limits: &'a KvLimits,
    pub(super) node: &'a Node,
    pub(super) now_ms: u64,
}

/// Why an operation did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// For the caller.
    Final(KvError),
    /// The node has no room for these bytes; other filters may hold expired entries.
    NodeFull(u64),
}

impl Weigh for Box<[u8]> {
    fn weight(&self) -> u64 {
        self.len() as u64
    }
}

impl Weigh for Bucket {
    fn weight(&self) -> u64 {
        size_of::<Self>() as u64
    }
}

impl Contents {
    /// Entries, those included that have expired and were not yet taken out.
    pub(super) fn entries(&self) -> u64 {
        self.values.len() + self.buckets.len()
    }

    /// Keys and values, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.values.bytes() + self.buckets.bytes()
    }

    pub(super) fn get(&mut self, key: &str, bounds: Bounds<'_>) -> Option<Vec<u8>> {
        self.purge_value(key, bounds);
        self.values.value(key).map(|value| value.to_vec())
    }

    /// Takes the value when it succeeds, and leaves it otherwise for another try.
    pub(super) fn set(
        &mut self,
        key: &str,
        value: &mut Box<[u8]>,
        ttl_ms: Option<u64>,
        bounds: Bounds<'_>,
    ) -> Result<(), Refusal> {
        self.sweep(bounds);
        self.purge_value(key, bounds);
        let expires_at_ms = expiry(ttl_ms, bounds);
        self.put(key, value, expires_at_ms, bounds)
    }

    pub(super) fn delete(&mut self, key: &str, bounds: Bounds<'_>) -> bool {
        self.purge_value(key, bounds);
        self.purge_bucket(key, bounds);
        let value = self.values.remove(key);
        let bucket = self.buckets.remove(key);
        for freed in [value, bucket].into_iter().flatten() {
            bounds.node.release(1, freed);
        }
        value.is_some() || bucket.is_some()
    }

    pub(super) fn add(
        &mut self,
        key: &str,
        delta: i64,
        ttl_ms: Option<u64>,
        bounds: Bounds<'_>,
    ) -> Result<i64, Refusal> {
        self.sweep(bounds);
        self.purge_value(key, bounds);
        let (count, expires_at_ms) = match self.values.value(key) {
            Some(value) => (number(value)?, self.values.expires_at_ms(key)),
            None => (0, expiry(ttl_ms, bounds)),
        };
        let sum = count
            .checked_add(delta)
            .ok_or(Refusal::Final(KvError::TooLarge))?;
        let mut text = sum.to_string().into_bytes().into_boxed_slice();
        if text.weight() > bounds.limits.value_bytes {
            return Err(Refusal::Final(KvError::TooLarge));
        }
        self.put(key, &mut text, expires_at_ms, bounds)?;
        Ok(sum)
    }

    /// `new` is taken when it succeeds, and left otherwise for another try.
    pub(super) fn compare_and_set(
        &mut self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<&mut Box<[u8]>>,
        ttl_ms: Option<u64>,
        bounds: Bounds<'_>,
    ) -> Result<bool, Refusal> {
        self.sweep(bounds);
        self.purge_value(key, bounds);
        if self.values.value(key).map(|value| &**value) != expected {
            return Ok(false);
        }
        match new {
            Some(value) => self.put(key, value, expiry(ttl_ms, bounds), bounds)?,
            None => self.remove_value(key, bounds),
        }
        Ok(true)
    }

    pub(super) fn take_token(
        &mut self,
        key: &str,
        rate: Rate,
        bounds: Bounds<'_>,
    ) -> Result<Option<u32>, Refusal> {
        self.sweep(bounds);
        self.purge_bucket(key, bounds);
        let known = self.buckets.value(key).copied();
        let mut bucket = known.unwrap_or_else(|| Bucket::full(rate, bounds.now_ms));
        let answer = bucket.take(rate, bounds.now_ms);
        if known.is_none() {
            if answer.is_some() {
                // Of no capacity: there is nothing to remember.
                return Ok(answer);
            }
            self.make_room(1, key.len() as u64 + bucket.weight(), bounds)?;
        }
        let full_at_ms = bucket.full_at_ms(rate);
        self.buckets.insert(key, bucket, full_at_ms);
        Ok(answer)
    }

    /// Takes out expired entries, at most `entries_max` and until `bytes_wanted` are free.
    /// Says how many bytes the node got back, and whether more have expired.
    pub(super) fn expire(
        &mut self,
        entries_max: usize,
        bytes_wanted: u64,
        now_ms: u64,
        node: &Node,
    ) -> (u64, bool) {
        let mut freed = 0;
        for _ in 0..entries_max {
            if freed >= bytes_wanted {
                return (freed, true);
            }
            match self.expire_one(now_ms, node) {
                Some(bytes) => freed += bytes,
                None => return (freed, false),
            }
        }
        (freed, true)
    }

    /// Takes out everything.
    pub(super) fn clear(&mut self, node: &Node) {
        node.release(self.entries(), self.bytes());
        *self = Self::default();
    }

    /// Puts in a value whose key was purged. One that expires at once is not kept.
    fn put(
        &mut self,
        key: &str,
        value: &mut Box<[u8]>,
        expires_at_ms: Option<u64>,
        bounds: Bounds<'_>,
    ) -> Result<(), Refusal> {
        if expires_at_ms.is_some_and(|at_ms| at_ms <= bounds.now_ms) {
            self.remove_value(key, bounds);
            return Ok(());
        }
        let weight = value.weight();
        match self.values.value(key).map(Weigh::weight) {
            None => self.make_room(1, key.len() as u64 + weight, bounds)?,
            Some(old) if weight > old => self.make_room(0, weight - old, bounds)?,
            Some(old) => bounds.node.release(0, old - weight),
        }
        self.values
            .insert(key, std::mem::take(value), expires_at_ms);
        Ok(())
    }

    /// Makes sure that so much more fits, taking out what has expired, and reserves it on the node.
    ///
    /// What does not grow is always allowed: a version with smaller limits than the one before it
    /// can still write to the keys there are.
    fn make_room(&mut self, entries: u64, bytes: u64, bounds: Bounds<'_>) -> Result<(), Refusal> {
        let KvLimits {
            entries: entries_max,
            bytes: bytes_max,
            ..
        } = *bounds.limits;
        while (entries > 0 && self.entries() + entries > u64::from(entries_max))
            || (bytes > 0 && self.bytes() + bytes > bytes_max)
        {
            self.expire_one(bounds.now_ms, bounds.node)
                .ok_or(Refusal::Final(KvError::Quota))?;
        }
        while !bounds.node.reserve(entries, bytes) {
            self.expire_one(bounds.now_ms, bounds.node)
                .ok_or(Refusal::NodeFull(bytes + entries * ENTRY_OVERHEAD_BYTES))?;
        }
        Ok(())
    }

    fn sweep(&mut self, bounds: Bounds<'_>) {
        self.expire(SWEEP_PER_WRITE, u64::MAX, bounds.now_ms, bounds.node);
    }

    fn expire_one(&mut self, now_ms: u64, node: &Node) -> Option<u64> {
        let freed = self
            .values
            .expire_one(now_ms)
            .or_else(|| self.buckets.expire_one(now_ms))?;
        node.release(1, freed);
        Some(freed + ENTRY_OVERHEAD_BYTES)
    }

    fn purge_value(&mut self, key: &str, bounds: Bounds<'_>) {
        if let Some(freed) = self.values.purge(key, bounds.now_ms) {
            bounds.node.release(1, freed);
        }
    }

    fn purge_bucket(&mut self, key: &str, bounds: Bounds<'_>) {
        if let Some(freed) = self.buckets.purge(key, bounds.now_ms) {
            bounds.node.release(1, freed);
        }
    }

    fn remove_value(&mut self, key: &str, bounds: Bounds<'_>) {
        if let Some(freed) = self.values.remove(key) {
            bounds.node.release(1, freed);
        }
    }
}

fn expiry(ttl_ms: Option<u64>, bounds: Bounds<'_>) -> Option<u64> {
    ttl_ms.map(|ttl| bounds.now_ms.saturating_add(ttl))
}

/// A counter is kept as decimal text: `get` shows it, `set` can make one.
fn number(value: &[u8]) -> Result<i64, Refusal> {
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Refusal::Final(KvError::Unavailable))
}
