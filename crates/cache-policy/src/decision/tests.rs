use http::HeaderValue;
use http::header::{AGE, CACHE_CONTROL, HeaderName};
use proptest::prelude::*;

use super::*;

/// Field lines: name, value.
type Lines = &'static [(&'static str, &'static str)];

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect()
}

fn received(response_delay_ms: u64) -> Received {
    Received {
        now: httpdate::parse_http_date("Sat, 21 Nov 2026 10:00:00 GMT").unwrap(),
        response_delay: Duration::from_millis(response_delay_ms),
    }
}

fn decide(status: u16, lines: &[(&str, &str)]) -> StoreDecision {
    decide_store(
        StatusCode::from_u16(status).unwrap(),
        &headers(lines),
        received(0),
    )
}

#[track_caller]
fn stored(status: u16, lines: &[(&str, &str)]) -> Storable {
    match decide(status, lines) {
        StoreDecision::Storable(storable) => storable,
        StoreDecision::NotStorable(reason) => panic!("{reason:?}"),
    }
}

#[test]
fn what_rfc_9111_3_forbids_is_not_stored() {
    let table: [(u16, Lines, NotStorable); 11] = [
        (103, &[("cache-control", "max-age=9")], NotStorable::Interim),
        (206, &[("cache-control", "max-age=9")], NotStorable::Partial),
        (304, &[("cache-control", "max-age=9")], NotStorable::Partial),
        (
            200,
            &[("cache-control", "max-age=9, no-store")],
            NotStorable::NoStore,
        ),
        (404, &[("cache-control", "no-store")], NotStorable::NoStore),
        (
            200,
            &[("cache-control", "private, max-age=9")],
            NotStorable::Private,
        ),
        (
            200,
            &[("cache-control", "max-age=9"), ("vary", "origin, *")],
            NotStorable::VaryAll,
        ),
        (
            200,
            &[("cache-control", "no-cache, max-age=9")],
            NotStorable::NoCache,
        ),
        (200, &[], NotStorable::NoLifetime),
        (
            200,
            &[("cache-control", "max-age=0")],
            NotStorable::AlreadyStale,
        ),
        (
            200,
            &[("cache-control", "max-age=5"), ("age", "5")],
            NotStorable::AlreadyStale,
        ),
    ];
    for (status, lines, expect) in table {
        assert_eq!(
            decide(status, lines),
            StoreDecision::NotStorable(expect),
            "{status} {lines:?} {}",
            expect.as_str()
        );
    }
}

#[test]
fn age_counts_against_the_lifetime_across_tiers() {
    // The parent kept a blocking playlist for 4 s; the way from it took 250 ms.
    let lines = headers(&[
        ("cache-control", "max-age=12"),
        ("age", "4"),
        ("vary", "origin"),
    ]);
    let StoreDecision::Storable(leaf) = decide_store(StatusCode::OK, &lines, received(250)) else {
        panic!("not stored");
    };
    assert_eq!(leaf.age_at_store, Duration::from_millis(4250));
    assert_eq!(leaf.fresh_for, Duration::from_millis(7750));
    // Served 3 s later it is 7.25 s old and good for 4.75 s more: 12 s in all, not 24.
    let resident = Duration::from_secs(3);
    assert_eq!(leaf.age(resident), Duration::from_millis(7250));
    assert_eq!(
        leaf.freshness(resident),
        Freshness::Fresh {
            ttl: Duration::from_millis(4750)
        }
    );
    assert_eq!(leaf.ttl_seconds(resident), 4);
}

#[test]
fn staleness_is_granted_as_rfc_5861_says() {
    let storable = stored(
        200,
        &[(
            "cache-control",
            "max-age=1, stale-while-revalidate=2, stale-if-error=9",
        )],
    );
    let table = [
        (
            0,
            Freshness::Fresh {
                ttl: Duration::from_millis(1000),
            },
        ),
        (
            999,
            Freshness::Fresh {
                ttl: Duration::from_millis(1),
            },
        ),
        (1000, Freshness::StaleWhileRevalidate),
        (2999, Freshness::StaleWhileRevalidate),
        (3000, Freshness::StaleIfError),
        (9999, Freshness::StaleIfError),
        (10_000, Freshness::Expired),
    ];
    for (resident_ms, expect) in table {
        assert_eq!(
            storable.freshness(Duration::from_millis(resident_ms)),
            expect,
            "{resident_ms}"
        );
    }
    assert_eq!(storable.kept_for(), Duration::from_secs(10));
    assert_eq!(storable.ttl_seconds(Duration::from_secs(3)), -2);
}

#[test]
fn a_late_response_has_used_up_some_of_its_staleness() {
    let lines = [
        ("cache-control", "max-age=1, stale-while-revalidate=5"),
        ("age", "3"),
    ];
    let storable = stored(200, &lines);
    assert_eq!(storable.fresh_for, Duration::ZERO);
    assert_eq!(storable.stale_while_revalidate, Duration::from_secs(3));
}

#[test]
fn revalidation_directives_forbid_staleness() {
    for directive in ["must-revalidate", "proxy-revalidate", "s-maxage=1"] {
        let value = format!("max-age=1, stale-while-revalidate=9, stale-if-error=9, {directive}");
        let storable = stored(200, &[("cache-control", &value)]);
        assert_eq!(
            storable.freshness(Duration::from_secs(1)),
            Freshness::Expired,
            "{directive}"
        );
    }
}

#[test]
fn errors_are_kept_briefly_and_never_not_at_all() {
    let table: [(u16, Lines, u64); 11] = [
        (404, &[], 500),
        (404, &[("cache-control", "max-age=1")], 1000),
        (404, &[("cache-control", "max-age=60")], 1000),
        (404, &[("cache-control", "max-age=0")], 100),
        (404, &[("cache-control", "no-cache")], 500),
        (404, &[("cache-control", "max-age=1"), ("age", "1")], 100),
        (400, &[], 1000),
        (502, &[], 500),
        (503, &[], 1000),
        (503, &[("retry-after", "0")], 100),
        (503, &[("retry-after", "120")], 1000),
    ];
    for (status, lines, expect_ms) in table {
        let storable = stored(status, lines);
        assert_eq!(
            storable.fresh_for,
            Duration::from_millis(expect_ms),
            "{status} {lines:?}"
        );
        assert_eq!(storable.kept_for(), storable.fresh_for);
    }
}

proptest! {
    #[test]
    fn lifetimes_add_up(
        status in 200u16..600,
        max_age in proptest::option::of(0u64..100_000),
        age in 0u64..100_000,
        delay_ms in 0u64..20_000,
        resident_ms in 0u64..200_000_000,
    ) {
        let mut lines = HeaderMap::new();
        if let Some(max_age) = max_age {
            lines.insert(CACHE_CONTROL, format!("max-age={max_age}").parse().unwrap());
        }
        lines.insert(AGE, age.into());
        let status = StatusCode::from_u16(status).unwrap();
        let decision = decide_store(status, &lines, received(delay_ms));
        if let StoreDecision::Storable(storable) = decision {
            prop_assert!(!storable.fresh_for.is_zero());
            if is_error(status) {
                prop_assert!(storable.fresh_for <= ERROR_LIFETIME_MAX);
            } else {
                let lifetime = Duration::from_secs(max_age.unwrap());
                prop_assert_eq!(storable.age_at_store + storable.fresh_for, lifetime);
            }
            let resident = Duration::from_millis(resident_ms);
            let fresh = matches!(storable.freshness(resident), Freshness::Fresh { .. });
            prop_assert_eq!(fresh, resident < storable.fresh_for);
            prop_assert_eq!(storable.age(resident), storable.age_at_store + resident);
        } else {
            prop_assert!(!is_error(status));
        }
    }

    #[test]
    fn an_error_of_ones_own_always_has_a_short_lifetime(status in 400u16..600, retry in ".{0,10}") {
        let mut lines = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&retry) {
            lines.insert(RETRY_AFTER, value);
        }
        let lifetime = error_lifetime(StatusCode::from_u16(status).unwrap(), &lines);
        prop_assert!((ERROR_LIFETIME_MIN..=ERROR_LIFETIME_MAX).contains(&lifetime));
    }
}
