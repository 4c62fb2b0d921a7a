use std::time::Duration;

use cache_policy::shared::Terms;
use http::{HeaderValue, StatusCode, header};
use prometheus::Registry;

use super::*;
use crate::upstream::choice::Choice;
use crate::upstream::parent::{ConnectSettings, ParentUrl};

const PATIENCE: Duration = Duration::from_secs(1);

/// One site, whose parent is not there.
fn sites() -> (Sites, Arc<Site>) {
    let upstream = UpstreamSettings {
        parents: vec![ParentUrl::parse("http://127.0.0.1:1").unwrap()],
        backups: Vec::new(),
        choice: Choice::First,
        probe_interval: Duration::ZERO,
        connect: ConnectSettings {
            ca_file: None,
            connect_timeout: PATIENCE,
            streams_per_connection_max: 1,
            h2c: false,
            ping_interval: PATIENCE,
            requests_max: 1,
        },
        head_timeout: PATIENCE,
        body_timeout: PATIENCE,
        error_memo: PATIENCE,
    };
    let settings = SiteSettings {
        hosts: vec!["*".to_owned()],
        upstream,
        variants_max: 1,
        request_body_bytes_max: 0,
        query_bytes_max: 0,
        request_directives: true,
        stale_if_disconnected: Duration::ZERO,
    };
    let limits = SitesLimits {
        memory_bytes: 1 << 20,
        object_bytes_max: 1 << 20,
        flights_max: 9,
    };
    let metrics = Metrics::new(&Registry::new()).unwrap();
    let sites = Sites::new(vec![settings], limits, "edge", metrics, Handle::current());
    let site = sites.find("a.example").unwrap();
    (sites, site)
}

fn get() -> Outgoing {
    Outgoing {
        method: Method::GET,
        target: "/".to_owned(),
        authority: "a.example".to_owned(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        trace: None,
    }
}

fn terms(site: &Site, cache_control: &'static str) -> (HeaderMap, Terms) {
    let response = HeaderMap::from_iter([(
        header::CACHE_CONTROL,
        HeaderValue::from_static(cache_control),
    )]);
    let exchange = Exchange {
        method: &Method::GET,
        request: &HeaderMap::new(),
        status: StatusCode::OK,
        response: &response,
        now: SystemTime::now(),
        response_delay: Duration::ZERO,
    };
    match receive(&exchange, site.policy()) {
        Verdict::Store(terms, _) => (response, terms),
        verdict @ Verdict::Refuse(..) => panic!("{verdict:?}"),
    }
}

fn stored(site: &Site, cache_control: &'static str) -> Stored {
    let (headers, terms) = terms(site, cache_control);
    let body = Bytes::from_static(b"body");
    Stored::new(StatusCode::OK, &headers, body, terms, &HeaderMap::new())
}

#[test]
fn hosts_are_without_their_port() {
    for (authority, host) in [
        ("a.example", "a.example"),
        ("a.example:80", "a.example"),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
        ("[::1", "[::1"),
        ("", ""),
    ] {
        assert_eq!(host_of(authority), host);
    }
}

#[tokio::test]
async fn what_was_kept_since_the_look_is_not_fetched_again() {
    let (sites, site) = sites();
    let key: Key = "http://a.example/".into();
    let (outgoing, directives) = (get(), RequestDirectives::default());
    let look = sites.look(&key, &outgoing.headers, &directives);
    assert!(matches!(look, Look::Miss(_)), "{look:?}");
    // Somebody else's flight ends between the look and the join.
    sites.keep(&site, &key, stored(&site, "max-age=60"));
    let joined = sites.join(&site, &key, &outgoing, &directives);
    assert!(
        matches!(joined, Joined::Known(Look::Hit(_, Reuse::Fresh))),
        "{joined:?}"
    );
    assert_eq!(sites.flights(), 0);
}

#[tokio::test]
async fn what_was_validated_since_the_look_is_not_validated_again() {
    let (sites, site) = sites();
    let key: Key = "http://a.example/".into();
    let (outgoing, directives) = (get(), RequestDirectives::default());
    let stale = "max-age=0, stale-while-revalidate=60";
    sites.keep(&site, &key, stored(&site, stale));
    let look = sites.look(&key, &outgoing.headers, &directives);
    assert!(
        matches!(look, Look::Hit(_, Reuse::WhileRevalidate)),
        "{look:?}"
    );
    sites.keep(&site, &key, stored(&site, "max-age=60"));
    sites.revalidate(&site, &key, &outgoing, &directives);
    assert_eq!(sites.flights(), 0);
    // One that is still stale is validated.
    sites.keep(&site, &key, stored(&site, stale));
    sites.revalidate(&site, &key, &outgoing, &directives);
    assert_eq!(sites.flights(), 1);
}
