//! The audit sees what somebody did behind the ledger's back.

use ledger::{Difference, OpenError, Reference, Store as _};

use crate::holds::{hold, hold_id};
use crate::support::kits::{Kit, Setup};
use crate::support::{NOW, gift, id, kind};
use crate::{clean, with_coins};

type Is = fn(&Difference) -> bool;

/// What is done, undone, and how it is called.
const WRONGS: &[(&str, &str, Is)] = &[
    (
        "UPDATE {}accounts SET balance = balance + 1 WHERE id = 'viewer'",
        "UPDATE {}accounts SET balance = balance - 1 WHERE id = 'viewer'",
        |found| matches!(found, Difference::Balance { .. }),
    ),
    (
        "UPDATE {}accounts SET balance = balance - 1000 WHERE id = 'viewer'",
        "UPDATE {}accounts SET balance = balance + 1000 WHERE id = 'viewer'",
        |found| matches!(found, Difference::BelowZero { .. }),
    ),
    (
        "UPDATE {}accounts SET balance = balance + 1 WHERE id = 'diamonds-a'",
        "UPDATE {}accounts SET balance = balance - 1 WHERE id = 'diamonds-a'",
        |found| matches!(found, Difference::Sum { sum: 1, .. }),
    ),
    (
        "UPDATE {}accounts SET held = held + 1 WHERE id = 'viewer'",
        "UPDATE {}accounts SET held = held - 1 WHERE id = 'viewer'",
        |found| matches!(found, Difference::Held { .. }),
    ),
    (
        "UPDATE {}holds SET state = 2 WHERE id = 'open'",
        "UPDATE {}holds SET state = 0 WHERE id = 'open'",
        |found| matches!(found, Difference::Held { .. }),
    ),
    (
        "UPDATE {}holds SET state = 2 WHERE id = 'posted'",
        "UPDATE {}holds SET state = 1 WHERE id = 'posted'",
        |found| matches!(found, Difference::Hold { .. }),
    ),
    (
        "UPDATE {}transfers SET amount = amount + 1 WHERE id = 'g/coins'",
        "UPDATE {}transfers SET amount = amount - 1 WHERE id = 'g/coins'",
        |found| matches!(found, Difference::Balance { .. }),
    ),
    (
        "UPDATE {}transfers SET batch = batch + 1 WHERE id = 'g/coins'",
        "UPDATE {}transfers SET batch = batch - 1 WHERE id = 'g/coins'",
        |found| matches!(found, Difference::Batch { .. }),
    ),
    (
        "UPDATE {}transfers SET currency = 2 WHERE id = 'g/coins'",
        "UPDATE {}transfers SET currency = 1 WHERE id = 'g/coins'",
        |found| matches!(found, Difference::Currency { .. }),
    ),
    (
        "UPDATE {}transfers SET reverses = 1 WHERE id = 'refund/0'",
        "UPDATE {}transfers SET reverses = \
             (SELECT seq FROM {}transfers WHERE id = 'g/coins') WHERE id = 'refund/0'",
        |found| matches!(found, Difference::Reversal { .. }),
    ),
    (
        "UPDATE {}transfers SET reverses = NULL WHERE id = 'refund/0'",
        "UPDATE {}transfers SET reverses = \
             (SELECT seq FROM {}transfers WHERE id = 'g/coins') WHERE id = 'refund/0'",
        |found| matches!(found, Difference::PartialReversal { .. }),
    ),
    (
        "UPDATE {}head SET transfers = transfers + 1",
        "UPDATE {}head SET transfers = transfers - 1",
        |found| matches!(found, Difference::End { .. }),
    ),
    (
        "UPDATE {}batches SET messages = messages + 1 WHERE seq = 2",
        "UPDATE {}batches SET messages = messages - 1 WHERE seq = 2",
        |found| matches!(found, Difference::Batch { .. }),
    ),
    // Last, because they cannot be undone.
    ("DELETE FROM {}outbox WHERE seq = 1", "SELECT 1", |found| {
        matches!(found, Difference::Gap { .. })
    }),
    (
        "DELETE FROM {}transfers WHERE id = 'g/diamonds'",
        "SELECT 1",
        |found| matches!(found, Difference::Gap { .. }),
    ),
];

pub(crate) async fn every_difference_is_found<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 100).await;
    ledger
        .commit(gift("g", "viewer", "diamonds-a", 10), NOW)
        .await
        .expect("a gift");
    let later = NOW.millis() + 1_000;
    ledger
        .hold(hold("open", "viewer", 5, later), NOW)
        .await
        .expect("a hold");
    ledger
        .hold(hold("posted", "viewer", 5, later), NOW)
        .await
        .expect("a hold");
    let post = gift("p", "viewer", "diamonds-a", 3);
    ledger
        .post(hold_id("posted"), post, NOW)
        .await
        .expect("a gift");
    let original = ledger.linked(&id("g/coins")).await.expect("a read");
    let refund = ledger::Batch::reversing(
        &original,
        &id("refund"),
        &kind("refund"),
        &Reference::default(),
    );
    ledger
        .commit(refund.expect("a refund"), NOW)
        .await
        .expect("a refund");
    let report = ledger.verify().await.expect("a report");
    assert!(report.is_clean(), "{:?}", report.differences);
    let counts = (
        report.accounts,
        report.holds_open,
        report.batches,
        report.transfers,
        report.messages_pending,
    );
    assert_eq!(counts, (6, 1, 4, 7, 2));
    for &(wrong, right, is) in WRONGS {
        kit.tamper(wrong);
        let report = ledger.verify().await.expect("a report");
        assert!(
            report.differences.iter().any(is),
            "{wrong}: {:?}",
            report.differences
        );
        if right == "SELECT 1" {
            continue;
        }
        kit.tamper(right);
        clean(&ledger).await;
    }
}

pub(crate) async fn a_newer_schema_is_refused<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 1).await;
    ledger.close().await;
    let digest = "(SELECT digest FROM {}migrations WHERE version = 1)";
    kit.tamper(&format!("INSERT INTO {{}}migrations VALUES (99, {digest})"));
    let refused = kit.open(Setup::default()).await.map(drop);
    assert!(
        matches!(
            refused,
            Err(OpenError::Newer {
                found: 99,
                known: 1,
                ..
            })
        ),
        "{refused:?}"
    );
    kit.tamper("DELETE FROM {}migrations WHERE version = 99");
    let ledger = kit.open(Setup::default()).await.expect("as before");
    clean(&ledger).await;
}
