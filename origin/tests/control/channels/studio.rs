//! What broadcasters do with rooms of their own.

use http::Method;
use serde_json::json;

use crate::harness::{Origin, Someone, call, get, operator, post};

#[tokio::test]
async fn an_owner_has_a_studio_and_others_have_not() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let ben = origin.register("Ben").await;
    let unknown = json!({ "name": "kitchen", "owner": format!("u-{}", "0".repeat(32)) });
    let refused = origin
        .operate(operator(Method::POST, "/v1/admin/rooms").json(unknown))
        .await;
    assert_eq!(refused.refusal(), (404, "unknown-account"));
    let body = json!({ "name": "kitchen", "owner": ana.id });
    let made = origin
        .operate(operator(Method::POST, "/v1/admin/rooms").json(body))
        .await
        .is(201);
    assert_eq!(made.text("/owner"), ana.id);
    let studio = "/v1/rooms/kitchen/studio";
    let look = async |token: &str| origin.ask(get(studio).bearer(token)).await;
    assert_eq!(look(&ana.access).await.is(200).text("/name"), "kitchen");
    assert_eq!(look(&ben.access).await.refusal(), (403, "forbidden"));
    assert_eq!(look("nothing").await.refusal(), (401, "signed-out"));
    let keys = format!("{studio}/keys");
    let key = origin
        .ask(post(&keys, json!({})).bearer(&ana.access))
        .await
        .is(201);
    let refused = origin.ask(post(&keys, json!({})).bearer(&ben.access)).await;
    assert_eq!(refused.refusal(), (403, "forbidden"));
    let one = format!("{keys}/{}", key.text("/id"));
    origin
        .ask(call(Method::DELETE, &one).bearer(&ana.access))
        .await
        .is(204);
    let list = origin.ask(get(&keys).bearer(&ana.access)).await.is(200);
    assert_eq!(list.body, json!({ "keys": [] }));
    let stop = format!("{studio}/stop");
    let stopped = origin
        .ask(post(&stop, json!({ "reason": "tea" })).bearer(&ana.access))
        .await;
    assert_eq!(stopped.is(200).text("/reason"), "tea");
    let start = format!("{studio}/start");
    origin
        .ask(call(Method::POST, &start).bearer(&ana.access))
        .await
        .is(200);
    // The staff's pages are not theirs.
    let refused = origin.ask(get("/v1/admin/rooms").bearer(&ana.access)).await;
    assert_eq!(refused.refusal(), (403, "forbidden"));
}

#[tokio::test]
async fn a_room_that_is_handed_over_has_another_studio() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let ben = origin.register("Ben").await;
    let body = json!({ "name": "kitchen", "owner": ana.id });
    let made = origin
        .operate(operator(Method::POST, "/v1/admin/rooms").json(body))
        .await;
    made.is(201);
    let studio = "/v1/rooms/kitchen/studio";
    let look = async |token: &str| origin.ask(get(studio).bearer(token)).await;
    let path = "/v1/admin/rooms/kitchen";
    let user_path = format!("/v1/admin/users/{}", ben.id);
    origin
        .operate(operator(Method::PATCH, path).json(json!({ "owner": ben.id })))
        .await
        .is(200);
    assert_eq!(look(&ana.access).await.refusal(), (403, "forbidden"));
    look(&ben.access).await.is(200);
    let user = origin.operate(operator(Method::GET, &user_path)).await;
    assert_eq!(
        user.is(200).body["rooms"],
        json!({ "kitchen": ["broadcaster"] })
    );
    origin.operate(operator(Method::DELETE, path)).await.is(204);
    let user = origin.operate(operator(Method::GET, &user_path)).await;
    assert_eq!(
        user.is(200).body["rooms"],
        json!({}),
        "a role in what is not there"
    );
}

/// Everybody stops a room who keeps order there. Whom staff stopped, only staff let in again.
#[tokio::test]
async fn who_stopped_a_room_says_who_starts_it() {
    let origin = Origin::start().await;
    let (ana, moe) = (origin.register("Ana").await, origin.register("Moe").await);
    let ben = origin.register("Ben").await;
    origin.create_for("kitchen", &ana).await;
    let role = format!("/v1/admin/users/{}/roles/moderator?room=kitchen", moe.id);
    origin.operate(operator(Method::PUT, &role)).await.is(200);
    let admin = "/v1/admin/rooms/kitchen";
    let staff = async |act: &str| {
        let path = format!("{admin}/{act}");
        origin.operate(operator(Method::POST, &path)).await
    };
    let own = async |who: &Someone, act: &str| {
        let path = format!("/v1/rooms/kitchen/studio/{act}");
        let call = call(Method::POST, &path).bearer(&who.access);
        origin.ask(call).await
    };
    // A moderator's stop counts, and the broadcaster lifts it.
    let stopped = own(&moe, "stop").await.is(200);
    assert_eq!(stopped.text("/stopped_by"), "moderator");
    assert_eq!(own(&moe, "start").await.refusal(), (403, "forbidden"));
    assert_eq!(own(&ben, "stop").await.refusal(), (403, "forbidden"));
    let started = own(&ana, "start").await.is(200);
    assert_eq!(started.body.get("stopped_by"), None);
    // Staff's stop is not, nor taken over.
    assert_eq!(staff("stop").await.is(200).text("/stopped_by"), "staff");
    let again = own(&ana, "stop").await.is(200);
    assert_eq!(again.text("/stopped_by"), "staff");
    let refused = own(&ana, "start").await;
    assert_eq!(refused.refusal(), (403, "stopped-by-staff"));
    let look = origin.operate(operator(Method::GET, admin)).await;
    assert_eq!(look.is(200).text("/state"), "stopped");
    staff("start").await.is(200);
    own(&ana, "stop").await.is(200);
    own(&ana, "start").await.is(200);
}

#[tokio::test]
async fn who_is_erased_owns_nothing() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    origin.create_for("kitchen", &ana).await;
    let erase = operator(Method::DELETE, &format!("/v1/admin/users/{}", ana.id));
    origin.operate(erase).await.is(204);
    let look = operator(Method::GET, "/v1/admin/rooms/kitchen");
    let room = origin.operate(look).await.is(200);
    assert_eq!(room.body.get("owner"), None);
}

/// Whoever was to have it has too many roles: the room stays whose it was, until the same again does all.
#[tokio::test]
async fn a_hand_over_that_fails_can_be_done_again() {
    let origin = Origin::start().await;
    let (ana, ben) = (origin.register("Ana").await, origin.register("Ben").await);
    origin.create_for("kitchen", &ana).await;
    let role = async |method: Method, role: &str| {
        let path = format!("/v1/admin/users/{}/roles/{role}", ben.id);
        origin.operate(operator(method, &path)).await.is(200);
    };
    for n in 0..32 {
        role(Method::PUT, &format!("vip?room=r{n}")).await;
    }
    let look = async |who: &Someone| {
        let studio = get("/v1/rooms/kitchen/studio").bearer(&who.access);
        origin.ask(studio).await
    };
    let hand_over = async || {
        let room = operator(Method::PATCH, "/v1/admin/rooms/kitchen");
        origin.operate(room.json(json!({ "owner": ben.id }))).await
    };
    assert_eq!(hand_over().await.status, 422);
    assert_eq!(look(&ana).await.is(200).text("/owner"), ana.id);
    role(Method::DELETE, "vip?room=r0").await;
    assert_eq!(hand_over().await.is(200).text("/owner"), ben.id);
    assert_eq!(look(&ana).await.refusal(), (403, "forbidden"));
    look(&ben).await.is(200);
    // A role that went astray comes back with the same again.
    role(Method::DELETE, "broadcaster?room=kitchen").await;
    hand_over().await.is(200);
    look(&ben).await.is(200);
}

#[tokio::test]
async fn a_room_that_is_made_again_is_nobodys() {
    let origin = Origin::start().await;
    let ben = origin.register("Ben").await;
    origin.create("kitchen").await;
    let user = format!("/v1/admin/users/{}", ben.id);
    for role in ["broadcaster", "moderator"] {
        let path = format!("{user}/roles/{role}?room=kitchen");
        origin.operate(operator(Method::PUT, &path)).await.is(200);
    }
    let look = async || {
        let studio = get("/v1/rooms/kitchen/studio").bearer(&ben.access);
        origin.ask(studio).await
    };
    look().await.is(200);
    let path = "/v1/admin/rooms/kitchen";
    origin.operate(operator(Method::DELETE, path)).await.is(204);
    origin.create("kitchen").await;
    assert_eq!(look().await.refusal(), (403, "forbidden"));
    let user = origin.operate(operator(Method::GET, &user)).await;
    assert_eq!(user.is(200).body["rooms"], json!({}));
}
