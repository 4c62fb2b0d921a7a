//! Who guesses passwords learns nothing, and waits; whose account it is does not.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Answer, Call, HOME, Origin, PASSWORD, WRONG, at_once, get, post};

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

/// Guesses until nothing is looked at: the first wait is a second, which a loaded machine may need for
/// the next guess; each further one is twice as long.
async fn guess_until_locked(origin: &Origin, guess: impl Fn() -> Call) -> (usize, Answer) {
    for looked_at in 0..40 {
        let answer = origin.ask(guess()).await;
        if answer.status == 429 {
            return (looked_at, answer);
        }
        assert_eq!(answer.refusal(), (401, "wrong-credentials"));
    }
    panic!("nobody waits");
}

fn guess(login: &str, password: &str, from: &str) -> Call {
    let body = json!({ "login": login, "password": password });
    post("/v1/session", body).from(from)
}

#[tokio::test]
async fn a_guesser_waits_and_the_owner_does_not() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    for login in ["ana", "nobody"] {
        let guess = || guess(login, WRONG, "203.0.113.1");
        let (looked_at, locked) = guess_until_locked(&origin, guess).await;
        assert!(looked_at >= 5, "{looked_at}");
        assert_eq!(locked.refusal(), (429, "locked"));
        assert!(locked.headers.contains_key("retry-after"));
        assert!(locked.body["retry_after_ms"].as_u64() > Some(0));
    }
    // Neither by another address of the network, nor by another door.
    let body = json!({ "password": WRONG });
    let prove = || {
        let call = post("/v1/me/erase", body.clone()).bearer(&ana.access);
        call.from("203.0.113.200")
    };
    let (looked_at, _) = guess_until_locked(&origin, prove).await;
    assert!(looked_at < 5, "{looked_at}");
    origin.sign_in("ana", PASSWORD, HOME).await.is(200);
}

/// A thousand at once are not all looked at.
#[tokio::test]
async fn guesses_at_once_are_counted_each() {
    let origin = Origin::start().await;
    origin.register("Ana").await;
    let statuses = at_once(20, async |_| {
        let answer = origin.sign_in("ana", WRONG, "203.0.113.1").await;
        answer.status.as_u16()
    });
    let mut looked_at = 0;
    for status in statuses.await {
        match status {
            401 => looked_at += 1,
            status => assert_eq!(status, 429),
        }
    }
    // The first wait may be over before the last has come.
    assert!((5..10).contains(&looked_at), "{looked_at}");
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

/// Not guesses: the right password, again and again, keeps nobody elsewhere waiting.
#[tokio::test]
async fn a_network_that_signs_in_too_often_waits_alone() {
    let origin = Origin::start().await;
    for name in ["Ana", "Ben"] {
        origin.register(name).await;
    }
    let answers = at_once(40, async |n| {
        let login = if n % 2 == 0 { "ana" } else { "ben" };
        origin.sign_in(login, PASSWORD, "203.0.113.1").await
    });
    let mut crowded = 0;
    for answer in answers.await {
        match answer.status.as_u16() {
            200 => {}
            // Five of one account at once may be guesses.
            _ if answer.refusal() == (429, "locked") => {}
            _ => {
                assert_eq!(answer.refusal(), (429, "too-many"));
                assert!(answer.headers.contains_key("retry-after"));
                crowded += 1;
            }
        }
    }
    assert!(crowded > 0, "nobody waits");
    origin.sign_in("ana", PASSWORD, HOME).await.is(200);
    let counted = "weir_control_requests_total{outcome=\"too-many\",route=\"/v1/session\"}";
    assert_eq!(origin.metric(counted).await, Some(f64::from(crowded)));
}
