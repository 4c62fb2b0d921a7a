//! Validation: what is asked of a parent (RFC 9111 4.3.1), what a 304 changes (3.2, 4.3.4), and
//! what a client is told (4.3.2).

use http::header::{
    AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};

use super::receive::date;
use crate::conditional::if_none_match;
use crate::fields::strip_hop_by_hop;

/// RFC 9111 3.2: fields that a 304 does not change, for the stored body depends on them.
const OF_THE_BODY: [HeaderName; 5] = [
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    HeaderName::from_static("content-md5"),
    CONTENT_RANGE,
    ETAG,
];

/// What a stored response is validated by, as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

/// A 304 that is about another response than the one that was stored (4.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the 304 names another validator than the stored response")]
pub struct FreshenError;

/// What the client's preconditions make of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreconditionsMet {
    /// Send it.
    Yes,
    /// The client has it: 304.
    NotModified,
}

impl Validators {
    /// Those of a response.
    pub fn of(response: &HeaderMap) -> Self {
        Self {
            etag: response.get(ETAG).cloned(),
            last_modified: response.get(LAST_MODIFIED).cloned(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }

    /// Puts them into a request, in place of the client's.
    pub fn ask(&self, request: &mut HeaderMap) {
        request.remove(IF_NONE_MATCH);
        request.remove(IF_MODIFIED_SINCE);
        if let Some(tag) = &self.etag {
            request.insert(IF_NONE_MATCH, tag.clone());
        }
        if let Some(modified) = &self.last_modified {
            request.insert(IF_MODIFIED_SINCE, modified.clone());
        }
    }
}

/// The fields of a stored response after a 304 to a request that its validators went into.
///
/// # Errors
/// The 304 is about another response: what is stored is not to be used for it.
pub fn freshen(stored: &HeaderMap, not_modified: &HeaderMap) -> Result<HeaderMap, FreshenError> {
    let differs = |name| match (stored.get(name), not_modified.get(name)) {
        (Some(stored), Some(new)) => opaque(stored) != opaque(new),
        (None, Some(_)) => true,
        (_, None) => false,
    };
    // The tag decides where there is one; else the date.
    let other = if not_modified.contains_key(ETAG) {
        differs(&ETAG)
    } else {
        !stored.contains_key(ETAG) && differs(&LAST_MODIFIED)
    };
    if other {
        return Err(FreshenError);
    }
    let mut new = not_modified.clone();
    strip_hop_by_hop(&mut new);
    for name in &OF_THE_BODY {
        new.remove(name);
    }
    let mut merged = stored.clone();
    merged.remove(AGE);
    for name in new.keys() {
        merged.remove(name);
    }
    for (name, value) in &new {
        merged.append(name, value.clone());
    }
    Ok(merged)
}

/// A tag without the mark of weakness; anything else as it is.
fn opaque(value: &HeaderValue) -> &[u8] {
    let bytes = value.as_bytes();
    bytes.strip_prefix(b"W/").unwrap_or(bytes)
}

/// What `If-None-Match` and `If-Modified-Since` of a GET or HEAD make of a 200 with the fields
/// `response` (4.3.2, RFC 9110 13.2.2). A response without `Last-Modified` is as old as its `Date`.
pub fn answer(request: &HeaderMap, response: &HeaderMap) -> PreconditionsMet {
    let not_modified = if request.contains_key(IF_NONE_MATCH) {
        if_none_match(request, response)
    } else {
        let since = date(request, &IF_MODIFIED_SINCE);
        let modified = if response.contains_key(LAST_MODIFIED) {
            date(response, &LAST_MODIFIED)
        } else {
            date(response, &DATE)
        };
        matches!((since, modified), (Some(since), Some(modified)) if modified <= since)
    };
    if not_modified {
        PreconditionsMet::NotModified
    } else {
        PreconditionsMet::Yes
    }
}

#[cfg(test)]
mod tests;
