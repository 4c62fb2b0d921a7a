//! The end of a broadcast, and the next one on the same key.

use http::StatusCode;

use crate::harness::{Answer, KEY, Origin, Publisher, eventually};

#[tokio::test]
async fn a_stream_ends_lingers_goes_and_comes_again() {
    let more = "[packaging]\nlinger_seconds = 3\n";
    let origin = Origin::start(&[("360p", 360, 700), ("144p", 144, 100)], more).await;
    let publisher = Publisher::start(&origin.publish_url(KEY), 30);
    origin.segments("144p", 1).await;
    publisher.interrupt();
    let ended = eventually("EXT-X-ENDLIST", async || {
        let playlist = origin.playlist("144p", "").await;
        playlist.end_list.then_some(playlist)
    })
    .await;
    assert!(ended.preload_hints.is_empty() && ended.rendition_reports.is_empty());
    let full = origin.playlist("360p", "").await;
    assert_eq!(
        full.open_msn(),
        ended.open_msn(),
        "one rendition ends before another"
    );
    let last = ended.segments.last().unwrap();
    let path = format!("/live/demo/144p/{}", last.uri);
    assert_eq!(origin.get(&path).await.status, StatusCode::OK, "it lingers");
    assert!(!origin.get("/api/streams").await.text().contains("demo"));
    eventually("end of lingering", async || {
        let answer = origin.get("/live/demo/index.m3u8").await;
        (answer.status == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    assert_eq!(
        origin.metric("origin_window_bytes{stream=\"demo\"}").await,
        Some(0.0)
    );

    let _again = Publisher::start(&origin.publish_url(KEY), 30);
    let again = origin.segments("360p", 1).await;
    assert!(
        again.media_sequence >= ended.open_msn(),
        "a number is used twice"
    );
    assert!(again.discontinuity_sequence >= ended.discontinuity_sequence);
    assert!(!again.end_list);
}

/// A drain while a reload is held: the answer to it.
async fn drained_while_held(more: &str) -> Answer {
    let origin = Origin::start(&[("360p", 360, 700)], more).await;
    let _publisher = Publisher::start(&origin.publish_url(KEY), 30);
    let open = origin.segments("360p", 1).await.open_msn();
    let path = format!("/live/demo/360p/index.m3u8?_HLS_msn={}", open.plus(1));
    let (answer, ()) = tokio::join!(origin.get(&path), async {
        eventually("a held request", async || {
            let held = origin.metric("origin_http_held_requests").await?;
            (held >= 1.0).then_some(())
        })
        .await;
        origin.drain();
    });
    answer
}

#[tokio::test]
async fn a_drain_tells_who_is_held_to_come_again() {
    let answer = drained_while_held("").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "1");
    assert!(answer.text().contains("leaving"), "{}", answer.text());
}

#[tokio::test]
async fn a_drain_ends_streams_that_nobody_can_go_on_with() {
    let answer = drained_while_held("[packaging]\nstate_dir = \"\"\n").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(
        answer.text().ends_with("#EXT-X-ENDLIST\n"),
        "{}",
        answer.text()
    );
}
