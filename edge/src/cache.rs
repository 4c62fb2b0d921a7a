//! The edge's cache: whole objects in memory, objects in flight, and the promise that an object
//! is asked of the parents once however many viewers wait for it.
//!
//! It does not talk to parents: [`Cache::lookup`] hands the writing end of a new flight to its
//! caller, exactly once per key until that flight has ended.

/// One object being filled.
pub mod flight;
/// Whole objects, bounded in bytes.
pub mod memory;
/// What is kept of a response.
pub mod object;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use cache_policy::CacheKey;
use parking_lot::Mutex;

use flight::{Flight, FlightReader, FlightWriter, flight};
use memory::Memory;
use object::Object;

/// Locks over the table of flights. A power of two, so that picking one is a mask.
const FLIGHT_SHARDS: usize = 16;

/// Bounds of the cache.
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    /// Bytes of whole objects kept.
    pub memory_bytes: u64,
    /// Bytes of the largest object taken.
    pub object_bytes_max: u64,
    /// Objects in flight at once.
    pub flights_max: usize,
}

/// The answer to a lookup.
#[derive(Debug)]
pub enum Lookup {
    /// A fresh object.
    Hit(Arc<Object>),
    /// Somebody is already fetching it: read along.
    Joined(FlightReader),
    /// Nobody is: the caller has to fill it through `writer`, and may read along like the rest.
    Leader {
        /// The writing end. Dropping it ends the flight for everybody.
        writer: Fill,
        /// The caller's own place as a reader.
        reader: FlightReader,
        /// An object was there, but stale.
        stale: bool,
    },
    /// `flights_max` objects are in flight.
    Full,
}

/// Shared state of the cache. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    memory: Memory,
    flights: [Mutex<HashMap<CacheKey, Flying>>; FLIGHT_SHARDS],
    flight_permits: Arc<tokio::sync::Semaphore>,
    limits: CacheLimits,
}

/// A flight's place in the table.
#[derive(Debug)]
struct Flying {
    flight: Flight,
    /// Its object is kept when it is whole: it was not purged meanwhile.
    keep: bool,
}

/// The duty to fill one key: the writing end of its flight, and its place in the table.
///
/// There is at most one for a key at any time. When it goes, by whatever way, the key is free
/// again; a whole object is in memory before that, so that no request falls between the two.
#[derive(Debug)]
pub struct Fill {
    cache: Cache,
    key: CacheKey,
    writer: Option<FlightWriter>,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl Cache {
    /// An empty cache.
    pub fn new(limits: CacheLimits) -> Self {
        Self {
            inner: Arc::new(Inner {
                memory: Memory::new(limits.memory_bytes),
                flights: std::array::from_fn(|_| Mutex::new(HashMap::new())),
                flight_permits: Arc::new(tokio::sync::Semaphore::new(limits.flights_max)),
                limits,
            }),
        }
    }

    /// Finds `key`, joins its flight, or makes the caller its leader.
    pub fn lookup(&self, key: &CacheKey, now: Instant) -> Lookup {
        if let Some(object) = self.fresh(key, now) {
            return Lookup::Hit(object);
        }
        let mut flights = self.shard(key).lock();
        if let Some(flying) = flights.get(key) {
            return Lookup::Joined(flying.flight.reader());
        }
        // A flight may have ended between the first look and the lock: it left its object behind.
        let kept = self.inner.memory.get(key);
        let stale = kept.is_some();
        if let Some(object) = kept.filter(|object| !object.head.fresh_left(now).is_zero()) {
            return Lookup::Hit(object);
        }
        let Ok(permit) = Arc::clone(&self.inner.flight_permits).try_acquire_owned() else {
            return Lookup::Full;
        };
        let (writer, new) = flight(self.inner.limits.object_bytes_max);
        let reader = new.reader();
        let flying = Flying {
            flight: new,
            keep: true,
        };
        flights.insert(key.clone(), flying);
        Lookup::Leader {
            writer: Fill {
                cache: self.clone(),
                key: key.clone(),
                writer: Some(writer),
                _permit: permit,
            },
            reader,
            stale,
        }
    }

    /// As [`Self::lookup`], for whoever may not ask a parent: `None` is what would have to be asked for.
    pub fn look(&self, key: &CacheKey, now: Instant) -> Option<Lookup> {
        if let Some(object) = self.fresh(key, now) {
            return Some(Lookup::Hit(object));
        }
        let flights = self.shard(key).lock();
        let flying = flights.get(key)?;
        Some(Lookup::Joined(flying.flight.reader()))
    }

    /// Keeps an object that nobody asked a parent for. It is not given to a flight of the key.
    pub fn keep(&self, key: CacheKey, object: Arc<Object>) {
        let object_bytes = object.body.len() as u64;
        if object_bytes <= self.inner.limits.object_bytes_max {
            self.inner.memory.insert(key, object);
        }
    }

    /// Forgets every object whose key `matches`, and says how many were kept. Objects in flight go
    /// to those who wait for them, and are not kept.
    ///
    /// It looks at every key: for operators, not for requests.
    pub fn purge(&self, matches: impl Fn(&CacheKey) -> bool) -> u64 {
        // Flights first: one that ends after this keeps nothing, one that ended before it is seen
        // below.
        for shard in &self.inner.flights {
            for (key, flying) in shard.lock().iter_mut() {
                flying.keep &= !matches(key);
            }
        }
        self.inner.memory.purge(matches)
    }

    /// The memory tier, for its figures.
    pub fn memory(&self) -> &Memory {
        &self.inner.memory
    }

    /// Objects in flight now.
    pub fn flights(&self) -> usize {
        self.inner.limits.flights_max - self.inner.flight_permits.available_permits()
    }

    fn fresh(&self, key: &CacheKey, now: Instant) -> Option<Arc<Object>> {
        self.inner
            .memory
            .get(key)
            .filter(|object| !object.head.fresh_left(now).is_zero())
    }

    fn shard(&self, key: &CacheKey) -> &Mutex<HashMap<CacheKey, Flying>> {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        #[expect(
            clippy::indexing_slicing,
            clippy::cast_possible_truncation,
            reason = "masked to the array's length"
        )]
        &self.inner.flights[hash as usize & (FLIGHT_SHARDS - 1)]
    }
}

impl Fill {
    /// The writing end.
    #[expect(
        clippy::expect_used,
        reason = "`writer` is taken only by the methods that consume `self`"
    )]
    pub fn writer(&mut self) -> &mut FlightWriter {
        self.writer.as_mut().expect("taken only with self")
    }

    /// The key being filled.
    pub fn key(&self) -> &CacheKey {
        &self.key
    }

    /// Ends the flight as a whole object, which is kept as long as it is fresh.
    ///
    /// `false` if it was not whole: then the flight was aborted.
    pub fn complete(mut self) -> bool {
        let Some(object) = self.writer.take().and_then(FlightWriter::complete) else {
            return false;
        };
        if !object.head.fresh_for.is_zero() {
            // Under the lock, so that a purge either sees this object or is seen here.
            let flights = self.cache.shard(&self.key).lock();
            if flights.get(&self.key).is_some_and(|flying| flying.keep) {
                self.cache.inner.memory.insert(self.key.clone(), object);
            }
        }
        true
    }

    /// Ends the flight early; `memo`, if given, answers this key until it is stale.
    pub fn abort(mut self, error: flight::FillError, memo: Option<Object>) {
        if let Some(memo) = memo {
            self.cache
                .inner
                .memory
                .insert(self.key.clone(), Arc::new(memo));
        }
        if let Some(writer) = self.writer.take() {
            writer.abort(error);
        }
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        self.cache.shard(&self.key).lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests;
