use http::HeaderValue;

use super::*;

fn headers(lines: &[(&str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

fn vary(value: &str) -> Vary {
    Vary::of(&headers(&[("vary", value.as_bytes())]))
}

fn same(field: &str, left: &[&str], right: &[&str]) -> bool {
    let request = |values: &[&str]| {
        let lines: Vec<(&str, &[u8])> = values.iter().map(|it| (field, it.as_bytes())).collect();
        headers(&lines)
    };
    let vary = vary(field);
    vary.matches(&vary.key(&request(left)), &request(right), None)
}

#[test]
fn a_star_anywhere_is_all() {
    for text in ["*", "*, *", ", *", "Foo, *", "*, Foo", "a b"] {
        assert!(vary(text).is_any(), "{text}");
    }
    assert!(!vary("").is_any() && !vary("Foo, , bar").is_any());
    let many: Vec<String> = (0..=VARY_FIELDS_MAX).map(|n| format!("f{n}")).collect();
    assert!(vary(&many.join(",")).is_any());
}

#[test]
fn unknown_fields_lose_their_white_space() {
    assert!(same("foo", &["1, 2"], &["1", "2"]));
    assert!(same("foo", &["1,2"], &[" 1, 2 "]));
    assert!(!same("foo", &["1"], &["2"]) && !same("foo", &["a"], &["A"]));
    assert!(!same("foo", &["1"], &[]) && !same("foo", &[], &["1"]) && same("foo", &[], &[]));
    assert!(!same("foo", &["1"], &["1", "1"]));
}

#[test]
fn bytes_that_are_no_text_count_all() {
    let vary = vary("foo");
    let request = headers(&[("foo", b"\xff, b")]);
    assert!(vary.matches(&vary.key(&request), &request, None));
    assert!(!vary.matches(&vary.key(&request), &headers(&[("foo", b"\xff,b")]), None));
}

#[test]
fn codings_are_a_set() {
    let same = |left: &str, right: &str| same("accept-encoding", &[left], &[right]);
    assert!(same("gzip, br", "br;q=0.5,GZIP , identity"));
    assert!(same("x-gzip", "gzip"));
    assert!(same("gzip, br;q=0", "gzip"));
    assert!(!same("gzip", "gzip, br") && !same("gzip", "gzip, identity;q=0"));
    assert!(!same("gzip", "gzip, *;q=0") && !same("", "*"));
}

#[test]
fn languages_have_weights_and_no_order() {
    let same = |left: &str, right: &str| same("accept-language", &[left], &[right]);
    assert!(same("en, de", "de, en") && same("en, de", "eN ,  De"));
    assert!(same("en, de;q=0.5", "de;q=0.50, en;q=1"));
    assert!(!same("en, de", "en, de;q=0.5"));
}

#[test]
fn the_language_wanted_most_is_taken() {
    let vary = vary("Accept-Language, foo");
    let stored = vary.key(&headers(&[("accept-language", b"en, de")]));
    let asks = |text: &str| headers(&[("accept-language", text.as_bytes())]);
    assert!(vary.matches(&stored, &asks("fr;q=0.5, de;q=1.0"), Some("de")));
    assert!(!vary.matches(&stored, &asks("fr, de"), Some("de")));
    assert!(!vary.matches(&stored, &asks("fr;q=0.5, de;q=1.0"), Some("en")));
    assert!(!vary.matches(&stored, &asks("de;q=0"), Some("de")));
    let other = headers(&[("accept-language", b"de"), ("foo", b"1")]);
    assert!(!vary.matches(&stored, &other, Some("de")));
}
