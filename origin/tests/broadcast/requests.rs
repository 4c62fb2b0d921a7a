//! What is held, what is refused, and how answers look.

use std::sync::Arc;

use http::{Method, StatusCode};
use tokio::time::Instant;

use crate::harness::{KEY, Origin, Publisher, eventually};

#[tokio::test]
async fn reloads_and_hinted_parts_are_held_until_they_are_there() {
    let origin = Origin::start(&[("360p", 360, 700)], "").await;
    let _publisher = Publisher::start(&origin.publish_url(KEY), 30);
    origin.segments("360p", 1).await;

    for _ in 0..3 {
        let playlist = origin.playlist("360p", "").await;
        let hint = &playlist.preload_hints.last().unwrap().uri;
        let (open, parts) = (playlist.open_msn(), playlist.open.parts.len());
        let query = format!("?_HLS_msn={open}&_HLS_part={parts}");
        let path = format!("/live/demo/360p/{hint}");
        // Both ask for the same part, one by its name: both get it when it is there.
        let (reloaded, part) = tokio::join!(origin.playlist("360p", &query), origin.get(&path));
        assert_eq!(part.status, StatusCode::OK);
        assert_eq!(part.header("content-type"), "video/mp4");
        assert!(reloaded.segments.len() + reloaded.skipped_segments as usize > 0);
        let position = reloaded.position();
        let asked = hls::BlockUntil::Part(open, hls::PartIndex::new(parts as u32));
        assert!(position.has_reached(asked), "released before its part");
    }
    let blocking = origin.playlist("360p", "").await;
    let path = format!(
        "/live/demo/360p/index.m3u8?_HLS_msn={}",
        blocking.open_msn()
    );
    let answer = origin.get(&path).await;
    assert_eq!(answer.header("cache-control"), "max-age=12");
    let listed = hls::media::parse(answer.text()).unwrap();
    assert!(
        listed.open_msn() > blocking.open_msn(),
        "the segment is not complete"
    );
    let released = origin
        .metric("origin_blocked_reload_latency_seconds_count")
        .await;
    assert!(released.unwrap() >= 1.0);
}

#[tokio::test]
async fn impossible_requests_are_refused_at_once() {
    let origin = Origin::start(&[("360p", 360, 700)], "").await;
    let unknown = origin.get("/live/demo/index.m3u8").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let _publisher = Publisher::start(&origin.publish_url(KEY), 30);
    let playlist = origin.segments("360p", 1).await;
    let far = playlist.open_msn().plus(4);
    for (path, status) in [
        (format!("360p/index.m3u8?_HLS_msn={far}"), 400),
        ("360p/index.m3u8?_HLS_part=0".to_owned(), 400),
        ("360p/index.m3u8?_HLS_msn=x".to_owned(), 400),
        ("240p/index.m3u8".to_owned(), 404),
        (format!("360p/{far}.m4s"), 404),
        (format!("360p/{far}.0.m4s"), 404),
        ("360p/1.m4s".to_owned(), 404),
        ("360p/other.txt".to_owned(), 404),
    ] {
        let asked = Instant::now();
        let answer = origin.get(&format!("/live/demo/{path}")).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text());
        assert!(asked.elapsed().as_secs() < 2, "{path} was held");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.header("cache-control"), "max-age=1");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    }
    let elsewhere = origin.get("/live/other/index.m3u8").await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
    assert_eq!(origin.get("/").await.status, StatusCode::NOT_FOUND);

    let post = origin
        .request(Method::POST, "/live/demo/index.m3u8", &[])
        .await;
    assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(post.header("content-type"), "application/problem+json");
    let preflight = origin
        .request(Method::OPTIONS, "/live/demo/360p/index.m3u8", &[])
        .await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert!(
        preflight
            .header("access-control-allow-headers")
            .contains("Authorization")
    );
    let path = format!("/live/demo/360p/{}", playlist.segments[0].uri);
    let (head, whole) = (
        origin.request(Method::HEAD, &path, &[]).await,
        origin.get(&path).await,
    );
    assert_eq!(head.header("content-length"), whole.body.len().to_string());
    assert!(head.body.is_empty());
    let list = origin.get("/api/streams").await;
    for needle in [
        "\"name\":\"demo\"",
        "\"title\":\"A test\"",
        "\"passthrough\":true",
    ] {
        assert!(
            list.text().contains(needle),
            "{needle} not in {}",
            list.text()
        );
    }
}

#[tokio::test]
async fn nobody_is_held_for_ever_and_few_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let more = format!(
        "[transcode]\npreset = \"ultrafast\"\n[packaging]\nstate_dir = \"{}\"\n",
        directory.path().display()
    );
    let ladder = &[("360p", 360, 700)];
    let origin = Origin::start_with_one_place(ladder, &more).await;
    let publisher = Publisher::start(&origin.publish_url(KEY), 30);
    let open = origin.segments("360p", 1).await.open_msn();
    drop(publisher);
    origin.left_behind(directory.path()).await;
    // The stream is there, waits for its publisher, and has nothing to show yet.
    let origin = Arc::new(Origin::start_with_one_place(ladder, &more).await);
    let path = format!("/live/demo/360p/index.m3u8?_HLS_msn={open}");
    let held = {
        let (origin, path) = (Arc::clone(&origin), path.clone());
        tokio::spawn(async move { origin.get(&path).await })
    };
    eventually("a held request", async || {
        let held = origin.metric("origin_http_held_requests").await?;
        (held >= 1.0).then_some(())
    })
    .await;
    let refused = origin.get(&path).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        refused.text().contains("too many requests are held"),
        "{}",
        refused.text()
    );
    let answer = held.await.unwrap();
    assert_eq!(
        answer.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "after 3 Target Durations"
    );
    assert_eq!(answer.header("retry-after"), "1");
}
