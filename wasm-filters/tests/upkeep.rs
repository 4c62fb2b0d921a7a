//! What a host lets go of by itself, once a second.

use std::time::Instant;

use wasm_filters::host::{CallInfo, ChatVerdict};
use wasm_filters::manifest::Isolation;
use wasm_filters::version::AGE_MAX;

use crate::node::{Node, active, anybody, info, none, said};
use crate::support::message;

#[tokio::test]
async fn instances_that_nobody_calls_any_more_are_let_go() {
    let node = Node::new();
    let pooled = |manifest: &mut wasm_filters::manifest::Manifest| {
        manifest.isolation = Some(Isolation::Pooled);
    };
    let version = node.version_with("v1", none(), pooled).await;
    node.apply(active(&version, 1));
    said(&node.host, &node.host.snapshot(), "!seen", anybody()).await;
    assert_eq!(version.usage().idle, 1);
    node.host.tick(Instant::now());
    assert_eq!(version.usage().idle, 1, "it is young");
    node.host.tick(Instant::now() + AGE_MAX);
    assert_eq!(version.usage().idle, 0);
}

/// Says something at an instant of one's own.
async fn say_at(node: &Node, text: &str, now_unix_ms: u64) {
    let info = CallInfo {
        now_unix_ms,
        ..info(anybody())
    };
    let table = node.host.snapshot();
    let answer = node.host.on_message(&table, info, message(text)).await;
    assert!(
        matches!(answer.verdict, ChatVerdict::Deliver(_)),
        "{answer:?}"
    );
}

#[tokio::test]
async fn kv_that_has_expired_is_let_go_and_the_rest_stays() {
    let node = Node::new();
    let version = node.version("v1", none()).await;
    node.apply(active(&version, 1));
    let has = |line: &str| node.metrics().lines().any(|each| each == line);
    assert!(has("weir_filter_kv_entries 0"), "{}", node.metrics());
    say_at(&node, "!count forever", 1_000).await;
    // A bucket expires when it is full again: long before the real clock's now.
    say_at(&node, "!take bucket", 1_000).await;
    assert!(has("weir_filter_kv_entries 2"), "{}", node.metrics());
    node.host.tick(Instant::now());
    assert!(has("weir_filter_kv_entries 1"), "{}", node.metrics());
    assert!(!has("weir_filter_kv_bytes 0"), "{}", node.metrics());
    let long = "k".repeat(wasm_filters::kv::KV_KEY_BYTES_MAX + 1);
    say_at(&node, &format!("!get {long}"), 1_000).await;
    let refused = "weir_filter_kv_refused_total{reason=\"too-large\"} 1";
    assert!(has(refused), "{}", node.metrics());
    assert!(has("weir_filter_kv_refused_total{reason=\"quota\"} 0"));
}
