//! `/ledger/verify`: all is well, and what it says when it is not.

use std::path::Path;

use http::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::book::{fill, filled, read, verify};
use crate::harness::{Origin, at_once, control_file, operator};

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_ledger_and_a_filled_one_add_up() {
    let mut origin = Origin::start().await;
    let told = read(&origin, "/verify").await;
    assert_eq!(told, json!({ "running_since_ms": null, "last": null }));
    let report = verify(&origin).await;
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(report["transfers"], 0);

    origin.restart_after(fill).await;
    let report = verify(&origin).await;
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(report["differences"], json!([]));
    let counts = ["accounts", "batches", "transfers", "messages_pending"];
    let counts = counts.map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [5, 3, 5, 0]);
    for of in report["sums"].as_array().unwrap() {
        assert_eq!(of["sum"], 0, "{report}");
    }
    // What the last one found is kept.
    let told = read(&origin, "/verify").await;
    assert_eq!(told["last"], report);
    assert_eq!(told["running_since_ms"], Value::Null);
    let differences = origin.metric("weir_control_ledger_differences").await;
    assert_eq!(differences, Some(0.0));
    // Head, accounts, batches, transfers.
    let rows = origin.metric("weir_control_ledger_verify_rows").await;
    assert_eq!(rows, Some(14.0));
    let verified = "weir_control_ledger_verified_timestamp_seconds";
    assert!(origin.metric(verified).await > Some(0.0));
    let running = "weir_control_ledger_verify_started_timestamp_seconds";
    assert_eq!(origin.metric(running).await, Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_edited_the_database_is_found_out() {
    let mut origin = filled().await;
    assert_eq!(verify(&origin).await["ok"], true);

    let edit = async |directory: &Path| {
        let database = Connection::open(control_file(directory, "ledger.db")).unwrap();
        let changed = database.execute(
            "UPDATE accounts SET balance = balance + 7 WHERE id LIKE '%:u-1'",
            [],
        );
        assert_eq!(changed, Ok(1));
    };
    origin.restart_after(edit).await;
    let report = verify(&origin).await;
    assert_eq!(report["ok"], false);
    let differences = report["differences"].as_array().unwrap();
    let balance = differences.iter().find_map(|found| found.get("balance"));
    let balance = balance.unwrap_or_else(|| panic!("{report}"));
    assert!(balance["account"].as_str().unwrap().ends_with(":u-1"));
    assert_eq!(
        (&balance["stored"], &balance["computed"]),
        (&json!(807), &json!(800))
    );
    let sum = differences.iter().find_map(|found| found.get("sum"));
    assert_eq!(sum.unwrap_or_else(|| panic!("{report}"))["sum"], 7);
    let differences = differences.len() as f64;
    let metric = origin.metric("weir_control_ledger_differences").await;
    assert_eq!(metric, Some(differences));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_at_a_time() {
    let origin = filled().await;
    let ask = async || {
        let call = operator(Method::POST, "/v1/admin/ledger/verify");
        let answer = origin.operate(call).await;
        match answer.status.as_u16() {
            200 => answer.body["ok"] == true,
            _ => {
                assert_eq!(answer.refusal(), (409, "running"));
                false
            }
        }
    };
    // Whichever come while one runs are refused, and all others are told the same.
    let verified = at_once(8, async |_| ask().await).await;
    assert!(verified.contains(&true));
    assert!(ask().await, "the place is free again");
}
