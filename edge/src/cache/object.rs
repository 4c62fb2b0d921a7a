//! What the edge keeps of one upstream response.

use std::time::{Duration, Instant};

use bytes::Bytes;
use cache_policy::CacheControl;
use content_coding::{Coding, Codings};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// Rough cost of an entry beyond its body: key, header map, counters. Used only to weigh entries.
const ENTRY_OVERHEAD_BYTES: usize = 1024;

/// The head of an upstream response, as it is kept and sent on.
///
/// Connection-specific fields, `Age`, `Date` and `Content-Length` are already gone from `headers`:
/// they describe one hop, one moment or one answer, and are written anew each time.
#[derive(Clone, Debug)]
pub struct ObjectHead {
    /// Status of the parent's answer.
    pub status: StatusCode,
    /// The fields that travel with the object.
    pub headers: HeaderMap,
    /// `Content-Length` of the parent's answer, when it announced one.
    pub content_length: Option<u64>,
    /// Age of the response when this edge received it (RFC 9111 §4.2.3).
    pub age_at_receipt: Duration,
    /// When this edge received the head.
    pub received_at: Instant,
    /// How long after `received_at` the response may be used without asking again.
    pub fresh_for: Duration,
    /// The edge wrote this answer itself because its parents failed (an error memo).
    pub own_error: bool,
}

impl ObjectHead {
    /// `Age` of the object at `now` (RFC 9111 §4.2.3: corrected initial age + resident time).
    pub fn age(&self, now: Instant) -> Duration {
        self.age_at_receipt + now.saturating_duration_since(self.received_at)
    }

    /// Whether it is the head of a playlist that this edge may compress: not when it comes
    /// compressed, nor against `no-transform` (RFC 9110 section 7.7).
    pub fn is_compressible(&self) -> bool {
        let media_type = self.headers.get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        let media_type = media_type.and_then(|value| value.split(';').next());
        let is_playlist = media_type.is_some_and(|value| {
            let is = |known: &&str| value.trim().eq_ignore_ascii_case(known);
            PLAYLIST_TYPES.iter().any(is)
        });
        self.status == StatusCode::OK
            && is_playlist
            && !self.headers.contains_key(header::CONTENT_ENCODING)
            && !CacheControl::from_headers(&self.headers).no_transform
    }

    /// `ETag` of the object in `coding`: its own with a suffix, since what is coded has other bytes
    /// (RFC 9110 section 8.8.3.3). A weak one says no more than that both mean the same.
    pub fn etag(&self, coding: Coding) -> Option<HeaderValue> {
        let tag = self.headers.get(header::ETAG)?;
        let strong = tag.as_bytes().strip_suffix(b"\"");
        match (coding, strong) {
            (Coding::Gzip | Coding::Zstd, Some(text)) if text.starts_with(b"\"") => {
                let tag = [text, b"-", coding.as_str().as_bytes(), b"\""].concat();
                HeaderValue::from_bytes(&tag).ok()
            }
            _ => Some(tag.clone()),
        }
    }

    /// How much longer the object is fresh at `now`; zero when it is stale.
    pub fn fresh_left(&self, now: Instant) -> Duration {
        self.fresh_for
            .saturating_sub(now.saturating_duration_since(self.received_at))
    }
}

/// The media types of playlists (RFC 8216bis section 4).
const PLAYLIST_TYPES: [&str; 2] = ["application/vnd.apple.mpegurl", "audio/mpegurl"];

/// The coded forms that a playlist may have beside its text; each is smaller than that.
const FORMS_MAX: usize = 2;

/// A whole object in memory.
#[derive(Debug)]
pub struct Object {
    /// Head of the response.
    pub head: ObjectHead,
    /// The whole body in one piece, shared by every viewer.
    pub body: Bytes,
    /// What [`ObjectHead::is_compressible`] says: asked once, not with every hit.
    compressible: bool,
    /// The forms in which a playlist has been asked for.
    codings: Codings,
}

impl Object {
    /// An object that nobody has asked for yet.
    pub fn new(head: ObjectHead, body: Bytes) -> Self {
        Self {
            compressible: head.is_compressible(),
            head,
            body,
            codings: Codings::default(),
        }
    }

    /// Whether it is a playlist that this edge may compress.
    pub fn is_compressible(&self) -> bool {
        self.compressible
    }

    /// The body in `coding`, and the coding that it is in: identity where nothing is gained, and
    /// for whatever is no playlist. `made` is called if it had to be made, which happens once for
    /// all viewers.
    pub fn coded(&self, coding: Coding, made: impl FnOnce()) -> (Bytes, Coding) {
        let coded = if self.compressible {
            self.codings.coded(&self.body, coding, made)
        } else {
            None
        };
        coded.map_or_else(
            || (self.body.clone(), Coding::Identity),
            |coded| (coded, coding),
        )
    }

    /// What this entry counts for against the memory tier's bound, in bytes. The coded forms of a
    /// playlist are counted from the beginning, at the most that they can be: an entry's weight
    /// does not change.
    pub fn weight(&self) -> u32 {
        let forms = if self.compressible { 1 + FORMS_MAX } else { 1 };
        let bytes = self.body.len().saturating_mul(forms);
        u32::try_from(bytes.saturating_add(ENTRY_OVERHEAD_BYTES)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(header::HeaderName, &'static str)]) -> ObjectHead {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_static(value));
        }
        ObjectHead {
            status: StatusCode::OK,
            headers,
            content_length: None,
            age_at_receipt: Duration::ZERO,
            received_at: Instant::now(),
            fresh_for: Duration::from_secs(1),
            own_error: false,
        }
    }

    #[test]
    fn playlists_are_compressed_and_nothing_else_is() {
        const TYPE: header::HeaderName = header::CONTENT_TYPE;
        const PLAYLIST: &str = "application/vnd.apple.mpegurl";
        let mut error = head(&[(TYPE, PLAYLIST)]);
        error.status = StatusCode::NOT_FOUND;
        for (head, expect) in [
            (head(&[(TYPE, PLAYLIST)]), true),
            (head(&[(TYPE, "Audio/MPEGURL; charset=utf-8")]), true),
            (head(&[(TYPE, "video/mp4")]), false),
            (head(&[]), false),
            (error, false),
            (
                head(&[(TYPE, PLAYLIST), (header::CONTENT_ENCODING, "br")]),
                false,
            ),
            (
                head(&[
                    (TYPE, PLAYLIST),
                    (header::CACHE_CONTROL, "max-age=1, No-Transform"),
                ]),
                false,
            ),
        ] {
            assert_eq!(head.is_compressible(), expect, "{:?}", head.headers);
            let object = Object::new(head, Bytes::from(vec![b'x'; 1000]));
            let (body, coding) = object.coded(Coding::Gzip, || {});
            assert_eq!(coding == Coding::Gzip, expect);
            assert_eq!(body.len() < 1000, expect);
            let charged = if expect { 3000 } else { 1000 };
            let weight = usize::try_from(object.weight()).unwrap();
            assert_eq!(weight, charged + ENTRY_OVERHEAD_BYTES);
        }
    }

    #[test]
    fn a_coded_form_has_a_tag_of_its_own() {
        for (tag, gzip) in [
            ("\"a\"", "\"a-gzip\""),
            ("\"\"", "\"-gzip\""),
            ("W/\"a\"", "W/\"a\""),
        ] {
            let head = head(&[(header::ETAG, tag)]);
            assert_eq!(head.etag(Coding::Identity).unwrap(), tag);
            assert_eq!(head.etag(Coding::Gzip).unwrap(), gzip);
        }
        assert_eq!(head(&[]).etag(Coding::Gzip), None);
    }
}
