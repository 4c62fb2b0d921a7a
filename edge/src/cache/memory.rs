//! The memory tier: whole objects, bounded in bytes, each gone when it is stale.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_policy::CacheKey;
use moka::Expiry;
use moka::sync::Cache as Moka;

use super::object::Object;

/// A bounded map of whole objects (moka: TinyLFU admission, least recently used goes first).
#[derive(Debug)]
pub struct Memory {
    objects: Moka<CacheKey, Arc<Object>>,
}

impl Memory {
    /// A memory tier of at most `bytes`.
    pub fn new(bytes: u64) -> Self {
        let objects = Moka::builder()
            .max_capacity(bytes)
            .weigher(|_, object: &Arc<Object>| object.weight())
            .expire_after(Freshness)
            .build();
        Self { objects }
    }

    /// The object under `key`, fresh or just turned stale.
    pub fn get(&self, key: &CacheKey) -> Option<Arc<Object>> {
        self.objects.get(key)
    }

    /// Keeps `object`.
    pub fn insert(&self, key: CacheKey, object: Arc<Object>) {
        self.objects.insert(key, object);
    }

    /// Forgets every object whose key `matches`; how many those were.
    pub fn purge(&self, matches: impl Fn(&CacheKey) -> bool) -> u64 {
        let mut purged = 0;
        for (key, _) in self.objects.iter().filter(|(key, _)| matches(key)) {
            if self.objects.remove(key.as_ref()).is_some() {
                purged += 1;
            }
        }
        purged
    }

    /// Weight of what is kept, in bytes (moka updates it lazily).
    pub fn bytes(&self) -> u64 {
        self.objects.weighted_size()
    }

    /// Number of objects kept.
    pub fn objects(&self) -> u64 {
        self.objects.entry_count()
    }

    /// Lets moka do its postponed work, so that the figures are true.
    pub fn settle(&self) {
        self.objects.run_pending_tasks();
    }
}

/// An object leaves when its freshness ends: there is no revalidation on live paths, where a
/// stale playlist is replaced by a new one, and a part never changes.
struct Freshness;

impl Expiry<CacheKey, Arc<Object>> for Freshness {
    fn expire_after_create(
        &self,
        _key: &CacheKey,
        object: &Arc<Object>,
        created_at: Instant,
    ) -> Option<Duration> {
        Some(object.head.fresh_left(created_at))
    }

    fn expire_after_update(
        &self,
        _key: &CacheKey,
        object: &Arc<Object>,
        updated_at: Instant,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        Some(object.head.fresh_left(updated_at))
    }
}
