//! Who registers is signed in; the same request again is the same account.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::harness::{Call, Origin, PASSWORD, Setup, Someone, WRONG, at_once, get, post};

const CLOSED: &str = "[control.accounts]\nregistration = false\n";

fn ask(login: &str, name: &str) -> Call {
    let body = json!({ "login": login, "name": name, "password": PASSWORD });
    post("/v1/accounts", body)
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

#[tokio::test]
async fn somebody_registers_and_is_signed_in() {
    let origin = Origin::start().await;
    let before = now_ms();
    let answer = origin.ask(ask(" Ana ", "  Ana  Lee ")).await.is(201);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(!answer.headers.contains_key("set-cookie"));
    assert_eq!(answer.body["token_type"], "Bearer");
    assert_eq!(answer.body["expires_in"], 600);
    let user = &answer.body["user"];
    assert_eq!(
        (&user["login"], &user["name"]),
        (&json!("ana"), &json!("Ana Lee"))
    );
    assert_eq!((&user["roles"], &user["rooms"]), (&json!([]), &json!({})));
    // The clock is the process's: nobody else's is asked.
    let created = user["created_at_ms"].as_u64().unwrap();
    assert!((before..=now_ms()).contains(&created), "{created}");
    let me = get("/v1/me").bearer(answer.text("/access_token"));
    let me = origin.ask(me).await.is(200);
    assert_eq!(&me.body, user);
    let wallet = get("/v1/wallet").bearer(answer.text("/access_token"));
    assert_eq!(origin.ask(wallet).await.is(200).body["balance"], 0);
}

#[tokio::test]
async fn what_is_taken_or_bad_is_told() {
    let origin = Origin::start().await;
    origin.register("Ana").await;
    let with = |login: &str, name: &str, password: &str| {
        post(
            "/v1/accounts",
            json!({ "login": login, "name": name, "password": password }),
        )
    };
    let long = "x".repeat(257);
    for (call, status, code) in [
        (with("ANA", "Another", PASSWORD), 409, "login-taken"),
        (with("ana2", "аna", PASSWORD), 409, "name-taken"),
        (with("a b", "Ben", PASSWORD), 422, "bad-login"),
        (with("ben", "B", PASSWORD), 422, "bad-name"),
        (
            with("ben", "Ben\r\nSet-Cookie: a=b\u{0}", PASSWORD),
            422,
            "bad-name",
        ),
        (with("ben", "<b>Ben</b>", PASSWORD), 422, "bad-name"),
        (with("ben", "Ben", "short"), 422, "bad-password"),
        (with("ben", "Ben", &long), 422, "bad-password"),
        (with("ben", "Ben", "password1"), 422, "common-password"),
        (
            with("ben-the-first", "Ben", "Ben-The-First"),
            422,
            "common-password",
        ),
    ] {
        let answer = origin.ask(call).await;
        assert_eq!(answer.refusal(), (status, code), "{answer:?}");
    }
    // What was refused keeps no name.
    origin.register("Ben").await;
    origin.register("Another").await;
}

#[tokio::test]
async fn the_same_again_is_the_same_account() {
    let origin = Origin::start().await;
    let keyed = |key: &str| ask("ana", "Ana").once(key);
    let first = origin.ask(keyed("a")).await.is(201);
    let again = origin.ask(keyed("a")).await.is(201);
    assert_eq!(first.body["user"], again.body["user"]);
    assert_ne!(first.body["refresh_token"], again.body["refresh_token"]);
    assert_eq!(origin.ask(keyed("b")).await.refusal(), (409, "name-taken"));
    let body = json!({ "login": "ana", "name": "Ana", "password": WRONG });
    let other = post("/v1/accounts", body).once("a");
    assert_eq!(origin.ask(other).await.refusal(), (409, "name-taken"));
    let blank = ask("ben", "Ben").once("a b");
    assert_eq!(origin.ask(blank).await.refusal(), (400, "malformed"));
    // A key alone is no proof: whoever has the account already is not signed in by it.
    let body = json!({ "login": "ana", "name": "Cleo", "password": PASSWORD });
    let taken = post("/v1/accounts", body).once("c");
    for _ in 0..2 {
        assert_eq!(
            origin.ask(taken.clone()).await.refusal(),
            (409, "login-taken")
        );
    }
}

#[tokio::test]
async fn at_once_the_same_is_one_account() {
    let origin = Origin::start().await;
    let mut ids = at_once(6, async |_| {
        let call = ask("ana", "Ana").once("a");
        Someone::of(&origin.ask(call).await.is(201)).id
    })
    .await;
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

#[tokio::test]
async fn at_once_different_ones_are_one_of_a_name() {
    let origin = Origin::start().await;
    let count = 6;
    let refused = at_once(count, async |n| {
        let answer = origin.ask(ask(&format!("ana{n}"), "Ana")).await;
        (answer.status != 201).then(|| answer.text("/code").to_owned())
    });
    let refused: Vec<_> = refused.await.into_iter().flatten().collect();
    assert_eq!(refused, vec!["name-taken"; count - 1]);
}

#[tokio::test]
async fn a_network_has_only_so_many() {
    let origin = Origin::start().await;
    // Those that are taken count: each tells about a login.
    let mut last = origin.ask(ask("ana", "Ana")).await.is(201);
    let mut asked = 1;
    while last.status != 429 {
        last = origin.ask(ask("ana", "Ana").from("192.0.2.250")).await;
        asked += 1;
        assert!(asked < 100);
    }
    assert_eq!(asked, 31);
    assert_eq!(last.refusal(), (429, "too-many"));
    assert!(last.headers.contains_key("retry-after"));
    let elsewhere = ask("ben", "Ben").from("192.0.3.1");
    origin.ask(elsewhere).await.is(201);
    let six = |host: &str| ask("ana", "Ana").from(&format!("2001:db8:1:{host}::1"));
    for _ in 0..30 {
        assert_eq!(origin.ask(six("a")).await.refusal(), (409, "name-taken"));
    }
    assert_eq!(origin.ask(six("b")).await.refusal(), (429, "too-many"));
    let mapped = ask("ana", "Ana").from("::ffff:192.0.2.7");
    assert_eq!(origin.ask(mapped).await.refusal(), (429, "too-many"));
}

#[tokio::test]
async fn registration_can_be_closed() {
    let origin = Setup::new().with(CLOSED).start().await;
    let refused = origin.ask(ask("ana", "Ana")).await;
    assert_eq!(refused.refusal(), (403, "closed"));
}
