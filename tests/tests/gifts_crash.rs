//! kill -9 in the middle of a storm of gifts: nothing is lost, doubled or invented, and what was paid is
//! shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value as Json, json};
use tests::origin::STREAM;
use tests::rooms::{Person, ask};
use tests::shop::{Customer, Shop, seen};
use tests::wait;

/// Kills; more by `GIFT_KILLS=1000 cargo nextest run -p tests --test gifts_crash`.
const KILLS: u64 = 50;
/// Who give at once.
const GIVERS: u64 = 4;
/// Gifts that are answered before the next kill, at least.
const GIFTS_A_ROUND: u64 = 12;
const COINS: u64 = 10_000_000;
const WITHIN: Duration = Duration::from_secs(60);

/// Between two attempts at one tap, as a page does.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What a giver was told: gifts, and what they cost.
type Told = BTreeMap<String, u64>;

/// Taps one after the other, each repeated until it is answered, until it is to stop.
async fn tap(
    urls: Vec<String>,
    giver: Customer,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
) -> anyhow::Result<Told> {
    let mut told = Told::new();
    let bearer = format!("Bearer {}", giver.token);
    for number in 0usize.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let body = json!({ "client_id": format!("tap-{number}"), "item": "rose", "count": 1 });
        let url = urls.get(number % urls.len()).context("no edge")?;
        let headers = [("authorization", bearer.as_str())];
        let deadline = Instant::now() + WITHIN;
        let answer = loop {
            match ask("POST", url, &headers, Some(&body)).await {
                Ok((200 | 201, answer)) => break answer,
                // Whoever has just been killed answers nobody: the same tap again, until somebody does.
                Ok((502 | 503, _)) | Err(_) => {
                    anyhow::ensure!(Instant::now() < deadline, "a tap is not answered");
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
                Ok((status, answer)) => anyhow::bail!("{status} {answer}"),
            }
        };
        let id = answer.pointer("/id").and_then(Json::as_str);
        let total = answer.pointer("/total").and_then(Json::as_u64);
        let (id, total) = id.zip(total).with_context(|| format!("{answer}"))?;
        told.insert(id.to_owned(), total);
        answered.fetch_add(1, Ordering::SeqCst);
    }
    Ok(told)
}

/// Whose turn it is to be killed: mostly the origin, which has the money.
async fn kill(shop: &mut Shop, round: u64) -> anyhow::Result<()> {
    if round % 4 == 3 {
        let edge = shop.club.edges.get_mut(1).context("no second edge")?;
        edge.kill()?;
        return edge.start_again().await;
    }
    shop.club.origin.kill()?;
    shop.club.origin.start_again().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_a_storm_nothing_is_lost_doubled_or_invented() -> anyhow::Result<()> {
    let kills = std::env::var("GIFT_KILLS").ok();
    let kills: u64 = kills.and_then(|it| it.parse().ok()).unwrap_or(KILLS);
    let mut shop = Shop::open(2).await?;
    let mut givers = Vec::new();
    for number in 0..GIVERS {
        givers.push(shop.rich(&format!("giver-{number}"), COINS).await?);
    }
    let edges = shop.club.edges.iter();
    let urls: Vec<String> = edges
        .map(|edge| format!("{}/api/rooms/{STREAM}/gifts", edge.http_url()))
        .collect();
    let mut screen = shop.club.enter(0, None).await?;
    let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let taps: Vec<_> = givers
        .iter()
        .map(|giver| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(tap(urls.clone(), giver.clone(), stop, answered))
        })
        .collect();
    for round in 0..kills {
        let until = (round + 1) * GIFTS_A_ROUND;
        wait::until("gifts are answered", WITHIN, async || {
            let is_failed = taps.iter().any(tokio::task::JoinHandle::is_finished);
            let enough = answered.load(Ordering::SeqCst) >= until;
            Ok((enough || is_failed).then_some(()))
        })
        .await?;
        kill(&mut shop, round).await?;
    }
    stop.store(true, Ordering::SeqCst);
    let mut told = Vec::new();
    for tap in taps {
        told.push(tap.await??);
    }
    // To the last coin, as each giver was told.
    for (giver, told) in givers.iter().zip(&told) {
        let paid: u64 = told.values().sum();
        assert_eq!(shop.coins(giver).await?, i64::try_from(COINS - paid)?);
    }
    shop.verify().await?;
    let paid: u64 = told.iter().flat_map(BTreeMap::values).sum();
    assert_eq!(
        shop.balance("coin:filter:gifts").await?,
        i64::try_from(paid)?
    );
    // The records and the boards have the same.
    let board = format!("/api/rooms/{STREAM}/leaderboard");
    wait::until("all gifts are recorded", WITHIN, async || {
        let giver = givers.first().context("nobody")?;
        let (_, board) = shop.call(0, giver, ("GET", &board), None).await?;
        let total = board.pointer("/total").and_then(Json::as_u64);
        anyhow::ensure!(total <= Some(paid), "{board}");
        Ok((total == Some(paid)).then_some(()))
    })
    .await?;
    // What was paid was shown to who stayed in the room: the last of each giver, and then all of them.
    let ids: BTreeSet<String> = told.iter().flat_map(BTreeMap::keys).cloned().collect();
    is_shown(&mut screen, &ids).await
}

/// Waits until a screen has shown these gifts, and none but these.
async fn is_shown(screen: &mut Person, ids: &BTreeSet<String>) -> anyhow::Result<()> {
    let shown = |screen: &Person| -> BTreeSet<String> {
        seen(screen).into_iter().map(|gift| gift.id).collect()
    };
    let began = Instant::now();
    while shown(screen).len() < ids.len() && began.elapsed() < WITHIN {
        // Whatever comes next: chatter of the room, if nothing else.
        let more = screen.more(screen.heard.len());
        if tokio::time::timeout(WITHIN, more).await.is_err() {
            break;
        }
    }
    let shown = shown(screen);
    let missing: Vec<_> = ids.difference(&shown).collect();
    let (count, of) = (shown.len(), ids.len());
    anyhow::ensure!(
        missing.is_empty(),
        "{count} of {of} are shown; missing {missing:?}"
    );
    anyhow::ensure!(count == of, "something is shown that was not paid");
    Ok(())
}
