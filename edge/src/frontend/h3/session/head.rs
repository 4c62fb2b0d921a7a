//! The request's head: what RFC 9114 demands of it, and the form that the pipeline expects.
//!
//! pingora leaves the authority of custom sessions alone, so everything is checked here. `h3` has
//! already reset requests with unknown or missing pseudo-fields, upper-case names, and an
//! `:authority` that differs from `Host`.

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Version};
use pingora_http::RequestHeader;

/// Fields that belong to a hop of HTTP/1.1 (RFC 9114 section 4.2).
pub(super) const CONNECTION_FIELDS: [&str; 5] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];
/// RFC 9218 section 5. Not among the `http` crate's constants.
const PRIORITY: HeaderName = HeaderName::from_static("priority");
/// The least urgent urgency (RFC 9218 section 4.1).
const URGENCY_MAX: u8 = 7;
/// The urgency of what says nothing (RFC 9218 section 4.1).
const URGENCY_DEFAULT: u8 = 3;

/// A checked head.
#[derive(Debug)]
pub(super) struct RequestHead {
    pub(super) header: RequestHeader,
    pub(super) body_length: Option<u64>,
    pub(super) urgency: Option<Urgency>,
}

/// Why a request is malformed (RFC 9114 section 4.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::frontend::h3) enum MalformedHead {
    #[error("the authority is missing, ambiguous or not a host and port")]
    Authority,
    #[error("the body is not as long as its Content-Length")]
    BodyLength,
    #[error("a field belongs to HTTP/1.1 connections")]
    ConnectionField,
    #[error("the Content-Length is no number, or there are several")]
    ContentLength,
    #[error("the client reset its request")]
    Gone,
    #[error("CONNECT is not served")]
    Method,
    #[error("the path is not absolute")]
    Path,
    #[error("the scheme is neither http nor https")]
    Scheme,
}

impl MalformedHead {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Authority
            | Self::BodyLength
            | Self::ConnectionField
            | Self::ContentLength
            | Self::Gone
            | Self::Path
            | Self::Scheme => StatusCode::BAD_REQUEST,
        }
    }
}

impl RequestHead {
    pub(super) fn check(request: http::Request<()>) -> Result<Self, MalformedHead> {
        let (mut parts, ()) = request.into_parts();
        if parts.method == Method::CONNECT {
            return Err(MalformedHead::Method);
        }
        if !matches!(parts.uri.scheme_str(), Some("https" | "http")) {
            return Err(MalformedHead::Scheme);
        }
        let path = parts.uri.path();
        let asterisk = path == "*" && parts.method == Method::OPTIONS;
        if !asterisk && !path.starts_with('/') {
            return Err(MalformedHead::Path);
        }
        let host = check_authority(&parts)?;
        parts.headers.insert(header::HOST, host);
        check_fields(&parts.headers)?;
        join_cookies(&mut parts.headers);
        let body_length = content_length(&parts.headers)?;
        let urgency = Urgency::of(&parts.headers);
        // pingora knows no HTTP/3: from this version on it makes a Host for its parents.
        parts.version = Version::HTTP_2;
        Ok(Self {
            header: parts.into(),
            body_length,
            urgency,
        })
    }
}

/// The one authority of the request, as a `Host`.
fn check_authority(parts: &http::request::Parts) -> Result<HeaderValue, MalformedHead> {
    let authority = parts.uri.authority().ok_or(MalformedHead::Authority)?;
    // RFC 9114 section 4.3.1: no user information.
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(MalformedHead::Authority);
    }
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(MalformedHead::Authority);
    }
    if first.is_some_and(|host| {
        !host
            .as_bytes()
            .eq_ignore_ascii_case(authority.as_str().as_bytes())
    }) {
        return Err(MalformedHead::Authority);
    }
    HeaderValue::from_str(authority.as_str()).map_err(|_| MalformedHead::Authority)
}

fn check_fields(headers: &HeaderMap) -> Result<(), MalformedHead> {
    let te_is_fine = headers
        .get_all(header::TE)
        .iter()
        .all(|te| te == "trailers");
    if !te_is_fine
        || CONNECTION_FIELDS
            .iter()
            .any(|name| headers.contains_key(*name))
    {
        return Err(MalformedHead::ConnectionField);
    }
    Ok(())
}

/// RFC 9114 section 4.2.1: split cookies are joined before they leave HTTP/3.
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if crumbs.len() < 2 {
        return;
    }
    // Field values joined by "; " are a field value.
    if let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, cookie);
    }
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, MalformedHead> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else {
        return Ok(None);
    };
    if lengths.next().is_some() || !length.as_bytes().iter().all(u8::is_ascii_digit) {
        return Err(MalformedHead::ContentLength);
    }
    let length = length.to_str().ok().and_then(|l| l.parse().ok());
    length.map(Some).ok_or(MalformedHead::ContentLength)
}

/// How urgent a response is: 0 first, 7 last (RFC 9218 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Urgency(u8);

impl Urgency {
    /// The `u` of a `Priority` field. A response's overrides its request's (RFC 9218 section 8).
    /// What does not parse counts as absent, as the RFC wants.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        headers
            .get_all(PRIORITY)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            // RFC 8941: of a key that comes twice, the last counts.
            .filter_map(|item| item.split(';').next()?.trim().strip_prefix("u="))
            .next_back()
            .and_then(|urgency| urgency.parse().ok())
            .filter(|urgency| *urgency <= URGENCY_MAX)
            .map(Self)
    }

    /// quinn sends higher numbers first, and gives a stream 0.
    pub(super) fn quic_priority(self) -> i32 {
        i32::from(URGENCY_DEFAULT) - i32::from(self.0)
    }
}

#[cfg(test)]
mod tests;
