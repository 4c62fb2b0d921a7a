//! One suite for both databases: what the records of gifts promise, whatever keeps them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![allow(
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test fails by panicking"
)]

mod applying;
mod boards;
mod broken;
mod goals;
mod lists;
mod model;
mod people;

use std::time::Duration;

use database::testing::{Kit, PostgresKit, SqliteKit};
use gift_records::{Applied, Day, Error, GiftRecord, GiftRecords, State};

/// How long operations may wait.
const TIMEOUT: Duration = Duration::from_secs(5);
const DAY_MS: u64 = 86_400_000;
/// Noon of some day.
const NOON: u64 = 20_000 * DAY_MS + DAY_MS / 2;

async fn open<K: Kit>(kit: &K) -> GiftRecords {
    let records = GiftRecords::open(kit.settings(TIMEOUT)).await;
    records.expect("a store")
}

/// A gift of 10 coins, 10 points and 5 diamonds at noon.
fn gift(id: &str, room: &str, sender: &str) -> GiftRecord {
    GiftRecord {
        id: id.to_owned(),
        seq: None,
        at_ms: NOON,
        room: room.to_owned(),
        sender_id: sender.to_owned(),
        sender_name: sender.to_uppercase(),
        item: "rose".to_owned(),
        count: 1,
        total: 10,
        points: 10,
        earned: 5,
        note: Some("for you".to_owned()),
        state: State::Given,
        signals: Vec::new(),
        plan: None,
        batch: Some(7),
        refunded_at_ms: None,
    }
}

fn held(id: &str, room: &str, sender: &str) -> GiftRecord {
    GiftRecord {
        state: State::Held,
        signals: vec!["velocity".to_owned(), "new, \"odd\"".to_owned()],
        plan: Some("{\"transfers\":[]}".to_owned()),
        batch: None,
        ..gift(id, room, sender)
    }
}

fn refund(id: &str) -> Applied {
    Applied::Refunded {
        id: id.to_owned(),
        at_ms: NOON + 3 * DAY_MS,
    }
}

/// Applies a gift; whether it was new.
async fn give(records: &GiftRecords, seq: u64, gift: GiftRecord) -> bool {
    let applied = records.apply(seq, Applied::Given(gift)).await;
    applied.expect("it is applied").applied == 1
}

async fn take_back(records: &GiftRecords, seq: u64, id: &str) {
    let applied = records.apply(seq, refund(id)).await;
    assert_eq!(applied.expect("it is applied").applied, 1);
}

async fn found(records: &GiftRecords, id: &str) -> GiftRecord {
    let gift = records.gift(id).await.expect("a read");
    gift.expect(id)
}

fn noon() -> Day {
    Day::of(NOON)
}

database::suite! {
    applying:
        a_message_counts_once
        a_group_is_applied_whole
        a_held_gift_is_given_or_rejected
        what_is_refunded_was_given
        values_are_bounded;
    boards:
        who_gave_most
        a_board_has_all_that_a_hub_keeps
        refunds_count_on_the_day_of_the_gift
        earnings_have_the_days_with_something
        old_boards_are_swept;
    goals:
        a_goal_is_reached_once
        a_goal_counts_from_when_it_was_set;
    lists:
        pages_are_stable_while_more_is_given
        lists_are_of_rooms_and_states;
    people:
        what_somebody_spent
        a_person_is_exported
        a_person_is_forgotten;
    broken:
        a_store_that_hangs;
    model:
        everything_is_what_a_naive_model_says;
}
