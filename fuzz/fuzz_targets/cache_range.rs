//! Whatever `Range` and `If-Range` say, the bytes chosen lie within the object.
#![no_main]

use cache_policy::{RangeDecision, decide_range};
use http::header::{ETAG, HeaderMap, HeaderValue, IF_RANGE, RANGE};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &[u8], Option<&[u8]>)| {
    let (complete_length, range, if_range) = input;
    let mut request = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(range) {
        request.insert(RANGE, value);
    }
    if let Some(Ok(value)) = if_range.map(HeaderValue::from_bytes) {
        request.insert(IF_RANGE, value);
    }
    let mut response = HeaderMap::new();
    response.insert(ETAG, HeaderValue::from_static("\"a\""));
    if let RangeDecision::Partial(range) = decide_range(&request, &response, complete_length) {
        assert!(range.first <= range.last && range.last < complete_length);
        assert_eq!(range.len(), range.last - range.first + 1);
        assert!(request.get(IF_RANGE).is_none_or(|tag| tag == "\"a\""));
    }
});
