//! What is no request is refused before anything is done, and says why.

use http::Method;
use serde_json::json;

use crate::harness::{Call, LINK, Origin, PASSWORD, call, get, operator, post};

#[tokio::test]
async fn only_edges_ask() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let posts = [
        "/v1/accounts",
        "/v1/session",
        "/v1/session/refresh",
        "/v1/session/end",
    ];
    let posts = posts.iter().map(|path| post(path, json!({})));
    let gets = ["/v1/me", "/v1/wallet", "/v1/me/export", "/v1/admin/users"];
    let gets = gets.iter().map(|path| get(path).bearer(&ana.access));
    for call in posts.chain(gets) {
        let answer = origin.ask(call.clone().without("weir-link")).await;
        assert_eq!(answer.refusal(), (401, "not-an-edge"), "{call:?}");
        let longer = call.field("weir-link", &format!("{LINK}x"));
        assert_eq!(origin.ask(longer).await.refusal(), (401, "not-an-edge"));
    }
    let wrong = get("/v1/admin/users").bearer("the-token-of-operator");
    assert_eq!(origin.operate(wrong).await.refusal(), (401, "unauthorized"));
}

#[tokio::test]
async fn bodies_are_read_strictly() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let me = |path: &str| call(Method::POST, path).bearer(&ana.access);
    let rename = call(Method::PATCH, "/v1/me").bearer(&ana.access);
    let good = json!({ "login": "ben", "name": "Ben", "password": PASSWORD });
    let mut more = good.clone();
    more["roles"] = json!(["staff"]);
    let doubled = format!("{{\"login\":\"cleo\",{}", &good.to_string()[1..]);
    let is_json = |call: Call| call.field("content-type", "application/json");
    let credit = format!("/v1/admin/users/{}/credits", ana.id);
    for (call, status, code) in [
        (post("/v1/accounts", more), 400, "malformed"),
        (
            is_json(post("/v1/accounts", json!({})).raw(doubled)),
            400,
            "malformed",
        ),
        (
            is_json(post("/v1/accounts", json!({})).raw("")),
            400,
            "malformed",
        ),
        (
            is_json(post("/v1/accounts", json!({})).raw("{\"login\":")),
            400,
            "malformed",
        ),
        (
            is_json(post("/v1/accounts", json!({})).raw(&b"\xff\xfe"[..])),
            400,
            "malformed",
        ),
        (post("/v1/accounts", json!([])), 400, "malformed"),
        (
            post("/v1/session", json!({ "login": 1, "password": 2 })),
            400,
            "malformed",
        ),
        (
            post("/v1/session/refresh", json!({ "token": "x" })),
            400,
            "malformed",
        ),
        (
            rename.clone().json(json!({ "name": "Ben", "id": "u-1" })),
            400,
            "malformed",
        ),
        (
            rename
                .raw("{\"name\":\"Ben\"}")
                .field("content-type", "text/plain"),
            415,
            "not-json",
        ),
        (me("/v1/me/erase").json(json!({})), 400, "malformed"),
    ] {
        let answer = origin.ask(call.clone()).await;
        assert_eq!(answer.refusal(), (status, code), "{call:?}");
    }
    let long = json!({ "login": "ben", "name": "Ben", "password": "x".repeat(40_000) });
    let answer = origin.ask(post("/v1/accounts", long)).await;
    assert_eq!(answer.refusal(), (413, "too-large"));
    let long = json!({ "amount": 1, "note": "x".repeat(40_000) });
    let call = operator(Method::POST, &credit).json(long);
    let answer = origin.operate(call.once("a")).await;
    assert_eq!(answer.refusal(), (413, "too-large"));
    let metric = "weir_control_requests_total{outcome=\"malformed\",route=\"/v1/accounts\"}";
    assert_eq!(origin.metric(metric).await, Some(6.0));
}

/// Whoever is signed in stays so, while nobody can say who they are.
#[tokio::test]
async fn a_store_that_fails_signs_nobody_out() {
    let origin = Origin::start().await;
    let (ana, boss) = (origin.register("Ana").await, origin.staff("Boss").await);
    origin.sql("ALTER TABLE accounts_users RENAME TO accounts_elsewhere");
    for (path, who) in [
        ("/v1/admin/rooms", &boss),
        ("/v1/rooms/demo/studio", &ana),
        ("/v1/me", &ana),
    ] {
        let answer = origin.ask(get(path).bearer(&who.access)).await;
        assert_eq!(answer.refusal(), (503, "unavailable"), "{path}");
    }
}
