//! Reads.

use std::collections::BTreeMap;

use ledger::{Currency, Error, Store as _, Summary};
use serde_json::Value;

use crate::support::kits::{Kit, Setup};
use crate::support::{NOW, account, gift, id, top_up};
use crate::{clean, with_coins};

pub(crate) async fn history_is_paged_while_more_is_committed<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 1_000).await;
    for n in 0..25 {
        let batch = if n % 3 == 0 {
            top_up(&format!("t{n}"), "viewer", 1)
        } else {
            gift(&format!("g{n}"), "viewer", "diamonds-a", 1)
        };
        ledger.commit(batch, NOW).await.expect("a commit");
        ledger
            .commit(top_up(&format!("x{n}"), "other", 1), NOW)
            .await
            .expect("a commit");
    }
    let viewer = account("viewer");
    let mut seen = Vec::new();
    let mut before = None;
    let mut pages = 0;
    loop {
        let page = ledger.history(&viewer, before, 7).await.expect("a page");
        seen.extend(page.transfers);
        pages += 1;
        // What comes meanwhile is newer than all pages to come.
        ledger
            .commit(top_up(&format!("new{pages}"), "viewer", 1), NOW)
            .await
            .expect("a commit");
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (26, 4));
    assert!(seen.is_sorted_by(|a, b| a.seq > b.seq));
    assert!(
        seen.iter()
            .all(|posted| [&posted.transfer.debit, &posted.transfer.credit].contains(&&viewer))
    );
    let all = ledger
        .history(&viewer, None, usize::MAX)
        .await
        .expect("a page");
    assert_eq!((all.transfers.len(), all.next), (26 + pages, None));
    let end = ledger.history(&viewer, Some(0), 10).await.expect("a page");
    assert!(end.transfers.is_empty());
}

pub(crate) async fn what_is_unknown<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 1).await;
    let nobody = account("nobody");
    let unknown = Error::UnknownAccount {
        account: nobody.clone(),
    };
    assert_eq!(ledger.balance(&nobody, NOW).await, Err(unknown.clone()));
    assert_eq!(
        ledger.history(&nobody, None, 10).await,
        Err(unknown.clone())
    );
    assert_eq!(unknown.status(), 404);
    assert_eq!(ledger.linked(&id("none")).await, Ok(Vec::new()));
    assert_eq!(
        ledger.find_hold(&crate::holds::hold_id("none")).await,
        Ok(None)
    );
    let asked = [
        account("viewer"),
        nobody,
        account("other"),
        account("viewer"),
    ];
    let balances = ledger.balances(&asked, NOW).await.expect("balances");
    let found: Vec<_> = balances
        .iter()
        .map(|found| found.as_ref().map(|b| b.balance))
        .collect();
    assert_eq!(found, [Some(1), None, Some(0), Some(1)]);
}

pub(crate) async fn an_export_has_everything<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 3_000).await;
    for n in 0..1_500 {
        let batch = gift(&format!("g{n}"), "viewer", "diamonds-a", 1);
        if n % 300 == 0 {
            ledger.commit(batch, NOW).await.expect("a commit");
        }
    }
    let held = crate::holds::hold("h", "viewer", 5, NOW.millis() + 1);
    ledger.hold(held, NOW).await.expect("a hold");
    let mut export = ledger.export().await.expect("an export");
    let mut counts = BTreeMap::new();
    let mut sum = 0;
    while let Some(line) = export.next().await {
        let line: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let (name, value) = line
            .as_object()
            .and_then(|line| line.iter().next())
            .expect("one");
        *counts.entry(name.clone()).or_insert(0) += 1;
        sum += value["balance"].as_i64().unwrap_or_default();
        if name == "transfer" && value["seq"] == 2 {
            assert_eq!(value["transfer"]["id"], "g0/coins");
            assert_eq!(value["transfer"]["currency"], "coin");
            assert_eq!(value["transfer"]["amount"], 1);
        }
    }
    let expected = [
        ("account", 6),
        ("batch", 6),
        ("head", 1),
        ("hold", 1),
        ("message", 5),
        ("transfer", 11),
    ];
    let expected = expected.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(counts, BTreeMap::from(expected));
    assert_eq!(sum, 0);
    // One that is given up keeps nothing.
    drop(ledger.export().await.expect("an export"));
    clean(&ledger).await;
}

pub(crate) async fn what_there_is_at_a_glance<K: Kit>(kit: K) {
    let empty = kit.open(Setup::default()).await.expect("a ledger");
    let summary = empty.summary().await.expect("a summary");
    let seen = |summary: &Summary| -> Vec<_> {
        let of = summary.currencies.iter();
        of.map(|it| (it.currency, it.issued, it.accounts)).collect()
    };
    let [coins, diamonds] = Currency::ALL;
    assert_eq!(seen(&summary), [(coins, 0, 0), (diamonds, 0, 0)]);
    assert_eq!((summary.batches, summary.outbox_waiting), (0, 0));
    empty.close().await;

    let ledger = with_coins(&kit, 1_000).await;
    let batch = gift("g", "viewer", "diamonds-a", 100);
    ledger.commit(batch, NOW).await.expect("a commit");
    let summary = ledger.summary().await.expect("a summary");
    let accounts: u64 = summary.currencies.iter().map(|it| it.accounts).sum();
    assert_eq!((summary.batches, summary.outbox_waiting), (2, 1));
    let issued: Vec<_> = summary.currencies.iter().map(|it| it.issued).collect();
    assert_eq!(issued, [900, 100]);
    assert_eq!(accounts, ledger.verify().await.expect("a report").accounts);
}
