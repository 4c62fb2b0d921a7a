//! People who give without end, each tap repeated until it is answered, and what has come of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;

use crate::origin::STREAM;
use crate::rooms::{Person, ask};
use crate::shop::{Customer, Shop, seen};
use crate::wait;

/// What each has at first.
const COINS: u64 = 10_000_000;
/// For what comes after the storm, on a machine that is busy.
const WITHIN: Duration = Duration::from_secs(60);
/// Gifts that a failure names.
const NAMED_MAX: usize = 5;
/// Between two attempts at one tap, as a page does.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What a giver was told: gifts, and what they cost.
type Told = BTreeMap<String, u64>;

/// A storm of gifts, and one screen that sees it.
#[derive(Debug)]
pub struct Storm {
    givers: Vec<Customer>,
    screen: Screen,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    patience: Duration,
    taps: Vec<JoinHandle<anyhow::Result<Told>>>,
}

impl Storm {
    /// Begins one with so many givers, who spread their taps over all edges. Everything is answered again
    /// within `patience`, whatever is done to the nodes.
    pub async fn begin(shop: &Shop, givers: u64, patience: Duration) -> anyhow::Result<Self> {
        let mut rich = Vec::new();
        for number in 0..givers {
            rich.push(shop.rich(&format!("giver-{number}"), COINS).await?);
        }
        let edges = shop.club.edges.iter();
        let urls: Vec<String> = edges
            .map(|edge| format!("{}/api/rooms/{STREAM}/gifts", edge.http_url()))
            .collect();
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let screen = Screen::of(shop.club.enter(0, None).await?);
        let taps = rich.iter().map(|giver| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(tap(urls.clone(), giver.clone(), patience, stop, answered))
        });
        Ok(Self {
            taps: taps.collect(),
            givers: rich,
            screen,
            stop,
            answered,
            patience,
        })
    }

    /// Until so many more gifts are answered.
    pub async fn goes_on(&self, gifts: u64) -> anyhow::Result<()> {
        let until = self.answered.load(Ordering::SeqCst) + gifts;
        wait::until("gifts are answered", self.patience, async || {
            let is_failed = self.taps.iter().any(JoinHandle::is_finished);
            let enough = self.answered.load(Ordering::SeqCst) >= until;
            Ok((enough || is_failed).then_some(()))
        })
        .await
    }

    /// Ends it. To the last coin, wallets, the ledger, the records and the screen agree with what givers
    /// were told, or this fails. How many gifts there were.
    pub async fn end(self, shop: &Shop) -> anyhow::Result<usize> {
        self.stop.store(true, Ordering::SeqCst);
        let mut told = Vec::new();
        for tap in self.taps {
            told.push(tap.await??);
        }
        for (giver, told) in self.givers.iter().zip(&told) {
            let left = i64::try_from(COINS - told.values().sum::<u64>())?;
            let has = shop.coins(giver).await?;
            ensure!(has == left, "{} has {has}, and was told {left}", giver.id);
        }
        shop.verify().await?;
        let paid: u64 = told.iter().flat_map(BTreeMap::values).sum();
        let house = shop.balance("coin:filter:gifts").await?;
        ensure!(
            house == i64::try_from(paid)?,
            "the house has {house} of {paid}"
        );
        // The records and the boards have the same.
        let board = format!("/api/rooms/{STREAM}/leaderboard");
        wait::until("all gifts are recorded", WITHIN, async || {
            let giver = self.givers.first().context("nobody")?;
            let (_, board) = shop.call(0, giver, ("GET", &board), None).await?;
            let total = board.pointer("/total").and_then(Json::as_u64);
            ensure!(total <= Some(paid), "{board}");
            Ok((total == Some(paid)).then_some(()))
        })
        .await?;
        // What was paid was shown to who stayed in the room, and nothing else was.
        let ids: BTreeSet<String> = told.iter().flat_map(BTreeMap::keys).cloned().collect();
        self.screen.has_shown(&ids).await?;
        Ok(ids.len())
    }
}

/// Taps one after the other, until it is to stop.
async fn tap(
    urls: Vec<String>,
    giver: Customer,
    patience: Duration,
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
        let deadline = Instant::now() + patience;
        let answer = loop {
            match ask("POST", url, &headers, Some(&body)).await {
                Ok((200 | 201, answer)) => break answer,
                // Whoever is away answers nobody, and a filter may be late on a machine that compiles: the
                // same tap again, as a page does, until somebody answers.
                Ok((429 | 502 | 503, _)) | Err(_) => {
                    ensure!(Instant::now() < deadline, "a tap is not answered");
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
                Ok((status, answer)) => bail!("{status} {answer}"),
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

/// A screen that takes whatever comes, and the gifts that it has shown.
#[derive(Debug)]
struct Screen {
    shown: Arc<Mutex<BTreeSet<String>>>,
    reading: JoinHandle<()>,
    /// Why it reads no more.
    ended: Arc<Mutex<Option<String>>>,
}

impl Screen {
    fn of(mut person: Person) -> Self {
        let shown = Arc::<Mutex<BTreeSet<String>>>::default();
        let ended = Arc::<Mutex<Option<String>>>::default();
        let (to, why) = (Arc::clone(&shown), Arc::clone(&ended));
        let reading = tokio::spawn(async move {
            loop {
                if let Err(error) = person.more(0).await {
                    why.lock().replace(format!("{error:#}"));
                    return;
                }
                let ids = seen(&person).into_iter().map(|gift| gift.id);
                to.lock().extend(ids);
                person.heard.clear();
            }
        });
        Self {
            shown,
            reading,
            ended,
        }
    }

    /// Waits until it has shown these gifts; fails if it shows another one.
    async fn has_shown(&self, ids: &BTreeSet<String>) -> anyhow::Result<()> {
        wait::until("what was paid is shown", WITHIN, async || {
            let (shown, ended) = (self.shown.lock(), self.ended.lock());
            let others: Vec<_> = shown.difference(ids).take(NAMED_MAX).collect();
            ensure!(others.is_empty(), "shown and not paid: {others:?}");
            let missing: Vec<_> = ids.difference(&shown).take(NAMED_MAX).collect();
            let (count, of) = (shown.len(), ids.len());
            ensure!(
                missing.is_empty(),
                "{count} of {of}; missing: {missing:?}; ended: {ended:?}"
            );
            Ok(Some(()))
        })
        .await
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.reading.abort();
    }
}
