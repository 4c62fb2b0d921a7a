//! Webhooks of the reference provider.

use std::time::{SystemTime, UNIX_EPOCH};

use http::Method;
use ring::hmac;
use serde_json::{Value, json};

use crate::harness::{Call, Origin, SECRETS, at_once, call, operator};

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

fn signed(secret: &str, time: u64, body: &Value) -> Call {
    let body = body.to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{time}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|it| format!("{it:02x}")).collect();
    let call = call(Method::POST, "/v1/payments/reference").raw(body);
    call.field("weir-signature", &format!("t={time},v1={hex}"))
}

fn paid(id: &str, user: &str, coins: u64) -> Value {
    json!({ "id": id, "user": user, "coins": coins })
}

#[tokio::test]
async fn a_payment_counts_once() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let body = paid("p-1", &ana.id, 500);
    let first = origin.ask(signed(SECRETS[0], now(), &body)).await.is(200);
    assert_eq!(first.body, json!({ "transfer": "payment/reference/p-1" }));
    let answers = at_once(6, async |n| {
        // Signed again, by any secret, as providers that deliver again do.
        let call = signed(SECRETS[n % 2], now() - n as u64, &body);
        origin.ask(call).await.is(200).body
    });
    for answer in answers.await {
        assert_eq!(answer, first.body);
    }
    assert_eq!(origin.balance(&ana).await, 500);
    let other = paid("p-1", &ana.id, 501);
    let other = origin.ask(signed(SECRETS[0], now(), &other)).await;
    assert_eq!(other.refusal(), (409, "conflict"));
    let second = paid("p-2", &ana.id, 1);
    origin.ask(signed(SECRETS[1], now(), &second)).await.is(200);
    assert_eq!(origin.balance(&ana).await, 501);
    let payments = origin.audit();
    assert_eq!(payments.len(), 2, "{payments:?}");
    assert_eq!(payments[0]["details"]["coins"], 500);
}

#[tokio::test]
async fn what_is_not_signed_well_counts_nothing() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let body = paid("p-1", &ana.id, 500);
    let good = signed(SECRETS[0], now(), &body);
    for (call, status, code) in [
        (signed("another-secret", now(), &body), 401, "bad-signature"),
        (good.clone().without("weir-signature"), 401, "bad-signature"),
        (
            good.clone().raw(paid("p-1", &ana.id, 501).to_string()),
            401,
            "bad-signature",
        ),
        (
            signed(SECRETS[0], now() - 302, &body),
            401,
            "stale-signature",
        ),
        (
            signed(SECRETS[0], now() + 302, &body),
            401,
            "stale-signature",
        ),
        (
            signed(SECRETS[0], now(), &json!({ "id": "p" })),
            400,
            "malformed",
        ),
        (
            signed(SECRETS[0], now(), &paid("p", "nobody", 5)),
            404,
            "unknown-account",
        ),
        (
            signed(SECRETS[0], now(), &paid("p", &ana.id, u64::MAX)),
            400,
            "malformed",
        ),
        (good.clone().without("weir-link"), 401, "not-an-edge"),
    ] {
        assert_eq!(origin.ask(call).await.refusal(), (status, code));
    }
    let unknown = call(Method::POST, "/v1/payments/other").raw(body.to_string());
    assert_eq!(
        origin.ask(unknown).await.refusal(),
        (404, "unknown-provider")
    );
    assert_eq!(origin.balance(&ana).await, 0);
}

#[tokio::test]
async fn a_repeated_payment_of_who_was_erased_is_the_same() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let call = || signed(SECRETS[0], now(), &paid("p-1", &ana.id, 5));
    origin.ask(call()).await.is(200);
    let erase = operator(Method::DELETE, &format!("/v1/admin/users/{}", ana.id));
    origin.operate(erase).await.is(204);
    origin.ask(call()).await.is(200);
    let more = signed(SECRETS[0], now(), &paid("p-2", &ana.id, 5));
    assert_eq!(origin.ask(more).await.refusal(), (404, "unknown-account"));
}
