//! Stopping a room cuts publisher and viewers off, and starting it lets them in again.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::json;

use crate::harness::{KEY, Origin, Publisher, Setup, eventually, operator, stranger};

/// From the request to stop on.
const CUT_WITHIN: Duration = Duration::from_secs(1);

async fn stops_and_starts(origin: &Origin, room: &str, key: &str) {
    let url = origin.publish_url(key);
    let mut publisher = Publisher::start(&url, 30);
    origin.live(room).await;
    let playlist = format!("/live/{room}/360p/index.m3u8");
    let path = format!("/v1/admin/rooms/{room}");
    let since = Instant::now();
    let ask = json!({ "reason": "the kettle boils over" });
    let stopped = origin
        .operate(operator(Method::POST, &format!("{path}/stop")).json(ask))
        .await
        .is(200);
    assert_eq!(stopped.text("/state"), "stopped");
    for page in [&playlist, &format!("/live/{room}/index.m3u8")] {
        assert_eq!(origin.status(page).await, StatusCode::NOT_FOUND, "{page}");
    }
    assert!(since.elapsed() < CUT_WITHIN, "{:?}", since.elapsed());
    let closed = "origin_ingest_connections";
    eventually("end of the publisher's connection", async || {
        (origin.metric(closed).await == Some(0.0)).then_some(())
    })
    .await;
    // Nothing of it is taken any more; the farewell may have its second.
    assert!(since.elapsed() < 2 * CUT_WITHIN, "{:?}", since.elapsed());
    publisher.exited().await;
    let said = origin.refused(key).await;
    assert!(
        said.contains("the room is stopped: the kettle boils over"),
        "{said}"
    );
    assert_eq!(origin.status(&playlist).await, StatusCode::NOT_FOUND);
    let started = origin
        .operate(operator(Method::POST, &format!("{path}/start")))
        .await;
    assert_eq!(started.is(200).text("/state"), "open");
    let mut publisher = Publisher::start(&url, 30);
    origin.live(room).await;
    assert_eq!(publisher.child.try_wait().unwrap(), None, "it goes on");
}

#[tokio::test]
async fn a_room_of_the_api_is_stopped_and_started() {
    let origin = Setup::new().encoder().start().await;
    origin.create("kitchen").await;
    let made = origin.key("kitchen", json!({})).await;
    stops_and_starts(&origin, "kitchen", made.text("/key")).await;
}

#[tokio::test]
async fn a_configured_stream_is_stopped_and_started() {
    let origin = Setup::new().encoder().start().await;
    stops_and_starts(&origin, "demo", KEY).await;
}

#[tokio::test]
async fn a_room_stays_stopped_over_a_restart_and_a_deleted_one_is_cut() {
    let mut origin = Setup::new().encoder().start().await;
    origin.create("kitchen").await;
    origin
        .operate(operator(Method::POST, "/v1/admin/rooms/demo/stop"))
        .await
        .is(200);
    origin.restart().await;
    let said = origin.refused(KEY).await;
    assert!(said.contains("the room is stopped"), "{said}");
    let made = origin.key("kitchen", json!({})).await;
    let mut publisher = Publisher::start(&origin.publish_url(made.text("/key")), 30);
    origin.live("kitchen").await;
    let path = "/v1/admin/rooms/kitchen";
    origin.operate(operator(Method::DELETE, path)).await.is(204);
    assert_eq!(
        origin.status("/live/kitchen/index.m3u8").await,
        StatusCode::NOT_FOUND
    );
    publisher.exited().await;
}

#[tokio::test]
async fn who_waits_for_a_part_is_told_at_once() {
    let origin = Setup::new().encoder().start().await;
    let _publisher = Publisher::start(&origin.publish_url(KEY), 30);
    origin.live("demo").await;
    let playlist = "/live/demo/360p/index.m3u8";
    let page = origin.ask(stranger(playlist)).await.page;
    let open = hls::media::parse(&page).unwrap().open_msn();
    let held = format!("{playlist}?_HLS_msn={}", open.plus(1));
    let (answer, ()) = tokio::join!(origin.status(&held), async {
        eventually("a held request", async || {
            let held = origin.metric("origin_http_held_requests").await?;
            (held >= 1.0).then_some(())
        })
        .await;
        let stop = "/v1/admin/rooms/demo/stop";
        origin.operate(operator(Method::POST, stop)).await.is(200);
    });
    assert_eq!(answer, StatusCode::NOT_FOUND);
}

/// The store may take as long as it likes: here it is cut at once, and stays cut.
#[tokio::test]
async fn a_stop_does_not_wait_for_the_store() {
    let setup = Setup::new().encoder().store("timeout_ms = 3000\n");
    let origin = setup.start().await;
    origin.create("kitchen").await;
    let made = origin.key("kitchen", json!({})).await;
    let key = made.text("/key");
    let mut publisher = Publisher::start(&origin.publish_url(key), 30);
    origin.live("kitchen").await;
    let held = origin.hold("rooms.db");
    let since = Instant::now();
    let path = "/v1/admin/rooms/kitchen";
    let stop = operator(Method::POST, &format!("{path}/stop"));
    let stop = origin.operate(stop.json(json!({ "reason": "fire" })));
    let (stopped, ()) = tokio::join!(stop, async {
        eventually("end of the picture", async || {
            let status = origin.status("/live/kitchen/index.m3u8").await;
            (status == StatusCode::NOT_FOUND).then_some(())
        })
        .await;
        assert!(since.elapsed() < CUT_WITHIN, "{:?}", since.elapsed());
    });
    let stopped = stopped.is(503);
    assert!(stopped.text("/detail").contains("off"), "{stopped:?}");
    publisher.exited().await;
    let start = operator(Method::POST, &format!("{path}/start"));
    origin.operate(start.clone()).await.is(503);
    let logged = origin.audit();
    assert_eq!(
        logged.last().unwrap()["act"],
        "room-stop",
        "nothing started"
    );
    drop(held);
    // In the store it is open, and its key is good.
    let said = origin.refused(key).await;
    assert!(said.contains("the room is stopped: fire"), "{said}");
    let room = origin.operate(operator(Method::GET, path)).await.is(200);
    assert_eq!(
        (room.text("/state"), room.text("/reason")),
        ("stopped", "fire")
    );
    let chat = origin.operate(operator(Method::GET, "/v1/rooms/kitchen"));
    assert_eq!(chat.await.status, StatusCode::NOT_FOUND);
    let started = origin.operate(start).await;
    assert_eq!(started.is(200).text("/state"), "open");
    let _publisher = Publisher::start(&origin.publish_url(key), 30);
    origin.live("kitchen").await;
}

#[tokio::test]
async fn a_lingering_stream_is_cut() {
    let origin = Setup::new().encoder().start().await;
    let publisher = Publisher::start(&origin.publish_url(KEY), 30);
    origin.live("demo").await;
    let playlist = "/live/demo/360p/index.m3u8";
    drop(publisher);
    // It lingers for a minute.
    assert_eq!(origin.status(playlist).await, StatusCode::OK);
    origin
        .operate(operator(Method::POST, "/v1/admin/rooms/demo/stop"))
        .await
        .is(200);
    assert_eq!(origin.status(playlist).await, StatusCode::NOT_FOUND);
}
