//! How a stream is, from its publisher to JSON and metrics.

use http::StatusCode;
use serde_json::Value;

use crate::harness::{KEY, Origin, Publisher, eventually};

const TOKEN: &str = "operator-of-the-test";
const PATH: &str = "/v1/streams/demo/health";

#[tokio::test]
async fn a_stream_is_looked_at_from_its_publisher_to_its_parts() {
    let ladder = [("360p", 360, 700), ("180p", 180, 300)];
    let origin = Origin::start_with_token(&ladder, TOKEN).await;
    let publisher = Publisher::start(&origin.publish_url(KEY), 60);
    let health = eventually("figures of everything", async || {
        let answer = origin.admin(PATH, Some(TOKEN)).await;
        let json: Value = serde_json::from_slice(&answer.body).ok()?;
        let now = json.get("now")?;
        let known = [
            "bitrate_kbps",
            "pace",
            "av_offset_ms",
            "latency_p99_ms",
            "round_trip_ms",
        ];
        known
            .iter()
            .all(|name| now[name].is_number())
            .then_some(json)
    })
    .await;
    assert_eq!(health["name"], "demo");
    assert_eq!(health["publisher"]["transport"], "rtmp");
    assert!(
        health["publisher"]["encoder"]
            .as_str()
            .unwrap()
            .starts_with("Lavf"),
        "{health}"
    );
    assert_eq!(
        (&health["source"]["width"], &health["source"]["height"]),
        (&640.into(), &360.into())
    );
    assert_eq!(health["now"]["rungs"][0]["name"], "180p");
    assert!(health["media_sequence_number"].as_u64() > Some(0));
    let rate = health["now"]["frame_rate"].as_f64().unwrap();
    assert!((20.0..40.0).contains(&rate), "{rate}");
    let row = health["history"]["frame_rate"].as_array().unwrap().len();
    assert!((2..=300).contains(&row), "{row}");

    let gauge = "origin_stream_state{stream=\"demo\"}";
    assert!(origin.metric(gauge).await.is_some());
    publisher.interrupt();
    eventually("the end of its gauges", async || {
        origin.metric(gauge).await.is_none().then_some(())
    })
    .await;
    let after = origin.admin(PATH, Some(TOKEN)).await;
    let after: Value = serde_json::from_slice(&after.body).unwrap();
    assert_eq!(
        (&after["live"], &after["publisher"]),
        (&false.into(), &Value::Null)
    );
}

#[tokio::test]
async fn figures_are_for_who_has_the_token_and_the_page_has_none() {
    let origin = Origin::start_with_token(&[("360p", 360, 700)], TOKEN).await;
    for (path, token, status) in [
        (PATH, None, StatusCode::UNAUTHORIZED),
        (
            PATH,
            Some("another-token-of-somebody"),
            StatusCode::UNAUTHORIZED,
        ),
        ("/v1/streams/health", None, StatusCode::UNAUTHORIZED),
        (
            "/v1/streams/nobody/health",
            Some(TOKEN),
            StatusCode::NOT_FOUND,
        ),
        ("/v1/streams/health", Some(TOKEN), StatusCode::OK),
        ("/streams", None, StatusCode::OK),
        ("/streams/demo", None, StatusCode::OK),
        ("/assets/none.js", None, StatusCode::NOT_FOUND),
    ] {
        let answer = origin.admin(path, token).await;
        assert_eq!(answer.status, status, "{path}");
    }
    let page = origin.admin("/streams", None).await;
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';"),
        "{policy}"
    );
}
