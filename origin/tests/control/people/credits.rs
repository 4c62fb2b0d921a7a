//! Coins that staff give and take back, and what becomes of those that are given on.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Call, Origin, Setup, Someone, at_once, credit, edge, get, operator};

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
    assert_eq!(origin.balance(&ana).await, 800);
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
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    at_once(8, async |_| {
        origin.operate(credit(&ana.id, 7, "a")).await.is(201);
    })
    .await;
    assert_eq!(origin.balance(&ana).await, 7);
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
    assert_eq!(origin.balance(&ana).await, 0);
    origin.operate(credit(&ana.id, i64::MAX, "b")).await.is(201);
    let more = origin.operate(credit(&ana.id, 1, "c")).await;
    assert_eq!(more.refusal(), (422, "refused"));
    assert_eq!(origin.balance(&ana).await, i64::MAX);
    // Where they come from has its limit, too.
    let ben = origin.register("Ben").await;
    let more = origin.operate(credit(&ben.id, 1, "d")).await;
    assert_eq!(more.refusal(), (422, "refused"));
    origin
        .operate(credit(&ana.id, -i64::MAX, "e"))
        .await
        .is(201);
    assert_eq!(origin.balance(&ana).await, 0);
}

#[tokio::test]
async fn what_is_not_complete_is_refused() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    let path = format!("/v1/admin/users/{}/credits", ana.id);
    let with = |note: &str| {
        let body = json!({ "amount": 1, "note": note });
        let call = operator(Method::POST, &path).json(body);
        call.once("a")
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

const LENIENT: &str = "[control.gifts]\nhold_self_gifts = false\n";

/// What an edge hands over: a filter planned it.
fn order(id: &str, sender: &str, coins: u64) -> Value {
    json!({
        "id": id,
        "room": "demo",
        "sender": { "id": sender, "name": "Ana", "roles": [], "level": 0 },
        "recipient": "room:demo",
        "item": "rose",
        "count": 1,
        "filter": "gifts",
        "plan": {
            "total": coins,
            "currency": "coin",
            "transfers": [
                { "debit": sender, "credit": "filter:gifts", "amount": coins, "currency": "coin" },
            ],
        },
    })
}

fn gift(id: &str, sender: &Someone, coins: u64) -> Call {
    edge("/v1/rooms/demo/gifts", order(id, &sender.id, coins))
}

async fn wallet(origin: &Origin, who: &Someone) -> (i64, i64) {
    let wallet = get("/v1/wallet").bearer(&who.access);
    let wallet = origin.ask(wallet).await.is(200).body;
    let number = |key: &str| wallet[key].as_i64().unwrap();
    (number("available"), number("held"))
}

async fn make_broadcaster(origin: &Origin, who: &Someone) {
    let path = format!("/v1/admin/users/{}/roles/broadcaster?room=demo", who.id);
    origin.operate(operator(Method::PUT, &path)).await.is(200);
}

/// An access token outlives the account: edges believe it for ten minutes, money does not.
#[tokio::test]
async fn who_is_blocked_or_erased_gives_nothing() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    origin.operate(credit(&ana.id, 100, "a")).await.is(201);
    origin.ask(gift("g1", &ana, 10)).await.is(201);
    let act = |verb: &str| operator(Method::POST, &format!("/v1/admin/users/{}/{verb}", ana.id));
    origin.operate(act("block")).await.is(204);
    let answer = origin.ask(gift("g2", &ana, 10)).await;
    assert_eq!(answer.refusal(), (403, "blocked"));
    origin.operate(act("unblock")).await.is(204);
    let given = origin.ask(gift("g2", &ana, 10)).await.is(201);
    assert_eq!(given.body["available"], 80);
    let erase = operator(Method::DELETE, &format!("/v1/admin/users/{}", ana.id));
    origin.operate(erase).await.is(204);
    let answer = origin.ask(gift("g3", &ana, 10)).await;
    assert_eq!(answer.refusal(), (401, "signed-out"));
    // Another issuer's people have no account here: nothing is known against them.
    let stranger = Someone {
        id: "somebody".to_owned(),
        ..ana
    };
    let answer = origin.ask(gift("g4", &stranger, 10)).await;
    assert_eq!(answer.refusal(), (402, "insufficient"));
}

#[tokio::test]
async fn gifts_for_the_own_room_are_held_unless_they_may_be() {
    let origin = Origin::start().await;
    let (ana, ben) = (origin.register("Ana").await, origin.register("Ben").await);
    for who in [&ana, &ben] {
        origin.operate(credit(&who.id, 100, "a")).await.is(201);
    }
    make_broadcaster(&origin, &ana).await;
    let own = origin.ask(gift("g1", &ana, 10)).await.is(201);
    assert_eq!(own.body["state"], "held");
    assert_eq!(wallet(&origin, &ana).await, (90, 10));
    let record = operator(Method::GET, "/v1/admin/gifts/g1");
    let record = origin.operate(record).await.is(200);
    assert_eq!(record.body["signals"], json!(["self-gift"]));
    let guest = origin.ask(gift("g2", &ben, 10)).await.is(201);
    assert_eq!(guest.body["state"], "given");

    let lenient = Setup::new().with(LENIENT).start().await;
    let ana = lenient.register("Ana").await;
    lenient.operate(credit(&ana.id, 100, "a")).await.is(201);
    make_broadcaster(&lenient, &ana).await;
    let own = lenient.ask(gift("g1", &ana, 10)).await.is(201);
    assert_eq!(own.body["state"], "given");
}

/// What a room would not show is not paid.
#[tokio::test]
async fn a_plan_that_no_room_shows_costs_nothing() {
    let origin = Origin::start().await;
    let ana = origin.register("Ana").await;
    origin.operate(credit(&ana.id, 100, "a")).await.is(201);
    let long = "x".repeat(4_097);
    let animation = json!({ "asset": "a", "duration_ms": 1, "layer": 0, "payload": long });
    let combo = json!({ "id": "", "count": 1, "window_ms": 1 });
    let mut orders = [(); 3].map(|()| order("g1", &ana.id, 10));
    orders[0]["plan"]["animation"] = animation;
    orders[1]["plan"]["combo"] = combo;
    orders[2]["sender"]["name"] = json!("x".repeat(129));
    for order in orders {
        let answer = origin.ask(edge("/v1/rooms/demo/gifts", order)).await;
        assert_eq!(answer.refusal(), (422, "bad-plan"));
    }
    let mut nowhere = order("g1", &ana.id, 10);
    nowhere["room"] = json!("de!mo");
    nowhere["recipient"] = json!("room:de!mo");
    let answer = origin.ask(edge("/v1/rooms/de!mo/gifts", nowhere)).await;
    assert_eq!(answer.refusal(), (422, "bad-plan"));
    assert_eq!(wallet(&origin, &ana).await, (100, 0));
}
