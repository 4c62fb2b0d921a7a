use super::*;

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

const OLD: &str = "Wed, 01 Jan 2020 00:00:00 GMT";
const NEW: &str = "Wed, 01 Jan 2025 00:00:00 GMT";

#[test]
fn a_304_changes_what_the_body_does_not_depend_on() {
    let stored = headers(&[
        ("etag", "\"a\""),
        ("content-encoding", "gzip"),
        ("content-length", "5"),
        ("age", "9"),
        ("x", "1"),
        ("x", "2"),
        ("content-type", "a/b"),
        ("kept", "1"),
        ("content-md5", "m"),
    ]);
    let new = headers(&[
        ("etag", "\"a\""),
        ("content-encoding", "br"),
        ("content-length", "0"),
        ("x", "3"),
        ("connection", "close, y"),
        ("y", "1"),
        ("content-type", "c/d"),
        ("content-md5", "n"),
        ("date", NEW),
    ]);
    let merged = freshen(&stored, &new).unwrap();
    let expect = headers(&[
        ("etag", "\"a\""),
        ("content-encoding", "gzip"),
        ("content-length", "5"),
        ("x", "3"),
        ("content-type", "c/d"),
        ("kept", "1"),
        ("content-md5", "m"),
        ("date", NEW),
    ]);
    assert_eq!(merged, expect);
}

#[test]
fn a_304_about_another_response_changes_nothing() {
    let table: [(&[_], &[_], bool); 8] = [
        (&[("etag", "\"a\"")], &[("etag", "\"b\"")], false),
        (&[("etag", "W/\"a\"")], &[("etag", "\"a\"")], true),
        (&[("last-modified", OLD)], &[("etag", "\"b\"")], false),
        (&[("last-modified", OLD)], &[("last-modified", NEW)], false),
        (&[("last-modified", OLD)], &[("last-modified", OLD)], true),
        (
            &[("etag", "\"a\""), ("last-modified", OLD)],
            &[("etag", "\"a\""), ("last-modified", NEW)],
            true,
        ),
        (&[("etag", "\"a\"")], &[("last-modified", NEW)], true),
        (&[("etag", "\"a\"")], &[], true),
    ];
    for (stored, new, expect) in table {
        assert_eq!(
            freshen(&headers(stored), &headers(new)).is_ok(),
            expect,
            "{stored:?} {new:?}"
        );
    }
}

#[test]
fn validators_replace_the_clients() {
    let mut request = headers(&[("if-none-match", "\"x\""), ("if-modified-since", NEW)]);
    Validators::of(&headers(&[("etag", "abc")])).ask(&mut request);
    assert_eq!(request, headers(&[("if-none-match", "abc")]));
    assert!(Validators::of(&headers(&[("date", OLD)])).is_empty());
}

#[test]
fn clients_are_told_what_they_have() {
    let tagged = [("etag", "\"a\""), ("last-modified", NEW)];
    let table: [(&[_], &[_], bool); 8] = [
        (&[("if-none-match", "W/\"a\"")], &tagged, true),
        (
            &[("if-none-match", "\"b\""), ("if-modified-since", NEW)],
            &tagged,
            false,
        ),
        (&[("if-modified-since", NEW)], &tagged, true),
        (&[("if-modified-since", OLD)], &tagged, false),
        (
            &[("if-modified-since", "Wednesday, 01-Jan-25 00:00:00 GMT")],
            &tagged,
            true,
        ),
        (&[("if-modified-since", NEW)], &[("date", OLD)], true),
        (&[("if-modified-since", OLD)], &[("date", NEW)], false),
        (&[("if-modified-since", "x")], &tagged, false),
    ];
    for (request, response, expect) in table {
        let met = answer(&headers(request), &headers(response));
        assert_eq!(
            met == PreconditionsMet::NotModified,
            expect,
            "{request:?} {response:?}"
        );
    }
}
