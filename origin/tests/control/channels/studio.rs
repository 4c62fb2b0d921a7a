//! What broadcasters do with rooms of their own.

use http::Method;
use serde_json::{Value, json};

use crate::harness::Origin;

#[tokio::test]
async fn an_owner_has_a_studio_and_others_have_not() {
    let origin = Origin::start().await;
    let (ana, ana_token) = origin.register("Ana").await;
    let (_, ben_token) = origin.register("Ben").await;
    let unknown = json!({ "name": "kitchen", "owner": format!("u-{}", "0".repeat(32)) });
    let refused = origin
        .operate(Method::POST, "/v1/admin/rooms", unknown)
        .await;
    assert_eq!(refused.refusal(), (404, "unknown-account"));
    let body = json!({ "name": "kitchen", "owner": ana });
    let made = origin
        .operate(Method::POST, "/v1/admin/rooms", body)
        .await
        .is(201);
    assert_eq!(made.text("/owner"), ana);
    let studio = "/v1/rooms/kitchen/studio";
    let look = async |token: &str| origin.ask(Method::GET, studio, token, Value::Null).await;
    assert_eq!(look(&ana_token).await.is(200).text("/name"), "kitchen");
    assert_eq!(look(&ben_token).await.refusal(), (403, "forbidden"));
    assert_eq!(look("nothing").await.refusal(), (401, "signed-out"));
    let keys = format!("{studio}/keys");
    let key = origin
        .ask(Method::POST, &keys, &ana_token, json!({}))
        .await
        .is(201);
    let refused = origin.ask(Method::POST, &keys, &ben_token, json!({})).await;
    assert_eq!(refused.refusal(), (403, "forbidden"));
    let one = format!("{keys}/{}", key.text("/id"));
    origin
        .ask(Method::DELETE, &one, &ana_token, Value::Null)
        .await
        .is(204);
    let list = origin
        .ask(Method::GET, &keys, &ana_token, Value::Null)
        .await
        .is(200);
    assert_eq!(list.body, json!({ "keys": [] }));
    let stop = format!("{studio}/stop");
    let stopped = origin
        .ask(Method::POST, &stop, &ana_token, json!({ "reason": "tea" }))
        .await;
    assert_eq!(stopped.is(200).text("/reason"), "tea");
    let start = format!("{studio}/start");
    origin
        .ask(Method::POST, &start, &ana_token, Value::Null)
        .await
        .is(200);
    // The staff's pages are not theirs.
    let refused = origin
        .ask(Method::GET, "/v1/admin/rooms", &ana_token, Value::Null)
        .await;
    assert_eq!(refused.refusal(), (403, "forbidden"));
}

#[tokio::test]
async fn a_room_that_is_handed_over_has_another_studio() {
    let origin = Origin::start().await;
    let (ana, ana_token) = origin.register("Ana").await;
    let (ben, ben_token) = origin.register("Ben").await;
    let body = json!({ "name": "kitchen", "owner": ana });
    let made = origin.operate(Method::POST, "/v1/admin/rooms", body).await;
    made.is(201);
    let studio = "/v1/rooms/kitchen/studio";
    let look = async |token: &str| origin.ask(Method::GET, studio, token, Value::Null).await;
    let path = "/v1/admin/rooms/kitchen";
    origin
        .operate(Method::PATCH, path, json!({ "owner": ben }))
        .await
        .is(200);
    assert_eq!(look(&ana_token).await.refusal(), (403, "forbidden"));
    look(&ben_token).await.is(200);
    let user = origin
        .operate(Method::GET, &format!("/v1/admin/users/{ben}"), Value::Null)
        .await;
    assert_eq!(
        user.is(200).body["rooms"],
        json!({ "kitchen": ["broadcaster"] })
    );
    origin
        .operate(Method::DELETE, path, Value::Null)
        .await
        .is(204);
    let user = origin
        .operate(Method::GET, &format!("/v1/admin/users/{ben}"), Value::Null)
        .await;
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
    let (ana, ana_token) = origin.register("Ana").await;
    let (mod_, mod_token) = origin.register("Moe").await;
    let (_, ben_token) = origin.register("Ben").await;
    let body = json!({ "name": "kitchen", "owner": ana });
    let made = origin.operate(Method::POST, "/v1/admin/rooms", body).await;
    made.is(201);
    let role = format!("/v1/admin/users/{mod_}/roles/moderator?room=kitchen");
    origin
        .operate(Method::PUT, &role, Value::Null)
        .await
        .is(200);
    let admin = "/v1/admin/rooms/kitchen";
    let staff = async |act: &str| {
        let path = format!("{admin}/{act}");
        origin.operate(Method::POST, &path, Value::Null).await
    };
    let own = async |token: &str, act: &str| {
        let path = format!("/v1/rooms/kitchen/studio/{act}");
        origin.ask(Method::POST, &path, token, Value::Null).await
    };
    // A moderator's stop counts, and the broadcaster lifts it.
    let stopped = own(&mod_token, "stop").await.is(200);
    assert_eq!(stopped.text("/stopped_by"), "moderator");
    assert_eq!(own(&mod_token, "start").await.refusal(), (403, "forbidden"));
    assert_eq!(own(&ben_token, "stop").await.refusal(), (403, "forbidden"));
    let started = own(&ana_token, "start").await.is(200);
    assert_eq!(started.body.get("stopped_by"), None);
    // Staff's stop is not, nor taken over.
    assert_eq!(staff("stop").await.is(200).text("/stopped_by"), "staff");
    let again = own(&ana_token, "stop").await.is(200);
    assert_eq!(again.text("/stopped_by"), "staff");
    let refused = own(&ana_token, "start").await;
    assert_eq!(refused.refusal(), (403, "stopped-by-staff"));
    let look = origin.operate(Method::GET, admin, Value::Null).await;
    assert_eq!(look.is(200).text("/state"), "stopped");
    staff("start").await.is(200);
    own(&ana_token, "stop").await.is(200);
    own(&ana_token, "start").await.is(200);
}

#[tokio::test]
async fn who_is_erased_owns_nothing() {
    let origin = Origin::start().await;
    let (ana, _) = origin.register("Ana").await;
    let body = json!({ "name": "kitchen", "owner": ana });
    let made = origin.operate(Method::POST, "/v1/admin/rooms", body).await;
    made.is(201);
    let user = format!("/v1/admin/users/{ana}");
    origin
        .operate(Method::DELETE, &user, Value::Null)
        .await
        .is(204);
    let path = "/v1/admin/rooms/kitchen";
    let room = origin.operate(Method::GET, path, Value::Null).await.is(200);
    assert_eq!(room.body.get("owner"), None);
}

/// Whoever was to have it has too many roles: the room stays whose it was, until the same again does all.
#[tokio::test]
async fn a_hand_over_that_fails_can_be_done_again() {
    let origin = Origin::start().await;
    let (ana, ana_token) = origin.register("Ana").await;
    let (ben, ben_token) = origin.register("Ben").await;
    let body = json!({ "name": "kitchen", "owner": ana });
    let made = origin.operate(Method::POST, "/v1/admin/rooms", body).await;
    made.is(201);
    let role = |role: String| format!("/v1/admin/users/{ben}/roles/{role}");
    for n in 0..32 {
        let path = role(format!("vip?room=r{n}"));
        origin
            .operate(Method::PUT, &path, Value::Null)
            .await
            .is(200);
    }
    let studio = "/v1/rooms/kitchen/studio";
    let look = async |token: &str| origin.ask(Method::GET, studio, token, Value::Null).await;
    let hand_over = async || {
        let to_ben = json!({ "owner": ben });
        let path = "/v1/admin/rooms/kitchen";
        origin.operate(Method::PATCH, path, to_ben).await
    };
    assert_eq!(hand_over().await.status, 422);
    assert_eq!(look(&ana_token).await.is(200).text("/owner"), ana);
    let path = role("vip?room=r0".to_owned());
    origin
        .operate(Method::DELETE, &path, Value::Null)
        .await
        .is(200);
    assert_eq!(hand_over().await.is(200).text("/owner"), ben);
    assert_eq!(look(&ana_token).await.refusal(), (403, "forbidden"));
    look(&ben_token).await.is(200);
    // A role that went astray comes back with the same again.
    let path = role("broadcaster?room=kitchen".to_owned());
    origin
        .operate(Method::DELETE, &path, Value::Null)
        .await
        .is(200);
    hand_over().await.is(200);
    look(&ben_token).await.is(200);
}

#[tokio::test]
async fn a_room_that_is_made_again_is_nobodys() {
    let origin = Origin::start().await;
    let (ben, ben_token) = origin.register("Ben").await;
    origin.create("kitchen").await;
    for role in ["broadcaster", "moderator"] {
        let path = format!("/v1/admin/users/{ben}/roles/{role}?room=kitchen");
        let granted = origin.operate(Method::PUT, &path, Value::Null).await;
        granted.is(200);
    }
    let studio = "/v1/rooms/kitchen/studio";
    let look = async || {
        origin
            .ask(Method::GET, studio, &ben_token, Value::Null)
            .await
    };
    look().await.is(200);
    let path = "/v1/admin/rooms/kitchen";
    origin
        .operate(Method::DELETE, path, Value::Null)
        .await
        .is(204);
    origin.create("kitchen").await;
    assert_eq!(look().await.refusal(), (403, "forbidden"));
    let user = format!("/v1/admin/users/{ben}");
    let user = origin.operate(Method::GET, &user, Value::Null).await;
    assert_eq!(user.is(200).body["rooms"], json!({}));
}
