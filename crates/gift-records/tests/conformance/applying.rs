//! Messages of the outbox.

use database::testing::Kit;
use gift_records::limits::{GROUP_MAX, VALUE_MAX};
use gift_records::{Applied, GiftRecord, Outcome, Period, State};

use crate::{NOON, found, gift, give, held, open, refund, take_back};

pub(crate) async fn a_message_counts_once<K: Kit>(kit: K) {
    let records = open(&kit).await;
    assert_eq!(records.cursor().await.expect("a read"), 0);
    assert!(give(&records, 1, gift("a", "demo", "ana")).await);
    assert!(!give(&records, 1, gift("a", "demo", "ana")).await);
    // Gaps are nothing special; what is behind was applied.
    assert!(give(&records, 9, gift("b", "demo", "ana")).await);
    assert!(!give(&records, 8, gift("c", "demo", "ana")).await);
    assert_eq!(records.gift("c").await.expect("a read"), None);
    // An id is for ever, whatever the number of its message.
    assert!(give(&records, 10, gift("a", "other", "ben")).await);
    let a = found(&records, "a").await;
    assert_eq!((a.seq, a.room.as_str()), (Some(1), "demo"));
    records.close().await;
    let records = open(&kit).await;
    assert_eq!(records.cursor().await.expect("a read"), 10);
    assert!(!give(&records, 10, gift("d", "demo", "ana")).await);
    let board = records.leaderboard(None, Period::All, 10).await;
    assert_eq!(board.expect("a board").total, 20);
}

pub(crate) async fn a_group_is_applied_whole<K: Kit>(kit: K) {
    let records = open(&kit).await;
    let many = 2 * GROUP_MAX as u64 + 3;
    let message = |n: u64| {
        let gift = gift(&format!("g{n}"), "demo", &format!("u{}", n % 7));
        (n, Applied::Given(gift))
    };
    let mut messages: Vec<_> = (1..=many).map(message).collect();
    // Given and taken back in one group, and a message that comes twice in it.
    messages.push((many + 1, refund("g1")));
    messages.push((many + 1, refund("g2")));
    messages.push((many + 2, Applied::Given(gift("last", "demo", "u1"))));
    messages.push((many + 3, refund("last")));
    let outcome = records.apply_all(messages.clone()).await;
    let expected = usize::try_from(many).expect("few") + 3;
    assert_eq!(outcome.expect("they are applied").applied, expected);
    let again = records.apply_all(messages).await.expect("nothing");
    assert_eq!(again, Outcome::default());
    assert_eq!(found(&records, "g1").await.state, State::Refunded);
    assert_eq!(found(&records, "g2").await.state, State::Given);
    assert_eq!(found(&records, "last").await.state, State::Refunded);
    let board = records.leaderboard(Some("demo"), Period::All, 10).await;
    assert_eq!(board.expect("a board").total, 10 * (many - 1));
    let none = records.apply_all(Vec::new()).await.expect("nothing");
    assert_eq!(none, Outcome::default());
}

pub(crate) async fn a_held_gift_is_given_or_rejected<K: Kit>(kit: K) {
    let records = open(&kit).await;
    assert!(records.hold(held("h", "demo", "ana")).await.expect("held"));
    let again = GiftRecord {
        total: 99,
        ..held("h", "demo", "ana")
    };
    assert!(!records.hold(again).await.expect("the same"));
    assert_eq!(found(&records, "h").await, held("h", "demo", "ana"));
    assert!(records.hold(held("r", "demo", "ana")).await.expect("held"));
    give(&records, 1, gift("b", "demo", "ben")).await;
    // It becomes the newest, stays suspicious, and has no plan left.
    give(&records, 2, gift("h", "demo", "ana")).await;
    let given = GiftRecord {
        seq: Some(2),
        state: State::Given,
        plan: None,
        batch: Some(7),
        ..held("h", "demo", "ana")
    };
    assert_eq!(found(&records, "h").await, given);
    assert!(!records.hold(held("h", "demo", "ana")).await.expect("given"));
    assert!(!records.reject_held("h").await.expect("given"));
    assert!(!records.reject_held("nothing").await.expect("nothing"));
    assert!(records.reject_held("r").await.expect("rejected"));
    assert!(!records.reject_held("r").await.expect("rejected"));
    let rejected = found(&records, "r").await;
    assert_eq!((rejected.state, rejected.plan), (State::Rejected, None));
    let page = records.gifts(None, None, None, 10).await.expect("a page");
    let ids: Vec<_> = page.gifts.iter().map(|gift| gift.id.as_str()).collect();
    assert_eq!(ids, ["h", "b", "r"]);
    let board = records.leaderboard(None, Period::All, 10).await;
    assert_eq!(board.expect("a board").total, 20);
}

pub(crate) async fn what_is_refunded_was_given<K: Kit>(kit: K) {
    let records = open(&kit).await;
    records.hold(held("h", "demo", "ana")).await.expect("held");
    give(&records, 1, gift("a", "demo", "ana")).await;
    for (seq, id) in [(2, "a"), (3, "a"), (4, "h"), (5, "nothing")] {
        take_back(&records, seq, id).await;
    }
    let refunded = found(&records, "a").await;
    assert_eq!(refunded.state, State::Refunded);
    assert_eq!(refunded.refunded_at_ms, Some(NOON + 3 * crate::DAY_MS));
    assert_eq!(found(&records, "h").await.state, State::Held);
    assert_eq!(records.cursor().await.expect("a read"), 5);
    let board = records.leaderboard(None, Period::All, 10).await;
    assert_eq!(board.expect("a board").total, 0);
}

pub(crate) async fn values_are_bounded<K: Kit>(kit: K) {
    let records = open(&kit).await;
    for (seq, id) in [(1, "a"), (2, "b")] {
        let large = GiftRecord {
            count: u64::MAX,
            total: u64::MAX,
            points: u64::MAX,
            earned: u64::MAX,
            ..gift(id, "demo", "ana")
        };
        give(&records, seq, large).await;
    }
    assert_eq!(found(&records, "a").await.total, VALUE_MAX);
    take_back(&records, 3, "a").await;
    let board = records.leaderboard(None, Period::All, 10).await;
    assert_eq!(board.expect("a board").total, VALUE_MAX);
}
