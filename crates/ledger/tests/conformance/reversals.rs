//! Corrections.

use ledger::{Batch, Error, Ledger, Reference, ReversalProblem, Store as _};

use crate::batches::at_once;
use crate::support::kits::Kit;
use crate::support::{NOW, gift, id, kind};
use crate::{balance, clean, with_coins};

async fn refund(ledger: &Ledger, of: &str, as_id: &str) -> Batch {
    let original = ledger.linked(&id(of)).await.expect("a read");
    let reference = Reference::new("because").expect("a reference");
    Batch::reversing(&original, &id(as_id), &kind("refund"), &reference).expect("a reversal")
}

#[track_caller]
fn assert_problem<T: std::fmt::Debug>(result: Result<T, Error>, expected: ReversalProblem) {
    match result {
        Err(Error::Reversal { problem, .. }) => assert_eq!(problem, expected),
        other => panic!("{other:?} instead of {expected:?}"),
    }
}

pub(crate) async fn a_batch_is_reversed_whole_and_once<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 100).await;
    ledger
        .commit(gift("g", "viewer", "diamonds-a", 40), NOW)
        .await
        .expect("a gift");
    let batch = refund(&ledger, "g/coins", "refund").await;
    assert_eq!(batch.transfers().len(), 2);

    let part = Batch::new(vec![batch.transfers()[0].clone()]).expect("a batch");
    assert_problem(ledger.commit(part, NOW).await, ReversalProblem::Partial);
    let mut less = batch.transfers().to_vec();
    less[0].amount = crate::support::amount(39);
    let less = Batch::new(less).expect("a batch");
    assert_problem(ledger.commit(less, NOW).await, ReversalProblem::Mismatch);
    let mut unknown = batch.transfers().to_vec();
    unknown[0].reverses = Some(id("none"));
    let unknown = Batch::new(unknown).expect("a batch");
    assert_problem(ledger.commit(unknown, NOW).await, ReversalProblem::Unknown);
    assert_eq!(balance(&ledger, "viewer").await, 60);

    assert!(
        ledger
            .commit(batch.clone(), NOW)
            .await
            .expect("a refund")
            .is_new()
    );
    assert!(!ledger.commit(batch, NOW).await.expect("as before").is_new());
    assert_eq!(balance(&ledger, "viewer").await, 100);
    assert_eq!(balance(&ledger, "diamonds-a").await, 0);
    let again = refund(&ledger, "g/diamonds", "again").await;
    assert_problem(ledger.commit(again, NOW).await, ReversalProblem::Again);
    let back = refund(&ledger, "refund/0", "back").await;
    assert_problem(ledger.commit(back, NOW).await, ReversalProblem::OfReversal);
    let posted = ledger
        .find_transfer(&id("refund/0"))
        .await
        .expect("a read")
        .expect("a transfer");
    assert_eq!(posted.transfer.reverses, Some(id("g/coins")));
    clean(&ledger).await;
}

pub(crate) async fn two_refunds_at_once<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 100).await;
    for round in 0..10 {
        let name = format!("g{round}");
        ledger
            .commit(gift(&name, "viewer", "diamonds-a", 10), NOW)
            .await
            .expect("a gift");
        let mut refunds = Vec::new();
        for staff in ["a", "b", "c"] {
            refunds.push(
                refund(
                    &ledger,
                    &format!("{name}/coins"),
                    &format!("{name}-{staff}"),
                )
                .await,
            );
        }
        let outcomes = at_once(&ledger, refunds).await;
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
            1,
            "{outcomes:?}"
        );
        for lost in outcomes.into_iter().filter(Result::is_err) {
            assert_problem(lost, ReversalProblem::Again);
        }
    }
    assert_eq!(balance(&ledger, "viewer").await, 100);
    clean(&ledger).await;
}
