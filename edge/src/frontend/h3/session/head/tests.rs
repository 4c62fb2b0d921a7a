use http::Request;

use super::*;

fn request(uri: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::get(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

#[track_caller]
fn refused(uri: &str, fields: &[(&str, &str)]) -> MalformedHead {
    RequestHead::check(request(uri, fields)).unwrap_err()
}

#[test]
fn makes_a_host_and_joins_cookies() {
    let fields = [("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")];
    let head = RequestHead::check(request("https://Example.com:8443/x?y", &fields)).unwrap();
    let headers = &head.header.headers;
    assert_eq!(headers.get("host").unwrap(), "Example.com:8443");
    assert_eq!(headers.get_all("cookie").iter().count(), 1);
    assert_eq!(headers.get("cookie").unwrap(), "a=1; b=2");
    assert_eq!(head.header.version, Version::HTTP_2);
    assert_eq!(head.body_length, None);
}

#[test]
fn refuses_what_the_rfc_calls_malformed() {
    use MalformedHead::{Authority, ConnectionField, ContentLength, Scheme};
    assert_eq!(refused("https://me@example.com/", &[]), Authority);
    assert_eq!(refused("https://a/", &[("host", "b")]), Authority);
    assert_eq!(
        refused("https://a/", &[("host", "a"), ("host", "a")]),
        Authority
    );
    assert_eq!(refused("gopher://a/", &[]), Scheme);
    assert_eq!(refused("/relative", &[]), Scheme);
    for name in CONNECTION_FIELDS {
        assert_eq!(refused("https://a/", &[(name, "x")]), ConnectionField);
    }
    assert_eq!(refused("https://a/", &[("te", "gzip")]), ConnectionField);
    for length in ["-1", "1, 1", "", "99999999999999999999"] {
        assert_eq!(
            refused("https://a/", &[("content-length", length)]),
            ContentLength
        );
    }
    let twice = [("content-length", "1"), ("content-length", "1")];
    assert_eq!(refused("https://a/", &twice), ContentLength);
}

#[test]
fn reads_urgencies() {
    let urgency = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(PRIORITY, value.parse().unwrap());
        Urgency::of(&headers).map(Urgency::quic_priority)
    };
    assert_eq!(urgency("u=0"), Some(3));
    assert_eq!(urgency("i, u=5;x=1"), Some(-2));
    assert_eq!(urgency("u=1, u=7"), Some(-4));
    assert_eq!(urgency("u=8"), None);
    assert_eq!(urgency("i"), None);
    assert_eq!(urgency("u=high"), None);
}
