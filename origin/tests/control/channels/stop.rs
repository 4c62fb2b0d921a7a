//! Stopping a room cuts publisher and viewers off, and starting it lets them in again.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{DEMO_KEY, Origin, Publisher, eventually};

/// From the request to stop on.
const CUT_WITHIN: Duration = Duration::from_secs(1);

async fn stops_and_starts(origin: &Origin, room: &str, key: &str) {
    let url = origin.publish_url(key);
    let mut publisher = Publisher::start(&url);
    origin.live(room).await;
    let playlist = format!("/live/{room}/360p/index.m3u8");
    let path = format!("/v1/admin/rooms/{room}");
    let since = Instant::now();
    let ask = json!({ "reason": "the kettle boils over" });
    let stopped = origin
        .operate(Method::POST, &format!("{path}/stop"), ask)
        .await
        .is(200);
    assert_eq!(stopped.text("/state"), "stopped");
    for page in [&playlist, &format!("/live/{room}/index.m3u8")] {
        assert_eq!(origin.get(page).await, StatusCode::NOT_FOUND, "{page}");
    }
    assert!(since.elapsed() < CUT_WITHIN, "{:?}", since.elapsed());
    let closed = "origin_ingest_connections ";
    eventually("end of the publisher's connection", async || {
        (origin.metric(closed).await == Some(0.0)).then_some(())
    })
    .await;
    // Nothing of it is taken any more; the farewell may have its second.
    assert!(since.elapsed() < 2 * CUT_WITHIN, "{:?}", since.elapsed());
    publisher.exited().await;
    let said = Publisher::start(&url).exited().await;
    assert!(
        said.contains("the room is stopped: the kettle boils over"),
        "{said}"
    );
    assert_eq!(origin.get(&playlist).await, StatusCode::NOT_FOUND);
    let started = origin
        .operate(Method::POST, &format!("{path}/start"), Value::Null)
        .await;
    assert_eq!(started.is(200).text("/state"), "open");
    let mut publisher = Publisher::start(&url);
    origin.live(room).await;
    assert!(publisher.is_running());
}

#[tokio::test]
async fn a_room_of_the_api_is_stopped_and_started() {
    let origin = Origin::start().await;
    origin.create("kitchen").await;
    let made = origin.key("kitchen", json!({})).await;
    stops_and_starts(&origin, "kitchen", made.text("/key")).await;
}

#[tokio::test]
async fn a_configured_stream_is_stopped_and_started() {
    let origin = Origin::start().await;
    stops_and_starts(&origin, "demo", DEMO_KEY).await;
}

#[tokio::test]
async fn a_room_stays_stopped_over_a_restart_and_a_deleted_one_is_cut() {
    let mut origin = Origin::start().await;
    origin.create("kitchen").await;
    origin
        .operate(Method::POST, "/v1/admin/rooms/demo/stop", Value::Null)
        .await
        .is(200);
    origin.restart().await;
    let said = Publisher::start(&origin.publish_url(DEMO_KEY))
        .exited()
        .await;
    assert!(said.contains("the room is stopped"), "{said}");
    let made = origin.key("kitchen", json!({})).await;
    let mut publisher = Publisher::start(&origin.publish_url(made.text("/key")));
    origin.live("kitchen").await;
    let path = "/v1/admin/rooms/kitchen";
    origin
        .operate(Method::DELETE, path, Value::Null)
        .await
        .is(204);
    assert_eq!(
        origin.get("/live/kitchen/index.m3u8").await,
        StatusCode::NOT_FOUND
    );
    publisher.exited().await;
}

#[tokio::test]
async fn who_waits_for_a_part_is_told_at_once() {
    let origin = Origin::start().await;
    let _publisher = Publisher::start(&origin.publish_url(DEMO_KEY));
    origin.live("demo").await;
    let playlist = "/live/demo/360p/index.m3u8";
    let text = origin.text(playlist).await;
    let open = hls::media::parse(&text).unwrap().open_msn();
    let held = format!("{playlist}?_HLS_msn={}", open.plus(1));
    let (answer, ()) = tokio::join!(origin.get(&held), async {
        eventually("a held request", async || {
            let held = origin.metric("origin_http_held_requests ").await?;
            (held >= 1.0).then_some(())
        })
        .await;
        let stop = "/v1/admin/rooms/demo/stop";
        origin
            .operate(Method::POST, stop, Value::Null)
            .await
            .is(200);
    });
    assert_eq!(answer, StatusCode::NOT_FOUND);
}

/// The store may take as long as it likes: here it is cut at once, and stays cut.
#[tokio::test]
async fn a_stop_does_not_wait_for_the_store() {
    let origin = Origin::with("timeout_ms = 3000\n").await;
    origin.create("kitchen").await;
    let made = origin.key("kitchen", json!({})).await;
    let url = origin.publish_url(made.text("/key"));
    let mut publisher = Publisher::start(&url);
    origin.live("kitchen").await;
    let held = origin.hold_rooms();
    let since = Instant::now();
    let path = "/v1/admin/rooms/kitchen";
    let stop = format!("{path}/stop");
    let stop = origin.operate(Method::POST, &stop, json!({ "reason": "fire" }));
    let (stopped, ()) = tokio::join!(stop, async {
        eventually("end of the picture", async || {
            let status = origin.get("/live/kitchen/index.m3u8").await;
            (status == StatusCode::NOT_FOUND).then_some(())
        })
        .await;
        assert!(since.elapsed() < CUT_WITHIN, "{:?}", since.elapsed());
    });
    let stopped = stopped.is(503);
    assert!(stopped.text("/detail").contains("off"), "{stopped:?}");
    publisher.exited().await;
    let start = format!("{path}/start");
    let started = origin.operate(Method::POST, &start, Value::Null).await;
    started.is(503);
    let logged = origin.audit();
    assert_eq!(
        logged.last().unwrap()["act"],
        "room-stop",
        "nothing started"
    );
    drop(held);
    // In the store it is open, and its key is good.
    let said = Publisher::start(&url).exited().await;
    assert!(said.contains("the room is stopped: fire"), "{said}");
    let room = origin.operate(Method::GET, path, Value::Null).await.is(200);
    assert_eq!(
        (room.text("/state"), room.text("/reason")),
        ("stopped", "fire")
    );
    let chat = origin.operate(Method::GET, "/v1/rooms/kitchen", Value::Null);
    assert_eq!(chat.await.status, StatusCode::NOT_FOUND);
    let started = origin.operate(Method::POST, &start, Value::Null).await;
    assert_eq!(started.is(200).text("/state"), "open");
    let _publisher = Publisher::start(&url);
    origin.live("kitchen").await;
}

#[tokio::test]
async fn a_lingering_stream_is_cut() {
    let origin = Origin::start().await;
    let publisher = Publisher::start(&origin.publish_url(DEMO_KEY));
    origin.live("demo").await;
    let playlist = "/live/demo/360p/index.m3u8";
    drop(publisher);
    // It lingers for a minute.
    assert_eq!(origin.get(playlist).await, StatusCode::OK);
    origin
        .operate(Method::POST, "/v1/admin/rooms/demo/stop", Value::Null)
        .await
        .is(200);
    assert_eq!(origin.get(playlist).await, StatusCode::NOT_FOUND);
}
