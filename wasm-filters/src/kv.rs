//! Memory of a node that outlives a call: the filters' `kv`.
//!
//! Keys belong to (tenant, filter). It is lost with the process and shared with no other node. It
//! reads no clock: the time, in milliseconds since the Unix epoch, comes with every operation, and
//! may go back a little from one to the next, because a call's clock stands still while it runs.
//!
//! **What is alive is never evicted.** When a write does not fit, expired entries go first; when
//! there are none, the write is refused.

mod bucket;
mod contents;
mod node;
mod table;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::manifest::KvLimits;
use bucket::Rate;
use contents::{Bounds, Contents, ENTRY_OVERHEAD_BYTES, Refusal};
use node::Node;

/// Longest key, in bytes. A longer one is [`KvError::TooLarge`], in every operation.
pub const KV_KEY_BYTES_MAX: usize = 512;

/// Most spaces, which are pairs of a tenant and a filter, in a store.
pub const KV_SPACES_MAX: usize = 4_096;

/// How many expired entries [`KvStore::sweep`] takes out of a space before it lets others at it.
const SWEEP_ENTRIES: usize = 256;

/// Why an operation was refused: the contract's `kv-error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// The filter has as many entries or bytes as its manifest allows, all alive.
    #[error("the filter's kv is full")]
    Quota,
    /// The key or the value is longer than allowed, or the sum is no 64-bit number.
    #[error("the key, the value or the sum is too large")]
    TooLarge,
    /// The node has no room, or `add` met a value that is no decimal number.
    #[error("the node has no room for it, or the value is not a number")]
    Unavailable,
}

/// Why a space cannot be opened: the store has [`KV_SPACES_MAX`] that are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node keeps kv for {KV_SPACES_MAX} pairs of a tenant and a filter, and has no more")]
#[non_exhaustive]
pub struct KvSpacesFull;

/// The memory of all filters of a node. Clones are the same store.
#[derive(Clone, Debug)]
pub struct KvStore {
    shared: Arc<Shared>,
}

/// One filter's memory for one tenant. Clones are the same memory.
///
/// The limits belong to the handle: every version of a filter writes within its own.
#[derive(Clone, Debug)]
pub struct KvSpace {
    space: Arc<Space>,
    shared: Arc<Shared>,
    limits: KvLimits,
}

/// Figures of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KvFigures {
    /// Spaces.
    pub spaces: u64,
    /// Entries in all of them, with those that have expired and were not yet taken out.
    pub entries: u64,
    /// What they take in memory, as estimated: keys, values, and an overhead for each entry.
    pub bytes: u64,
    /// The bound on that.
    pub bytes_max: u64,
    /// Operations refused because the filter's own limit was reached.
    pub refused_quota: u64,
    /// Operations refused because of a key, a value or a sum.
    pub refused_too_large: u64,
    /// Operations refused because the node had no room, or a value was no number.
    pub refused_unavailable: u64,
}

/// Figures of one space.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KvSpaceFigures {
    /// Whose it is.
    pub tenant: String,
    /// Whose it is.
    pub filter: String,
    /// Values and buckets, with those that have expired and were not yet taken out.
    pub entries: u64,
    /// Keys and values, in bytes: what the manifest's `kv.bytes` bounds.
    pub bytes: u64,
    /// Operations refused, for any reason.
    pub refused: u64,
}

#[derive(Debug)]
struct Shared {
    /// Taken before a space's own lock, never after it.
    spaces: Mutex<HashMap<(String, String), Arc<Space>>>,
    node: Arc<Node>,
}

#[derive(Debug)]
struct Space {
    contents: Mutex<Contents>,
    refused: AtomicU64,
    node: Arc<Node>,
}

impl KvStore {
    /// An empty store. `bytes_max` bounds what all filters keep together, with an overhead for each
    /// entry.
    pub fn new(bytes_max: u64) -> Self {
        Self {
            shared: Arc::new(Shared {
                spaces: Mutex::default(),
                node: Arc::new(Node::new(bytes_max)),
            }),
        }
    }

    /// An empty store in which one space can be filled to these limits: for a probe, a shadow, a test.
    pub fn for_one(limits: &KvLimits) -> Self {
        let overhead = u64::from(limits.entries) * ENTRY_OVERHEAD_BYTES;
        Self::new(limits.bytes.saturating_add(overhead))
    }

    /// The memory of a filter for a tenant, made when there is none. Takes a lock and allocates:
    /// for the load of a version, not for a call.
    pub fn open(
        &self,
        tenant: &str,
        filter: &str,
        limits: &KvLimits,
    ) -> Result<KvSpace, KvSpacesFull> {
        let key = (tenant.to_owned(), filter.to_owned());
        let mut spaces = self.shared.spaces.lock();
        let space = match spaces.get(&key) {
            Some(space) => Arc::clone(space),
            None => {
                if spaces.len() >= KV_SPACES_MAX {
                    spaces.retain(|_, space| Space::is_used(space));
                }
                if spaces.len() >= KV_SPACES_MAX {
                    return Err(KvSpacesFull);
                }
                let space = Arc::new(Space {
                    contents: Mutex::default(),
                    refused: AtomicU64::new(0),
                    node: Arc::clone(&self.shared.node),
                });
                spaces.insert(key, Arc::clone(&space));
                space
            }
        };
        drop(spaces);
        Ok(KvSpace {
            space,
            shared: Arc::clone(&self.shared),
            limits: limits.clone(),
        })
    }

    /// Empties a filter's memory for all tenants, as when the filter is removed. Handles stay good.
    pub fn forget(&self, filter: &str) {
        let mut spaces = self.shared.spaces.lock();
        spaces.retain(|(_, of), space| {
            if of != filter {
                return true;
            }
            space.contents.lock().clear(&space.node);
            Space::is_used(space)
        });
    }

    /// Takes out what has expired, a bounded part of each space, and spaces that are empty and that
    /// nobody holds. To be called about once a second: `kv` that is never written to shrinks only
    /// here. Says whether there is more to do.
    pub fn sweep(&self, now_ms: u64) -> bool {
        let spaces: Vec<Arc<Space>> = self.shared.spaces.lock().values().cloned().collect();
        let mut more = false;
        for space in spaces {
            let (_, left) =
                space
                    .contents
                    .lock()
                    .expire(SWEEP_ENTRIES, u64::MAX, now_ms, &space.node);
            more |= left;
        }
        let mut spaces = self.shared.spaces.lock();
        spaces.retain(|_, space| Space::is_used(space));
        more
    }

    /// The figures of the whole store.
    pub fn figures(&self) -> KvFigures {
        let node = &self.shared.node;
        let [refused_quota, refused_too_large, refused_unavailable] = node.refused();
        KvFigures {
            spaces: self.shared.spaces.lock().len() as u64,
            entries: node.entries(),
            bytes: node.bytes(),
            bytes_max: node.bytes_max(),
            refused_quota,
            refused_too_large,
            refused_unavailable,
        }
    }

    /// The figures of each space, by tenant and filter.
    pub fn space_figures(&self) -> Vec<KvSpaceFigures> {
        let spaces = self.shared.spaces.lock();
        let mut figures: Vec<KvSpaceFigures> = spaces
            .iter()
            .map(|((tenant, filter), space)| space.figures(tenant, filter))
            .collect();
        drop(spaces);
        figures.sort_by(|a, b| (&a.tenant, &a.filter).cmp(&(&b.tenant, &b.filter)));
        figures
    }
}

impl KvSpace {
    /// The limits that this handle writes within.
    pub fn limits(&self) -> &KvLimits {
        &self.limits
    }

    /// The value, if there is one and it has not expired.
    pub fn get(&self, key: &str, now_ms: u64) -> Result<Option<Vec<u8>>, KvError> {
        self.check_key(key)?;
        Ok(self.space.contents.lock().get(key, self.bounds(now_ms)))
    }

    /// Puts a value in the place of what was there. Without `ttl_ms` it stays until it is deleted;
    /// with 0 it is gone at once.
    pub fn set(
        &self,
        key: &str,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
        now_ms: u64,
    ) -> Result<(), KvError> {
        self.check_key(key)?;
        let mut value = self.check_value(value)?;
        self.write(now_ms, |contents, bounds| {
            contents.set(key, &mut value, ttl_ms, bounds)
        })
    }

    /// Takes out the value and the bucket of this key. Says whether there was either.
    pub fn delete(&self, key: &str, now_ms: u64) -> Result<bool, KvError> {
        self.check_key(key)?;
        Ok(self.space.contents.lock().delete(key, self.bounds(now_ms)))
    }

    /// Adds to a decimal number, and returns the sum. A missing key counts as 0. `ttl_ms` matters
    /// only when the key is made.
    ///
    /// A sum beyond 64 bits is [`KvError::TooLarge`], a value that is no number
    /// [`KvError::Unavailable`]; both leave the value as it was.
    pub fn add(
        &self,
        key: &str,
        delta: i64,
        ttl_ms: Option<u64>,
        now_ms: u64,
    ) -> Result<i64, KvError> {
        self.check_key(key)?;
        self.write(now_ms, |contents, bounds| {
            contents.add(key, delta, ttl_ms, bounds)
        })
    }

    /// Swaps the value if it is the expected one; `None` stands for an absent key. Says whether it
    /// was swapped. The new value's lifetime is `ttl_ms`, whatever the old one's was.
    pub fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Vec<u8>>,
        ttl_ms: Option<u64>,
        now_ms: u64,
    ) -> Result<bool, KvError> {
        self.check_key(key)?;
        let mut new = new.map(|value| self.check_value(value)).transpose()?;
        self.write(now_ms, |contents, bounds| {
            contents.compare_and_set(key, expected, new.as_mut(), ttl_ms, bounds)
        })
    }

    /// Takes a token from the bucket of this name, which begins full. `None`: taken; else the
    /// milliseconds to wait, `u32::MAX` for never. A bucket that is full again is forgotten.
    pub fn take_token(
        &self,
        key: &str,
        capacity: u32,
        refill_per_minute: u32,
        now_ms: u64,
    ) -> Result<Option<u32>, KvError> {
        self.check_key(key)?;
        let rate = Rate {
            capacity,
            refill_per_minute,
        };
        self.write(now_ms, |contents, bounds| {
            contents.take_token(key, rate, bounds)
        })
    }

    fn bounds(&self, now_ms: u64) -> Bounds<'_> {
        Bounds {
            limits: &self.limits,
            node: &self.space.node,
            now_ms,
        }
    }

    /// An operation that may make the space grow. When the node is full, other filters' expired
    /// entries go, and it is tried once more.
    fn write<T>(
        &self,
        now_ms: u64,
        mut operation: impl FnMut(&mut Contents, Bounds<'_>) -> Result<T, Refusal>,
    ) -> Result<T, KvError> {
        let bounds = self.bounds(now_ms);
        let mut outcome = operation(&mut self.space.contents.lock(), bounds);
        if let Err(Refusal::NodeFull(bytes)) = outcome
            && self.shared.reclaim(bytes, now_ms)
        {
            outcome = operation(&mut self.space.contents.lock(), bounds);
        }
        outcome.map_err(|refusal| match refusal {
            Refusal::Final(error) => self.refused(error),
            Refusal::NodeFull(_) => self.refused(KvError::Unavailable),
        })
    }

    fn check_key(&self, key: &str) -> Result<(), KvError> {
        if key.len() > KV_KEY_BYTES_MAX {
            return Err(self.refused(KvError::TooLarge));
        }
        Ok(())
    }

    fn check_value(&self, value: Vec<u8>) -> Result<Box<[u8]>, KvError> {
        if value.len() as u64 > self.limits.value_bytes {
            return Err(self.refused(KvError::TooLarge));
        }
        Ok(value.into_boxed_slice())
    }

    fn refused(&self, error: KvError) -> KvError {
        self.space.refused.fetch_add(1, Ordering::Relaxed);
        self.space.node.count_refused(error);
        error
    }
}

impl Shared {
    /// Takes out expired entries of any space until so many bytes are free. Says whether it found
    /// any. No space is locked by the caller.
    fn reclaim(&self, bytes_wanted: u64, now_ms: u64) -> bool {
        let mut freed = 0;
        for space in self.spaces.lock().values() {
            let wanted = bytes_wanted.saturating_sub(freed);
            let entries_max = usize::MAX;
            let mut contents = space.contents.lock();
            let (bytes, _) = contents.expire(entries_max, wanted, now_ms, &self.node);
            freed += bytes;
            if freed >= bytes_wanted {
                break;
            }
        }
        freed > 0
    }
}

impl Space {
    /// Whether somebody holds it or it holds something. To be asked under the lock of the spaces,
    /// where handles are made: nobody can come to hold it meanwhile.
    fn is_used(space: &Arc<Self>) -> bool {
        Arc::strong_count(space) > 1 || space.contents.lock().entries() > 0
    }

    fn figures(&self, tenant: &str, filter: &str) -> KvSpaceFigures {
        let contents = self.contents.lock();
        KvSpaceFigures {
            tenant: tenant.to_owned(),
            filter: filter.to_owned(),
            entries: contents.entries(),
            bytes: contents.bytes(),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.contents.get_mut().clear(&self.node);
    }
}
