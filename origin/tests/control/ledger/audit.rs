//! `/ledger/verify`: all is well, and what it says when it is not.

use http::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{OPERATOR, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_ledger_and_a_filled_one_add_up() {
    let world = World::new();
    let origin = world.origin().await;
    let told = origin.json("/ledger/verify").await;
    assert_eq!(told, json!({ "running_since_ms": null, "last": null }));
    let report = origin.verify().await;
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(report["transfers"], 0);
    origin.stop().await;

    world.fill().await;
    let origin = world.origin().await;
    let report = origin.verify().await;
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(report["differences"], json!([]));
    let counts = ["accounts", "batches", "transfers", "messages_pending"];
    let counts = counts.map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [5, 3, 5, 0]);
    for of in report["sums"].as_array().unwrap() {
        assert_eq!(of["sum"], 0, "{report}");
    }
    // What the last one found is kept.
    let told = origin.json("/ledger/verify").await;
    assert_eq!(told["last"], report);
    assert_eq!(told["running_since_ms"], Value::Null);
    assert_eq!(origin.metric("weir_control_ledger_differences").await, 0.0);
    // Head, accounts, batches, transfers.
    let rows = origin.metric("weir_control_ledger_verify_rows").await;
    assert_eq!(rows, 14.0);
    let verified = "weir_control_ledger_verified_timestamp_seconds";
    assert!(origin.metric(verified).await > 0.0);
    let running = "weir_control_ledger_verify_started_timestamp_seconds";
    assert_eq!(origin.metric(running).await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_edited_the_database_is_found_out() {
    let world = World::new();
    world.fill().await;
    let origin = world.origin().await;
    assert_eq!(origin.verify().await["ok"], true);
    origin.stop().await;

    let database = Connection::open(world.file("ledger.db")).unwrap();
    let changed = database.execute(
        "UPDATE accounts SET balance = balance + 7 WHERE id LIKE '%:u-1'",
        [],
    );
    assert_eq!(changed, Ok(1));
    drop(database);

    let origin = world.origin().await;
    let report = origin.verify().await;
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
    assert_eq!(metric, differences);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_at_a_time() {
    let world = World::new();
    world.fill().await;
    let origin = world.origin().await;
    let verify = async || {
        let answer = origin.admin(Method::POST, "/ledger/verify", Some(OPERATOR));
        let answer = answer.await;
        match answer.status.as_u16() {
            200 => answer.json()["ok"] == true,
            _ => {
                assert_eq!(answer.refusal(), (409, "running".to_owned()));
                false
            }
        }
    };
    // Whichever come while one runs are refused, and all others are told the same.
    let verified = futures::future::join_all((0..8).map(|_| verify())).await;
    assert!(verified.contains(&true));
    assert!(verify().await, "the place is free again");
}
