//! Nobody looks like somebody else, be they guests or accounts.

use http::Method;
use serde_json::json;

use crate::harness::{Call, Origin, PASSWORD, Someone, call, get, operator, post};

fn rename(who: &Someone, name: &str) -> Call {
    let body = json!({ "name": name });
    call(Method::PATCH, "/v1/me").json(body).bearer(&who.access)
}

#[tokio::test]
async fn guests_and_accounts_share_names() {
    let mut origin = Origin::start().await;
    let ana = origin.register("Ana-Lee").await;
    origin.guest("Ben").await.is(201);
    let ask = |name: &str| {
        let body = json!({ "login": "cleo", "name": name, "password": PASSWORD });
        post("/v1/accounts", body)
    };
    for name in ["Ben", "bеn", "Queen", "Demo", "Moderator", "ana.lee"] {
        let answer = origin.ask(ask(name)).await;
        assert_eq!(answer.refusal(), (409, "name-taken"), "{name}");
    }
    for _ in 0..2 {
        let refused = origin.guest("АNA LEE").await;
        assert_eq!(refused.refusal(), (409, "name-taken"));
        let body = json!({ "name": "ana lee" });
        let token = operator(Method::POST, "/v1/rooms/demo/tokens").json(body);
        let refused = origin.operate(token).await;
        assert_eq!(refused.refusal(), (409, "name-taken"));
        // It is known to whoever starts next.
        origin.restart().await;
    }
    // Her own is hers, in another room, too.
    let body = json!({ "name": "Ana-Lee", "user": ana.id });
    let token = operator(Method::POST, "/v1/rooms/demo/tokens").json(body);
    origin.operate(token).await.is(201);
}

#[tokio::test]
async fn a_changed_name_is_free() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let ben = origin.register("Ben").await;
    let taken = origin.ask(rename(&ana, "ben")).await;
    assert_eq!(taken.refusal(), (409, "name-taken"));
    // Another spelling of her own, which she keeps.
    let answer = origin.ask(rename(&ana, "A.N.A")).await.is(200);
    assert_eq!(answer.body["name"], "A.N.A");
    assert_eq!(origin.guest("ana").await.refusal(), (409, "name-taken"));
    origin.ask(rename(&ana, "Cleo")).await.is(200);
    origin.ask(rename(&ben, "Ana")).await.is(200);
    assert_eq!(origin.guest("ana").await.refusal(), (409, "name-taken"));
    origin.guest("Ben").await.is(201);
    let me = origin.ask(get("/v1/me").bearer(&ana.access)).await.is(200);
    assert_eq!(me.body["name"], "Cleo");
    for bad in ["", "x", "a\r\nb\u{0}", "a\u{202e}b", &"x".repeat(25)] {
        let answer = origin.ask(rename(&ben, bad)).await;
        assert_eq!(answer.refusal(), (422, "bad-name"));
    }
}

#[tokio::test]
async fn names_are_not_changed_all_the_time() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    for n in 0..10 {
        origin.ask(rename(&ana, &format!("Ana {n}"))).await.is(200);
    }
    let refused = origin.ask(rename(&ana, "Ana")).await;
    assert_eq!(refused.refusal(), (429, "too-many"));
    let ben = origin.register("Ben").await;
    origin.ask(rename(&ben, "Benjamin")).await.is(200);
}
