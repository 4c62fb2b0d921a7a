//! Keys, shown by encoders.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{DEMO_KEY, Origin, Publisher};

#[tokio::test]
async fn a_key_publishes_to_its_room() {
    let origin = Origin::start().await;
    origin.create("kitchen").await;
    let made = origin.key("kitchen", json!({ "label": "studio" })).await;
    let key = made.text("/key").to_owned();
    assert_eq!(made.text("/url"), format!("rtmp://localhost/live/{key}"));
    let _publisher = Publisher::start(&origin.publish_url(&key));
    origin.live("kitchen").await;
    let path = "/v1/admin/rooms/kitchen";
    let room = origin.operate(Method::GET, path, Value::Null).await.is(200);
    assert_eq!(room.body["live"], true);
    assert!(room.body["started_at_ms"].is_u64());
    let list = origin
        .operate(Method::GET, &format!("{path}/keys"), Value::Null)
        .await
        .is(200);
    assert!(!list.body.to_string().contains(&key), "shown once");
    assert_eq!(
        (list.text("/keys/0/state"), list.text("/keys/0/label")),
        ("active", "studio")
    );
    assert!(list.body["keys"][0]["last_used_at_ms"].is_u64());
    assert!(
        !origin
            .audit()
            .iter()
            .any(|line| line.to_string().contains(&key))
    );
}

#[tokio::test]
async fn a_key_that_opens_nothing_is_refused_with_a_reason() {
    let origin = Origin::start().await;
    origin.create("kitchen").await;
    let made = origin.key("kitchen", json!({})).await;
    let path = format!("/v1/admin/rooms/kitchen/keys/{}", made.text("/id"));
    origin
        .operate(Method::DELETE, &path, Value::Null)
        .await
        .is(204);
    let said = Publisher::start(&origin.publish_url(made.text("/key")))
        .exited()
        .await;
    assert!(said.contains("no longer valid"), "{said}");
    let said = Publisher::start(&origin.publish_url("k-00000000000000000000000000000000"));
    let said = { said }.exited().await;
    assert!(said.contains("the publish key is wrong"), "{said}");
    let refused = origin.metric("origin_ingest_connections_closed_total{reason=\"key_not_open\"}");
    assert_eq!(refused.await, Some(1.0));
}

#[tokio::test]
async fn one_that_is_good_once_is_used_once() {
    let origin = Origin::start().await;
    origin.create("kitchen").await;
    let made = origin
        .key("kitchen", json!({ "once": true, "expires_in": 3600 }))
        .await;
    assert!(made.body["expires_at_ms"].is_u64());
    let url = origin.publish_url(made.text("/key"));
    let first = Publisher::start(&url);
    origin.live("kitchen").await;
    drop(first);
    let said = Publisher::start(&url).exited().await;
    assert!(said.contains("good for one broadcast"), "{said}");
    let keys = "/v1/admin/rooms/kitchen/keys";
    let list = origin.operate(Method::GET, keys, Value::Null).await.is(200);
    assert_eq!(list.text("/keys/0/state"), "used");
}

#[tokio::test]
async fn keys_have_limits_and_the_same_again_is_the_same_key() {
    let origin = Origin::start().await;
    origin.create("kitchen").await;
    let path = "/v1/admin/rooms/kitchen/keys";
    let make = async |body: Value, key| origin.operate_once(Method::POST, path, body, key).await;
    let first = make(json!({}), Some("a")).await.is(201);
    let again = make(json!({}), Some("a")).await.is(201);
    assert_eq!(first.body, again.body, "the key included");
    for (body, code) in [
        (json!({ "expires_in": 0 }), "bad-expiry"),
        (json!({ "label": "two\nlines" }), "bad-label"),
    ] {
        assert_eq!(make(body, None).await.refusal(), (422, code));
    }
    for _ in 1..16 {
        make(json!({}), None).await.is(201);
    }
    assert_eq!(make(json!({}), None).await.refusal(), (409, "too-many"));
    let nowhere = origin
        .operate(Method::POST, "/v1/admin/rooms/attic/keys", json!({}))
        .await;
    assert_eq!(nowhere.refusal(), (404, "unknown-room"));
}

/// The filters are asked about what the API did not make.
#[tokio::test]
async fn a_key_publishes_where_filters_decide_about_the_others() {
    let state = tempfile::tempdir().unwrap();
    let dir = state.path().display();
    let origin = Origin::with(&format!(
        "[publish]\nauth = \"filters\"\n\
         [filters]\nenabled = true\nstate_dir = \"{dir}/filters\"\n\
         [filter_registry]\nenabled = true\ndir = \"{dir}/registry\"\n\
         tokens = [{{ name = \"ann\", token = \"0123456789abcdef\", role = \"operator\" }}]\n"
    ))
    .await;
    origin.create("kitchen").await;
    let made = origin.key("kitchen", json!({})).await;
    let url = origin.publish_url(made.text("/key"));
    let _publisher = Publisher::start(&url);
    origin.live("kitchen").await;
    let path = format!("/v1/admin/rooms/kitchen/keys/{}", made.text("/id"));
    origin
        .operate(Method::DELETE, &path, Value::Null)
        .await
        .is(204);
    let said = Publisher::start(&url).exited().await;
    assert!(said.contains("no longer valid"), "{said}");
    // There is no filter that could say yes.
    let said = Publisher::start(&origin.publish_url(DEMO_KEY));
    let said = { said }.exited().await;
    assert!(said.contains("cannot be authorised"), "{said}");
}

/// What an encoder is told, who shows a key that is none any more.
async fn refused(origin: &Origin, key: &str) {
    let said = Publisher::start(&origin.publish_url(key)).exited().await;
    assert!(said.contains("no longer valid"), "{said}");
}

#[tokio::test]
async fn keys_go_with_the_owner_and_who_publishes_is_cut() {
    let origin = Origin::start().await;
    let (ana, ana_token) = origin.register("Ana").await;
    let (ben, ben_token) = origin.register("Ben").await;
    let body = json!({ "name": "kitchen", "owner": ana });
    let made = origin.operate(Method::POST, "/v1/admin/rooms", body).await;
    made.is(201);
    let keys = "/v1/rooms/kitchen/studio/keys";
    let key = async |token: &str| {
        let made = origin.ask(Method::POST, keys, token, json!({})).await;
        made.is(201).text("/key").to_owned()
    };
    let hers = key(&ana_token).await;
    let mut publisher = Publisher::start(&origin.publish_url(&hers));
    origin.live("kitchen").await;
    let (room, title) = ("/v1/admin/rooms/kitchen", json!({ "title": "Kitchen" }));
    origin.operate(Method::PATCH, room, title).await.is(200);
    let same = json!({ "owner": ana });
    origin.operate(Method::PATCH, room, same).await.is(200);
    assert!(publisher.is_running(), "it is hers still");
    let to_ben = json!({ "owner": ben });
    origin.operate(Method::PATCH, room, to_ben).await.is(200);
    publisher.exited().await;
    refused(&origin, &hers).await;
    let his = key(&ben_token).await;
    let mut publisher = Publisher::start(&origin.publish_url(&his));
    origin.live("kitchen").await;
    let block = format!("/v1/admin/users/{ben}/block");
    let blocked = origin.operate(Method::POST, &block, Value::Null).await;
    blocked.is(204);
    publisher.exited().await;
    refused(&origin, &his).await;
    let unblock = format!("/v1/admin/users/{ben}/unblock");
    let unblocked = origin.operate(Method::POST, &unblock, Value::Null).await;
    unblocked.is(204);
    refused(&origin, &his).await;
}

#[tokio::test]
async fn keys_go_with_the_role_and_with_the_account() {
    let origin = Origin::start().await;
    let (ana, _) = origin.register("Ana").await;
    let user = format!("/v1/admin/users/{ana}");
    let role = |room: &str| format!("{user}/roles/broadcaster?room={room}");
    let mut keys = Vec::new();
    for room in ["kitchen", "cellar", "roof", "garden"] {
        let owner = (room == "roof").then_some(&ana);
        let body = json!({ "name": room, "owner": owner });
        let made = origin.operate(Method::POST, "/v1/admin/rooms", body).await;
        made.is(201);
        keys.push(origin.key(room, json!({})).await.text("/key").to_owned());
    }
    for room in ["kitchen", "cellar"] {
        let granted = origin.operate(Method::PUT, &role(room), Value::Null).await;
        granted.is(200);
    }
    let path = role("kitchen");
    let revoked = origin.operate(Method::DELETE, &path, Value::Null).await;
    revoked.is(200);
    refused(&origin, &keys[0]).await;
    let active = async |room: &str| {
        let path = format!("/v1/admin/rooms/{room}/keys");
        let list = origin.operate(Method::GET, &path, Value::Null).await;
        list.is(200).body["keys"].as_array().unwrap().len()
    };
    assert_eq!((active("cellar").await, active("roof").await), (1, 1));
    let erased = origin.operate(Method::DELETE, &user, Value::Null).await;
    erased.is(204);
    for key in &keys[1..3] {
        refused(&origin, key).await;
    }
    assert_eq!(active("garden").await, 1, "somebody else's");
}
