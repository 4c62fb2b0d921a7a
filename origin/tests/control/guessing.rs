//! Who guesses passwords learns nothing, and waits; whose account it is does not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Barrier;

use crate::harness::{HOME, Origin, PASSWORD, WRONG, get, post};

#[tokio::test]
async fn an_unknown_login_is_a_wrong_password() {
    let origin = Origin::start().await;
    origin.register("Ana").await;
    let mut took = [Duration::ZERO; 2];
    let mut answers = [Vec::new(), Vec::new()];
    for n in 0..5 {
        for (at, login) in ["ana", "nobody"].into_iter().enumerate() {
            let from = format!("198.51.{n}.1");
            let begun = Instant::now();
            let answer = origin.sign_in(login, WRONG, &from).await;
            took[at] += begun.elapsed();
            let mut headers = answer.headers.clone();
            headers.remove("date");
            answers[at].push((answer.status, answer.body.clone(), headers));
        }
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0][0].1["code"], "wrong-credentials");
    // The hash is computed for both: tens of milliseconds, beside which nothing else counts.
    let (known, unknown) = (took[0].as_secs_f64(), took[1].as_secs_f64());
    assert!(unknown > known / 8.0 && known > unknown / 8.0, "{took:?}");
    // What cannot be a login or password is no other answer.
    for (login, password) in [("a b", WRONG), ("", WRONG), ("ana", "x"), ("ana", "")] {
        let answer = origin.sign_in(login, password, HOME).await;
        assert_eq!(answer.body, answers[0][0].1);
    }
}

#[tokio::test]
async fn a_guesser_waits_and_the_owner_does_not() {
    let origin = Origin::start().await;
    origin.register("Ana").await;
    for login in ["ana", "nobody"] {
        let mut codes = Vec::new();
        for _ in 0..7 {
            let answer = origin.sign_in(login, WRONG, "203.0.113.1").await;
            codes.push(answer.text("/code").to_owned());
        }
        let (free, waits) = codes.split_at(5);
        assert_eq!(free, ["wrong-credentials"; 5]);
        assert_eq!(waits, ["locked"; 2]);
    }
    // Even the right one is not looked at from there, by any address of the network.
    let locked = origin.sign_in("ana", PASSWORD, "203.0.113.200").await;
    assert_eq!(locked.refusal(), (429, "locked"));
    assert!(locked.headers.contains_key("retry-after"));
    assert!(locked.body["retry_after_ms"].as_u64() > Some(0));
    origin.sign_in("ana", PASSWORD, HOME).await.is(200);
    // Nor does a second proof go around it.
    let ana = origin.sign_in("ana", PASSWORD, HOME).await.is(200);
    let erase = post("/v1/me/erase", json!({ "password": PASSWORD }));
    let erase = erase.bearer(ana.text("/access_token")).from("203.0.113.9");
    assert_eq!(origin.ask(erase).await.refusal(), (429, "locked"));
}

/// A thousand at once are not all looked at.
#[tokio::test]
async fn guesses_at_once_are_counted_each() {
    let origin = Arc::new(Origin::start().await);
    origin.register("Ana").await;
    let count = 20;
    let barrier = Arc::new(Barrier::new(count));
    let guesses = (0..count).map(|_| {
        let (origin, barrier) = (Arc::clone(&origin), Arc::clone(&barrier));
        tokio::spawn(async move {
            barrier.wait().await;
            origin
                .sign_in("ana", WRONG, "203.0.113.1")
                .await
                .status
                .as_u16()
        })
    });
    let mut looked_at = 0;
    for status in guesses.collect::<Vec<_>>() {
        match status.await.unwrap() {
            401 => looked_at += 1,
            status => assert_eq!(status, 429),
        }
    }
    assert_eq!(looked_at, 5);
}

#[tokio::test]
async fn who_is_blocked_is_told_only_with_the_password() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let block = format!("/v1/admin/users/{}/block", ana.id);
    let block = crate::harness::operator(http::Method::POST, &block);
    origin.operate(block).await.is(204);
    let answer = origin.sign_in("ana", WRONG, HOME).await;
    assert_eq!(answer.refusal(), (401, "wrong-credentials"));
    let answer = origin.sign_in("ana", PASSWORD, HOME).await;
    assert_eq!(answer.refusal(), (403, "blocked"));
    let me = origin.ask(get("/v1/me").bearer(&ana.access)).await;
    assert_eq!(me.refusal(), (403, "blocked"));
}
