use std::sync::Barrier;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::flight::FillError;
use super::object::ObjectHead;
use super::*;

const LIMITS: CacheLimits = CacheLimits {
    memory_bytes: 1 << 20,
    object_bytes_max: 1 << 16,
    flights_max: 4,
};

fn key(name: &str) -> CacheKey {
    CacheKey::new(&format!("/live/a/v/{name}"), None).unwrap()
}

fn head(fresh_for: Duration) -> ObjectHead {
    ObjectHead {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        content_length: None,
        age_at_receipt: Duration::ZERO,
        received_at: Instant::now(),
        fresh_for,
        own_error: false,
    }
}

fn lead(cache: &Cache, name: &str) -> Fill {
    match cache.lookup(&key(name), Instant::now()) {
        Lookup::Leader { writer, .. } => writer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_of_many_leads_whatever_the_threads() {
    const THREADS: usize = 16;
    let cache = Cache::new(LIMITS);
    let barrier = Barrier::new(THREADS);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                barrier.wait();
                let lookup = cache.lookup(&key("1.m4s"), Instant::now());
                found.lock().push(lookup);
            });
        }
    });
    let found = found.into_inner();
    let leaders = |lookup: &&Lookup| matches!(lookup, Lookup::Leader { .. });
    let joined = |lookup: &&Lookup| matches!(lookup, Lookup::Joined(_));
    assert_eq!(found.iter().filter(leaders).count(), 1);
    assert_eq!(found.iter().filter(joined).count(), THREADS - 1);
    assert_eq!(cache.flights(), 1);
}

#[test]
fn a_whole_object_is_a_hit_until_it_is_stale() {
    let cache = Cache::new(LIMITS);
    let mut fill = lead(&cache, "1.m4s");
    fill.writer().head(head(Duration::from_secs(60)));
    fill.writer().push(Bytes::from_static(b"body")).unwrap();
    assert!(fill.complete());
    assert_eq!(cache.flights(), 0);
    let now = Instant::now();
    match cache.lookup(&key("1.m4s"), now) {
        Lookup::Hit(object) => assert_eq!(object.body, "body"),
        other => panic!("{other:?}"),
    }
    let later = now + Duration::from_secs(61);
    assert!(matches!(
        cache.lookup(&key("1.m4s"), later),
        Lookup::Leader { stale: true, .. }
    ));
}

#[test]
fn an_object_without_freshness_is_shared_but_not_kept() {
    let cache = Cache::new(LIMITS);
    let mut fill = lead(&cache, "1.m4s");
    fill.writer().head(head(Duration::ZERO));
    assert!(fill.complete());
    lead(&cache, "1.m4s");
}

#[test]
fn a_fill_that_goes_frees_its_key_and_its_place() {
    let cache = Cache::new(LIMITS);
    drop(lead(&cache, "1.m4s"));
    assert_eq!(cache.flights(), 0);
    lead(&cache, "1.m4s");
}

#[test]
fn a_memo_answers_after_a_failure() {
    let cache = Cache::new(LIMITS);
    let fill = lead(&cache, "1.m4s");
    let memo = Object::new(
        head(Duration::from_millis(500)),
        Bytes::from_static(b"sorry"),
    );
    fill.abort(FillError::Broken, Some(memo));
    assert!(matches!(
        cache.lookup(&key("1.m4s"), Instant::now()),
        Lookup::Hit(object) if object.body == "sorry"
    ));
}

#[test]
fn flights_are_bounded() {
    let cache = Cache::new(LIMITS);
    let fills: Vec<_> = (0..LIMITS.flights_max)
        .map(|n| lead(&cache, &format!("{n}.m4s")))
        .collect();
    assert!(matches!(
        cache.lookup(&key("9.m4s"), Instant::now()),
        Lookup::Full
    ));
    drop(fills);
    lead(&cache, "9.m4s");
}

#[test]
fn what_is_purged_is_gone_and_what_flies_is_not_kept() {
    let cache = Cache::new(LIMITS);
    for name in ["1.m4s", "2.m4s"] {
        let mut fill = lead(&cache, name);
        fill.writer().head(head(Duration::from_secs(60)));
        assert!(fill.complete());
    }
    let mut flying = lead(&cache, "3.m4s");
    flying.writer().head(head(Duration::from_secs(60)));

    assert_eq!(cache.purge(|found| *found != key("2.m4s")), 1);
    assert!(flying.complete(), "those who wait get their object");
    let now = Instant::now();
    assert!(matches!(cache.lookup(&key("2.m4s"), now), Lookup::Hit(_)));
    for name in ["1.m4s", "3.m4s"] {
        drop(lead(&cache, name));
    }
    assert_eq!(cache.purge(|_| true), 1);
    assert_eq!(cache.purge(|_| true), 0);
}
