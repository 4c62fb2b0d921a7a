//! Responses of sites in memory: several for one URL, chosen by `Vary`; bounded in bytes.
//!
//! A stale response stays as long as there is room: it may be validated, or stand in for a
//! failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cache_policy::shared::{
    RequestDirectives, Reuse, SecondaryKey, Terms, Validators, Vary, surrogate_keys,
};
use cache_policy::strip_hop_by_hop;
use http::{HeaderMap, HeaderName, StatusCode, header};
use moka::ops::compute::Op;
use moka::sync::Cache as Moka;

/// A URL: scheme, authority, path and query.
pub type Key = Arc<str>;

/// Rough cost of a response beyond its body and the text of its fields, in bytes.
const OVERHEAD_BYTES: usize = 1024;

/// Fields that are not stored beside those of the connection: RFC 9111 3.1 and 7.3, `Age`, which
/// is computed anew, and what speaks of the parent's own connection.
const NOT_STORED: [HeaderName; 5] = [
    header::AGE,
    header::ALT_SVC,
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    header::PROXY_AUTHORIZATION,
];

/// One stored response.
#[derive(Debug)]
pub struct Stored {
    /// Status.
    pub status: StatusCode,
    /// Fields, without those that are not stored.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// On what terms.
    pub terms: Terms,
    /// When it came or was validated.
    pub received_at: Instant,
    vary: Vary,
    secondary: SecondaryKey,
    surrogate_keys: Vec<Arc<str>>,
    marked: AtomicBool,
}

/// What there is for a request.
#[derive(Debug)]
pub enum Found {
    /// A response that matches it.
    Match(Arc<Stored>),
    /// Responses to other requests.
    Others,
    /// Nothing.
    Nothing,
}

/// The responses of one URL, the newest first.
type Variants = Arc<[Arc<Stored>]>;

/// All responses.
#[derive(Debug)]
pub struct Store {
    resources: Moka<Key, Variants>,
}

impl Stored {
    /// What is kept of a response to a request with the fields `request`.
    pub fn new(
        status: StatusCode,
        headers: &HeaderMap,
        body: Bytes,
        terms: Terms,
        request: &HeaderMap,
    ) -> Self {
        let vary = Vary::of(headers);
        let mut kept = storable_fields(headers);
        for name in &terms.fields_not_kept {
            kept.remove(name);
        }
        Self {
            status,
            headers: kept,
            body,
            terms,
            received_at: Instant::now(),
            secondary: vary.key(request),
            vary,
            surrogate_keys: surrogate_keys(headers),
            marked: AtomicBool::new(false),
        }
    }

    /// Whether it may be used for a request.
    pub fn reuse(&self, now: Instant, request: &RequestDirectives) -> Reuse {
        let marked = self.marked.load(Ordering::Relaxed);
        self.terms.reuse(self.resident(now), marked, request)
    }

    /// Whether it may stand in for a failure.
    pub fn covers_failure(&self, now: Instant, disconnected: bool) -> bool {
        self.terms.covers_failure(self.resident(now), disconnected)
    }

    /// Its age, in seconds.
    pub fn age(&self, now: Instant) -> u64 {
        self.terms.age(self.resident(now)).as_secs()
    }

    /// What remains of its freshness, in seconds.
    pub fn ttl(&self, now: Instant) -> i64 {
        self.terms.ttl_seconds(self.resident(now))
    }

    /// What it is validated by.
    pub fn validators(&self) -> Validators {
        Validators::of(&self.headers)
    }

    /// Whether it can ever be used.
    pub fn is_of_use(&self) -> bool {
        let usable = !self.terms.no_cache && !self.terms.useful_for().is_zero();
        usable || !self.validators().is_empty()
    }

    fn resident(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.received_at)
    }

    /// Whether it is a response to a request with these fields.
    pub fn matches(&self, request: &HeaderMap) -> bool {
        let language = self.headers.get(header::CONTENT_LANGUAGE);
        let language = language.and_then(|value| value.to_str().ok());
        self.vary.matches(&self.secondary, request, language)
    }

    fn weight(&self) -> usize {
        let fields = self.headers.iter();
        let fields: usize = fields
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        let keys: usize = self.surrogate_keys.iter().map(|key| key.len()).sum();
        self.body.len() + fields + keys + OVERHEAD_BYTES
    }
}

impl Store {
    /// A store of at most `bytes`.
    pub fn new(bytes: u64) -> Self {
        let weigh = |key: &Key, variants: &Variants| {
            let bytes: usize = variants.iter().map(|stored| stored.weight()).sum();
            u32::try_from(bytes.saturating_add(key.len())).unwrap_or(u32::MAX)
        };
        Self {
            resources: Moka::builder().max_capacity(bytes).weigher(weigh).build(),
        }
    }

    /// What there is for a request: of those that match, the newest.
    pub fn find(&self, key: &Key, request: &HeaderMap) -> Found {
        let Some(variants) = self.resources.get(key) else {
            return Found::Nothing;
        };
        let matching = variants.iter().find(|stored| stored.matches(request));
        matching.map_or(Found::Others, |stored| Found::Match(Arc::clone(stored)))
    }

    /// The secondary key of a request, by the fields that responses of this URL varied with last.
    pub fn secondary(&self, key: &Key, request: &HeaderMap) -> SecondaryKey {
        let variants = self.resources.get(key);
        let newest = variants.as_ref().and_then(|variants| variants.first());
        newest
            .map(|stored| stored.vary.key(request))
            .unwrap_or_default()
    }

    /// Keeps a response in place of those that it replaces, and of the oldest beyond `most`.
    pub fn insert(&self, key: &Key, stored: Arc<Stored>, most: usize) {
        self.resources
            .entry(Arc::clone(key))
            .and_upsert_with(|entry| {
                let old = entry.map(moka::Entry::into_value);
                let others = old.iter().flat_map(|variants| variants.iter());
                let others = others.filter(|other| {
                    (&other.vary, &other.secondary) != (&stored.vary, &stored.secondary)
                });
                let all = std::iter::once(&stored).chain(others).take(most);
                all.cloned().collect::<Variants>()
            });
    }

    /// Forgets all responses of a URL.
    pub fn remove(&self, key: &Key) {
        self.resources.invalidate(key);
    }

    /// Forgets or marks all responses of a URL; how many.
    pub fn purge_url(&self, key: &Key, soft: bool) -> u64 {
        if soft {
            let variants = self.resources.get(key);
            return mark(variants.iter().flat_map(|variants| variants.iter()));
        }
        let removed = self.resources.remove(key);
        removed.map_or(0, |variants| variants.len() as u64)
    }

    /// Forgets or marks all responses that carry a surrogate key; how many.
    pub fn purge_key(&self, surrogate_key: &str, soft: bool) -> u64 {
        let carries = |stored: &&Arc<Stored>| {
            stored
                .surrogate_keys
                .iter()
                .any(|key| **key == *surrogate_key)
        };
        let mut purged = 0;
        for (key, variants) in &self.resources {
            let carriers = variants.iter().filter(carries);
            if soft {
                purged += mark(carriers);
                continue;
            }
            if carriers.count() == 0 {
                continue;
            }
            self.resources
                .entry(Arc::clone(&key))
                .and_compute_with(|entry| {
                    let Some(variants) = entry.map(moka::Entry::into_value) else {
                        return Op::Nop;
                    };
                    let left: Variants = variants
                        .iter()
                        .filter(|stored| !carries(stored))
                        .cloned()
                        .collect();
                    purged += (variants.len() - left.len()) as u64;
                    if left.is_empty() {
                        Op::Remove
                    } else {
                        Op::Put(left)
                    }
                });
        }
        purged
    }

    /// Weight of what is kept, in bytes (moka updates it lazily).
    pub fn bytes(&self) -> u64 {
        self.resources.weighted_size()
    }

    /// URLs with responses.
    pub fn resources(&self) -> u64 {
        self.resources.entry_count()
    }

    /// Lets moka do its postponed work.
    pub fn settle(&self) {
        self.resources.run_pending_tasks();
    }
}

/// A response's fields without those that are not stored.
pub fn storable_fields(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    strip_hop_by_hop(&mut kept);
    for name in &NOT_STORED {
        kept.remove(name);
    }
    kept
}

fn mark<'a>(stored: impl Iterator<Item = &'a Arc<Stored>>) -> u64 {
    let mut marked = 0;
    for stored in stored {
        stored.marked.store(true, Ordering::Relaxed);
        marked += 1;
    }
    marked
}

#[cfg(test)]
mod tests;
