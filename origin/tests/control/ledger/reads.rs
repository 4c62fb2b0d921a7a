//! Summary, accounts, history, transfers, and the export.

use std::collections::BTreeMap;

use ledger::Currency;
use serde_json::{Value, json};

use super::book::{filled, get, id, read};

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is() {
    let origin = filled().await;
    let [coin, diamond] = Currency::ALL.map(Currency::as_str);
    let expected = json!({
        "currencies": [
            { "currency": coin, "issued": 1_000, "accounts": 3 },
            { "currency": diamond, "issued": 100, "accounts": 2 },
        ],
        "outbox_waiting": 0,
        "batches": 3,
    });
    assert_eq!(read(&origin, "/summary").await, expected);

    let viewer = id(Currency::ALL[0], "u-1");
    let sheet = read(&origin, &format!("/accounts/{viewer}")).await;
    let expected = json!({
        "id": viewer.as_str(), "currency": coin, "overdraft": false,
        "balance": 800, "available": 800, "held": 0,
    });
    assert_eq!(sheet, expected);
    // An id as a client escapes it.
    let escaped = viewer.as_str().replace(':', "%3A");
    let again = read(&origin, &format!("/accounts/{escaped}")).await;
    assert_eq!(again, expected);

    let linked = read(&origin, "/transfers/g1%2F2").await;
    assert_eq!(linked, read(&origin, "/transfers/g1/1").await);
    let ids = linked["transfers"].as_array().unwrap().iter();
    let ids: Vec<_> = ids.map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["g1/1", "g1/2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_in_pages() {
    let origin = filled().await;
    let path = format!("/accounts/{}/history", id(Currency::ALL[0], "u-1"));
    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = read(&origin, &format!("{path}{query}")).await;
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        match page["next"].as_u64() {
            Some(next) => query = format!("?limit=2&before={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["g2/1", "g1/1", "top-up"]);
    let all = read(&origin, &path).await;
    assert_eq!(all["items"].as_array().unwrap().len(), 3);
    assert_eq!(all["items"][0]["amount"], 100);
    assert_eq!(all["next"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_all_of_it() {
    let origin = filled().await;
    for _ in 0..2 {
        let export = get(&origin, "/export").await;
        assert_eq!(export.status, 200);
        assert!(export.page.ends_with('\n'));
        let mut counts = BTreeMap::new();
        let mut transfers = Vec::new();
        for line in export.page.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let (kind, value) = line.as_object().unwrap().iter().next().unwrap();
            *counts.entry(kind.clone()).or_insert(0) += 1;
            if kind == "transfer" {
                transfers.push(value["transfer"]["id"].as_str().unwrap().to_owned());
            }
        }
        assert_eq!(transfers, ["top-up", "g1/1", "g1/2", "g2/1", "g2/2"]);
        let expected = [("account", 5), ("batch", 3), ("head", 1), ("transfer", 5)];
        let expected = expected.map(|(kind, count)| (kind.to_owned(), count));
        assert_eq!(counts, BTreeMap::from(expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there() {
    let origin = filled().await;
    let long = "x".repeat(129);
    for (path, status, code) in [
        ("/accounts/nobody", 404, "unknown-account"),
        ("/accounts/nobody/history", 404, "unknown-account"),
        ("/transfers/none", 404, "unknown-transfer"),
        ("/transfers/none/1", 404, "unknown-transfer"),
        ("/accounts/a%20b", 422, "bad-id"),
        ("/accounts/a%22/history", 422, "bad-id"),
        ("/transfers/%C3%A4", 422, "bad-id"),
        (&format!("/accounts/{long}"), 422, "bad-id"),
        ("/accounts/%FF", 400, "malformed"),
        ("/accounts/a/history?before=x", 400, "malformed"),
        ("/accounts/a/history?limit=-1", 400, "malformed"),
        ("/accounts/a/history?page=1", 400, "malformed"),
    ] {
        let answer = get(&origin, path).await;
        assert_eq!(answer.refusal(), (status, code), "{path}");
    }
}
