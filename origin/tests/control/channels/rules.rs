//! Rooms that have rules of their own for what is sent to them.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Origin, Publisher, Setup, eventually, operator};

const ROOMS: &str = "/v1/admin/rooms";
const KITCHEN: &str = "/v1/admin/rooms/kitchen";

/// More than what is published has, of which only sizes have to be asked.
fn small() -> Value {
    json!({ "width_max": 320, "height_max": 180, "resolution_action": "cut" })
}

async fn create(origin: &Origin, rules: Value) -> Answer {
    let body = json!({ "name": "kitchen", "rules": rules });
    origin
        .operate(operator(Method::POST, ROOMS).json(body))
        .await
}

async fn change(origin: &Origin, room: &str, body: Value) -> Answer {
    let path = format!("{ROOMS}/{room}");
    origin
        .operate(operator(Method::PATCH, &path).json(body))
        .await
}

async fn url(origin: &Origin) -> String {
    let made = origin.key("kitchen", json!({})).await;
    origin.publish_url(made.text("/key"))
}

async fn cut_by(origin: &Origin, rule: &str, times: f64) {
    let line = format!("origin_ingest_connections_closed_total{{reason=\"{rule}\"}}");
    eventually("end by a rule", async || {
        (origin.metric(&line).await == Some(times)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_sends_more_than_the_room_takes_is_cut_and_told_why() {
    let origin = Setup::new().encoder().start().await;
    let rules = json!({
        "video_bitrate_max_kbps": 60,
        "video_bitrate_seconds": 2,
        "video_bitrate_action": "cut",
    });
    let made = create(&origin, rules.clone()).await.is(201);
    assert_eq!(made.body["rules"], rules, "as they were given");
    let mut publisher = Publisher::start(&url(&origin).await, 30);
    let (was_content, said) = publisher.exited().await;
    assert!(!was_content, "{said}");
    assert!(said.contains("60 kbit/s"), "{said}");
    cut_by(&origin, "rule_bitrate", 1.0).await;
    let logged = origin.audit();
    assert_eq!(logged[0]["details"]["rules"], rules);
}

#[tokio::test]
async fn rules_that_change_hold_at_once_and_over_a_restart() {
    let mut origin = Setup::new().encoder().start().await;
    create(&origin, json!({})).await.is(201);
    let key = origin.key("kitchen", json!({})).await;
    let key = key.text("/key");
    let mut publisher = Publisher::start(&origin.publish_url(key), 30);
    origin.live("kitchen").await;
    let changed = change(&origin, "kitchen", json!({ "rules": small() })).await;
    assert_eq!(changed.is(200).body["rules"], small());
    let (_, said) = publisher.exited().await;
    let words = "the picture is 640x360; at most 320x180 is taken";
    assert!(said.contains(words), "{said}");
    cut_by(&origin, "rule_resolution", 1.0).await;

    origin.restart().await;
    let look = operator(Method::GET, KITCHEN);
    let room = origin.operate(look).await.is(200);
    assert_eq!(room.body["rules"], small());
    let said = origin.refused(key).await;
    assert!(said.contains(words), "{said}");
    // Another title leaves them; none of its own are taken away.
    let changed = change(&origin, "kitchen", json!({ "title": "K" })).await;
    assert_eq!(changed.is(200).body["rules"], small());
    let changed = change(&origin, "kitchen", json!({ "rules": {} })).await;
    assert_eq!(changed.is(200).body["rules"], Value::Null);
    let _publisher = Publisher::start(&origin.publish_url(key), 30);
    origin.live("kitchen").await;
}

#[tokio::test]
async fn a_rooms_rules_are_over_those_of_all() {
    let all = "[ingest_rules]\nwidth_max = 320\nheight_max = 180\nresolution_action = \"cut\"\n";
    let origin = Setup::new().encoder().with(all).start().await;
    let own = json!({ "resolution_action": "warn" });
    create(&origin, own).await.is(201);
    origin.create("cellar").await;
    let _publisher = Publisher::start(&url(&origin).await, 30);
    origin.live("kitchen").await;
    let made = origin.key("cellar", json!({})).await;
    let said = origin.refused(made.text("/key")).await;
    assert!(said.contains("at most 320x180"), "{said}");
}

#[tokio::test]
async fn what_cannot_hold_is_refused_with_its_name() {
    let all = "[ingest_rules]\nkeyframe_interval_max_seconds = 4.0\n";
    let origin = Setup::new().with(all).start().await;
    let title = "{\"title\":\"K\"}";
    for (rules, status, code, named) in [
        (
            json!({ "video_bitrate_max_kbps": 49 }),
            422,
            "bad-rules",
            "rules.video_bitrate_max_kbps: must be 0 (none), or 50 to 1000000",
        ),
        (
            json!({ "video_bitrate_seconds": 61 }),
            422,
            "bad-rules",
            "rules.video_bitrate_seconds",
        ),
        (
            json!({ "width_max": 320 }),
            422,
            "bad-rules",
            "width_max and height_max go together",
        ),
        (
            json!({ "frame_rate_max": 0.5 }),
            422,
            "bad-rules",
            "rules.frame_rate_max",
        ),
        (
            json!({ "keyframe_interval_min_seconds": 5 }),
            422,
            "bad-rules",
            "rules.keyframe_interval_min_seconds: must not be above",
        ),
        (
            json!({ "pace_min_percent": 100 }),
            422,
            "bad-rules",
            "rules.pace_min_percent",
        ),
        (
            json!({ "pace_min_percent": -1 }),
            400,
            "malformed",
            "rules.pace_min_percent",
        ),
        (
            json!({ "pace_action": "shout" }),
            400,
            "malformed",
            "rules.pace_action",
        ),
        (json!({ "bitrate_max": 5 }), 400, "malformed", "bitrate_max"),
    ] {
        let refused = create(&origin, rules.clone()).await;
        assert_eq!(refused.refusal(), (status, code), "{rules}");
        assert!(refused.text("/detail").contains(named), "{refused:?}");
        let refused = change(&origin, "demo", json!({ "rules": rules })).await;
        assert_eq!(refused.refusal(), (status, code), "{rules}");
    }
    let unknown = operator(Method::GET, KITCHEN);
    let unknown = origin.operate(unknown).await;
    assert_eq!(unknown.refusal(), (404, "unknown-room"), "nothing was made");
    let configured = change(&origin, "demo", json!({ "rules": small() })).await;
    assert_eq!(configured.refusal(), (409, "configured"));
    create(&origin, small()).await.is(201);
    let path = operator(Method::PATCH, KITCHEN).field("content-type", "application/json");
    let changed = origin.operate(path.raw(title)).await.is(200);
    assert_eq!(changed.body["rules"], small());
}
