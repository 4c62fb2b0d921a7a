//! Goals of rooms.

use database::testing::Kit;
use gift_records::{Applied, GiftRecord, Goal};

use crate::{NOON, gift, give, open, take_back};

pub(crate) async fn a_goal_is_reached_once<K: Kit>(kit: K) {
    let records = open(&kit).await;
    assert_eq!(records.goal("demo").await.expect("a read"), None);
    let set = records.set_goal("demo", "a hat", 25, NOON).await;
    let set = set.expect("a goal");
    assert_eq!(
        records.goal("demo").await.expect("a read"),
        Some(set.clone())
    );
    give(&records, 1, gift("a", "demo", "ana")).await;
    give(&records, 2, gift("b", "other", "ana")).await;
    let late = GiftRecord {
        at_ms: NOON + 60_000,
        ..gift("d", "demo", "ana")
    };
    let group = vec![
        (3, Applied::Given(gift("c", "demo", "ben"))),
        (4, Applied::Given(late)),
        (5, Applied::Given(gift("e", "demo", "ana"))),
    ];
    let outcome = records.apply_all(group).await.expect("they are applied");
    let reached = Goal {
        progress: 30,
        reached_at_ms: Some(NOON + 60_000),
        ..set
    };
    assert_eq!(outcome.reached.len(), 1);
    assert_eq!(outcome.reached[0].room, "demo");
    assert_eq!(outcome.reached[0].goal, reached);
    // A refund takes it back, and what comes then tells nobody again.
    take_back(&records, 6, "c").await;
    take_back(&records, 7, "d").await;
    let goal = records.goal("demo").await.expect("a read");
    let goal = goal.expect("it is there");
    assert_eq!(
        (goal.progress, goal.reached_at_ms),
        (20, Some(NOON + 60_000))
    );
    let again = records
        .apply(8, Applied::Given(gift("f", "demo", "ana")))
        .await;
    assert_eq!(again.expect("it is applied").reached, []);
    assert!(records.clear_goal("demo").await.expect("it goes"));
    assert!(!records.clear_goal("demo").await.expect("it is gone"));
    assert_eq!(records.goal("demo").await.expect("a read"), None);
    give(&records, 9, gift("g", "demo", "ana")).await;
}

pub(crate) async fn a_goal_counts_from_when_it_was_set<K: Kit>(kit: K) {
    let records = open(&kit).await;
    give(&records, 5, gift("before", "demo", "ana")).await;
    let set = records.set_goal("demo", "a hat", 100, NOON - 1).await;
    set.expect("a goal");
    let progress = async || {
        let goal = records.goal("demo").await.expect("a read");
        goal.expect("it is there").progress
    };
    take_back(&records, 6, "before").await;
    assert_eq!(progress().await, 0);
    give(&records, 7, gift("after", "demo", "ana")).await;
    assert_eq!(progress().await, 10);
    // Set anew, it begins anew.
    let set = records.set_goal("demo", "a hat", 10, NOON).await;
    assert_eq!(set.expect("a goal").progress, 0);
    take_back(&records, 8, "after").await;
    assert_eq!(progress().await, 0);
    let last = Applied::Given(gift("last", "demo", "ana"));
    let outcome = records.apply(9, last).await.expect("it is applied");
    assert_eq!(outcome.reached.len(), 1);
}
