//! Coins that staff give and take back.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::{Call, Origin, Someone, get, operator};

fn credit(id: &str, amount: impl Into<Value>, key: &str) -> Call {
    let body = json!({ "amount": amount.into(), "note": "for a friend" });
    let call = operator(Method::POST, &format!("/v1/admin/users/{id}/credits"));
    call.json(body).field("idempotency-key", key)
}

async fn balance(origin: &Origin, who: &Someone) -> i64 {
    let wallet = get("/v1/wallet").bearer(&who.access);
    let wallet = origin.ask(wallet).await.is(200);
    wallet.body["balance"].as_i64().unwrap()
}

#[tokio::test]
async fn the_same_again_is_the_same_credit() {
    let origin = Origin::start().await;
    let (ana, staff) = (origin.register("Ana").await, origin.staff("Boss").await);
    let first = origin.operate(credit(&ana.id, 500, "a")).await.is(201);
    assert_eq!(first.body["balance"], 500);
    let again = origin.operate(credit(&ana.id, 500, "a")).await.is(201);
    assert_eq!(first.body, again.body);
    let other = origin.operate(credit(&ana.id, 501, "a")).await;
    assert_eq!(other.refusal(), (409, "conflict"));
    // Another key, another person, another actor: another credit.
    origin.operate(credit(&ana.id, -200, "b")).await.is(201);
    let by_staff = credit(&ana.id, 500, "a").bearer(&staff.access);
    let given = origin.ask(by_staff).await.is(201);
    assert_ne!(given.body["transfer"], first.body["transfer"]);
    origin.operate(credit(&staff.id, 500, "a")).await.is(201);
    assert_eq!(balance(&origin, &ana).await, 800);
    let history = get("/v1/wallet/history").bearer(&ana.access);
    let history = origin.ask(history).await.is(200).body;
    let lines = history["items"].as_array().unwrap().iter();
    let lines: Vec<_> = lines
        .map(|it| (it["kind"].as_str().unwrap(), &it["amount"]))
        .collect();
    let (up, down) = (json!(500), json!(-200));
    assert_eq!(
        lines,
        [("topup", &up), ("adjustment", &down), ("topup", &up)]
    );
    let lines = origin.audit();
    let last = lines.last().unwrap();
    assert_eq!(last["details"]["note"], "for a friend");
    assert_eq!(last["details"]["amount"], 500);
}

#[tokio::test]
async fn at_once_the_same_is_one_credit() {
    let origin = Arc::new(Origin::start().await);
    let ana = origin.register("Ana").await;
    let barrier = Arc::new(Barrier::new(8));
    let asked = (0..8).map(|_| {
        let (origin, barrier) = (Arc::clone(&origin), Arc::clone(&barrier));
        let call = credit(&ana.id, 7, "a");
        tokio::spawn(async move {
            barrier.wait().await;
            origin.operate(call).await.is(201);
        })
    });
    for asked in asked.collect::<Vec<_>>() {
        asked.await.unwrap();
    }
    assert_eq!(balance(&origin, &ana).await, 7);
}

#[tokio::test]
async fn amounts_have_limits() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    for (amount, status, code) in [
        (json!(0), 422, "bad-amount"),
        (json!(i64::MIN), 422, "bad-amount"),
        (json!(i64::MAX as u64 + 1), 400, "malformed"),
        (json!(1.5), 400, "malformed"),
        (json!("1"), 400, "malformed"),
        (json!(null), 400, "malformed"),
        (json!(-1), 402, "insufficient"),
        (json!(-i64::MAX), 402, "insufficient"),
    ] {
        let answer = origin.operate(credit(&ana.id, amount.clone(), "a")).await;
        assert_eq!(answer.refusal(), (status, code), "{amount}");
    }
    assert_eq!(balance(&origin, &ana).await, 0);
    origin.operate(credit(&ana.id, i64::MAX, "b")).await.is(201);
    let more = origin.operate(credit(&ana.id, 1, "c")).await;
    assert_eq!(more.refusal(), (422, "refused"));
    assert_eq!(balance(&origin, &ana).await, i64::MAX);
    // Where they come from has its limit, too.
    let ben = origin.register("Ben").await;
    let more = origin.operate(credit(&ben.id, 1, "d")).await;
    assert_eq!(more.refusal(), (422, "refused"));
    origin
        .operate(credit(&ana.id, -i64::MAX, "e"))
        .await
        .is(201);
    assert_eq!(balance(&origin, &ana).await, 0);
}

#[tokio::test]
async fn what_is_not_complete_is_refused() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let path = format!("/v1/admin/users/{}/credits", ana.id);
    let with = |note: &str| {
        let body = json!({ "amount": 1, "note": note });
        let call = operator(Method::POST, &path).json(body);
        call.field("idempotency-key", "a")
    };
    let keyless = with("x").without("idempotency-key");
    assert_eq!(origin.operate(keyless).await.refusal(), (400, "malformed"));
    for note in ["", "a\nb", &"x".repeat(501)] {
        let answer = origin.operate(with(note)).await;
        assert_eq!(answer.refusal(), (422, "bad-note"));
    }
    let nobody = credit(&format!("u-{}", "0".repeat(32)), 1, "a");
    let answer = origin.operate(nobody).await;
    assert_eq!(answer.refusal(), (404, "unknown-account"));
}
