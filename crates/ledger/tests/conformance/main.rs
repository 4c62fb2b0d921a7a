//! One suite for both stores: what a ledger promises, whatever keeps it.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod batches;
mod broken;
mod holds;
mod only_postgres;
mod only_sqlite;
mod outbox;
mod proxy;
mod reads;
mod reversals;
mod verify;

use ledger::{Error, Ledger, Store as _};

use support::kits::{Kit, PostgresKit, Setup, SqliteKit};
use support::{NOW, account};

/// A ledger with a viewer who has some coins, and two broadcasters.
async fn with_coins<K: Kit>(kit: &K, coins: u64) -> Ledger {
    let ledger = kit.open(Setup::default()).await.expect("a ledger");
    support::open(&ledger, &["viewer", "other", "diamonds-a", "diamonds-b"]).await;
    if coins > 0 {
        let batch = support::top_up("top-up", "viewer", coins);
        ledger.commit(batch, NOW).await.expect("coins");
    }
    ledger
}

async fn balance(ledger: &Ledger, name: &str) -> i64 {
    let balance = ledger.balance(&account(name), NOW).await;
    balance.expect("a balance").balance
}

async fn available(ledger: &Ledger, name: &str) -> i64 {
    let balance = ledger.balance(&account(name), NOW).await;
    balance.expect("a balance").available()
}

/// Everything adds up.
async fn clean(ledger: &Ledger) {
    let report = ledger.verify().await.expect("a report");
    assert!(report.is_clean(), "{:?}", report.differences);
}

fn assert_insufficient<T: std::fmt::Debug>(result: Result<T, Error>, has: i64, needs: u64) {
    match result {
        Err(Error::Insufficient {
            available, needed, ..
        }) => assert_eq!((available, needed), (has, needs)),
        other => panic!("{other:?}"),
    }
}

database::suite! {
    batches:
        a_gift_is_committed_whole
        the_same_batch_again_answers_the_first_result
        other_content_conflicts
        a_refused_batch_leaves_nothing_and_may_be_tried_again
        two_taps_on_the_last_coin
        amounts_at_the_limits
        a_clock_that_is_set_back
        accounts_are_opened_once;
    holds:
        a_hold_reserves_until_it_is_posted
        a_hold_is_given_up
        a_hold_expires
        holds_are_idempotent
        two_posts_of_one_hold;
    reversals:
        a_batch_is_reversed_whole_and_once
        two_refunds_at_once;
    outbox:
        messages_come_in_order_until_they_are_done;
    reads:
        history_is_paged_while_more_is_committed
        what_is_unknown
        what_there_is_at_a_glance
        an_export_has_everything;
    verify:
        every_difference_is_found
        a_newer_schema_is_refused;
    broken:
        a_store_that_hangs
        a_storm_with_everything;
}
