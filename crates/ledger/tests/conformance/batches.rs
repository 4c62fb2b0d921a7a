//! Batches: committed whole, once, or not at all.

use std::sync::Arc;

use ledger::{Batch, Currency, Error, Ledger, NewAccount, Outcome, Receipt, Store as _, Timestamp};
use tokio::sync::Barrier;

use crate::support::kits::{Kit, Setup};
use crate::support::{NOW, account, gift, id, message, top_up, transfer};
use crate::{assert_insufficient, balance, clean, with_coins};

pub(crate) async fn a_gift_is_committed_whole<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 100).await;
    let outcome = ledger
        .commit(gift("g", "viewer", "diamonds-a", 30), NOW)
        .await;
    let Ok(Outcome::New(receipt)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        receipt,
        Receipt {
            batch: 2,
            at_ms: NOW
        }
    );
    for (name, expected) in [
        ("viewer", 70),
        ("coins-house", -70),
        ("diamonds-a", 30),
        ("diamonds-house", -30),
    ] {
        assert_eq!(balance(&ledger, name).await, expected, "{name}");
    }
    let linked = ledger.linked(&id("g/diamonds")).await.expect("transfers");
    let ids: Vec<_> = linked
        .iter()
        .map(|posted| posted.transfer.id.as_str())
        .collect();
    assert_eq!(ids, ["g/coins", "g/diamonds"]);
    assert!(
        linked
            .iter()
            .all(|posted| (posted.batch, posted.at_ms) == (2, NOW))
    );
    let found = ledger.find_transfer(&id("g/coins")).await.expect("a read");
    let expected = gift("g", "viewer", "diamonds-a", 30).transfers()[0].clone();
    assert_eq!(found.expect("it is there").transfer, expected);
    let messages = ledger.outbox_after(0, 10).await.expect("messages");
    assert_eq!(messages.len(), 1);
    assert_eq!(&messages[0].payload[..], b"g");
    clean(&ledger).await;
}

pub(crate) async fn the_same_batch_again_answers_the_first_result<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 100).await;
    let batch = || gift("g", "viewer", "diamonds-a", 60);
    let first = ledger.commit(batch(), NOW).await.expect("a commit");
    assert!(first.is_new());
    let receipt = first.into_inner();
    // Later, by another clock, with its transfers in another order; for 40 coins it would be refused.
    let later = Timestamp::from_millis(NOW.millis() + 1);
    let mut transfers = batch().transfers().to_vec();
    transfers.reverse();
    let reordered = Batch::new(transfers).expect("a batch");
    let reordered = reordered
        .with_messages(vec![message("room", "g")])
        .expect("few");
    for again in [batch(), reordered] {
        let again = ledger.commit(again, later).await;
        assert_eq!(again, Ok(Outcome::Already(receipt)));
    }
    ledger.close().await;
    let ledger = kit.open(Setup::default()).await.expect("a ledger");
    let again = ledger.commit(batch(), later).await;
    assert_eq!(again, Ok(Outcome::Already(receipt)));

    // Many at once: one is new, and all get the same.
    let other = || gift("h", "viewer", "diamonds-b", 30);
    let outcomes = at_once(&ledger, (0..32).map(|_| other()).collect()).await;
    let outcomes: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.expect("a commit"))
        .collect();
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_new()).count(),
        1
    );
    let receipts: Vec<_> = outcomes.into_iter().map(Outcome::into_inner).collect();
    assert!(receipts.iter().all(|receipt| *receipt == receipts[0]));
    assert_eq!(balance(&ledger, "viewer").await, 10);
    assert_eq!(ledger.outbox_after(0, 10).await.expect("messages").len(), 2);
    clean(&ledger).await;
}

/// All of them from tasks that begin together.
pub(crate) async fn at_once(
    ledger: &Ledger,
    batches: Vec<Batch>,
) -> Vec<Result<Outcome<Receipt>, Error>> {
    let barrier = Arc::new(Barrier::new(batches.len()));
    let tasks: Vec<_> = batches
        .into_iter()
        .map(|batch| {
            let (ledger, barrier) = (ledger.clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                ledger.commit(batch, NOW).await
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.expect("a task"));
    }
    outcomes
}

pub(crate) async fn other_content_conflicts<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 100).await;
    let batch = gift("g", "viewer", "diamonds-a", 10);
    ledger.commit(batch.clone(), NOW).await.expect("a commit");
    let told = |text| vec![message("room", text)];
    let transfers = batch.transfers().to_vec();
    let mut more = transfers.clone();
    more.push(transfer("extra", "viewer", "coins-house", 1));
    let mut kind = transfers.clone();
    kind[0].kind = crate::support::kind("other");
    let with = |transfers, text| {
        let batch = Batch::new(transfers).expect("a batch");
        batch.with_messages(told(text)).expect("few")
    };
    let others = [
        gift("g", "viewer", "diamonds-a", 11),
        gift("g", "other", "diamonds-a", 10),
        gift("g", "viewer", "diamonds-b", 10),
        with(transfers.clone(), "else"),
        with(vec![transfers[0].clone()], "g"),
        with(more, "g"),
        with(kind, "g"),
        batch
            .clone()
            .posting(ledger::HoldId::new("none").expect("an id")),
    ];
    for (index, other) in others.into_iter().enumerate() {
        let refused = ledger.commit(other, NOW).await;
        assert!(
            matches!(refused, Err(Error::Conflict { .. })),
            "{index}: {refused:?}"
        );
    }
    assert_eq!(balance(&ledger, "viewer").await, 90);
    assert!(
        ledger
            .find_transfer(&id("extra"))
            .await
            .expect("a read")
            .is_none()
    );
    clean(&ledger).await;
}

pub(crate) async fn a_refused_batch_leaves_nothing_and_may_be_tried_again<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 5).await;
    let batch = gift("g", "viewer", "diamonds-a", 6);
    assert_insufficient(ledger.commit(batch.clone(), NOW).await, 5, 6);
    let unknown = gift("u", "viewer", "diamonds-nobody", 1);
    let refused = ledger.commit(unknown, NOW).await;
    let nobody = account("diamonds-nobody");
    assert_eq!(refused, Err(Error::UnknownAccount { account: nobody }));
    let mut wrong = transfer("w", "viewer", "coins-house", 1);
    wrong.currency = Currency::Diamonds;
    let wrong = Batch::new(vec![wrong]).expect("a batch");
    let refused = ledger.commit(wrong, NOW).await;
    assert!(
        matches!(refused, Err(Error::Currency { .. })),
        "{refused:?}"
    );
    // Among others, in one group, only what is refused is missing.
    let mut group: Vec<_> = (0..20)
        .map(|n| top_up(&format!("t{n}"), "other", 1))
        .collect();
    group.insert(7, batch.clone());
    let outcomes = at_once(&ledger, group).await;
    let refused = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    assert_eq!(refused, 1, "{outcomes:?}");
    assert_eq!(balance(&ledger, "other").await, 20);
    for name in ["g/coins", "g/diamonds", "u/coins", "w"] {
        let found = ledger.find_transfer(&id(name)).await.expect("a read");
        assert_eq!(found, None);
    }
    assert_eq!(ledger.outbox_after(0, 10).await, Ok(Vec::new()));
    assert_eq!(balance(&ledger, "viewer").await, 5);
    clean(&ledger).await;

    ledger
        .commit(top_up("more", "viewer", 1), NOW)
        .await
        .expect("a coin");
    let outcome = ledger.commit(batch, NOW).await.expect("enough now");
    assert!(outcome.is_new());
    assert_eq!(balance(&ledger, "viewer").await, 0);
    clean(&ledger).await;
}

pub(crate) async fn two_taps_on_the_last_coin<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 0).await;
    for round in 0..20 {
        ledger
            .commit(top_up(&format!("coin-{round}"), "viewer", 1), NOW)
            .await
            .expect("a coin");
        let taps = ["a", "b"].map(|tap| gift(&format!("{tap}-{round}"), "viewer", "diamonds-a", 1));
        let outcomes = at_once(&ledger, taps.to_vec()).await;
        let [won, lost] = if outcomes[0].is_ok() { [0, 1] } else { [1, 0] };
        assert!(matches!(outcomes[won], Ok(Outcome::New(_))), "{outcomes:?}");
        assert_insufficient(outcomes[lost].clone(), 0, 1);
    }
    assert_eq!(balance(&ledger, "viewer").await, 0);
    assert_eq!(balance(&ledger, "diamonds-a").await, 20);
    clean(&ledger).await;
}

pub(crate) async fn amounts_at_the_limits<K: Kit>(kit: K) {
    const MOST: u64 = i64::MAX as u64;
    let ledger = with_coins(&kit, 0).await;
    ledger
        .commit(top_up("all", "viewer", MOST), NOW)
        .await
        .expect("the greatest balance");
    assert_eq!(balance(&ledger, "viewer").await, i64::MAX);
    assert_eq!(balance(&ledger, "coins-house").await, -i64::MAX);
    // One more would be too much for the viewer, or for the house.
    for (name, viewer) in [("one", "viewer"), ("two", "other")] {
        let refused = ledger.commit(top_up(name, viewer, 1), NOW).await;
        assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
    }
    // Sums within a batch are not what overflows: both leave, and both come.
    let around = Batch::new(vec![
        transfer("around/1", "viewer", "other", MOST),
        transfer("around/2", "other", "coins-house", MOST),
        transfer("around/3", "coins-house", "viewer", MOST),
    ]);
    ledger
        .commit(around.expect("a batch"), NOW)
        .await
        .expect("nothing moves");
    assert_eq!(balance(&ledger, "viewer").await, i64::MAX);
    let spend = Batch::new(vec![
        transfer("s/1", "viewer", "coins-house", MOST),
        transfer("s/2", "viewer", "coins-house", MOST),
    ]);
    let refused = ledger.commit(spend.expect("a batch"), NOW).await;
    assert_insufficient(refused, i64::MAX, 2 * MOST);
    let held = crate::holds::hold("h", "viewer", MOST, NOW.millis() + 10);
    ledger.hold(held, NOW).await.expect("all of it");
    assert_eq!(crate::available(&ledger, "viewer").await, 0);
    clean(&ledger).await;
}

pub(crate) async fn a_clock_that_is_set_back<K: Kit>(kit: K) {
    const DAY: u64 = 24 * 3600 * 1000;
    let ledger = with_coins(&kit, 100).await;
    let yesterday = Timestamp::from_millis(NOW.millis() - DAY);
    ledger
        .commit(gift("today", "viewer", "diamonds-a", 1), NOW)
        .await
        .expect("a gift");
    let receipt = ledger
        .commit(gift("then", "viewer", "diamonds-a", 1), yesterday)
        .await;
    assert_eq!(receipt.expect("a gift").into_inner().at_ms, yesterday);
    let again = ledger
        .commit(gift("today", "viewer", "diamonds-a", 1), yesterday)
        .await;
    assert_eq!(again.expect("as before").into_inner().at_ms, NOW);
    let page = ledger
        .history(&account("viewer"), None, 10)
        .await
        .expect("history");
    let order: Vec<_> = page
        .transfers
        .iter()
        .map(|posted| posted.transfer.id.as_str())
        .collect();
    assert_eq!(order, ["then/coins", "today/coins", "top-up"]);
    let messages = ledger.outbox_after(0, 10).await.expect("messages");
    let order: Vec<_> = messages
        .iter()
        .map(|message| &message.payload[..])
        .collect();
    assert_eq!(order, [&b"today"[..], b"then"]);
    clean(&ledger).await;
}

pub(crate) async fn accounts_are_opened_once<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 0).await;
    let new = |currency, overdraft| NewAccount {
        id: account("viewer"),
        currency,
        overdraft,
    };
    let again = ledger.open_account(new(Currency::Coins, false), NOW).await;
    assert!(matches!(again, Ok(Outcome::Already(_))), "{again:?}");
    for other in [new(Currency::Coins, true), new(Currency::Diamonds, false)] {
        let refused = ledger.open_account(other, NOW).await;
        assert!(
            matches!(refused, Err(Error::Conflict { .. })),
            "{refused:?}"
        );
    }
    // A name that is no SQL, and no LIKE.
    let odd = NewAccount {
        id: account("';DROP_TABLE%accounts;--"),
        currency: Currency::Coins,
        overdraft: false,
    };
    ledger
        .open_account(odd.clone(), NOW)
        .await
        .expect("an account");
    let balance = ledger.balance(&odd.id, NOW).await.expect("a balance");
    assert_eq!(balance.account, odd);
    clean(&ledger).await;
}
