use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, VARY};
use http_body_util::BodyExt;
use prometheus::Registry;
use tokio::task::JoinSet;

use super::*;
use crate::window::example::{self, push_second};

/// Viewers who ask for one version of a playlist.
const VIEWERS: usize = 1000;

/// A stream with three segments.
fn stream() -> Arc<LiveStream> {
    let live = Arc::new(example::stream(7));
    for second in 0..6 {
        push_second(&live, second % 2 == 1);
    }
    live
}

fn site(registry: &Registry) -> Arc<Site> {
    let metrics = Metrics::register(registry).unwrap();
    Arc::new(Site {
        catalog: Catalog::default(),
        counts: Counts::default(),
        holds: Holds::new(2 * VIEWERS, metrics.held_requests.clone()),
        relays: relay::Places::new(2, metrics.relays.clone()),
        metrics,
        traces: Traces::off(),
        gate: Gate::Open,
        media_seconds: 60,
    })
}

fn compressions(registry: &Registry) -> f64 {
    let families = registry.gather();
    let family = families
        .iter()
        .find(|family| family.name() == "origin_playlist_compressions_total");
    let counters = family.iter().flat_map(|family| family.get_metric());
    counters
        .map(|metric| metric.get_counter().get_value())
        .sum()
}

async fn ask(site: &Site, live: &LiveStream, query: &str, accepts: &str) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_ENCODING, accepts.parse().unwrap());
    playlist::media_playlist(site, live, 0, query, &headers)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_who_wait_for_a_version_have_it_compressed_once() {
    let registry = Registry::new();
    let (site, live) = (site(&registry), stream());
    let query = "_HLS_msn=10&_HLS_part=0";
    let mut viewers = JoinSet::new();
    for _ in 0..VIEWERS {
        let (site, live) = (Arc::clone(&site), Arc::clone(&live));
        viewers.spawn(async move {
            let response = ask(&site, &live, query, "gzip, deflate, br").await;
            assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
            response.into_body().collect().await.unwrap().to_bytes()
        });
    }
    let waiting = || site.metrics.held_requests.get() == i64::try_from(VIEWERS).unwrap();
    while !waiting() {
        tokio::task::yield_now().await;
    }
    assert_eq!(compressions(&registry), 0.0, "nobody has been answered");
    push_second(&live, false);
    let bodies = viewers.join_all().await;
    assert_eq!(compressions(&registry), 1.0);
    assert!(
        bodies
            .iter()
            .all(|body| body.as_ptr() == bodies[0].as_ptr())
    );

    ask(&site, &live, query, "zstd").await;
    ask(&site, &live, query, "zstd").await;
    assert_eq!(compressions(&registry), 2.0, "another coding");
    push_second(&live, true);
    ask(&site, &live, query, "gzip").await;
    assert_eq!(compressions(&registry), 3.0, "another version");
}

#[tokio::test]
async fn whoever_asks_for_the_text_gets_the_text() {
    let registry = Registry::new();
    let (site, live) = (site(&registry), stream());
    for accepts in ["", "identity", "br", "gzip;q=0, *;q=0"] {
        let response = ask(&site, &live, "", accepts).await;
        assert_eq!(response.headers()[VARY], "accept-encoding");
        assert!(!response.headers().contains_key(CONTENT_ENCODING));
        assert!(!response.headers().contains_key(CONTENT_LENGTH), "hyper's");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.starts_with(b"#EXTM3U"), "{accepts}");
    }
    assert_eq!(compressions(&registry), 0.0);
}
