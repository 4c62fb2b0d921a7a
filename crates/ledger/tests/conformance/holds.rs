//! Holds: what is reserved is spent once, or free again.

use ledger::{
    Amount, Batch, Currency, Error, HoldId, HoldProblem, HoldState, NewHold, Outcome, Reference,
    Store as _, Timestamp,
};

use crate::batches::at_once;
use crate::support::kits::Kit;
use crate::support::{NOW, account, gift, kind, transfer};
use crate::{assert_insufficient, available, balance, clean, with_coins};

pub(crate) fn hold_id(id: &str) -> HoldId {
    HoldId::new(id).expect("an id")
}

pub(crate) fn hold(id: &str, of: &str, units: u64, expires: u64) -> NewHold {
    NewHold {
        id: hold_id(id),
        account: account(of),
        amount: Amount::new(units).expect("an amount"),
        currency: Currency::Coins,
        expires_ms: Timestamp::from_millis(expires),
        kind: kind("gift"),
        reference: Reference::default(),
    }
}

fn in_a_minute() -> u64 {
    NOW.millis() + 60_000
}

#[track_caller]
fn assert_problem<T: std::fmt::Debug>(result: Result<T, Error>, expected: HoldProblem) {
    match result {
        Err(Error::Hold { problem, .. }) => assert_eq!(problem, expected),
        other => panic!("{other:?} instead of {expected:?}"),
    }
}

pub(crate) async fn a_hold_reserves_until_it_is_posted<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 100).await;
    ledger
        .hold(hold("h", "viewer", 80, in_a_minute()), NOW)
        .await
        .expect("a hold");
    assert_eq!(
        (
            balance(&ledger, "viewer").await,
            available(&ledger, "viewer").await
        ),
        (100, 20)
    );
    assert_insufficient(
        ledger
            .commit(gift("g", "viewer", "diamonds-a", 21), NOW)
            .await,
        20,
        21,
    );
    assert_insufficient(
        ledger
            .hold(hold("i", "viewer", 21, in_a_minute()), NOW)
            .await,
        20,
        21,
    );
    clean(&ledger).await;

    // Not more than it is for, not of others, and not nothing.
    let refused = ledger
        .post(hold_id("h"), gift("g", "viewer", "diamonds-a", 81), NOW)
        .await;
    assert_problem(refused, HoldProblem::Exceeded);
    let other = Batch::new(vec![transfer("o", "coins-house", "other", 1)]).expect("a batch");
    assert_problem(
        ledger.post(hold_id("h"), other, NOW).await,
        HoldProblem::OtherAccount,
    );
    let refused = ledger
        .post(hold_id("none"), gift("g", "viewer", "diamonds-a", 1), NOW)
        .await;
    assert_problem(refused, HoldProblem::Unknown);

    // A part of it: the rest is free.
    let posted = ledger
        .post(hold_id("h"), gift("g", "viewer", "diamonds-a", 50), NOW)
        .await;
    assert!(posted.expect("it is posted").is_new());
    let again = ledger
        .post(hold_id("h"), gift("g", "viewer", "diamonds-a", 50), NOW)
        .await;
    assert!(!again.expect("as before").is_new());
    assert_eq!(
        (
            balance(&ledger, "viewer").await,
            available(&ledger, "viewer").await
        ),
        (50, 50)
    );
    let found = ledger
        .find_hold(&hold_id("h"))
        .await
        .expect("a read")
        .expect("a hold");
    assert_eq!((found.state, found.posted), (HoldState::Posted, 50));
    assert_problem(ledger.void(hold_id("h"), NOW).await, HoldProblem::Posted);
    let refused = ledger
        .post(hold_id("h"), gift("j", "viewer", "diamonds-a", 1), NOW)
        .await;
    assert_problem(refused, HoldProblem::Posted);
    clean(&ledger).await;
}

pub(crate) async fn a_hold_is_given_up<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 50).await;
    ledger
        .hold(hold("v", "viewer", 50, in_a_minute()), NOW)
        .await
        .expect("a hold");
    assert_eq!(available(&ledger, "viewer").await, 0);
    let voided = ledger.void(hold_id("v"), NOW).await.expect("it is voided");
    assert!(voided.is_new());
    assert!(
        !ledger
            .void(hold_id("v"), NOW)
            .await
            .expect("as before")
            .is_new()
    );
    assert_eq!(available(&ledger, "viewer").await, 50);
    let refused = ledger
        .post(hold_id("v"), gift("k", "viewer", "diamonds-a", 1), NOW)
        .await;
    assert_problem(refused, HoldProblem::Voided);
    assert_problem(
        ledger.void(hold_id("none"), NOW).await,
        HoldProblem::Unknown,
    );
    clean(&ledger).await;
}

pub(crate) async fn a_hold_expires<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 100).await;
    let at = |after: u64| Timestamp::from_millis(NOW.millis() + after);
    for id in ["a", "b", "c"] {
        let expires = NOW.millis() + if id == "c" { 500 } else { 100 };
        ledger
            .hold(hold(id, "viewer", 30, expires), NOW)
            .await
            .expect("a hold");
    }
    let free = async |now| {
        let balance = ledger.balance(&account("viewer"), now).await;
        balance.expect("a balance").available()
    };
    assert_eq!(
        (free(at(99)).await, free(at(100)).await, free(at(500)).await),
        (10, 70, 100)
    );
    let refused = ledger
        .post(
            hold_id("a"),
            gift("late", "viewer", "diamonds-a", 1),
            at(100),
        )
        .await;
    assert_problem(refused, HoldProblem::Expired);
    let refused = ledger.hold(hold("d", "viewer", 1, NOW.millis()), NOW).await;
    assert_problem(refused, HoldProblem::Expired);
    // Nothing was written by what was refused: by an earlier clock they are open.
    assert_eq!(free(NOW).await, 10);
    // What they held can be spent without anybody tidying up.
    ledger
        .commit(gift("g", "viewer", "diamonds-a", 70), at(100))
        .await
        .expect("it is free");
    let found = ledger
        .find_hold(&hold_id("b"))
        .await
        .expect("a read")
        .expect("a hold");
    assert_eq!(found.state, HoldState::Expired);
    // For good, even when the clock is set back.
    assert_problem(
        ledger
            .post(hold_id("b"), gift("z", "viewer", "diamonds-a", 1), NOW)
            .await,
        HoldProblem::Expired,
    );
    assert!(
        !ledger
            .void(hold_id("a"), NOW)
            .await
            .expect("it is over")
            .is_new()
    );
    assert_eq!(ledger.expire(at(499)).await, Ok(0));
    assert_eq!(ledger.expire(at(500)).await, Ok(1));
    assert_eq!(available(&ledger, "viewer").await, 30);
    clean(&ledger).await;
}

pub(crate) async fn holds_are_idempotent<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 100).await;
    let first = hold("h", "viewer", 60, in_a_minute());
    let made = ledger.hold(first.clone(), NOW).await.expect("a hold");
    assert!(made.is_new());
    let again = ledger
        .hold(first.clone(), Timestamp::from_millis(in_a_minute() + 1))
        .await;
    assert_eq!(again, Ok(Outcome::Already(made.into_inner())));
    for other in [
        hold("h", "viewer", 61, in_a_minute()),
        hold("h", "other", 60, in_a_minute()),
        hold("h", "viewer", 60, in_a_minute() + 1),
    ] {
        let refused = ledger.hold(other, NOW).await;
        assert!(
            matches!(refused, Err(Error::Conflict { .. })),
            "{refused:?}"
        );
    }
    let unknown = ledger
        .hold(hold("u", "nobody", 1, in_a_minute()), NOW)
        .await;
    assert!(
        matches!(unknown, Err(Error::UnknownAccount { .. })),
        "{unknown:?}"
    );
    // As many as may be.
    let most = ledger::limits::HOLDS_PER_ACCOUNT_MAX;
    for n in 1..=most {
        let made = ledger
            .hold(hold(&format!("h{n}"), "viewer", 1, in_a_minute()), NOW)
            .await;
        if n < 41 {
            assert!(made.is_ok(), "{n}: {made:?}");
        }
    }
    let house = (0..=most).map(|n| hold(&format!("house{n}"), "coins-house", 1, in_a_minute()));
    let mut last = None;
    for hold in house {
        last = Some(ledger.hold(hold, NOW).await);
    }
    assert!(matches!(last, Some(Err(Error::Limit(_)))), "{last:?}");
    clean(&ledger).await;
}

pub(crate) async fn two_posts_of_one_hold<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 100).await;
    ledger
        .hold(hold("h", "viewer", 100, in_a_minute()), NOW)
        .await
        .expect("a hold");
    let posts = ["a", "b"].map(|id| gift(id, "viewer", "diamonds-a", 50).posting(hold_id("h")));
    let outcomes = at_once(&ledger, posts.to_vec()).await;
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
        1,
        "{outcomes:?}"
    );
    let lost = outcomes.into_iter().find(Result::is_err).expect("one lost");
    assert_problem(lost, HoldProblem::Posted);
    assert_eq!(available(&ledger, "viewer").await, 50);
    clean(&ledger).await;
}
