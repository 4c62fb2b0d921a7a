//! The steps of paying, in the orders in which two requests, or a crash, can put them.

use std::sync::Arc;

use gift_records::State as RecordState;
use ledger::HoldState;
use tokio::sync::Barrier;

use super::super::harness::{WATCHFUL, World, order, suspicious, until};
use super::*;
use crate::control::wallet::now;

#[tokio::test]
async fn without_accounts_nothing_is_paid() {
    let world = World::new("").await;
    let ana = world.rich("ana", 100).await;
    world.desk.accounts.close().await;
    let refused = world.desk.pay(order("g1", &ana, 10)).await.unwrap_err();
    assert!(refused.is_ours(), "{refused}");
    assert!(!world.is_paid(&order("g1", &ana, 10)).await);
}

/// A tap, on two edges: one finds it good, the other suspicious. It is paid, and nothing is reserved.
#[tokio::test]
async fn what_is_paid_is_not_held() {
    let world = World::new(WATCHFUL).await;
    let ana = world.rich("ana", 100).await;
    // Paid, then held.
    let first = order("g1", &ana, 10);
    assert_eq!(world.give(&first).await.unwrap().state, State::Given);
    let late = world.hold(&first).await.unwrap();
    assert_eq!((late.state, late.is_new), (State::Given, false));
    assert_eq!(late.available, Some(90));
    assert_eq!(world.hold_of(&first).await, Some(HoldState::Voided));
    // Held, then paid.
    let second = order("g2", &ana, 10);
    let held = world.hold(&second).await.unwrap();
    assert_eq!((held.state, held.is_new), (State::Held, true));
    let paid = world.give(&second).await.unwrap();
    assert_eq!((paid.state, paid.available), (State::Given, Some(80)));
    assert_eq!(world.hold_of(&second).await, Some(HoldState::Voided));
    // With coins for one of both alone.
    let third = order("g3", &ana, 80);
    world.hold(&third).await.unwrap();
    let same = world.give(&third).await.unwrap();
    assert_eq!((same.state, same.is_new), (State::Held, false));
    world.desk.give_back(&third.id).await.unwrap();
    let last = order("g4", &ana, 80);
    world.give(&last).await.unwrap();
    let same = world.hold(&last).await.unwrap();
    assert_eq!((same.state, same.is_new), (State::Given, false));
    for order in [&first, &second, &last] {
        until("the gift is recorded", async || {
            world.record_of(order).await == Some(RecordState::Given)
        })
        .await;
    }
}

#[tokio::test]
async fn at_the_same_time_it_is_paid_or_held_and_never_both() {
    let world = Arc::new(World::new(WATCHFUL).await);
    let ana = world.rich("ana", 1_000).await;
    for round in 0..30 {
        let order = order(&format!("g{round}"), &ana, 10);
        let barrier = Arc::new(Barrier::new(2));
        let both = [true, false].map(|gives| {
            let (world, order) = (Arc::clone(&world), order.clone());
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move {
                barrier.wait().await;
                if gives {
                    world.give(&order).await
                } else {
                    world.hold(&order).await
                }
            })
        });
        for one in both {
            one.await.unwrap().unwrap();
        }
        assert!(world.is_paid(&order).await);
        assert_ne!(world.hold_of(&order).await, Some(HoldState::Open));
        assert_eq!(world.coins(&ana).await, 1_000 - 10 * (round + 1));
    }
}

/// One that was cut off between paying and looking is put right by the same tap again.
#[tokio::test]
async fn the_same_again_frees_what_is_reserved_beside_it() {
    let world = World::new(WATCHFUL).await;
    let ana = world.rich("ana", 100).await;
    let order = order("g1", &ana, 10);
    world.hold(&order).await.unwrap();
    world.commit(&order).await.unwrap();
    assert_eq!(world.coins(&ana).await, 80);
    let again = world.desk.pay(order.clone()).await.unwrap();
    assert_eq!((again.state, again.available), (State::Given, Some(90)));
    assert_eq!(world.hold_of(&order).await, Some(HoldState::Voided));
}

#[tokio::test]
async fn the_record_of_a_held_gift_comes_before_its_coins() {
    let world = Arc::new(World::new(WATCHFUL).await);
    let ana = world.rich("ana", 100).await;
    let lock = world.lock("ledger.db");
    let [first, second] = ["g1", "g2"].map(|id| order(id, &ana, 10));
    let asked = [&first, &second].map(|order| {
        let (world, order) = (Arc::clone(&world), order.clone());
        tokio::spawn(async move { world.hold(&order).await })
    });
    for order in [&first, &second] {
        until("the record is there", async || {
            world.record_of(order).await == Some(RecordState::Held)
        })
        .await;
        assert_eq!(world.hold_of(order).await, None);
    }
    // Staff are faster.
    world.desk.records.reject_held(&second.id).await.unwrap();
    drop(lock);
    let [one, other] = asked;
    assert_eq!(one.await.unwrap().unwrap().state, State::Held);
    let rejected = other.await.unwrap().unwrap_err();
    assert_eq!(rejected.code(), "given-back");
    assert_eq!(world.coins(&ana).await, 90);
}

#[tokio::test]
async fn what_the_ledger_does_not_reserve_does_not_wait_for_staff() {
    let world = World::new(WATCHFUL).await;
    let ana = world.rich("ana", 1_000).await;
    // Who cannot pay leaves nothing.
    let dear = order("dear", &ana, 1_001);
    let refused = world.hold(&dear).await.unwrap_err();
    assert_eq!(refused.code(), "insufficient");
    assert_eq!(world.record_of(&dear).await, None);
    for number in 0..64 {
        let order = order(&format!("g{number}"), &ana, 1);
        assert_eq!(world.hold(&order).await.unwrap().state, State::Held);
    }
    let many = order("many", &ana, 1);
    assert_eq!(world.hold(&many).await.unwrap_err().code(), "refused");
    assert_eq!(world.record_of(&many).await, Some(RecordState::Rejected));
    assert_eq!(world.hold_of(&many).await, None);
    // It is over, then: coins would be reserved that nobody sees.
    assert!(world.desk.give_back("g0").await.is_ok());
    assert_eq!(world.hold(&many).await.unwrap_err().code(), "given-back");
    assert_eq!(world.hold_of(&many).await, None);
}

#[tokio::test]
async fn another_gift_under_the_name_of_a_held_one_changes_nothing() {
    let world = World::new(WATCHFUL).await;
    let ana = world.rich("ana", 1_000).await;
    let right = order("g1", &ana, 10);
    // As a crash left it before records came first.
    let hold = words::reservation(&right, unix_ms() + 1_000_000).unwrap();
    world.desk.ledger.hold(hold, now()).await.unwrap();
    let mut count = right.clone();
    count.count = 2;
    let total = order("g1", &ana, 11);
    for wrong in [count, total] {
        let refused = world.desk.pay(wrong.clone()).await.unwrap_err();
        assert_eq!(refused.code(), "client-id-reused");
        assert_eq!(world.record_of(&right).await, None);
    }
    let again = world.desk.pay(right.clone()).await.unwrap();
    assert_eq!((again.state, again.total), (State::Held, 10));
    assert_eq!(world.record_of(&right).await, Some(RecordState::Held));
}

/// Two requests of one tap have looked before either had reserved anything, and reserve until another time.
#[tokio::test]
async fn a_hold_that_is_there_already_is_that_of_the_same_gift() {
    let world = World::new(WATCHFUL).await;
    let ana = world.rich("ana", 100).await;
    let order = order("g1", &ana, 10);
    let at_ms = unix_ms();
    for later in 0..3 {
        let held = world.desk.hold(&order, &suspicious(), at_ms + later).await;
        let held = held.unwrap();
        assert_eq!((held.state, held.is_new), (State::Held, later == 0));
    }
    assert_eq!(world.coins(&ana).await, 90);
    let mut other = order.clone();
    other.count = 2;
    let refused = world.hold(&other).await.unwrap_err();
    assert_eq!(refused.code(), "client-id-reused");
}

#[tokio::test]
async fn at_once_the_same_suspicious_gift_is_held_once() {
    let world = Arc::new(World::new("").await);
    let ana = world.rich("ana", 100).await;
    world.make_broadcaster(&ana).await;
    let barrier = Arc::new(Barrier::new(8));
    let asked = (0..8).map(|_| {
        let (world, barrier) = (Arc::clone(&world), Arc::clone(&barrier));
        let order = order("g1", &ana, 60);
        tokio::spawn(async move {
            barrier.wait().await;
            world.desk.pay(order).await
        })
    });
    let mut new = 0;
    for asked in asked.collect::<Vec<_>>() {
        let paid = asked.await.unwrap().unwrap();
        assert_eq!((paid.state, paid.total), (State::Held, 60));
        new += i32::from(paid.is_new);
    }
    assert_eq!((new, world.coins(&ana).await), (1, 40));
}

/// The one connection that reads is busy: what is paid is answered nevertheless.
#[tokio::test]
async fn what_is_paid_is_answered_though_the_balance_cannot_be_read() {
    let world = World::new("[control.ledger]\nreaders = 1\n").await;
    let ana = world.rich("ana", 100_000).await;
    // More lines than an export keeps ready.
    for number in 0..20 {
        let mut order = order(&format!("before-{number}"), &ana, 1);
        let coin = order.plan.transfers.swap_remove(0);
        order.plan.transfers = vec![coin; gifts::TRANSFERS_MAX];
        order.plan.total = 64;
        world.desk.pay(order).await.unwrap();
    }
    let mut export = world.desk.ledger.export().await.unwrap();
    assert!(export.next().await.unwrap().is_ok());
    let order = order("g1", &ana, 10);
    let paid = world.desk.pay(order.clone()).await.unwrap();
    assert_eq!((paid.state, paid.available), (State::Given, None));
    drop(export);
    let again = world.desk.pay(order).await.unwrap();
    assert_eq!(
        (again.is_new, again.available),
        (false, Some(100_000 - 20 * 64 - 10))
    );
}
