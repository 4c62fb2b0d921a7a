//! Leaderboards and earnings.

use database::testing::Kit;
use gift_records::{Applied, DaySum, GiftRecord, Leaderboard, Period};

use crate::{DAY_MS, NOON, gift, give, noon, open, take_back};

/// As `id points`, after the total.
fn shown(board: &Leaderboard) -> String {
    let entries = board.entries.iter();
    let entries = entries.map(|entry| format!(" {} {}", entry.name, entry.points));
    format!("{}{}", board.total, entries.collect::<String>())
}

pub(crate) async fn who_gave_most<K: Kit>(kit: K) {
    let records = open(&kit).await;
    let tomorrow = |gift: GiftRecord| GiftRecord {
        at_ms: NOON + DAY_MS,
        points: 100,
        ..gift
    };
    give(&records, 1, gift("1", "demo", "cleo")).await;
    give(&records, 2, gift("2", "demo", "ana")).await;
    give(&records, 3, gift("3", "demo", "ben")).await;
    give(&records, 4, gift("4", "demo", "ben")).await;
    give(&records, 5, gift("5", "other", "ana")).await;
    give(&records, 6, tomorrow(gift("6", "demo", "ana"))).await;
    let day = Period::Day(noon());
    let next = Period::Day(noon().next());
    for (room, period, limit, expected) in [
        (Some("demo"), day, 10, "40 BEN 20 ANA 10 CLEO 10"),
        (Some("demo"), day, 1, "40 BEN 20"),
        (Some("demo"), next, 10, "100 ANA 100"),
        (Some("demo"), Period::All, 10, "140 ANA 110 BEN 20 CLEO 10"),
        (Some("other"), Period::All, 10, "10 ANA 10"),
        (Some("none"), Period::All, 10, "0"),
        (None, day, 10, "50 ANA 20 BEN 20 CLEO 10"),
        (None, Period::All, 2, "150 ANA 120 BEN 20"),
        (None, Period::Day(noon().minus(1)), 10, "0"),
    ] {
        let board = records.leaderboard(room, period, limit).await;
        let board = board.expect("a board");
        assert_eq!(shown(&board), expected, "{room:?} {period:?}");
    }
    // The name is the last one.
    let renamed = GiftRecord {
        sender_name: "Ben 2".to_owned(),
        ..gift("7", "other", "ben")
    };
    give(&records, 7, renamed).await;
    let board = records.leaderboard(Some("demo"), day, 1).await;
    assert_eq!(shown(&board.expect("a board")), "40 Ben 2 20");
}

/// From a board the points of a hub are corrected: all that it keeps, in any case no more.
pub(crate) async fn a_board_has_all_that_a_hub_keeps<K: Kit>(kit: K) {
    let records = open(&kit).await;
    let all = (1..=1_001_u64).map(|seq| {
        let points = 10_000 - seq;
        let gift = gift(&seq.to_string(), "demo", &format!("u-{seq}"));
        (seq, Applied::Given(GiftRecord { points, ..gift }))
    });
    let applied = records.apply_all(all.collect()).await;
    assert_eq!(applied.expect("applied").applied, 1_001);
    let board = records.leaderboard(Some("demo"), Period::All, 5_000).await;
    let board = board.expect("a board").entries;
    assert_eq!(board.len(), 1_000);
    assert_eq!(board[0].user_id, "u-1");
    assert_eq!(board[999].user_id, "u-1000");
}

pub(crate) async fn refunds_count_on_the_day_of_the_gift<K: Kit>(kit: K) {
    let records = open(&kit).await;
    give(&records, 1, gift("a", "demo", "ana")).await;
    give(&records, 2, gift("b", "demo", "ben")).await;
    // Days later.
    take_back(&records, 3, "a").await;
    for period in [Period::Day(noon()), Period::All] {
        for room in [Some("demo"), None] {
            let board = records.leaderboard(room, period, 10).await;
            assert_eq!(shown(&board.expect("a board")), "10 BEN 10");
        }
    }
    let earnings = records.earnings("demo", noon(), noon()).await;
    assert_eq!(earnings.expect("earnings")[0].coins, 10);
}

pub(crate) async fn earnings_have_the_days_with_something<K: Kit>(kit: K) {
    let records = open(&kit).await;
    for (seq, days) in [(1, 0), (2, 0), (3, 2), (4, 3)] {
        let gift = GiftRecord {
            at_ms: NOON + days * DAY_MS,
            ..gift(&seq.to_string(), "demo", "ana")
        };
        give(&records, seq, gift).await;
    }
    give(&records, 5, gift("other", "other", "ana")).await;
    take_back(&records, 6, "3").await;
    let last = noon().next().next().next();
    let sum = |day, gifts| DaySum {
        day,
        gifts,
        coins: 10 * gifts,
        diamonds: 5 * gifts,
    };
    for (from, to, expected) in [
        (noon(), last, vec![sum(noon(), 2), sum(last, 1)]),
        (noon().next(), last, vec![sum(last, 1)]),
        (noon(), last.minus(1), vec![sum(noon(), 2)]),
        (last, noon(), Vec::new()),
    ] {
        let earnings = records.earnings("demo", from, to).await;
        assert_eq!(earnings.expect("earnings"), expected);
    }
}

pub(crate) async fn old_boards_are_swept<K: Kit>(kit: K) {
    let records = open(&kit).await;
    give(&records, 1, gift("a", "demo", "ana")).await;
    let tomorrow = GiftRecord {
        at_ms: NOON + DAY_MS,
        ..gift("b", "demo", "ana")
    };
    give(&records, 2, tomorrow).await;
    assert_eq!(records.sweep(NOON).await.expect("nothing yet"), 0);
    // Room and platform, ana and all.
    assert_eq!(records.sweep(NOON + DAY_MS).await.expect("a sweep"), 4);
    assert_eq!(records.sweep(NOON).await.expect("nothing left"), 0);
    // Neither what comes late nor a refund brings anything back.
    let board = async |period| {
        let board = records.leaderboard(Some("demo"), period, 10).await;
        shown(&board.expect("a board"))
    };
    give(&records, 3, gift("c", "demo", "ana")).await;
    assert_eq!(board(Period::Day(noon())).await, "0");
    take_back(&records, 4, "a").await;
    assert_eq!(board(Period::Day(noon())).await, "0");
    assert_eq!(board(Period::Day(noon().next())).await, "10 ANA 10");
    assert_eq!(board(Period::All).await, "20 ANA 20");
    let earnings = records.earnings("demo", noon(), noon()).await;
    assert_eq!(earnings.expect("earnings")[0].gifts, 1);
}
