use http::{HeaderValue, header};

use super::*;

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn terms() -> Terms {
    Terms {
        lifetime: Duration::from_secs(60),
        age_at_receipt: Duration::ZERO,
        forbids_stale: false,
        no_cache: false,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        stale_if_disconnected: Duration::ZERO,
        fields_not_kept: vec![header::SERVER],
    }
}

fn stored(response: &[(&'static str, &'static str)], foo: &'static str) -> Arc<Stored> {
    let request = headers(&[("foo", foo)]);
    let body = Bytes::from(foo);
    Arc::new(Stored::new(
        StatusCode::OK,
        &headers(response),
        body,
        terms(),
        &request,
    ))
}

fn body(store: &Store, key: &Key, foo: &'static str) -> Option<Bytes> {
    match store.find(key, &headers(&[("foo", foo)])) {
        Found::Match(stored) => Some(stored.body.clone()),
        Found::Others | Found::Nothing => None,
    }
}

const VARY: (&str, &str) = ("vary", "foo");

#[test]
fn variants_are_chosen_and_bounded() {
    let (store, key) = (Store::new(1 << 20), Key::from("http://a/"));
    for foo in ["1", "2", "3"] {
        store.insert(&key, stored(&[VARY], foo), 2);
    }
    assert_eq!(body(&store, &key, "1"), None);
    assert_eq!(body(&store, &key, "2").unwrap(), "2");
    assert_eq!(body(&store, &key, "3").unwrap(), "3");
    store.insert(&key, stored(&[VARY], "3"), 2);
    assert_eq!(body(&store, &key, "2").unwrap(), "2");
    assert!(matches!(store.find(&key, &HeaderMap::new()), Found::Others));
    assert!(matches!(
        store.find(&"http://b/".into(), &HeaderMap::new()),
        Found::Nothing
    ));
}

#[test]
fn a_surrogate_key_takes_what_carries_it() {
    let (store, key) = (Store::new(1 << 20), Key::from("http://a/"));
    let tagged = |tag| [VARY, ("surrogate-key", tag)];
    store.insert(&key, stored(&tagged("x y"), "1"), 9);
    store.insert(&key, stored(&tagged("y"), "2"), 9);
    store.insert(&"http://b/".into(), stored(&tagged("x"), "1"), 9);
    assert_eq!(store.purge_key("x", false), 2);
    assert_eq!(store.purge_key("x", false), 0);
    assert_eq!(body(&store, &key, "1"), None);
    assert_eq!(body(&store, &key, "2").unwrap(), "2");
    assert_eq!(store.purge_url(&key, false), 1);
    assert!(matches!(
        store.find(&key, &HeaderMap::new()),
        Found::Nothing
    ));
}

#[test]
fn softly_purged_is_stale() {
    let (store, key) = (Store::new(1 << 20), Key::from("http://a/"));
    store.insert(&key, stored(&[("cache-tag", "t")], "1"), 9);
    let reuse = || match store.find(&key, &HeaderMap::new()) {
        Found::Match(stored) => stored.reuse(Instant::now(), &RequestDirectives::default()),
        found => panic!("{found:?}"),
    };
    assert_eq!(reuse(), Reuse::Fresh);
    assert_eq!(store.purge_key("t", true), 1);
    assert_eq!(reuse(), Reuse::ValidateStale);
    store.insert(&key, stored(&[], "1"), 9);
    assert_eq!(store.purge_url(&key, true), 1);
    assert_eq!(reuse(), Reuse::ValidateStale);
}

#[test]
fn fields_of_one_hop_or_one_client_are_not_kept() {
    let response = [
        ("connection", "x"),
        ("x", "1"),
        ("age", "5"),
        ("server", "s"),
        ("set-cookie", "a=b"),
    ];
    let kept = stored(&response, "1");
    assert_eq!(kept.headers, headers(&[("set-cookie", "a=b")]));
}
