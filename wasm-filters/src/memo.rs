//! Answers of `http` filters that are given again: to requests that look the same to the filter,
//! for as long as it said (`cache-ms`).
//!
//! What is kept has been checked and made ready, so that a filter that sets a few header fields
//! costs a hash and a lookup.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};

use crate::answer_cache::AnswerCache;
use crate::host::{FieldEdits, HttpCall, Reply, RequestEdits};
use crate::keyed::{HashKey, KeyHasher};
use crate::sights::Sights;

/// An answer is kept for as long at most; a longer `cache-ms` is cut.
pub(crate) const MEMO_MAX: Duration = Duration::from_secs(3600);

/// What an answer with a few fields takes, about, in bytes.
const ENTRY_BYTES: u64 = 512;

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

/// The cache of a node.
#[derive(Debug)]
pub(crate) struct Memo {
    kept: AnswerCache<MemoKey, Entry>,
}

impl Memo {
    /// A cache of at most so many bytes of answers.
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            kept: AnswerCache::new(bytes_max, ENTRY_BYTES, |entry: &Entry| weight(&entry.kept)),
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

    /// Gives the room of what has ended back.
    pub(crate) fn sweep(&self, now: Instant) {
        self.kept.sweep(|entry| now < entry.until);
    }

    /// Answers that are kept.
    pub(crate) fn len(&self) -> u64 {
        self.kept.len()
    }
}

/// A version, as far as its answers depend on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// Stands for the filter and its version.
    pub(crate) word: u64,
    /// What it sees.
    pub(crate) sights: &'a Sights,
}

impl MemoKey {
    /// For `http.request`.
    pub(crate) fn request(hash_key: HashKey, asked: Asked<'_>, call: &HttpCall<'_>) -> Self {
        let mut hasher = hash_key.hasher();
        hasher.byte(0);
        feed(&mut hasher, asked, call);
        Self(hasher.finish())
    }

    /// For `http.response`.
    pub(crate) fn response(
        hash_key: HashKey,
        asked: Asked<'_>,
        call: &HttpCall<'_>,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Self {
        let mut hasher = hash_key.hasher();
        hasher.byte(1);
        feed(&mut hasher, asked, call);
        hasher.word(u64::from(status.as_u16()));
        asked.sights.hash_fields(&mut hasher, headers);
        Self(hasher.finish())
    }
}

fn feed(hasher: &mut KeyHasher, asked: Asked<'_>, call: &HttpCall<'_>) {
    hasher.word(asked.word);
    hasher.text(call.info.tenant);
    hasher.text(call.method);
    hasher.text(call.host);
    hasher.text(call.path);
    asked.sights.hash_query(hasher, call.query);
    asked.sights.hash(hasher, &call.client, call.headers);
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

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::host::{CallInfo, Client};
    use crate::rollout::RequestPin;

    fn call(headers: &HeaderMap) -> HttpCall<'_> {
        HttpCall {
            info: CallInfo {
                request_id: "r1",
                tenant: "default",
                room: "demo",
                now_unix_ms: 1,
                pin: RequestPin::of(b"anybody"),
                attrs: &[],
            },
            method: "GET",
            host: "edge.example",
            path: "/live/demo/media.m3u8",
            query: "_HLS_msn=1",
            headers,
            client: Client {
                ip: [192, 0, 2, 7].into(),
                country: Some("NO"),
                protocol: "h3",
                tls: true,
            },
        }
    }

    fn origin(value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("origin", HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn requests_that_look_the_same_to_the_filter_have_one_key() {
        let (a, b) = (origin("https://a"), origin("https://b"));
        let sights = |sees: &[&str]| {
            let sees: Vec<_> = sees.iter().map(|sight| sight.parse().unwrap()).collect();
            Sights::of(&sees)
        };
        let key = |sights: &Sights, word, call: HttpCall<'_>| {
            MemoKey::request(HashKey::fixed(), Asked { word, sights }, &call)
        };
        let (blind, seeing) = (sights(&[]), sights(&["origin", "query"]));
        let later = |headers| HttpCall {
            query: "_HLS_msn=2",
            ..call(headers)
        };
        assert_eq!(key(&blind, 1, call(&a)), key(&blind, 1, call(&b)));
        assert_eq!(key(&blind, 1, call(&a)), key(&blind, 1, later(&a)));
        assert_ne!(key(&seeing, 1, call(&a)), key(&seeing, 1, call(&b)));
        assert_ne!(key(&seeing, 1, call(&a)), key(&seeing, 1, later(&a)));
        // Always seen, and another version.
        let elsewhere = HttpCall {
            path: "/live/demo/init.mp4",
            ..call(&a)
        };
        assert_ne!(key(&blind, 1, call(&a)), key(&blind, 1, elsewhere));
        assert_ne!(key(&blind, 1, call(&a)), key(&blind, 2, call(&a)));
        let response = |status| {
            let asked = Asked {
                word: 1,
                sights: &blind,
            };
            MemoKey::response(HashKey::fixed(), asked, &call(&a), status, &b)
        };
        assert_ne!(response(StatusCode::OK), response(StatusCode::NOT_FOUND));
        assert_ne!(response(StatusCode::OK), key(&blind, 1, call(&a)));
    }

    #[test]
    fn an_answer_is_kept_as_long_as_the_filter_says() {
        let memo = Memo::new(1 << 20);
        let now = Instant::now();
        let next = || Kept::Request(RequestStep::Next);
        memo.keep(MemoKey(1), next(), 1000, now);
        memo.keep(MemoKey(2), next(), 0, now);
        memo.keep(MemoKey(3), next(), u32::MAX, now);
        assert!(
            memo.get(&MemoKey(1), now + Duration::from_millis(999))
                .is_some()
        );
        assert!(
            memo.get(&MemoKey(1), now + Duration::from_millis(1000))
                .is_none()
        );
        assert!(memo.get(&MemoKey(2), now).is_none());
        assert!(memo.get(&MemoKey(3), now + MEMO_MAX).is_none());
    }

    #[test]
    fn the_bytes_that_are_kept_are_bounded() {
        let memo = Memo::new(50_000);
        let now = Instant::now();
        for number in 0..500 {
            let headers = HeaderMap::new();
            let body = bytes::Bytes::from(vec![0; 1000]);
            let reply = Arc::new(Reply {
                status: StatusCode::OK,
                headers,
                body,
            });
            let kept = Kept::Request(RequestStep::Respond(reply));
            memo.keep(MemoKey(number), kept, 60_000, now);
        }
        assert!((1..=50).contains(&memo.len()), "{}", memo.len());
        assert!(memo.kept.weight() <= 50_000);
        memo.sweep(now + Duration::from_secs(59));
        assert!(memo.len() > 0);
        memo.sweep(now + Duration::from_secs(60));
        assert_eq!(memo.len(), 0);
    }
}
