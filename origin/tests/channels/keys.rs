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
