//! Killed at random, again and again, in the middle of a storm: not one unit is lost, doubled or
//! invented, and what was acknowledged is there, once.
//!
//! 25 kills of each store in a test run; `LEDGER_KILLS=500` makes it 1,000 altogether:
//! `LEDGER_KILLS=500 cargo test --release -p ledger --test crash`.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod child;
mod watch;

use std::time::Duration;

use database::testing::Server;
use ledger::{Ledger, Store as _};
use tempfile::TempDir;

use child::Target;
use support::random::Random;
use support::{NOW, id};
use watch::{Child, Seen};

/// Kills of one store in a test run.
const KILLS_DEFAULT: u64 = 25;
/// Longest storm before a kill, in milliseconds. Most are killed within their first commits.
const STORM_MS_MAX: u64 = 250;
/// The same every time, except for what the machine does.
const SEED: u64 = 20_261_122;

fn kills() -> u64 {
    let asked = std::env::var("LEDGER_KILLS").ok();
    asked.map_or(KILLS_DEFAULT, |kills| kills.parse().expect("LEDGER_KILLS"))
}

/// Not to wait for something: the time of the kill is what is random here.
async fn pause(random: &mut Random) {
    tokio::time::sleep(Duration::from_millis(random.below(STORM_MS_MAX))).await;
}

/// After a crash everything adds up, and what was acknowledged is there as it was acknowledged.
async fn check(ledger: &Ledger, seen: &mut Seen, since: usize) {
    let report = ledger.verify().await.expect("a report");
    assert!(report.is_clean(), "{:?}", report.differences);
    for (name, batch) in &seen.acknowledged[since..] {
        let linked = ledger
            .linked(&id(&format!("{name}/coins")))
            .await
            .expect("a read");
        assert!(!linked.is_empty(), "{name} was acknowledged, and is gone");
        assert!(linked.iter().all(|posted| posted.batch == *batch), "{name}");
        assert_eq!(linked.len(), 2, "{name}");
    }
    // What was told, and what is still to be told, is every committed gift in its order.
    let mut after = 0;
    loop {
        let messages = ledger.outbox_after(after, 1_000).await.expect("messages");
        let Some(last) = messages.last() else {
            break;
        };
        after = last.seq;
        for message in messages {
            let name = String::from_utf8(message.payload.to_vec()).expect("a name");
            seen.tell(message.seq, name);
        }
    }
    assert!(
        seen.told.keys().copied().eq(1..=seen.told.len() as u64),
        "a message is missing"
    );
    let told: std::collections::HashSet<_> = seen.told.values().collect();
    assert_eq!(
        told.len(),
        seen.told.len(),
        "a gift was told under two numbers"
    );
    for (name, _) in &seen.acknowledged[since..] {
        assert!(told.contains(name), "{name} was never told");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    let directory = TempDir::new().expect("a directory");
    let target = Target::Sqlite(directory.path().join("ledger.db"));
    let (mut random, mut seen) = (Random(SEED), Seen::default());
    for round in 0..kills() {
        let since = seen.acknowledged.len();
        let child = Child::start(&target, round);
        child.wait_for_first();
        pause(&mut random).await;
        child.kill(&mut seen);
        let ledger = target.open().await;
        check(&ledger, &mut seen, since).await;
        ledger.close().await;
    }
    println!(
        "sqlite: {} acknowledged, {} told",
        seen.acknowledged.len(),
        seen.told.len()
    );
    assert!(seen.acknowledged.len() as u64 > kills());
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    let mut server = Server::start();
    let target = Target::Postgres(server.url());
    let (mut random, mut seen) = (Random(SEED + 1), Seen::default());
    let mut killed = 0;
    while killed < kills() {
        let since = seen.acknowledged.len();
        // Two processes, as two origins.
        let children = [2 * killed, 2 * killed + 1].map(|round| Child::start(&target, round));
        for child in &children {
            child.wait_for_first();
        }
        pause(&mut random).await;
        if random.below(2) == 0 {
            server.kill();
            killed += 1;
            server.start_again();
            // They go on by themselves.
            for child in &children {
                child.wait_for_next();
            }
            pause(&mut random).await;
        }
        for child in children {
            child.kill(&mut seen);
        }
        killed += 1;
        let ledger = target.open().await;
        check(&ledger, &mut seen, since).await;
        ledger.close().await;
    }
    println!(
        "postgres: {} acknowledged, {} told",
        seen.acknowledged.len(),
        seen.told.len()
    );
    assert!(seen.acknowledged.len() as u64 > kills());
}

/// Not a test: what the tests above start, and kill.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the process that is killed; started by the other tests"]
async fn storm() {
    if let Some((target, round)) = Target::of_child() {
        let ledger = target.open().await;
        child::storm(ledger, round, NOW).await;
    }
}
