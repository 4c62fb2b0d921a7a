//! What becomes of gifts besides: boards, goals, earnings; what is held, taken back, exported, erased.

use serde_json::{Value as Json, json};
use tests::origin::STREAM;
use tests::shop::{PASSWORD, Shop, notified, sees};
use tests::wait;
use toml::Table;

const WITHIN: std::time::Duration = std::time::Duration::from_secs(30);

fn at<'a>(json: &'a Json, pointer: &str) -> &'a Json {
    json.pointer(pointer).unwrap_or(&Json::Null)
}

fn rules(pairs: &[(&str, i64)]) -> Table {
    let gifts = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).into()));
    Table::from_iter([("gifts".to_owned(), toml::Value::Table(gifts.collect()))])
}

/// The broadcaster sets a goal, gifts fill it, and all figures agree.
#[tokio::test]
async fn boards_goals_and_earnings_count_the_same() -> anyhow::Result<()> {
    let shop = Shop::open(1).await?;
    let ann = shop.rich("ann", 10_000).await?;
    let host = shop.register("hanna").await?;
    let goal = format!("/api/rooms/{STREAM}/goal");
    let new = json!({ "title": "A new microphone", "target": 50 });
    let (status, _) = shop.call(0, &host, ("PUT", &goal), Some(&new)).await?;
    assert_eq!(status, 403, "not yet theirs");
    let grant = format!(
        "/v1/admin/users/{}/roles/broadcaster?room={STREAM}",
        host.id
    );
    let (status, answer) = shop.manage("PUT", &grant, &[], None).await?;
    assert_eq!(status, 200, "{answer}");
    let mut screen = shop.club.enter(0, None).await?;
    let (status, set) = shop.call(0, &host, ("PUT", &goal), Some(&new)).await?;
    assert_eq!((status, at(&set, "/progress")), (200, &json!(0)), "{set}");
    assert_eq!(
        at(&notified(&mut screen, "goal").await?, "/target"),
        &json!(50)
    );
    for tap in 0..3 {
        let (status, given) = shop.give(0, &ann, &format!("tap-{tap}"), 2).await?;
        assert_eq!(status, 201, "{given}");
    }
    let reached = notified(&mut screen, "goal_reached").await?;
    assert_eq!(at(&reached, "/title"), &json!("A new microphone"));
    let (_, kept) = shop.call(0, &ann, ("GET", &goal), None).await?;
    assert_eq!(at(&kept, "/progress"), &json!(60), "{kept}");
    for period in ["day", "all"] {
        let path = format!("/api/rooms/{STREAM}/leaderboard?period={period}");
        let (_, board) = shop.call(0, &ann, ("GET", &path), None).await?;
        assert_eq!(at(&board, "/entries/0/user/id"), &json!(ann.id), "{board}");
        assert_eq!(at(&board, "/entries/0/points"), &json!(60));
        let path = format!("/api/leaderboard?period={period}");
        let (_, board) = shop.call(0, &ann, ("GET", &path), None).await?;
        assert_eq!(at(&board, "/total"), &json!(60), "{board}");
    }
    let earnings = format!("/api/rooms/{STREAM}/earnings?days=7");
    let (status, _) = shop.call(0, &ann, ("GET", &earnings), None).await?;
    assert_eq!(status, 403, "what a room earns is its own");
    let (_, earned) = shop.call(0, &host, ("GET", &earnings), None).await?;
    assert_eq!(
        at(&earned, "/days").as_array().map(Vec::len),
        Some(7),
        "{earned}"
    );
    let today = at(&earned, "/days/6");
    assert_eq!((&today["gifts"], &today["coins"]), (&json!(3), &json!(60)));
    assert_eq!(at(&earned, "/balance"), &today["diamonds"]);
    let latest = format!("/api/rooms/{STREAM}/gifts/latest?limit=2");
    let (_, page) = shop.call(0, &host, ("GET", &latest), None).await?;
    assert_eq!(
        at(&page, "/items").as_array().map(Vec::len),
        Some(2),
        "{page}"
    );
    // The wallet says what it was for.
    let (_, history) = shop
        .call(0, &ann, ("GET", "/api/wallet/history"), None)
        .await?;
    assert_eq!(at(&history, "/items/0/amount"), &json!(-20), "{history}");
    assert_eq!(at(&history, "/items/0/gift/item"), &json!("rose"));
    assert_eq!(at(&history, "/items/0/gift/room"), &json!(STREAM));
    shop.verify().await?;
    Ok(())
}

/// What is suspicious waits for staff; what was paid can be taken back, once.
#[tokio::test]
async fn staff_decide_about_what_is_held_and_take_back_what_was_paid() -> anyhow::Result<()> {
    let rules = rules(&[("new_account_coins", 100)]);
    let shop = Shop::open_with(1, rules).await?;
    let ann = shop.rich("ann", 5_000).await?;
    let mut screen = shop.club.enter(0, None).await?;
    let (status, small) = shop.give(0, &ann, "small", 9).await?;
    assert_eq!(
        (status, at(&small, "/state")),
        (201, &json!("given")),
        "{small}"
    );
    let (status, first) = shop.give(0, &ann, "first", 10).await?;
    assert_eq!(
        (status, at(&first, "/state")),
        (201, &json!("held")),
        "{first}"
    );
    assert_eq!(at(&first, "/available"), &json!(5_000 - 90 - 100));
    let (status, again) = shop.give(0, &ann, "first", 10).await?;
    assert_eq!(
        (status, at(&again, "/state")),
        (200, &json!("held")),
        "{again}"
    );
    let (_, second) = shop.give(0, &ann, "second", 11).await?;
    let (status, held) = shop
        .manage("GET", "/v1/admin/gifts?state=held", &[], None)
        .await?;
    assert_eq!(status, 200, "{held}");
    assert_eq!(
        at(&held, "/items").as_array().map(Vec::len),
        Some(2),
        "{held}"
    );
    assert_eq!(at(&held, "/items/0/signals"), &json!(["new-account"]));
    let id = |gift: &Json| at(gift, "/id").as_str().unwrap_or_default().to_owned();
    let (first, second) = (id(&first), id(&second));
    for (gift, verb) in [
        (&first, "approve"),
        (&first, "approve"),
        (&second, "reject"),
        (&second, "reject"),
    ] {
        let path = format!("/v1/admin/gifts/{gift}/{verb}");
        let (status, answer) = shop.manage("POST", &path, &[], None).await?;
        assert_eq!(status, 204, "{verb}: {answer}");
        if verb == "approve" {
            sees(&mut screen, gift).await?;
            wait::until("it is recorded", WITHIN, async || {
                let (_, record) = shop
                    .manage("GET", &format!("/v1/admin/gifts/{gift}"), &[], None)
                    .await?;
                Ok((at(&record, "/state") == &json!("given")).then_some(()))
            })
            .await?;
        }
    }
    let path = format!("/v1/admin/gifts/{second}/approve");
    let (status, answer) = shop.manage("POST", &path, &[], None).await?;
    assert_eq!(
        (status, at(&answer, "/code")),
        (409, &json!("settled")),
        "{answer}"
    );
    assert_eq!(shop.coins(&ann).await?, 5_000 - 90 - 100);
    shop.verify().await?;
    Ok(())
}

/// What was paid is taken back once, and a day has a limit.
#[tokio::test]
async fn gifts_are_taken_back_once_and_a_day_has_a_limit() -> anyhow::Result<()> {
    let shop = Shop::open_with(1, rules(&[("user_daily_max", 1_000)])).await?;
    let ann = shop.rich("ann", 5_000).await?;
    let mut screen = shop.club.enter(0, None).await?;
    let (status, small) = shop.give(0, &ann, "small", 9).await?;
    assert_eq!(status, 201, "{small}");
    let small = at(&small, "/id").as_str().unwrap_or_default().to_owned();
    sees(&mut screen, &small).await?;
    let path = format!("/v1/admin/gifts/{small}");
    wait::until("it is recorded", WITHIN, async || {
        let (status, _) = shop.manage("GET", &path, &[], None).await?;
        Ok((status == 200).then_some(()))
    })
    .await?;
    let path = format!("/v1/admin/gifts/{small}/refund");
    let reason = json!({ "reason": "a child had the phone" });
    for _ in 0..2 {
        let (status, answer) = shop.manage("POST", &path, &[], Some(&reason)).await?;
        assert_eq!(status, 204, "{answer}");
    }
    let told = notified(&mut screen, "gift_refunded").await?;
    assert_eq!(at(&told, "/id"), &json!(small));
    assert_eq!(shop.coins(&ann).await?, 5_000);
    for tap in 0..11 {
        shop.give(0, &ann, &format!("more-{tap}"), 9).await?;
    }
    let mut taps = 11..;
    let answer = wait::until("the day is full", WITHIN, async || {
        let tap = taps.next().unwrap_or_default();
        let (status, answer) = shop.give(0, &ann, &format!("more-{tap}"), 9).await?;
        Ok((status == 403).then_some(answer))
    })
    .await?;
    assert_eq!(at(&answer, "/code"), &json!("daily-limit"), "{answer}");
    // What was given before is still what it was.
    let (status, again) = shop.give(0, &ann, "more-0", 9).await?;
    assert_eq!(status, 200, "{again}");
    shop.verify().await?;
    Ok(())
}

/// Whoever goes takes their name along; the sums stay.
#[tokio::test]
async fn who_leaves_is_forgotten_and_the_ledger_stays_true() -> anyhow::Result<()> {
    let shop = Shop::open(1).await?;
    let ann = shop.rich("ann", 1_000).await?;
    let body =
        json!({ "client_id": "tap", "item": "rose", "count": 1, "note": "from Ann with love" });
    let gifts = format!("/api/rooms/{STREAM}/gifts");
    let (status, given) = shop.call(0, &ann, ("POST", &gifts), Some(&body)).await?;
    assert_eq!(status, 201, "{given}");
    let gift = at(&given, "/id").as_str().unwrap_or_default().to_owned();
    let export = wait::until("the gift is recorded", WITHIN, async || {
        let (_, export) = shop.call(0, &ann, ("GET", "/api/me/export"), None).await?;
        Ok(export
            .to_string()
            .contains("from Ann with love")
            .then_some(export))
    })
    .await?;
    assert_eq!(at(&export, "/account/login"), &json!("ann"), "{export}");
    let wrong = json!({ "password": "another password" });
    let (status, _) = shop
        .call(0, &ann, ("POST", "/api/me/erase"), Some(&wrong))
        .await?;
    assert_eq!(status, 401);
    let right = json!({ "password": PASSWORD });
    let (status, answer) = shop
        .call(0, &ann, ("POST", "/api/me/erase"), Some(&right))
        .await?;
    assert_eq!(status, 204, "{answer}");
    let (_, record) = shop
        .manage("GET", &format!("/v1/admin/gifts/{gift}"), &[], None)
        .await?;
    assert_eq!(at(&record, "/sender/name"), &json!(""), "{record}");
    assert_eq!(at(&record, "/note"), &Json::Null);
    assert_eq!(at(&record, "/total"), &json!(10));
    // The name is free again.
    shop.register("ann").await?;
    shop.verify().await?;
    Ok(())
}
