//! Rooms: made, listed, changed, deleted.

use http::Method;
use serde_json::json;

use crate::harness::{Origin, operator};

#[tokio::test]
async fn a_room_is_made_and_shown() {
    let origin = Origin::start().await;
    let made = origin.create("kitchen").await;
    assert_eq!(made.body["state"], "open");
    assert_eq!(
        (&made.body["live"], &made.body["source"]),
        (&json!(false), &json!("api"))
    );
    let again = origin
        .operate(operator(Method::POST, "/v1/admin/rooms").json(json!({ "name": "kitchen" })));
    assert_eq!(again.await.refusal(), (409, "room-taken"));
    let configured =
        origin.operate(operator(Method::POST, "/v1/admin/rooms").json(json!({ "name": "demo" })));
    assert_eq!(configured.await.refusal(), (409, "room-taken"));
    let bad =
        origin.operate(operator(Method::POST, "/v1/admin/rooms").json(json!({ "name": "a/b" })));
    assert_eq!(bad.await.refusal(), (422, "bad-name"));
    let unknown =
        origin.operate(operator(Method::POST, "/v1/admin/rooms").json(json!({ "names": "a" })));
    assert_eq!(unknown.await.refusal(), (400, "malformed"));
    let list = origin
        .operate(operator(Method::GET, "/v1/admin/rooms?limit=1"))
        .await
        .is(200);
    assert_eq!(
        (list.text("/rooms/0/name"), list.text("/next")),
        ("demo", "demo")
    );
    assert_eq!(list.text("/rooms/0/source"), "config");
    assert_eq!(list.text("/rooms/0/title"), "A test");
    let rest = origin
        .operate(operator(Method::GET, "/v1/admin/rooms?after=demo"))
        .await
        .is(200);
    assert_eq!(rest.text("/rooms/0/name"), "kitchen");
    let change = json!({ "title": "Kitchen" });
    let path = "/v1/admin/rooms/kitchen";
    let changed = origin
        .operate(operator(Method::PATCH, path).json(change.clone()))
        .await
        .is(200);
    assert_eq!(changed.text("/title"), "Kitchen");
    let refused = origin
        .operate(operator(Method::PATCH, "/v1/admin/rooms/demo").json(change))
        .await;
    assert_eq!(refused.refusal(), (409, "configured"));
    let refused = origin
        .operate(operator(Method::DELETE, "/v1/admin/rooms/demo"))
        .await;
    assert_eq!(refused.refusal(), (409, "configured"));
    origin.operate(operator(Method::DELETE, path)).await.is(204);
    let gone = origin.operate(operator(Method::GET, path)).await;
    assert_eq!(gone.refusal(), (404, "unknown-room"));
    let acts: Vec<_> = origin
        .audit()
        .iter()
        .map(|line| line["act"].clone())
        .collect();
    assert_eq!(acts, ["room-create", "room-change", "room-delete"]);
}

#[tokio::test]
async fn the_same_again_is_the_same_room() {
    let mut origin = Origin::start().await;
    let (path, body) = ("/v1/admin/rooms", json!({ "name": "kitchen" }));
    let first = origin
        .operate(operator(Method::POST, path).json(body.clone()).once("k"))
        .await
        .is(201);
    let again = origin
        .operate(operator(Method::POST, path).json(body).once("k"))
        .await
        .is(201);
    assert_eq!(first.body, again.body);
    let other = origin
        .operate(
            operator(Method::POST, path)
                .json(json!({ "name": "b" }))
                .once("k"),
        )
        .await;
    assert_eq!(other.refusal(), (409, "idempotency-reused"));
    origin.restart().await;
    let kept = origin
        .operate(operator(Method::GET, "/v1/admin/rooms/kitchen"))
        .await;
    assert_eq!(
        kept.is(200).body["created_at_ms"],
        first.body["created_at_ms"]
    );
}

#[tokio::test]
async fn there_is_chat_in_an_open_room_alone() {
    let origin = Origin::start().await;
    // The hub's own page: it opens the room if it is known.
    let look = async || {
        origin
            .operate(operator(Method::GET, "/v1/rooms/kitchen"))
            .await
    };
    assert_eq!(look().await.status.as_u16(), 404);
    origin.create("kitchen").await;
    let epoch = look().await.is(200).body["epoch"].as_u64().unwrap();
    let stop = "/v1/admin/rooms/kitchen/stop";
    origin
        .operate(operator(Method::POST, stop).json(json!({ "reason": "enough" })))
        .await
        .is(200);
    assert_eq!(look().await.status.as_u16(), 404);
    let start = "/v1/admin/rooms/kitchen/start";
    origin.operate(operator(Method::POST, start)).await.is(200);
    let later = look().await.is(200).body["epoch"].as_u64().unwrap();
    assert!(later > epoch, "a new life of the room");
}

#[tokio::test]
async fn what_changes_nothing_is_not_written_down() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    origin.create("kitchen").await;
    let path = "/v1/admin/rooms/kitchen";
    let (stop, start) = (format!("{path}/stop"), format!("{path}/start"));
    for call in [
        operator(Method::PATCH, path).json(json!({ "title": "Kitchen", "owner": ana.id })),
        operator(Method::POST, &stop).json(json!({ "reason": "enough" })),
        operator(Method::POST, &start),
    ] {
        for _ in 0..3 {
            origin.operate(call.clone()).await.is(200);
        }
    }
    let lines = origin.audit();
    let acts: Vec<_> = lines.iter().map(|it| it["act"].as_str().unwrap()).collect();
    assert_eq!(
        acts,
        ["room-create", "room-change", "room-stop", "room-start"]
    );
}
