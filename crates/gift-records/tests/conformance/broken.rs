//! Databases that are broken, and what only one of them has.

use std::time::Duration;

use database::testing::{Kit, PostgresKit};
use gift_records::{Applied, GiftRecords, Period};

use crate::{Error, TIMEOUT, gift, give, open};

pub(crate) async fn a_store_that_hangs<K: Kit>(mut kit: K) {
    let records = open(&kit).await;
    give(&records, 1, gift("a", "demo", "ana")).await;
    kit.block();
    let start = std::time::Instant::now();
    let late = records
        .apply(2, Applied::Given(gift("b", "demo", "ana")))
        .await;
    assert!(
        matches!(late, Err(Error::Unavailable { .. } | Error::Busy)),
        "{late:?}"
    );
    assert!(start.elapsed() < TIMEOUT * 3, "{:?}", start.elapsed());
    kit.unblock();
    // Applied now or, if the answer was all that was late, then.
    give(&records, 2, gift("b", "demo", "ana")).await;
    let board = records.leaderboard(None, Period::All, 10).await;
    assert_eq!(board.expect("a board").total, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_killed_and_every_message_counts_once() {
    let mut kit = PostgresKit::new();
    // While it is away writers try again, until their time is over.
    let hasty = Duration::from_secs(1);
    let records = GiftRecords::open(kit.settings(hasty)).await;
    let hasty = records.expect("a store");
    let records = open(&kit).await;
    let mut next = 1;
    for round in 0..3_u64 {
        let writer = hasty.clone();
        let applying = tokio::spawn(async move {
            let mut applied = next;
            // Until the server is gone: in the middle of a group, of a commit, or between two.
            loop {
                let group = (applied..applied + 20)
                    .map(|n| (n, Applied::Given(gift(&n.to_string(), "demo", "ana"))));
                match writer.apply_all(group.collect()).await {
                    Ok(_) => applied += 20,
                    Err(_) => return applied,
                }
            }
        });
        // Some groups are in. Each look is a way to the server, and pause enough.
        while !applying.is_finished() && records.cursor().await.expect("a read") < next + 40 * round
        {
        }
        kit.server.kill();
        let known = applying.await.expect("a task");
        kit.server.start_again();
        let cursor = records.cursor().await.expect("it is back");
        // What was answered is there, and at most the group whose answer was lost.
        assert!(cursor == known - 1 || cursor == known + 19, "{cursor}");
        next = known;
    }
    // The dispatcher begins where it was answered last.
    let group = (next..next + 20).map(|n| (n, Applied::Given(gift(&n.to_string(), "demo", "ana"))));
    records.apply_all(group.collect()).await.expect("applied");
    let board = records.leaderboard(None, Period::All, 10).await;
    assert_eq!(board.expect("a board").total, 10 * (next + 19));
    let sum = kit.server.sql("SELECT sum(points) FROM gift_records");
    assert_eq!(sum, (10 * (next + 19)).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_apply_the_same_messages() {
    let kit = PostgresKit::new();
    let (a, b) = tokio::join!(open(&kit), open(&kit));
    for group in 0..20_u64 {
        let messages = || {
            let message = |n: u64| (n, Applied::Given(gift(&n.to_string(), "demo", "ana")));
            (10 * group + 1..=10 * group + 10).map(message).collect()
        };
        let (first, second) = tokio::join!(a.apply_all(messages()), b.apply_all(messages()));
        let applied = [first, second].map(|outcome| outcome.expect("applied").applied);
        assert_eq!(applied.iter().sum::<usize>(), 10);
    }
    let board = a.leaderboard(None, Period::All, 10).await;
    assert_eq!(board.expect("a board").total, 2_000);
}
