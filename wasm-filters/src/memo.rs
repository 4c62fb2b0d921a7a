//! Answers of `http` filters that are given again: to requests that look the same to the filter,
//! for as long as it said (`cache-ms`).
//!
//! What is kept has been checked and made ready, so that a filter that sets a few header fields
//! costs a hash and a lookup.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};
use moka::Expiry;
use moka::sync::Cache;

use crate::grants::KeyState;
use crate::host::{FieldEdits, HttpCall, Reply, RequestEdits};
use crate::keyed::{HashKey, KeyHasher};
use crate::table::Deployed;

/// An answer is kept for as long at most; a longer `cache-ms` is cut.
pub(crate) const MEMO_MAX: Duration = Duration::from_secs(3600);

/// Stands for all that a version sees of a request, and for the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MemoKey(u128);

/// What a filter does to a request, checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RequestStep {
    Next,
    Modify(Arc<RequestEdits>),
    Respond(Arc<Reply>),
}

/// Something to do again.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Request(RequestStep),
    Response(Arc<FieldEdits>),
}

#[derive(Clone, Debug)]
struct Entry {
    kept: Kept,
    until: Instant,
}

struct Until;

impl Expiry<MemoKey, Entry> for Until {
    fn expire_after_create(
        &self,
        _: &MemoKey,
        entry: &Entry,
        created: Instant,
    ) -> Option<Duration> {
        Some(entry.until.saturating_duration_since(created))
    }
}

/// The cache of a node.
#[derive(Debug)]
pub(crate) struct Memo {
    kept: Cache<MemoKey, Entry, KeyState>,
}

impl Memo {
    /// A cache of at most so many bytes of answers.
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            kept: Cache::builder()
                .max_capacity(bytes_max)
                .weigher(|_, entry: &Entry| weight(&entry.kept))
                .expire_after(Until)
                .build_with_hasher(KeyState),
        }
    }

    pub(crate) fn get(&self, key: &MemoKey, now: Instant) -> Option<Kept> {
        let entry = self.kept.get(key)?;
        (now < entry.until).then_some(entry.kept)
    }

    /// Keeps an answer for `cache_ms`; 0 is not at all.
    pub(crate) fn keep(&self, key: MemoKey, kept: Kept, cache_ms: u32, now: Instant) {
        let cache = Duration::from_millis(u64::from(cache_ms)).min(MEMO_MAX);
        if !cache.is_zero() {
            let until = now + cache;
            self.kept.insert(key, Entry { kept, until });
        }
    }

    /// Answers that are kept, about.
    pub(crate) fn len(&self) -> u64 {
        self.kept.entry_count()
    }
}

impl MemoKey {
    /// For `http.request`.
    pub(crate) fn request(hash_key: HashKey, version: &Deployed, call: &HttpCall<'_>) -> Self {
        let mut hasher = hash_key.hasher();
        hasher.byte(0);
        feed(&mut hasher, version, call);
        Self(hasher.finish())
    }

    /// For `http.response`.
    pub(crate) fn response(
        hash_key: HashKey,
        version: &Deployed,
        call: &HttpCall<'_>,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Self {
        let mut hasher = hash_key.hasher();
        hasher.byte(1);
        feed(&mut hasher, version, call);
        hasher.word(u64::from(status.as_u16()));
        version.http_sights.hash_fields(&mut hasher, headers);
        Self(hasher.finish())
    }
}

fn feed(hasher: &mut KeyHasher, version: &Deployed, call: &HttpCall<'_>) {
    hasher.word(version.key_word);
    hasher.text(call.info.tenant);
    hasher.text(call.method);
    hasher.text(call.host);
    hasher.text(call.path);
    version.http_sights.hash_query(hasher, call.query);
    version.http_sights.hash(hasher, &call.client, call.headers);
}

/// About how many bytes an answer takes.
fn weight(kept: &Kept) -> u32 {
    let fields = |fields: &FieldEdits| {
        let set = fields
            .set
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 96);
        let removed = fields.remove.iter().map(|name| name.as_str().len() + 40);
        set.chain(removed).sum::<usize>()
    };
    let bytes = match kept {
        Kept::Request(RequestStep::Next) => 0,
        Kept::Request(RequestStep::Modify(edits)) => {
            let url = edits.path.as_ref().map_or(0, String::len)
                + edits.query.as_ref().map_or(0, String::len);
            url + fields(&edits.fields)
        }
        Kept::Request(RequestStep::Respond(reply)) => {
            let of_field = reply
                .headers
                .iter()
                .map(|(name, value)| name.as_str().len() + value.len() + 96);
            reply.body.len() + of_field.sum::<usize>()
        }
        Kept::Response(edits) => fields(edits),
    };
    u32::try_from(bytes + 256).unwrap_or(u32::MAX)
}
