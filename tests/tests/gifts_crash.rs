//! kill -9 in the middle of a storm of gifts, and a database that stands still: nothing is lost, doubled or
//! invented, and what was paid is shown.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use database::testing::Server;
use loadtest::client::Protocol;
use rooms::schema::Outcome;
use tests::origin::PUBLISH_KEY;
use tests::playlist::{fetch, next_reload, playing};
use tests::publisher::Publisher;
use tests::shop::Shop;
use tests::storm::Storm;
use tokio::task::block_in_place;
use toml::Table;

/// Kills; more by `GIFT_KILLS=1000 cargo test -p tests --test gifts_crash` (nextest ends what takes so long).
const KILLS: u64 = 50;
/// The same with PostgreSQL, by the same variable.
const KILLS_POSTGRES: u64 = 15;
/// Seconds for which the database stands still; more by `GIFT_STOPPED=60`.
const STOPPED_SECONDS: u64 = 10;
/// Who give at once.
const GIVERS: u64 = 4;
/// Gifts that are answered before the next kill, at least.
const GIFTS_A_ROUND: u64 = 12;
const WITHIN: Duration = Duration::from_secs(60);

fn asked_for(variable: &str, default: u64) -> u64 {
    let asked = std::env::var(variable).ok();
    asked.and_then(|it| it.parse().ok()).unwrap_or(default)
}

/// Accounts, ledger and records in PostgreSQL.
fn on(server: &Server) -> anyhow::Result<Table> {
    let store = format!("[store]\nkind = \"postgres\"\nurl = \"{}\"", server.url());
    Ok(toml::from_str(&store)?)
}

async fn kill_origin(shop: &mut Shop) -> anyhow::Result<()> {
    shop.club.origin.kill()?;
    shop.club.origin.start_again().await
}

async fn kill_edge(shop: &mut Shop) -> anyhow::Result<()> {
    let edge = shop.club.edges.get_mut(1).context("no second edge")?;
    edge.kill()?;
    edge.start_again().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_a_storm_nothing_is_lost_doubled_or_invented() -> anyhow::Result<()> {
    let mut shop = Shop::open(2).await?;
    let storm = Storm::begin(&shop, GIVERS, WITHIN).await?;
    for round in 0..asked_for("GIFT_KILLS", KILLS) {
        storm.goes_on(GIFTS_A_ROUND).await?;
        // Mostly the origin, which has the money.
        match round % 4 {
            3 => kill_edge(&mut shop).await?,
            _ => kill_origin(&mut shop).await?,
        }
    }
    let gifts = storm.end(&shop).await?;
    println!("{gifts} gifts");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_on_postgresql_that_is_killed_too() -> anyhow::Result<()> {
    let mut server = block_in_place(Server::start);
    let mut shop = Shop::open_with(2, on(&server)?).await?;
    let storm = Storm::begin(&shop, GIVERS, WITHIN).await?;
    for round in 0..asked_for("GIFT_KILLS", KILLS_POSTGRES) {
        storm.goes_on(GIFTS_A_ROUND).await?;
        match round % 5 {
            1 => kill_origin(&mut shop).await?,
            3 => kill_edge(&mut shop).await?,
            _ => block_in_place(|| {
                server.kill();
                server.start_again();
            }),
        }
    }
    let gifts = storm.end(&shop).await?;
    println!("{gifts} gifts");
    Ok(())
}

/// Its viewers notice nothing of it, and those who give only that it takes a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_stands_still_costs_the_picture_and_the_chat_nothing() -> anyhow::Result<()> {
    let stopped = Duration::from_secs(asked_for("GIFT_STOPPED", STOPPED_SECONDS));
    let server = block_in_place(Server::start);
    let shop = Shop::open_with(2, on(&server)?).await?;
    let _publisher = Publisher::start(&shop.club.origin.publish_url(PUBLISH_KEY))?;
    let viewer = shop.club.edge(1)?.client(Protocol::H2).await?;
    let mut playlist = playing(&viewer, "360p").await?;
    let guest = shop.club.guest("Gus").await?;
    let mut talker = shop.club.enter(0, Some(&guest)).await?;
    let mut listener = shop.club.enter(1, None).await?;
    let storm = Storm::begin(&shop, GIVERS, WITHIN + stopped).await?;
    storm.goes_on(GIFTS_A_ROUND).await?;
    server.freeze();
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    for number in 0u64.. {
        if begun.elapsed() >= stopped {
            break;
        }
        // A part lasts a third of a second: a reload that waits for the next one is no slower by much.
        let asked = Instant::now();
        playlist = fetch(&viewer, "360p", &next_reload(&playlist)).await?;
        slowest = slowest.max(asked.elapsed());
        let text = format!("still here, {number}");
        let said = talker.say(&text).await?;
        anyhow::ensure!(matches!(said, Outcome::Accepted { .. }), "{said:?}");
        listener.hears(&text).await?;
    }
    server.thaw();
    println!("the slowest reload took {slowest:?}");
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    storm.goes_on(GIFTS_A_ROUND).await?;
    let gifts = storm.end(&shop).await?;
    println!("{gifts} gifts");
    Ok(())
}
