//! A shared cache's reading of whatever origins and clients write: no panic, and what is judged
//! holds together.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use cache_policy::shared::{
    CDN_CACHE_CONTROL, Exchange, Policy, RequestDirectives, Reuse, SURROGATE_CONTROL, Vary,
    Verdict, answer, freshen, invalidated, receive, surrogate_keys,
};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use libfuzzer_sys::fuzz_target;

/// The fields that are read, each by a number.
const FIELDS: [&str; 20] = [
    "accept-encoding",
    "accept-language",
    "age",
    "authorization",
    "cache-control",
    "cache-tag",
    "cdn-cache-control",
    "content-location",
    "date",
    "etag",
    "expires",
    "if-modified-since",
    "if-none-match",
    "last-modified",
    "location",
    "pragma",
    "set-cookie",
    "surrogate-control",
    "surrogate-key",
    "vary",
];

fn headers(lines: &[(u8, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (field, value) in lines.iter().take(64) {
        let name = FIELDS[usize::from(*field) % FIELDS.len()];
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    headers
}

fuzz_target!(|input: (u16, u32, Vec<(u8, &[u8])>, Vec<(u8, &[u8])>)| {
    let (status, resident, request, response) = input;
    let (request, response) = (headers(&request), headers(&response));
    let status = StatusCode::from_u16(100 + status % 500).unwrap_or(StatusCode::OK);
    let policy = Policy {
        targeted_fields: vec![CDN_CACHE_CONTROL, SURROGATE_CONTROL],
        device: "weir".to_owned(),
        stale_if_disconnected: Duration::from_secs(60),
    };
    let exchange = Exchange {
        method: &Method::GET,
        request: &request,
        status,
        response: &response,
        now: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        response_delay: Duration::ZERO,
    };
    let vary = Vary::of(&response);
    let key = vary.key(&request);
    assert!(vary.is_any() || vary.matches(&key, &request, None));
    if let Verdict::Store(terms, _) = receive(&exchange, &policy) {
        assert!(!vary.is_any());
        let resident = Duration::from_secs(resident.into());
        let reuse = terms.reuse(resident, false, &RequestDirectives::of(&request));
        assert!(reuse != Reuse::Fresh || terms.age(resident) < terms.lifetime);
        assert!(!(terms.forbids_stale && matches!(reuse, Reuse::Stale | Reuse::WhileRevalidate)));
    }
    let _ = answer(&request, &response);
    let _ = freshen(&response, &request);
    let _ = surrogate_keys(&response);
    for target in invalidated(
        &Method::POST,
        "a.example",
        "/b?c",
        StatusCode::OK,
        &response,
    ) {
        assert!(target.starts_with('/'));
    }
});
