//! Gifts from the tap to every screen, and to the last coin.

use futures::future::try_join_all;
use serde_json::{Value as Json, json};
use tests::origin::STREAM;
use tests::rooms::ask;
use tests::shop::{Shop, call, notified, seen, sees};

fn at<'a>(json: &'a Json, pointer: &str) -> &'a Json {
    json.pointer(pointer).unwrap_or(&Json::Null)
}

/// One tap through one edge is paid once, shown once on the screens of both, and counted everywhere.
#[tokio::test]
async fn a_gift_is_paid_once_and_seen_by_everybody() -> anyhow::Result<()> {
    let shop = Shop::open(2).await?;
    let ann = shop.rich("ann", 1_000).await?;
    let mut near = shop.club.enter(0, Some(&ann.token)).await?;
    let mut far = shop.club.enter(1, None).await?;
    assert_eq!(near.user.id, ann.id, "an account speaks in rooms");
    // What there is to give.
    let path = format!("/api/rooms/{STREAM}/gifts");
    let (status, catalogue) = call(shop.club.edge(1)?, None, ("GET", &path), None).await?;
    assert_eq!(status, 200, "{catalogue}");
    let items = at(&catalogue, "/items").as_array().unwrap().clone();
    let rose = items.iter().find(|item| item["id"] == "rose").unwrap();
    let price = rose["price"].as_u64().unwrap();
    // Given.
    let (status, given) = shop.give(0, &ann, "tap-1", 3).await?;
    assert_eq!(
        (status, at(&given, "/state")),
        (201, &json!("given")),
        "{given}"
    );
    assert_eq!(at(&given, "/total"), &json!(3 * price));
    let id = given["id"].as_str().unwrap().to_owned();
    for screen in [&mut near, &mut far] {
        let gift = sees(screen, &id).await?;
        assert_eq!((gift.count, gift.points), (3, 3 * price));
        assert_eq!(gift.sender.id, ann.id);
        assert_eq!(gift.combo.unwrap().count, 3);
    }
    // The same tap again, on either edge, is the same gift.
    for edge in [0, 1] {
        let (status, again) = shop.give(edge, &ann, "tap-1", 3).await?;
        assert_eq!((status, at(&again, "/id")), (200, &json!(id)), "{again}");
    }
    // Another gift under its name is none.
    let (status, other) = shop.give(0, &ann, "tap-1", 2).await?;
    assert_eq!(
        (status, at(&other, "/code")),
        (409, &json!("client-id-reused"))
    );
    // One that comes later is seen after it: nothing was shown twice in between.
    let (_, last) = shop.give(1, &ann, "tap-2", 1).await?;
    let last = last["id"].as_str().unwrap();
    for screen in [&mut near, &mut far] {
        assert_eq!(sees(screen, last).await?.combo.unwrap().count, 4);
        let ids: Vec<_> = seen(screen).into_iter().map(|gift| gift.id).collect();
        assert_eq!(ids, [id.as_str(), last]);
    }
    assert_eq!(shop.coins(&ann).await?, i64::try_from(1_000 - 4 * price)?);
    let ended = notified(&mut far, "combo_end").await?;
    assert_eq!(at(&ended, "/count"), &json!(4));
    shop.verify().await?;
    Ok(())
}

/// Two taps on the last coins, at the same moment, on two edges: one is paid.
#[tokio::test]
async fn the_last_coin_is_spent_once() -> anyhow::Result<()> {
    let shop = Shop::open(2).await?;
    let (_, catalogue) = call(
        shop.club.edge(0)?,
        None,
        ("GET", &format!("/api/rooms/{STREAM}/gifts")),
        None,
    )
    .await?;
    let items = at(&catalogue, "/items").as_array().unwrap().clone();
    let rose = items.iter().find(|item| item["id"] == "rose").unwrap();
    let price = rose["price"].as_u64().unwrap();
    let ann = shop.rich("ann", price * 5 + price - 1).await?;
    let taps = (0..20).map(|tap| {
        let (shop, ann) = (&shop, &ann);
        async move { shop.give(tap % 2, ann, &format!("tap-{tap}"), 1).await }
    });
    let answers = try_join_all(taps).await?;
    let of = |status: u16| answers.iter().filter(|(it, _)| *it == status).count();
    assert_eq!((of(201), of(402)), (5, 15), "{answers:?}");
    assert_eq!(shop.coins(&ann).await?, i64::try_from(price - 1)?);
    shop.verify().await?;
    Ok(())
}

/// Who has no account, no coins, or no business here is told so, and nothing moves.
#[tokio::test]
async fn who_cannot_give_is_told_why() -> anyhow::Result<()> {
    let shop = Shop::open(1).await?;
    let poor = shop.register("poor").await?;
    let (status, answer) = shop.give(0, &poor, "tap", 1).await?;
    assert_eq!(
        (status, at(&answer, "/code")),
        (402, &json!("insufficient")),
        "{answer}"
    );
    let path = format!("/api/rooms/{STREAM}/gifts");
    let rose = json!({ "client_id": "tap", "item": "rose", "count": 1 });
    let edge = shop.club.edge(0)?;
    // Nobody in particular; a guest; somebody with a made-up token.
    let guest = shop.club.guest("Gus").await?;
    for token in [None, Some(guest.as_str()), Some("e30.e30.AAAA")] {
        let (status, answer) = call(edge, token, ("POST", &path), Some(&rose)).await?;
        assert!([401, 403].contains(&status), "{token:?}: {status} {answer}");
    }
    let rich = shop.rich("rich", 100_000).await?;
    for (body, status, code) in [
        (
            json!({ "client_id": "a", "item": "nothing", "count": 1 }),
            404,
            "unknown-gift",
        ),
        (
            json!({ "client_id": "a", "item": "rose", "count": 0 }),
            422,
            "out-of-range",
        ),
        (
            json!({ "client_id": "", "item": "rose", "count": 1 }),
            422,
            "out-of-range",
        ),
        (
            json!({ "client_id": "a", "item": "rose" }),
            400,
            "malformed",
        ),
        (
            json!({ "client_id": "a", "item": "rose", "count": 1, "price": 0 }),
            400,
            "malformed",
        ),
    ] {
        let (is, answer) = shop.call(0, &rich, ("POST", &path), Some(&body)).await?;
        assert_eq!(
            (is, at(&answer, "/code")),
            (status, &json!(code)),
            "{body}: {answer}"
        );
    }
    shop.verify().await?;
    Ok(())
}

/// Who was sent out of the room gives nothing there, and only edges hand over what filters planned.
#[tokio::test]
async fn who_was_sent_out_gives_nothing() -> anyhow::Result<()> {
    let shop = Shop::open(1).await?;
    let rich = shop.rich("rich", 100_000).await?;
    let rose = json!({ "client_id": "tap", "item": "rose", "count": 1 });
    let ban = json!({ "act": { "type": "ban", "user": rich.id } });
    let acts = format!("/v1/rooms/{STREAM}/acts");
    let (status, answer) = shop.manage("POST", &acts, &[], Some(&ban)).await?;
    assert_eq!(status, 200, "{answer}");
    let answer = tests::wait::until(
        "the ban is known",
        std::time::Duration::from_secs(30),
        async || {
            let (status, answer) = shop
                .give(0, &rich, &format!("{:?}", std::time::Instant::now()), 1)
                .await?;
            Ok((status == 403).then_some(answer))
        },
    )
    .await?;
    assert_eq!(at(&answer, "/code"), &json!("sanctioned"));
    // An order that no filter planned: only edges hand them over.
    let url = format!("{}/v1/rooms/{STREAM}/gifts", shop.club.origin.http_url());
    let (status, answer) = ask("POST", &url, &[], Some(&rose)).await?;
    assert_eq!(
        (status, at(&answer, "/code")),
        (401, &json!("not-an-edge")),
        "{answer}"
    );
    shop.verify().await?;
    Ok(())
}

/// What edges hand over themselves is believed: no path leads there from what they pass on.
#[tokio::test]
async fn nobody_hands_over_orders_of_their_own() -> anyhow::Result<()> {
    let shop = Shop::open(1).await?;
    let (rich, thief) = (
        shop.rich("rich", 1_000).await?,
        shop.register("thief").await?,
    );
    let transfer =
        json!({ "currency": "coin", "debit": rich.id, "credit": thief.id, "amount": 900 });
    let order = json!({
        "id": "g-made-up", "room": STREAM, "recipient": format!("room:{STREAM}"),
        "sender": { "id": rich.id, "name": "rich" }, "item": "rose", "count": 1, "filter": "gifts",
        "plan": { "total": 900, "currency": "coin", "transfers": [transfer] },
    });
    let edge = shop.club.edge(0)?;
    let gifts = format!("rooms/{STREAM}/gifts");
    for way in [
        "session/../",
        "me/../../v1/",
        "session/%2e%2e/",
        "session/.%2E/",
        "session/..\\",
        &format!("rooms/{STREAM}/studio/../../../"),
    ] {
        let path = format!("/api/{way}{gifts}");
        let (status, answer) = call(edge, None, ("POST", &path), Some(&order)).await?;
        assert_eq!(status, 400, "{path}: {answer}");
        let guests = format!("/api/{way}guests");
        let name = json!({ "name": "Gus" });
        let (status, answer) = call(edge, None, ("POST", &guests), Some(&name)).await?;
        assert_eq!(status, 400, "{guests}: {answer}");
    }
    // Nor from an edge that would pass it on.
    let url = format!("{}/v1/{gifts}", shop.club.origin.http_url());
    let link = [
        ("weir-link", tests::rooms::LINK_TOKEN),
        ("weir-address", "192.0.2.1"),
    ];
    let (status, answer) = ask("POST", &url, &link, Some(&order)).await?;
    assert_eq!(status, 404, "{answer}");
    assert_eq!(shop.coins(&rich).await?, 1_000);
    assert_eq!(shop.coins(&thief).await?, 0);
    shop.verify().await?;
    Ok(())
}
