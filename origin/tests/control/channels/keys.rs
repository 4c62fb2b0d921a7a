//! Keys, shown by encoders.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{KEY, Origin, Publisher, Setup, operator, post};

#[tokio::test]
async fn a_key_publishes_to_its_room() {
    let origin = Setup::new().encoder().start().await;
    origin.create("kitchen").await;
    let made = origin.key("kitchen", json!({ "label": "studio" })).await;
    let key = made.text("/key").to_owned();
    assert_eq!(made.text("/url"), format!("rtmp://localhost/live/{key}"));
    let _publisher = Publisher::start(&origin.publish_url(&key), 30);
    origin.live("kitchen").await;
    let path = "/v1/admin/rooms/kitchen";
    let room = origin.operate(operator(Method::GET, path)).await.is(200);
    assert_eq!(room.body["live"], true);
    assert!(room.body["started_at_ms"].is_u64());
    let list = origin
        .operate(operator(Method::GET, &format!("{path}/keys")))
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
    let origin = Setup::new().encoder().start().await;
    origin.create("kitchen").await;
    let made = origin.key("kitchen", json!({})).await;
    let path = format!("/v1/admin/rooms/kitchen/keys/{}", made.text("/id"));
    origin
        .operate(operator(Method::DELETE, &path))
        .await
        .is(204);
    let said = origin.refused(made.text("/key")).await;
    assert!(said.contains("no longer valid"), "{said}");
    let said = origin.refused("k-00000000000000000000000000000000").await;
    assert!(said.contains("the publish key is wrong"), "{said}");
    let refused = origin.metric("origin_ingest_connections_closed_total{reason=\"key_not_open\"}");
    assert_eq!(refused.await, Some(1.0));
}

#[tokio::test]
async fn keys_have_limits_and_the_same_again_is_the_same_key() {
    let origin = Origin::start().await;
    origin.create("kitchen").await;
    let path = "/v1/admin/rooms/kitchen/keys";
    let ask = |body: Value| operator(Method::POST, path).json(body);
    let first = origin.operate(ask(json!({})).once("a")).await.is(201);
    let again = origin.operate(ask(json!({})).once("a")).await.is(201);
    assert_eq!(first.body, again.body, "the key included");
    for (body, code) in [
        (json!({ "expires_in": 0 }), "bad-expiry"),
        (json!({ "label": "two\nlines" }), "bad-label"),
    ] {
        assert_eq!(origin.operate(ask(body)).await.refusal(), (422, code));
    }
    for _ in 1..16 {
        origin.operate(ask(json!({}))).await.is(201);
    }
    let more = origin.operate(ask(json!({}))).await;
    assert_eq!(more.refusal(), (409, "too-many"));
    let nowhere = origin
        .operate(operator(Method::POST, "/v1/admin/rooms/attic/keys").json(json!({})))
        .await;
    assert_eq!(nowhere.refusal(), (404, "unknown-room"));
}

/// The filters are asked about what the API did not make.
#[tokio::test]
async fn a_key_publishes_where_filters_decide_about_the_others() {
    let state = tempfile::tempdir().unwrap();
    let dir = state.path().display();
    let filters = format!(
        "[publish]\nauth = \"filters\"\n\
         [filters]\nenabled = true\nstate_dir = \"{dir}/filters\"\n\
         [filter_registry]\nenabled = true\ndir = \"{dir}/registry\"\n\
         tokens = [{{ name = \"ann\", token = \"0123456789abcdef\", role = \"operator\" }}]\n"
    );
    let origin = Setup::new().encoder().with(&filters).start().await;
    origin.create("kitchen").await;
    let made = origin.key("kitchen", json!({})).await;
    let key = made.text("/key");
    let _publisher = Publisher::start(&origin.publish_url(key), 30);
    origin.live("kitchen").await;
    let path = format!("/v1/admin/rooms/kitchen/keys/{}", made.text("/id"));
    let deleted = origin.operate(operator(Method::DELETE, &path)).await;
    deleted.is(204);
    no_longer_valid(&origin, key).await;
    // There is no filter that could say yes.
    let said = origin.refused(KEY).await;
    assert!(said.contains("cannot be authorised"), "{said}");
}

/// What an encoder is told, who shows a key that is none any more.
async fn no_longer_valid(origin: &Origin, key: &str) {
    let said = origin.refused(key).await;
    assert!(said.contains("no longer valid"), "{said}");
}

#[tokio::test]
async fn keys_go_with_the_owner_and_who_publishes_is_cut() {
    let origin = Setup::new().encoder().start().await;
    let (ana, ben) = (origin.register("Ana").await, origin.register("Ben").await);
    origin.create_for("kitchen", &ana).await;
    let keys = "/v1/rooms/kitchen/studio/keys";
    let key = async |token: &str| {
        let made = origin.ask(post(keys, json!({})).bearer(token)).await;
        made.is(201).text("/key").to_owned()
    };
    let hers = key(&ana.access).await;
    let mut publisher = Publisher::start(&origin.publish_url(&hers), 30);
    origin.live("kitchen").await;
    let change = async |body: Value| {
        let room = operator(Method::PATCH, "/v1/admin/rooms/kitchen");
        origin.operate(room.json(body)).await.is(200);
    };
    change(json!({ "title": "Kitchen" })).await;
    change(json!({ "owner": ana.id })).await;
    let ended = publisher.child.try_wait().unwrap();
    assert_eq!(ended, None, "it is hers still");
    change(json!({ "owner": ben.id })).await;
    publisher.exited().await;
    no_longer_valid(&origin, &hers).await;
    let his = key(&ben.access).await;
    let mut publisher = Publisher::start(&origin.publish_url(&his), 30);
    origin.live("kitchen").await;
    let block = format!("/v1/admin/users/{}/block", ben.id);
    origin.operate(operator(Method::POST, &block)).await.is(204);
    publisher.exited().await;
    no_longer_valid(&origin, &his).await;
    let unblock = format!("/v1/admin/users/{}/unblock", ben.id);
    let unblocked = origin.operate(operator(Method::POST, &unblock)).await;
    unblocked.is(204);
    no_longer_valid(&origin, &his).await;
}

#[tokio::test]
async fn keys_go_with_the_role_and_with_the_account() {
    let origin = Setup::new().encoder().start().await;
    let ana = origin.register("Ana").await;
    let user = format!("/v1/admin/users/{}", ana.id);
    let role = |room: &str| format!("{user}/roles/broadcaster?room={room}");
    let mut keys = Vec::new();
    for room in ["kitchen", "cellar", "roof", "garden"] {
        if room == "roof" {
            origin.create_for(room, &ana).await;
        } else {
            origin.create(room).await;
        }
        keys.push(origin.key(room, json!({})).await.text("/key").to_owned());
    }
    for room in ["kitchen", "cellar"] {
        let grant = operator(Method::PUT, &role(room));
        origin.operate(grant).await.is(200);
    }
    let revoke = operator(Method::DELETE, &role("kitchen"));
    origin.operate(revoke).await.is(200);
    no_longer_valid(&origin, &keys[0]).await;
    let active = async |room: &str| {
        let path = format!("/v1/admin/rooms/{room}/keys");
        let list = origin.operate(operator(Method::GET, &path)).await;
        list.is(200).body["keys"].as_array().unwrap().len()
    };
    assert_eq!((active("cellar").await, active("roof").await), (1, 1));
    let erase = operator(Method::DELETE, &user);
    origin.operate(erase).await.is(204);
    for key in &keys[1..3] {
        no_longer_valid(&origin, key).await;
    }
    assert_eq!(active("garden").await, 1, "somebody else's");
}
