//! Fields that concern one connection, or one viewer, and travel no further.

use http::HeaderMap;
use http::header::{
    AGE, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HOST, HeaderName,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

/// RFC 9110 7.6.1, and `Trailer`, which announces what a stored object does not keep.
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Fields meant for every recipient: a peer that lists one in `Connection` breaks RFC 9110 7.6.1
/// ("never appropriate") and could make a tier drop what the next depends on.
const END_TO_END: [HeaderName; 7] = [
    AGE,
    CACHE_CONTROL,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    DATE,
    ETAG,
    HOST,
];

/// RFC 9111 3.1 and 7.3: fields that concern one exchange or one viewer.
const NOT_STORED: [HeaderName; 5] = [
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHORIZATION,
    SET_COOKIE,
    HeaderName::from_static("set-cookie2"),
];

/// Removes the fields of this connection (RFC 9110 7.6.1): those named in `Connection`, and the
/// known ones whether named or not. To be done to every message that is passed on.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(|option| option.trim().parse().ok())
        .filter(|name| !END_TO_END.contains(name))
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Removes what a stored response does not keep: the fields of the connection, those of one
/// viewer, and `Age`, which is computed anew each time (see [`Storable`](crate::Storable)).
pub fn strip_for_storage(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    for name in NOT_STORED.iter().chain([&AGE]) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn fields_of_the_connection_are_removed() {
        let mut message = headers(&[
            ("connection", "close, X-Private"),
            ("connection", "x-other, not a name, cache-control"),
            ("x-private", "1"),
            ("x-other", "2"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "close"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("cache-control", "max-age=5"),
            ("content-length", "5"),
        ]);
        strip_hop_by_hop(&mut message);
        assert_eq!(names(&message), ["cache-control", "content-length"]);
    }

    #[test]
    fn fields_of_one_viewer_are_not_stored() {
        let mut message = headers(&[
            ("set-cookie", "a=b"),
            ("set-cookie", "c=d"),
            ("age", "5"),
            ("proxy-authenticate", "Basic"),
            ("cache-status", "shield; hit"),
            ("etag", "\"a\""),
        ]);
        strip_for_storage(&mut message);
        assert_eq!(names(&message), ["cache-status", "etag"]);
    }
}
