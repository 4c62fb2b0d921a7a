//! What staff and operators do with people.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{
    Call, HOME, Origin, PASSWORD, Someone, WRONG, call, credit, eventually, get, operator, post,
};

fn path(id: &str, what: &str) -> String {
    format!("/v1/admin/users/{id}{what}")
}

fn by(who: &Someone, method: Method, path: &str) -> Call {
    call(method, path).bearer(&who.access)
}

#[tokio::test]
async fn users_are_looked_for() {
    let origin = Origin::start().await;
    let staff = origin.staff("Boss").await;
    let mut ids = vec![staff.id.clone()];
    for name in ["Ana", "Anna", "Annabel", "Ben"] {
        ids.push(origin.register(name).await.id);
    }
    ids.sort();
    let list = async |query: &str| {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/admin/users?{query}{after}");
            let page = origin.ask(by(&staff, Method::GET, &path)).await.is(200);
            let users = page.body["users"].as_array().unwrap().clone();
            assert!(users.len() <= 2 && users.iter().all(|it| it["state"] == "active"));
            found.extend(users);
            let Some(next) = page.body["next"].as_str() else {
                return found;
            };
            after = format!("&after={next}");
        }
    };
    let text = |users: Vec<Value>, key: &str| -> Vec<String> {
        users
            .iter()
            .map(|it| it[key].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(text(list("limit=2").await, "id"), ids);
    let found = text(list("limit=2&login=AN").await, "login");
    assert_eq!(found, ["ana", "anna", "annabel"]);
    assert_eq!(text(list("limit=2&login=ben").await, "login"), ["ben"]);
    assert!(list("limit=2&login=%25").await.is_empty());
    for query in ["after=1", "login=a&after=%00", "limit=x", "more=1"] {
        let path = format!("/v1/admin/users?{query}");
        let answer = origin.ask(by(&staff, Method::GET, &path)).await;
        assert_eq!(answer.refusal(), (400, "malformed"), "{query}");
    }
    let one = by(&staff, Method::GET, &path(&staff.id, ""));
    let one = origin.ask(one).await.is(200).body;
    assert_eq!(
        (&one["roles"], &one["state"]),
        (&json!(["staff"]), &json!("active"))
    );
    assert_eq!(one["wallet"]["balance"], 0);
    for unknown in ["x", &format!("u-{}", "0".repeat(32))] {
        let answer = origin
            .ask(by(&staff, Method::GET, &path(unknown, "")))
            .await;
        assert_eq!(answer.refusal(), (404, "unknown-account"));
    }
}

#[tokio::test]
async fn only_staff_may_and_only_while_they_are() {
    let origin = Origin::start().await;
    let (ana, staff) = (origin.register("Ana").await, origin.staff("Boss").await);
    let look = |who: &Someone| by(who, Method::GET, &path(&ana.id, ""));
    assert_eq!(origin.ask(look(&ana)).await.refusal(), (403, "forbidden"));
    let nobody = get(&path(&ana.id, ""));
    assert_eq!(origin.ask(nobody).await.refusal(), (401, "signed-out"));
    origin.ask(look(&staff)).await.is(200);
    // A role in a room is none here.
    let mute = operator(Method::PUT, &path(&ana.id, "/roles/moderator?room=demo"));
    let account = origin.operate(mute).await.is(200);
    assert_eq!(account.body["rooms"], json!({ "demo": ["moderator"] }));
    let ana = Someone::of(&origin.sign_in("ana", PASSWORD, HOME).await.is(200));
    assert_eq!(origin.ask(look(&ana)).await.refusal(), (403, "forbidden"));
    // The operators' token opens nothing through edges, nor a person's the admin listener.
    let through = operator(Method::GET, &path(&ana.id, ""));
    assert_eq!(origin.ask(through).await.refusal(), (401, "signed-out"));
    let around = by(&staff, Method::GET, &path(&ana.id, ""));
    assert_eq!(
        origin.operate(around).await.refusal(),
        (401, "unauthorized")
    );
    // The token still says that they are staff; the account does not.
    let take = operator(Method::DELETE, &path(&staff.id, "/roles/staff"));
    origin.operate(take).await.is(200);
    assert_eq!(origin.ask(look(&staff)).await.refusal(), (403, "forbidden"));
    let give = operator(Method::PUT, &path(&staff.id, "/roles/staff"));
    origin.operate(give).await.is(200);
    origin.ask(look(&staff)).await.is(200);
    let block = operator(Method::POST, &path(&staff.id, "/block"));
    origin.operate(block).await.is(204);
    assert_eq!(origin.ask(look(&staff)).await.refusal(), (403, "forbidden"));
}

#[tokio::test]
async fn roles_are_those_that_there_are() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    for (role, status, code) in [
        ("king", 422, "bad-role"),
        ("Staff", 422, "bad-role"),
        ("staff?room=demo", 422, "bad-role"),
        ("moderator?room=a%20b", 422, "malformed"),
        ("moderator?rooms=demo", 400, "malformed"),
    ] {
        let call = operator(Method::PUT, &path(&ana.id, &format!("/roles/{role}")));
        assert_eq!(
            origin.operate(call).await.refusal(),
            (status, code),
            "{role}"
        );
    }
    for role in ["moderator?room=demo", "broadcaster?room=demo", "verified"] {
        let call = operator(Method::PUT, &path(&ana.id, &format!("/roles/{role}")));
        origin.operate(call).await.is(200);
    }
    let ana = Someone::of(&origin.sign_in("ana", PASSWORD, HOME).await.is(200));
    let me = origin
        .ask(get("/v1/me").bearer(&ana.access))
        .await
        .is(200)
        .body;
    assert_eq!(me["roles"], json!(["verified"]));
    assert_eq!(me["rooms"], json!({ "demo": ["broadcaster", "moderator"] }));
    let call = operator(Method::DELETE, &path(&ana.id, "/roles/moderator?room=demo"));
    let me = origin.operate(call).await.is(200).body;
    assert_eq!(me["rooms"], json!({ "demo": ["broadcaster"] }));
}

#[tokio::test]
async fn sign_ins_are_ended_and_all_is_written_down() {
    let origin = Origin::start().await;
    let (ana, staff) = (origin.register("Ana").await, origin.staff("Boss").await);
    let refresh = |who: &Someone| {
        let body = json!({ "refresh_token": who.refresh });
        post("/v1/session/refresh", body)
    };
    let sign_in =
        async |password: &str| Someone::of(&origin.sign_in("ana", password, HOME).await.is(200));
    let end = by(&staff, Method::POST, &path(&ana.id, "/sign-out"));
    origin.ask(end).await.is(204);
    assert_eq!(
        origin.ask(refresh(&ana)).await.refusal(),
        (401, "signed-out")
    );
    let ana = sign_in(PASSWORD).await;
    let block = by(&staff, Method::POST, &path(&ana.id, "/block"));
    origin.ask(block).await.is(204);
    assert_eq!(origin.ask(refresh(&ana)).await.status, 401);
    let unblock = by(&staff, Method::POST, &path(&ana.id, "/unblock"));
    origin.ask(unblock).await.is(204);
    let ana = sign_in(PASSWORD).await;
    let set = |password: &str| {
        let call = by(&staff, Method::POST, &path(&ana.id, "/password"));
        call.json(json!({ "password": password }))
    };
    let weak = origin.ask(set("ana")).await;
    assert_eq!(weak.refusal(), (422, "bad-password"));
    origin.ask(set(WRONG)).await.is(204);
    assert_eq!(
        origin.ask(refresh(&ana)).await.refusal(),
        (401, "signed-out")
    );
    sign_in(WRONG).await;
    let lines = origin.audit();
    let acts: Vec<_> = lines.iter().map(|it| it["act"].as_str().unwrap()).collect();
    assert_eq!(acts, ["grant", "sign-out", "block", "unblock", "password"]);
    assert_eq!(lines[0]["actor"], "operator");
    assert_eq!(
        lines[0]["details"],
        json!({ "role": "staff", "room": null })
    );
    assert!(lines[1..].iter().all(|it| it["actor"] == staff.id.as_str()));
    assert!(lines[1..].iter().all(|it| it["user"] == ana.id.as_str()));
    let text = serde_json::to_string(&lines).unwrap();
    assert!(!text.contains(WRONG) && !text.contains("Ana"), "{text}");
}

#[tokio::test]
async fn what_changes_nothing_is_not_written_down() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    for (method, what) in [
        (Method::PUT, "/roles/vip"),
        (Method::DELETE, "/roles/vip"),
        (Method::POST, "/sign-out"),
        (Method::POST, "/block"),
        (Method::POST, "/unblock"),
    ] {
        for _ in 0..3 {
            let call = operator(method.clone(), &path(&ana.id, what));
            let answer = origin.operate(call).await;
            assert!(answer.status.is_success(), "{what}: {answer:?}");
        }
    }
    for _ in 0..3 {
        origin.operate(credit(&ana.id, 1, "a")).await.is(201);
    }
    for _ in 0..3 {
        let call = operator(Method::DELETE, &path(&ana.id, ""));
        origin.operate(call).await.is(204);
    }
    let lines = origin.audit();
    let acts: Vec<_> = lines.iter().map(|it| it["act"].as_str().unwrap()).collect();
    let expected = [
        "grant", "revoke", "sign-out", "block", "unblock", "credit", "erase",
    ];
    assert_eq!(acts, expected);
}

/// Whoever asks goes away while it is done: it is done, and it is written down.
#[tokio::test]
async fn who_goes_away_is_in_the_log() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    for (method, what) in [
        (Method::POST, "/block"),
        (Method::POST, "/unblock"),
        (Method::PUT, "/roles/vip"),
        (Method::DELETE, "/roles/vip"),
    ] {
        let before = if what == "/block" {
            0
        } else {
            origin.audit().len()
        };
        let held = origin.hold("accounts.db");
        let call = operator(method.clone(), &path(&ana.id, what));
        origin.operate_and_leave(call).await;
        // So that it has seen who went, if it looks.
        for _ in 0..50 {
            let page = operator(Method::GET, "/v1/openapi.json");
            origin.operate(page).await.is(200);
        }
        drop(held);
        eventually(&format!("line of {method} {what}"), async || {
            (origin.audit().len() != before).then_some(())
        })
        .await;
    }
}
