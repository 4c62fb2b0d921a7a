//! `Cache-Status` (RFC 9211): what each tier did, in the response itself.

use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The field's name.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// The longest list, in bytes. When a parent's would make it longer, the parent's is dropped.
pub const CACHE_STATUS_BYTES_MAX: usize = 2048;

/// The longest name of a cache, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// The name a cache goes by in the list, written as a token if it is one, else as a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheName(Arc<str>);

/// Why a text cannot name a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cache's name must be 1 to {NAME_BYTES_MAX} printable ASCII characters")]
#[non_exhaustive]
pub struct CacheNameError;

/// Why a request was forwarded (RFC 9211 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// The cache was told not to handle it.
    Bypass,
    /// Its method demands it.
    Method,
    /// A response was stored, but the request's own directives rule it out.
    Request,
    /// A response was stored and stale.
    Stale,
    /// Nothing was stored under this key.
    UriMiss,
    /// Responses were stored, and none for a request with these fields.
    VaryMiss,
}

/// What this cache did with the request: one member of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheStatus {
    handling: Handling,
    ttl_seconds: Option<i64>,
    fwd_status: Option<StatusCode>,
    stored: bool,
    collapsed: bool,
    detail: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handling {
    Hit,
    Forward(Forward),
}

impl CacheName {
    /// Checks a name; the part of it that a structured field cannot hold is refused.
    pub fn new(name: &str) -> Result<Self, CacheNameError> {
        let printable = name
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if !printable || name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(CacheNameError);
        }
        if is_token(name) {
            return Ok(Self(name.into()));
        }
        let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
        Ok(Self(format!("\"{escaped}\"").into()))
    }
}

impl Forward {
    /// The token of RFC 9211, also used in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
        }
    }
}

impl CacheStatus {
    /// Served from the store, without asking the parent.
    pub const fn hit() -> Self {
        Self::of(Handling::Hit)
    }

    /// Went to the parent, alone or with others.
    pub const fn forwarded(reason: Forward) -> Self {
        Self::of(Handling::Forward(reason))
    }

    /// What remains of its freshness; negative when stale.
    #[must_use]
    pub const fn ttl_seconds(self, ttl_seconds: i64) -> Self {
        Self {
            ttl_seconds: Some(ttl_seconds),
            ..self
        }
    }

    /// The parent's status, where it is not the one sent to the viewer.
    #[must_use]
    pub const fn fwd_status(self, status: StatusCode) -> Self {
        Self {
            fwd_status: Some(status),
            ..self
        }
    }

    /// Whether the parent's response was stored.
    #[must_use]
    pub const fn stored(self, stored: bool) -> Self {
        Self { stored, ..self }
    }

    /// Whether this request shared another's way to the parent.
    #[must_use]
    pub const fn collapsed(self, collapsed: bool) -> Self {
        Self { collapsed, ..self }
    }

    /// More, as a token of the cache's own.
    #[must_use]
    pub fn detail(self, token: &'static str) -> Self {
        debug_assert!(is_token(token), "{token} is not a token");
        Self {
            detail: Some(token),
            ..self
        }
    }

    /// Adds this cache at the end of the list: the member nearest to the viewer (RFC 9211 2).
    pub fn append_to(self, headers: &mut HeaderMap, name: &CacheName) {
        let mut list = String::new();
        for line in headers.get_all(CACHE_STATUS) {
            if let Ok(text) = line.to_str() {
                list.push_str(text);
                list.push_str(", ");
            }
        }
        let member = format!("{}{self}", name.0);
        if list.len() + member.len() > CACHE_STATUS_BYTES_MAX {
            list.clear();
        }
        list.push_str(&member);
        // Both halves are ASCII; if that ever fails, the field is left out rather than wrong.
        if let Ok(value) = HeaderValue::from_str(&list) {
            headers.insert(CACHE_STATUS, value);
        }
    }

    const fn of(handling: Handling) -> Self {
        Self {
            handling,
            ttl_seconds: None,
            fwd_status: None,
            stored: false,
            collapsed: false,
            detail: None,
        }
    }
}

/// The parameters, each with its leading semicolon.
impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.handling {
            Handling::Hit => f.write_str("; hit")?,
            Handling::Forward(reason) => write!(f, "; fwd={}", reason.as_str())?,
        }
        if let Some(status) = self.fwd_status {
            write!(f, "; fwd-status={}", status.as_u16())?;
        }
        if let Some(ttl_seconds) = self.ttl_seconds {
            write!(f, "; ttl={ttl_seconds}")?;
        }
        if self.stored {
            f.write_str("; stored")?;
        }
        if self.collapsed {
            f.write_str("; collapsed")?;
        }
        self.detail
            .map_or(Ok(()), |detail| write!(f, "; detail={detail}"))
    }
}

/// RFC 8941 3.3.4.
fn is_token(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'*')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(status: CacheStatus) -> String {
        let mut headers = HeaderMap::new();
        status.append_to(&mut headers, &CacheName::new("leaf-1").unwrap());
        headers[CACHE_STATUS].to_str().unwrap().to_owned()
    }

    #[test]
    fn members_are_written_as_rfc_9211_2_says() {
        let miss = CacheStatus::forwarded(Forward::UriMiss);
        let table = [
            (CacheStatus::hit().ttl_seconds(5), "leaf-1; hit; ttl=5"),
            (CacheStatus::hit().ttl_seconds(-3), "leaf-1; hit; ttl=-3"),
            (miss, "leaf-1; fwd=uri-miss"),
            (
                miss.stored(true).ttl_seconds(12),
                "leaf-1; fwd=uri-miss; ttl=12; stored",
            ),
            (miss.collapsed(true), "leaf-1; fwd=uri-miss; collapsed"),
            (
                CacheStatus::forwarded(Forward::Stale).fwd_status(StatusCode::BAD_GATEWAY),
                "leaf-1; fwd=stale; fwd-status=502",
            ),
            (
                CacheStatus::forwarded(Forward::Bypass).detail("api"),
                "leaf-1; fwd=bypass; detail=api",
            ),
        ];
        for (status, expect) in table {
            assert_eq!(written(status), expect);
        }
    }

    #[test]
    fn a_tier_comes_after_its_parent() {
        let mut headers = HeaderMap::new();
        headers.append(CACHE_STATUS, HeaderValue::from_static("origin; hit"));
        headers.append(
            CACHE_STATUS,
            HeaderValue::from_static("\"my shield\"; fwd=uri-miss"),
        );
        let leaf = CacheName::new("leaf").unwrap();
        CacheStatus::hit().append_to(&mut headers, &leaf);
        assert_eq!(headers.get_all(CACHE_STATUS).iter().count(), 1);
        assert_eq!(
            headers[CACHE_STATUS],
            "origin; hit, \"my shield\"; fwd=uri-miss, leaf; hit"
        );
    }

    #[test]
    fn an_endless_list_is_cut() {
        let mut headers = HeaderMap::new();
        let name = CacheName::new("loop").unwrap();
        for _ in 0..1000 {
            CacheStatus::hit().append_to(&mut headers, &name);
            assert!(headers[CACHE_STATUS].len() <= CACHE_STATUS_BYTES_MAX);
        }
    }

    #[test]
    fn names_are_tokens_or_strings() {
        let table = [
            ("edge.example:8443", Some("edge.example:8443")),
            ("1st", Some("\"1st\"")),
            ("a b", Some("\"a b\"")),
            ("a\"b\\c", Some("\"a\\\"b\\\\c\"")),
            ("", None),
            ("é", None),
            ("a\nb", None),
        ];
        for (name, expect) in table {
            let written = CacheName::new(name);
            assert_eq!(written.as_ref().ok().map(|name| &*name.0), expect, "{name}");
        }
        assert!(CacheName::new(&"a".repeat(NAME_BYTES_MAX + 1)).is_err());
    }
}
