//! All that is kept of a person: shown, and taken away.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use chat_archive::{Archive, KeyFile, Options};
use http::Method;
use rooms::schema::{Body, Event, Message, User};
use serde_json::json;

use crate::harness::{
    Call, HOME, Origin, PASSWORD, Someone, WRONG, credit, get, operator, patiently, post,
};

fn erase(who: &Someone, password: &str) -> Call {
    let body = json!({ "password": password });
    post("/v1/me/erase", body).bearer(&who.access)
}

#[tokio::test]
async fn everything_is_exported() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    for n in 1..=3 {
        let key = n.to_string();
        origin.operate(credit(&ana.id, n, &key)).await.is(201);
    }
    let mine = get("/v1/me/export").bearer(&ana.access);
    let answer = origin.ask(mine.clone()).await.is(200);
    let disposition = answer.headers["content-disposition"].to_str().unwrap();
    assert!(disposition.starts_with("attachment"));
    let all = answer.body;
    assert_eq!(
        (&all["account"]["login"], &all["account"]["id"]),
        (&json!("ana"), &json!(ana.id))
    );
    assert_eq!(all["account"]["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(all["wallet"]["balance"], 6);
    let amounts = all["wallet_history"].as_array().unwrap().iter();
    let amounts: Vec<_> = amounts
        .map(|line| line["amount"].as_i64().unwrap())
        .collect();
    assert_eq!(amounts, [3, 2, 1]);
    assert_eq!(all["chat"], json!([]));
    let text = all.to_string();
    assert!(
        !text.contains("argon2") && !text.contains(&ana.refresh),
        "{text}"
    );
    let path = format!("/v1/admin/users/{}/export", ana.id);
    let by_staff = origin.operate(operator(Method::GET, &path)).await.is(200);
    assert_eq!(by_staff.body["account"], all["account"]);
    origin.ask(mine.clone()).await.is(200);
    origin.ask(mine.clone()).await.is(200);
    let refused = origin.ask(mine).await;
    assert_eq!(refused.refusal(), (429, "too-many"));
}

/// Stores what somebody said, as a hub would have.
async fn say(directory: &Path, author: &str, text: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_ms = u64::try_from(now.as_millis()).unwrap();
    let keys = KeyFile::load(&directory.join("keys")).unwrap();
    let stored = directory.join("chat");
    let open = async || Archive::open(&stored, keys.clone(), Options::default(), now_ms);
    let (archive, _) = patiently(open).await;
    let author = User {
        id: author.to_owned(),
        ..User::default()
    };
    let message = Message {
        id: "m1".to_owned(),
        author,
        kind: "text".to_owned(),
        text: text.to_owned(),
        ..Message::default()
    };
    let event = Event {
        seq: 1,
        at_ms: now_ms,
        media_ms: None,
        body: Body::Message(message),
    };
    archive.append("demo", 1, &[Arc::new(event)]).unwrap();
    archive.close().unwrap();
}

#[tokio::test]
async fn stored_chat_is_exported_and_erased_with_its_author() {
    let mut origin = Origin::start().await;
    let (ana, ben) = (origin.register("Ana").await, origin.register("Ben").await);
    let said = async |directory: &Path| say(directory, &ana.id, "a word of Ana").await;
    origin.restart_after(said).await;
    let export = async |origin: &Origin, who: &Someone| {
        let call = get("/v1/me/export").bearer(&who.access);
        origin.ask(call).await.is(200).body["chat"].clone()
    };
    let hers = export(&origin, &ana).await;
    assert_eq!(hers.as_array().map(Vec::len), Some(1), "{hers}");
    assert!(hers.to_string().contains("a word of Ana"), "{hers}");
    assert_eq!(export(&origin, &ben).await, json!([]));
    origin.ask(erase(&ana, PASSWORD)).await.is(204);
    let path = format!("/v1/users/{}/chat", ana.id);
    let left = origin.operate(operator(Method::GET, &path)).await.is(200);
    assert_eq!(left.page, "", "no line");
}

#[tokio::test]
async fn a_person_leaves() {
    let mut origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    origin.operate(credit(&ana.id, 5, "a")).await.is(201);
    let wrong = origin.ask(erase(&ana, WRONG)).await;
    assert_eq!(wrong.refusal(), (401, "wrong-credentials"));
    origin.ask(get("/v1/me").bearer(&ana.access)).await.is(200);
    let gone = origin.ask(erase(&ana, PASSWORD)).await.is(204);
    let cookie = gone.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("Max-Age=0"));
    let me = origin.ask(get("/v1/me").bearer(&ana.access)).await;
    assert_eq!(
        me.refusal(),
        (401, "signed-out"),
        "though the token is good"
    );
    let body = json!({ "refresh_token": ana.refresh });
    let refresh = origin.ask(post("/v1/session/refresh", body)).await;
    assert_eq!(refresh.refusal(), (401, "signed-out"));
    let sign_in = origin.sign_in("ana", PASSWORD, HOME).await;
    assert_eq!(sign_in.refusal(), (401, "wrong-credentials"));
    let again = origin.ask(erase(&ana, PASSWORD)).await;
    assert_eq!(again.refusal(), (401, "signed-out"));
    let more = origin.operate(credit(&ana.id, 5, "b")).await;
    assert_eq!(more.refusal(), (404, "unknown-account"));
    // Nothing in the file says who it was, and the name is anybody's.
    let left = origin.sql("SELECT COUNT(*) FROM accounts_users WHERE login IS NOT NULL");
    assert_eq!(left, [rusqlite::types::Value::Integer(0)]);
    origin.restart().await;
    let other = origin.register("Ana").await;
    assert_ne!(other.id, ana.id);
}

#[tokio::test]
async fn staff_erase_and_may_ask_again() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let path = format!("/v1/admin/users/{}", ana.id);
    for _ in 0..2 {
        let call = operator(Method::DELETE, &path);
        origin.operate(call).await.is(204);
    }
    origin.guest("Ana").await.is(201);
    let nobody = format!("/v1/admin/users/u-{}", "0".repeat(32));
    let answer = origin.operate(operator(Method::DELETE, &nobody)).await;
    assert_eq!(answer.refusal(), (404, "unknown-account"));
    let acts = origin.audit();
    assert!(acts.iter().all(|it| it["act"] == "erase"), "{acts:?}");
}
