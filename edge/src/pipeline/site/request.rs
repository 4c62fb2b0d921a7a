//! From a client's request to the one that a site's parents are asked.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use cache_policy::shared::invalidated;
use cache_policy::strip_hop_by_hop;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

use crate::pipeline::respond::is_secure;
use crate::problem::Problem;
use crate::sites::fetch::Passed;
use crate::sites::store::Key;
use crate::sites::{Outgoing, Site, Sites};

/// The longest authority and path, in bytes.
const AUTHORITY_BYTES_MAX: usize = 261;
const PATH_BYTES_MAX: usize = 8 << 10;
/// A request that went through more intermediaries than this goes in circles.
const HOPS_MAX: usize = 16;

/// RFC 9209 and the fields that went before it: only this edge says where a request comes from.
/// The rest are ways in which a client could make a parent answer for another URL than the one
/// that the answer is kept for.
const NOT_PASSED_ON: [HeaderName; 13] = [
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::FORWARDED,
    header::HOST,
    HeaderName::from_static("surrogate-capability"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
];

/// The site that a request is for, by its host.
pub(in crate::pipeline) fn of(session: &Session, sites: &Sites) -> Option<Arc<Site>> {
    sites.find(authority(session.req_header())?)
}

/// `:authority`, or `Host`.
fn authority(request: &RequestHeader) -> Option<&str> {
    if let Some(authority) = request.uri.authority() {
        return Some(authority.as_str());
    }
    request.headers.get(header::HOST)?.to_str().ok()
}

/// Whether a body comes with the request.
pub(super) fn has_body(session: &Session) -> bool {
    let request = session.req_header();
    let length = request.headers.get(header::CONTENT_LENGTH);
    // HTTP/2 and HTTP/3 need not announce one; of the methods that have none as a rule, nobody
    // waits for it.
    let usual = !matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS);
    length.map_or(usual, |length| length != "0")
        || request.headers.contains_key(header::TRANSFER_ENCODING)
}

/// Whether the client waits to be told to send the body (RFC 9110 10.1.1).
pub(super) fn expects_continue(session: &Session) -> bool {
    let request = session.req_header();
    let expect = request.headers.get(header::EXPECT);
    request.version == Version::HTTP_11
        && expect.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// The key of a request, and what is asked of parents.
pub(super) fn outgoing(
    session: &Session,
    sites: &Sites,
    site: &Site,
) -> Result<(Key, Outgoing), Problem> {
    let request = session.req_header();
    let bad = |detail| Problem::new(StatusCode::BAD_REQUEST, detail);
    let authority = authority(request)
        .filter(|authority| is_authority(authority))
        .ok_or_else(|| bad("the host is malformed"))?
        .to_ascii_lowercase();
    let path = request.uri.path();
    let target = request.uri.path_and_query().map_or("/", |it| it.as_str());
    let query = request.uri.query().unwrap_or_default();
    if path.len() > PATH_BYTES_MAX || query.len() > site.settings().query_bytes_max {
        let detail = "the URL is longer than this edge takes";
        return Err(Problem::new(StatusCode::URI_TOO_LONG, detail));
    }
    let is_asterisk = target == "*" && request.method == Method::OPTIONS;
    if !target.starts_with('/') && !is_asterisk {
        return Err(bad("the target has to be a path"));
    }
    if matches!(request.method, Method::CONNECT | Method::TRACE) {
        let detail = "neither tunnels nor echoes";
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, detail));
    }
    let scheme = if is_secure(session) { "https" } else { "http" };
    let mut headers = request.headers.clone();
    strip_hop_by_hop(&mut headers);
    for name in &NOT_PASSED_ON {
        headers.remove(name);
    }
    join_cookies(&mut headers);
    let hops = via(&mut headers, request.version, sites.name());
    if hops > HOPS_MAX {
        let detail = "the request goes in circles";
        return Err(Problem::new(StatusCode::LOOP_DETECTED, detail));
    }
    own_fields(&mut headers, session, sites, &authority, scheme);
    let key: Key = format!("{scheme}://{authority}{target}").into();
    Ok((
        key,
        Outgoing {
            method: request.method.clone(),
            target: target.to_owned(),
            authority,
            headers,
            body: Bytes::new(),
            trace: None,
        },
    ))
}

/// The keys that an answer outdates.
pub(super) fn outdated(outgoing: &Outgoing, key: &Key, passed: &Passed) -> Vec<Key> {
    let Some(scheme) = key.split("://").next() else {
        return Vec::new();
    };
    let Outgoing {
        method,
        target,
        authority,
        ..
    } = outgoing;
    invalidated(method, authority, target, passed.status, &passed.headers)
        .into_iter()
        .map(|target| format!("{scheme}://{authority}{target}").into())
        .collect()
}

/// Adds this edge to `Via` (RFC 9110 7.6.3), and says how many intermediaries there are now.
pub(super) fn via(headers: &mut HeaderMap, version: Version, name: &str) -> usize {
    let protocol = match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    };
    if let Ok(value) = HeaderValue::from_str(&format!("{protocol} {name}")) {
        headers.append(header::VIA, value);
    }
    let lines = headers.get_all(header::VIA).iter();
    lines
        .map(|line| line.as_bytes().split(|byte| *byte == b',').count())
        .sum()
}

fn is_authority(authority: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (1..=AUTHORITY_BYTES_MAX).contains(&authority.len()) && authority.bytes().all(allowed)
}

/// RFC 9113 8.2.3: over HTTP/2 and HTTP/3 a cookie may come in pieces.
fn join_cookies(headers: &mut HeaderMap) {
    let pieces: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if pieces.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&pieces.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

/// Where the request comes from, for parents that want to know.
fn own_fields(
    headers: &mut HeaderMap,
    session: &Session,
    sites: &Sites,
    authority: &str,
    scheme: &'static str,
) {
    let mut add = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    let address = session.as_downstream().client_addr();
    let mut text = String::new();
    if let Some(address) = address.and_then(|address| address.as_inet()) {
        let _ = write!(text, "{}", address.ip().to_canonical());
        add("x-forwarded-for", &text);
    }
    add("x-forwarded-host", authority);
    add("x-forwarded-proto", scheme);
    add(
        "surrogate-capability",
        &format!("{}=\"Surrogate/1.0\"", sites.name()),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_counted() {
        let mut headers = HeaderMap::new();
        assert_eq!(via(&mut headers, Version::HTTP_2, "leaf"), 1);
        headers.append(header::VIA, HeaderValue::from_static("1.1 a, 1.0 b"));
        assert_eq!(via(&mut headers, Version::HTTP_11, "leaf"), 4);
        assert_eq!(headers[header::VIA], "2 leaf");
    }

    #[test]
    fn cookies_are_put_together() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b"));
        headers.append(header::COOKIE, HeaderValue::from_static("c=d"));
        join_cookies(&mut headers);
        assert_eq!(headers[header::COOKIE], "a=b; c=d");
        assert_eq!(headers.get_all(header::COOKIE).iter().count(), 1);
    }

    #[test]
    fn hosts_are_names_addresses_and_ports() {
        for good in ["a.example", "a:80", "[::1]:80", "127.0.0.1"] {
            assert!(is_authority(good), "{good}");
        }
        for bad in ["", "a/b", "a b", "a@b", "é", "a\"b"] {
            assert!(!is_authority(bad), "{bad}");
        }
    }
}
