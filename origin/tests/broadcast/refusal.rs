//! Who may not publish, and who may not play.

use http::StatusCode;
use playback_token::{Key, Keyring, Scope};

use crate::harness::{KEY, Origin, Publisher, eventually};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_wrong_key_is_refused_before_media() {
    let origin = Origin::start(&[("360p", 360, 700)], "").await;
    let mut publisher = Publisher::start(&origin.publish_url("not-the-key"), 30);
    let (was_content, said) = publisher.exited().await;
    assert!(!was_content, "{said}");
    let closed = "origin_ingest_connections_closed_total{reason=\"wrong_key\"}";
    assert_eq!(origin.metric(closed).await, Some(1.0));
    let media = origin
        .metric("origin_ingest_bytes_total{stream=\"demo\"}")
        .await;
    assert_eq!(media, None, "media was taken");
    assert_eq!(
        origin.get("/live/demo/index.m3u8").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn another_codec_is_refused() {
    let origin = Origin::start(&[("360p", 360, 700)], "").await;
    let mp3 = ["-c:a", "libmp3lame", "-ar", "44100"];
    let mut publisher = Publisher::with(&origin.publish_url(KEY), 30, &mp3);
    let (was_content, said) = publisher.exited().await;
    assert!(!was_content, "{said}");
    eventually("end by the stream", async || {
        let closed = "origin_ingest_connections_closed_total{reason=\"ended\"}";
        origin.metric(closed).await
    })
    .await;
    assert_eq!(
        origin.get("/live/demo/index.m3u8").await.status,
        StatusCode::NOT_FOUND
    );
}

/// Without an auth filter nobody gets in, whatever the token. What filters and tiers do is tested
/// end to end, in tests/tests/auth.rs.
#[tokio::test]
async fn playback_by_filters_is_closed_until_there_is_one() {
    let state = tempfile::tempdir().unwrap();
    let dir = state.path().display();
    let more = format!(
        "[playback]\nauth = \"filters\"\ntoken_keys = [\"{SECRET}\"]\n\
         [filters]\nenabled = true\nstate_dir = \"{dir}/filters\"\n\
         [filter_registry]\nenabled = true\ndir = \"{dir}/registry\"\n\
         tokens = [{{ name = \"ann\", token = \"0123456789abcdef\", role = \"operator\" }}]\n"
    );
    let origin = Origin::start(&[("360p", 360, 700)], &more).await;
    let keys = Keyring::new([Key::new(None, SECRET.as_bytes()).unwrap()]).unwrap();
    let scope = Scope::Stream("demo".to_owned());
    let token = keys.sign(&scope, u64::MAX).unwrap();
    for path in [
        "/live/demo/index.m3u8".to_owned(),
        format!("/live/demo/index.m3u8?token={token}"),
    ] {
        let refused = origin.get(&path).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(refused.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn without_ffmpeg_the_broadcast_is_ended() {
    let more = "[transcode]\nffmpeg = \"/nonexistent/ffmpeg\"\nfailures_max = 2\n";
    let origin = Origin::start(&[("240p", 240, 300)], more).await;
    let mut publisher = Publisher::start(&origin.publish_url(KEY), 30);
    let (was_content, said) = publisher.exited().await;
    assert!(!was_content, "{said}");
    let list = origin.get("/api/streams").await;
    assert!(!list.text().contains("demo"), "{}", list.text());
}
