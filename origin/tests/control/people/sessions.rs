//! Tokens come, rotate and end.

use http::Method;
use serde_json::json;

use crate::harness::{
    Answer, Call, HOME, Origin, PASSWORD, Someone, WRONG, at_once, call, get, post,
};

fn refresh(token: &str) -> Call {
    post("/v1/session/refresh", json!({ "refresh_token": token }))
}

fn cookie(answer: &Answer) -> &str {
    answer.headers["set-cookie"].to_str().unwrap()
}

#[tokio::test]
async fn a_token_is_refreshed_and_an_answer_may_be_lost() {
    let mut origin = Origin::start().await;
    let first = origin.register("Ana").await;
    let second = Someone::of(&origin.ask(refresh(&first.refresh)).await.is(200));
    assert_ne!(first.refresh, second.refresh);
    let again = Someone::of(&origin.ask(refresh(&first.refresh)).await.is(200));
    assert_eq!(again.refresh, second.refresh);
    origin.restart().await;
    let third = Someone::of(&origin.ask(refresh(&second.refresh)).await.is(200));
    let me = get("/v1/me").bearer(&third.access);
    assert_eq!(origin.ask(me).await.is(200).body["id"], first.id.as_str());
    // The keys are the same after a restart, and published.
    let me = get("/v1/me").bearer(&first.access);
    origin.ask(me).await.is(200);
    let keys = origin.ask(get("/.well-known/jwks.json")).await.is(200);
    assert_eq!(keys.body["keys"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn many_refreshes_at_once_are_one() {
    let origin = Origin::start().await;
    let first = origin.register("Ana").await;
    let mut tokens = at_once(8, async |_| {
        let call = refresh(&first.refresh);
        Someone::of(&origin.ask(call).await.is(200)).refresh
    })
    .await;
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
}

#[tokio::test]
async fn a_stolen_token_ends_the_sign_in() {
    let origin = Origin::start().await;
    let first = origin.register("Ana").await;
    let elsewhere = origin.sign_in("ana", PASSWORD, HOME).await.is(200);
    let second = Someone::of(&origin.ask(refresh(&first.refresh)).await.is(200));
    // A minute later.
    origin.sql("UPDATE accounts_families SET rotated_ms = rotated_ms - 60000");
    let stolen = origin.ask(refresh(&first.refresh)).await;
    assert_eq!(stolen.refusal(), (401, "signed-out"));
    let owner = origin.ask(refresh(&second.refresh)).await;
    assert_eq!(owner.refusal(), (401, "signed-out"), "neither of two");
    let reused = origin.metric("weir_control_refresh_reused_total").await;
    assert_eq!(reused, Some(1.0));
    let other = refresh(elsewhere.text("/refresh_token"));
    origin.ask(other).await.is(200);
}

#[tokio::test]
async fn pages_have_a_cookie() {
    let origin = Origin::start().await;
    let body = json!({ "login": "ana", "name": "Ana", "password": PASSWORD, "cookie": true });
    let call = post("/v1/accounts", body).field("weir-secure", "1");
    let answer = origin.ask(call).await.is(201);
    assert!(answer.body.get("refresh_token").is_none());
    let set = cookie(&answer);
    let end = "; Path=/api/session; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure";
    let token = set.strip_prefix("weir_refresh=").unwrap();
    let token = token.strip_suffix(end).unwrap();
    let sent = format!("theme=dark; weir_refresh={token}");
    let refresh = || post("/v1/session/refresh", json!({})).field("cookie", &sent);
    let next = origin.ask(refresh()).await.is(200);
    assert!(next.body.get("refresh_token").is_none());
    assert!(!cookie(&next).contains("Secure"), "an edge without TLS");
    // The body comes first.
    let bad = post("/v1/session/refresh", json!({ "refresh_token": "x" }));
    let bad = origin.ask(bad.field("cookie", &sent)).await;
    assert_eq!(bad.refusal(), (401, "signed-out"));
    let end = post("/v1/session/end", json!({})).field("cookie", &sent);
    let ended = origin.ask(end).await.is(204);
    assert!(cookie(&ended).starts_with("weir_refresh=; Path=/api/session; Max-Age=0;"));
    assert_eq!(origin.ask(refresh()).await.refusal(), (401, "signed-out"));
}

/// A form of another site has cookies at most, but cannot say that it is JSON.
#[tokio::test]
async fn a_cookie_alone_does_nothing() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let cookie = format!("weir_refresh={}", ana.refresh);
    for path in ["/v1/session/refresh", "/v1/session/end"] {
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
        ] {
            let call = call(Method::POST, path).raw("{}").field("cookie", &cookie);
            let answer = origin.ask(call.clone().field("content-type", kind)).await;
            assert_eq!(answer.refusal(), (415, "not-json"));
            let answer = origin.ask(call).await;
            assert_eq!(answer.refusal(), (415, "not-json"));
        }
        // Nor does a cookie open anything else.
        let me = get("/v1/me").field("cookie", &cookie);
        assert_eq!(origin.ask(me).await.refusal(), (401, "signed-out"));
    }
    origin.ask(refresh(&ana.refresh)).await.is(200);
}

#[tokio::test]
async fn signing_out_here_and_everywhere() {
    let origin = Origin::start().await;
    let here = origin.register("Ana").await;
    let there = Someone::of(&origin.sign_in("ana", PASSWORD, HOME).await.is(200));
    let end = |token: &str| post("/v1/session/end", json!({ "refresh_token": token }));
    for token in [&*here.refresh, &here.refresh, "nonsense"] {
        origin.ask(end(token)).await.is(204);
    }
    assert_eq!(origin.ask(refresh(&here.refresh)).await.status, 401);
    let there = Someone::of(&origin.ask(refresh(&there.refresh)).await.is(200));
    let everywhere = call(Method::POST, "/v1/me/sign-out-everywhere").bearer(&there.access);
    origin.ask(everywhere).await.is(204);
    assert_eq!(origin.ask(refresh(&there.refresh)).await.status, 401);
}

#[tokio::test]
async fn a_password_is_changed() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let change = |present: &str, next: &str| {
        let body = json!({ "present": present, "next": next });
        post("/v1/me/password", body).bearer(&ana.access)
    };
    for (present, next, status, code) in [
        (WRONG, "another one", 401, "wrong-credentials"),
        ("short", "another one", 401, "wrong-credentials"),
        (PASSWORD, "short", 422, "bad-password"),
        (PASSWORD, "password1", 422, "common-password"),
    ] {
        let answer = origin.ask(change(present, next)).await;
        assert_eq!(answer.refusal(), (status, code));
    }
    origin.ask(change(PASSWORD, WRONG)).await.is(204);
    assert_eq!(origin.ask(refresh(&ana.refresh)).await.status, 401);
    assert_eq!(origin.sign_in("ana", PASSWORD, HOME).await.status, 401);
    origin.sign_in("ana", WRONG, HOME).await.is(200);
}
