use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hls::{LiveConfig, LivePlaylist, Msn, NewPart, ProgramDateTime, RenditionName};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, VARY};
use http_body_util::BodyExt;
use prometheus::Registry;
use tokio::task::JoinSet;

use super::*;
use crate::window::{RenditionKind, SourceInfo, StreamInfo};

/// Viewers who ask for one version of a playlist.
const VIEWERS: usize = 1000;

fn playlist(name: &str) -> LivePlaylist {
    LivePlaylist::new(LiveConfig {
        rendition: RenditionName::new(name).unwrap(),
        target_duration: Duration::from_secs(2),
        part_target: Duration::from_secs(1),
        part_hold_back: Duration::from_secs(3),
        window: Duration::from_secs(12),
        removed_max: Duration::from_secs(14_400),
        start_msn: Msn::new(7),
        start_discontinuity_sequence: 0,
        start_time: ProgramDateTime::from_unix_millis(0),
    })
    .unwrap()
}

/// A stream with three segments.
fn stream() -> Arc<LiveStream> {
    let info = StreamInfo {
        name: "demo".to_owned(),
        title: None,
        started_at: SystemTime::UNIX_EPOCH,
        source: SourceInfo {
            width: 640,
            height: 360,
            frames_per_second: 30.0,
            passthrough: false,
        },
    };
    let renditions = vec![
        (playlist("360p"), RenditionKind::Video),
        (playlist("audio"), RenditionKind::Audio),
    ];
    let live = Arc::new(LiveStream::new(info, renditions));
    for second in 0..6 {
        push_second(&live, second % 2 == 1);
    }
    live
}

fn push_second(live: &LiveStream, last: bool) {
    for rendition in live.update().renditions() {
        let part = NewPart {
            duration: Duration::from_secs(1),
            independent: true,
            gap: false,
        };
        rendition
            .push_part(part, Bytes::from_static(b"part"))
            .unwrap();
        if last {
            rendition.playlist.close_segment().unwrap();
        }
    }
}

fn site(registry: &Registry) -> Arc<Site> {
    let metrics = Metrics::register(registry).unwrap();
    Arc::new(Site {
        catalog: Catalog::default(),
        counts: Counts::default(),
        holds: Holds::new(2 * VIEWERS, metrics.held_requests.clone()),
        metrics,
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
