//! Tokens that are none of ours open nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use http::Method;
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::harness::{HOME, Origin, PASSWORD, Someone, get, operator, post};

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

/// A token with this head and these claims.
fn token(head: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| BASE64.encode(value.to_string());
    let signed = format!("{}.{}", part(head), part(claims));
    let signature = BASE64.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn decoded(token: &str, part: usize) -> Value {
    let part = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&BASE64.decode(part).unwrap()).unwrap()
}

/// The key that the origin signs by, which nobody else has.
fn key(origin: &Origin) -> Ed25519KeyPair {
    match &origin.sql("SELECT pkcs8 FROM accounts_keys")[..] {
        [rusqlite::types::Value::Blob(pkcs8)] => Ed25519KeyPair::from_pkcs8(pkcs8).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn with(of: &Value, name: &str, value: Value) -> Value {
    let mut changed = of.clone();
    changed[name] = value;
    changed
}

async fn all_are_refused(origin: &Origin, tokens: Vec<(&str, String)>) {
    for (what, token) in tokens {
        for path in ["/v1/me", "/v1/admin/users"] {
            let answer = origin.ask(get(path).bearer(&token)).await;
            assert_eq!(answer.refusal(), (401, "signed-out"), "{what}");
        }
    }
}

#[tokio::test]
async fn only_what_our_key_signed_is_good() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let (head, claims) = (decoded(&ana.access, 0), decoded(&ana.access, 1));
    let key = key(&origin);
    let by_key = |text: &[u8]| key.sign(text).as_ref().to_vec();
    let unsigned = |_: &[u8]| Vec::new();
    let by_public = |text: &[u8]| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.public_key().as_ref());
        hmac::sign(&key, text).as_ref().to_vec()
    };
    let another = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let by_another = |text: &[u8]| another.sign(text).as_ref().to_vec();
    let algorithm = |name: &str| with(&head, "alg", json!(name));
    let good = token(&head, &claims, by_key);
    origin.ask(get("/v1/me").bearer(&good)).await.is(200);
    let (first, rest) = good.split_once('.').unwrap();
    let tokens = vec![
        ("none", token(&algorithm("none"), &claims, unsigned)),
        ("EdDSA, unsigned", token(&head, &claims, unsigned)),
        ("HS256", token(&algorithm("HS256"), &claims, by_public)),
        ("another key", token(&head, &claims, by_another)),
        (
            "another kid",
            token(&with(&head, "kid", json!("x")), &claims, by_key),
        ),
        (
            "its own key",
            token(&with(&head, "jwk", json!({})), &claims, by_key),
        ),
        ("cut", good[..good.len() - 1].to_owned()),
        ("longer", format!("{good}.{rest}")),
        ("no head", format!(".{rest}")),
        ("half", first.to_owned()),
        ("nothing", String::new()),
        ("a refresh token", ana.refresh.clone()),
        ("huge", "x".repeat(9_000)),
    ];
    all_are_refused(&origin, tokens).await;
}

#[tokio::test]
async fn what_our_key_signed_has_to_be_for_us_and_for_now() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let (head, claims) = (decoded(&ana.access, 0), decoded(&ana.access, 1));
    let key = key(&origin);
    let signed = |claims: &Value| token(&head, claims, |text| key.sign(text).as_ref().to_vec());
    let claim = |name: &str, value: Value| signed(&with(&claims, name, value));
    let expired = with(&claims, "iat", json!(now() - 700));
    let tokens = vec![
        ("aud", claim("aud", json!("other"))),
        ("iss", claim("iss", json!("weir-origin"))),
        (
            "expired",
            signed(&with(&expired, "exp", json!(now() - 100))),
        ),
        ("for ever", claim("exp", json!(now() + 100_000))),
        ("to come", claim("iat", json!(now() + 60))),
        ("nobody", claim("sub", json!("operator"))),
    ];
    all_are_refused(&origin, tokens).await;
    // A signed claim is not enough for what staff do: the account says no.
    let staff = claim("roles", json!(["staff"]));
    let answer = origin.ask(get("/v1/admin/users").bearer(&staff)).await;
    assert_eq!(answer.refusal(), (403, "forbidden"));
}

#[tokio::test]
async fn a_guests_token_is_no_account() {
    let origin = Origin::start().await;
    let guest = origin.guest("Ben").await.is(201);
    let guest = guest.text("/token");
    for path in ["/v1/me", "/v1/wallet", "/v1/me/export", "/v1/admin/users"] {
        let answer = origin.ask(get(path).bearer(guest)).await;
        assert_eq!(answer.refusal(), (401, "signed-out"), "{path}");
    }
}

#[tokio::test]
async fn a_key_is_replaced_when_it_is_old_however_often_the_origin_starts() {
    let mut origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let count = "SELECT COUNT(*) FROM accounts_keys";
    origin.restart().await;
    origin.sign_in("ana", PASSWORD, HOME).await.is(200);
    assert_eq!(origin.sql(count), [rusqlite::types::Value::Integer(1)]);
    // A month and a day later.
    origin.sql("UPDATE accounts_keys SET signs_from_ms = signs_from_ms - 31 * 86400000");
    origin.restart().await;
    // It looks at once after the start; the old key signs until others have read the new one.
    let two = [rusqlite::types::Value::Integer(2)];
    while origin.sql(count) != two {
        origin.ask(get("/v1/me").bearer(&ana.access)).await.is(200);
    }
    let next = Someone::of(&origin.sign_in("ana", PASSWORD, HOME).await.is(200));
    assert_eq!(decoded(&next.access, 0), decoded(&ana.access, 0));
    origin.restart().await;
    origin.ask(get("/v1/me").bearer(&next.access)).await.is(200);
    assert_eq!(origin.sql(count), two);
}

/// Whoever has a stolen key makes staff of anybody: only who runs this replaces it, and at once.
#[tokio::test]
async fn a_stolen_key_is_replaced_by_who_runs_this() {
    let origin = Origin::start().await;
    let (ana, boss) = (origin.register("Ana").await, origin.staff("Boss").await);
    let path = "/v1/admin/keys/rotate";
    let rotate = |compromised: bool| {
        let call = operator(Method::POST, path);
        call.json(json!({ "compromised": compromised }))
    };
    let by_staff = rotate(true).bearer(&boss.access);
    assert_eq!(origin.ask(by_staff).await.status, 404);
    let me = get("/v1/me").bearer(&ana.access);
    // A planned one goes on with the present key, and comes once.
    for is_new in [true, false] {
        let planned = origin.operate(rotate(false)).await.is(200);
        assert_eq!(planned.body["is_new"], is_new);
        origin.ask(me.clone()).await.is(200);
    }
    let replaced = origin.operate(rotate(true)).await.is(200);
    assert_eq!(replaced.body["is_new"], true);
    assert_eq!(origin.ask(me).await.refusal(), (401, "signed-out"));
    let body = json!({ "refresh_token": ana.refresh });
    let next = origin.ask(post("/v1/session/refresh", body)).await.is(200);
    let me = get("/v1/me").bearer(next.text("/access_token"));
    origin.ask(me).await.is(200);
    let kid = decoded(next.text("/access_token"), 0)["kid"].clone();
    assert_ne!(kid, decoded(&ana.access, 0)["kid"]);
    let lines = origin.audit();
    let rotations: Vec<_> = lines
        .iter()
        .filter(|it| it["act"] == "keys-rotate")
        .map(|it| (it["actor"].clone(), it["details"]["compromised"].clone()))
        .collect();
    let by_operator = |compromised: bool| (json!("operator"), json!(compromised));
    assert_eq!(rotations, [by_operator(false), by_operator(true)]);
}
