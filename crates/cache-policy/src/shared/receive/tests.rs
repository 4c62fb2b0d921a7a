use http::HeaderValue;

use super::*;
use crate::shared::{CDN_CACHE_CONTROL, Reuse, SURROGATE_CONTROL};

const NOW: u64 = 1_800_000_000;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW) + Duration::from_millis(700)
}

fn at(offset: i64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(NOW.saturating_add_signed(offset)))
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn policy() -> Policy {
    Policy {
        targeted_fields: vec![CDN_CACHE_CONTROL, SURROGATE_CONTROL],
        device: "weir".to_owned(),
        stale_if_disconnected: Duration::from_secs(60),
    }
}

fn judge(
    method: Method,
    status: u16,
    request: &[(&str, &str)],
    response: &[(&str, &str)],
) -> Verdict {
    let (request, response) = (headers(request), headers(response));
    let exchange = Exchange {
        method: &method,
        request: &request,
        status: StatusCode::from_u16(status).unwrap(),
        response: &response,
        now: now(),
        response_delay: Duration::ZERO,
    };
    receive(&exchange, &policy())
}

fn get(status: u16, response: &[(&str, &str)]) -> Verdict {
    judge(Method::GET, status, &[], response)
}

#[track_caller]
fn stored(verdict: Verdict) -> Terms {
    match verdict {
        Verdict::Store(terms, _) => terms,
        refused @ Verdict::Refuse(..) => panic!("{refused:?}"),
    }
}

#[track_caller]
fn refused(verdict: Verdict) -> Refusal {
    match verdict {
        Verdict::Refuse(refusal, _) => refusal,
        kept @ Verdict::Store(..) => panic!("{kept:?}"),
    }
}

fn is_fresh(verdict: Verdict) -> bool {
    let request = RequestDirectives::default();
    match verdict {
        Verdict::Store(terms, _) => terms.reuse(Duration::ZERO, false, &request) == Reuse::Fresh,
        Verdict::Refuse(..) => false,
    }
}

#[test]
fn lifetimes_in_their_order() {
    let (date, later) = (at(0), at(50));
    let date = ("date", date.as_str());
    let expires = ("expires", later.as_str());
    let lifetime = |response: &[(&str, &str)]| stored(get(200, response)).lifetime.as_secs();
    assert_eq!(
        lifetime(&[("cache-control", "max-age=1, s-maxage=9"), date, expires]),
        9
    );
    assert_eq!(
        lifetime(&[("cache-control", "max-age=1"), date, expires]),
        1
    );
    assert_eq!(lifetime(&[date, expires]), 50);
    assert_eq!(lifetime(&[("date", "foo"), expires]), 49);
    assert_eq!(lifetime(&[date, ("expires", "0")]), 0);
    assert_eq!(lifetime(&[date, expires, expires]), 0);
    let modified = at(-1000);
    assert_eq!(lifetime(&[date, ("last-modified", &modified)]), 100);
    let ancient = at(-100_000_000);
    let most = HEURISTIC_LIFETIME_MAX.as_secs();
    assert_eq!(lifetime(&[date, ("last-modified", &ancient)]), most);
    assert_eq!(
        lifetime(&[date, ("last-modified", &modified), ("set-cookie", "a=b")]),
        0
    );
}

#[test]
fn guesses_are_for_some_statuses() {
    let modified = at(-86400);
    let fresh = |status, control: &str| {
        is_fresh(get(
            status,
            &[("last-modified", &modified), ("cache-control", control)],
        ))
    };
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        assert!(fresh(status, ""), "{status}");
    }
    for status in [201, 202, 302, 303, 307, 400, 403, 500, 502, 503, 504, 599] {
        assert!(!fresh(status, ""), "{status}");
        assert!(fresh(status, "public"), "{status}");
        assert!(fresh(status, "max-age=5"), "{status}");
    }
}

#[test]
fn what_is_not_stored() {
    let control = |value: &str| refused(get(200, &[("cache-control", value)]));
    assert_eq!(control("no-store, max-age=5"), Refusal::NoStore);
    assert_eq!(control("Private, max-age=5"), Refusal::Private);
    assert_eq!(
        refused(get(599, &[("cache-control", "max-age=5, must-understand")])),
        Refusal::Status
    );
    assert_eq!(
        refused(get(206, &[("cache-control", "max-age=5")])),
        Refusal::Partial
    );
    assert_eq!(refused(get(500, &[])), Refusal::NoReason);
    assert_eq!(
        refused(get(
            200,
            &[("vary", "a, *"), ("cache-control", "max-age=5")]
        )),
        Refusal::VaryAll
    );
    assert!(is_fresh(get(
        200,
        &[("cache-control", "no-store, must-understand, max-age=5")]
    )));
    let unwanted = judge(
        Method::GET,
        200,
        &[("cache-control", "no-store")],
        &[("cache-control", "max-age=5")],
    );
    assert_eq!(refused(unwanted), Refusal::NoStore);
}

#[test]
fn authorization_needs_a_word() {
    let asked = |control| {
        judge(
            Method::GET,
            200,
            &[("authorization", "x")],
            &[("cache-control", control)],
        )
    };
    assert_eq!(refused(asked("max-age=5")), Refusal::Authorization);
    assert!(matches!(
        asked("max-age=5"),
        Verdict::Refuse(_, Sharing::Nobody)
    ));
    for control in [
        "public, max-age=5",
        "must-revalidate, max-age=5",
        "s-maxage=5",
    ] {
        assert!(is_fresh(asked(control)), "{control}");
    }
}

#[test]
fn posts_are_stored_where_they_say_for_what() {
    let post = |fields: &[(&str, &str)]| judge(Method::POST, 200, &[], fields);
    assert!(is_fresh(post(&[
        ("cache-control", "max-age=5"),
        ("content-location", "/a")
    ])));
    assert_eq!(
        refused(post(&[("cache-control", "max-age=5")])),
        Refusal::Method
    );
    assert_eq!(
        refused(post(&[("content-location", "/a")])),
        Refusal::Method
    );
    assert_eq!(
        refused(judge(
            Method::PUT,
            200,
            &[],
            &[("cache-control", "max-age=5")]
        )),
        Refusal::Method
    );
}

#[test]
fn ages_that_are_no_number_make_stale() {
    let date = at(0);
    let fresh = |ages: &[&str]| {
        let mut response = vec![("cache-control", "max-age=100"), ("date", date.as_str())];
        response.extend(ages.iter().map(|age| ("age", *age)));
        is_fresh(get(200, &response))
    };
    assert!(fresh(&[]) && fresh(&["0"]) && fresh(&["99"]) && fresh(&[" 99 "]));
    for bad in [
        &["abc"][..],
        &["-5"],
        &["1.0"],
        &["0, 0"],
        &["0", "0"],
        &["5;a=b"],
        &["100"],
        &[""],
    ] {
        assert!(!fresh(bad), "{bad:?}");
    }
}

#[test]
fn clocks_that_differ_make_older_never_younger() {
    let age = |date: &str, age: &str| {
        let response = [("cache-control", "max-age=9"), ("date", date), ("age", age)];
        stored(get(200, &response)).age_at_receipt.as_secs()
    };
    assert_eq!(age(&at(-30), "5"), 30);
    assert_eq!(age(&at(30), "5"), 5);
    assert_eq!(age(&at(0), "5"), 5);
}

#[test]
fn targeted_fields_silence_the_others() {
    let both = [
        ("cdn-cache-control", "max-age=60"),
        ("cache-control", "no-store"),
        ("expires", "0"),
    ];
    assert_eq!(stored(get(200, &both)).lifetime.as_secs(), 60);
    let broken = [
        ("cdn-cache-control", "max-age =60"),
        ("cache-control", "max-age=5"),
    ];
    assert_eq!(stored(get(200, &broken)).lifetime.as_secs(), 5);
    let first = [
        ("cdn-cache-control", "max-age=60"),
        ("surrogate-control", "max-age=7"),
    ];
    assert_eq!(stored(get(200, &first)).lifetime.as_secs(), 60);
    let none = [
        ("cdn-cache-control", "no-store"),
        ("cache-control", "max-age=5"),
    ];
    assert_eq!(refused(get(200, &none)), Refusal::NoStore);
}

#[test]
fn who_waits_gets_what_is_not_somebody_elses() {
    let sharing = |verdict| match verdict {
        Verdict::Store(_, sharing) | Verdict::Refuse(_, sharing) => sharing,
    };
    let cookie = headers(&[("cookie", "a=b")]);
    let anyone = headers(&[]);
    let fresh = sharing(get(200, &[("cache-control", "max-age=5")]));
    assert!(fresh.allows(&cookie) && fresh.allows(&anyone));
    for verdict in [get(200, &[]), get(404, &[]), get(503, &[])] {
        let sharing = sharing(verdict);
        assert!(sharing.allows(&anyone) && !sharing.allows(&cookie));
    }
    let theirs = judge(Method::GET, 200, &[("cookie", "a=b")], &[]);
    assert_eq!(sharing(theirs), Sharing::Nobody);
    for private in ["private", "no-store"] {
        assert_eq!(
            sharing(get(200, &[("cache-control", private)])),
            Sharing::Nobody
        );
        assert_eq!(
            sharing(get(503, &[("cache-control", private)])),
            Sharing::Nobody
        );
    }
    assert_eq!(sharing(get(200, &[("set-cookie", "a=b")])), Sharing::Nobody);
}

#[test]
fn stale_if_error_is_the_origins_word() {
    let of = |control| stored(get(200, &[("cache-control", control)]));
    assert_eq!(of("max-age=5").stale_if_disconnected.as_secs(), 60);
    assert_eq!(
        of("max-age=5, stale-if-error=7")
            .stale_if_disconnected
            .as_secs(),
        7
    );
    assert!(of("max-age=5, must-revalidate").forbids_stale);
}
