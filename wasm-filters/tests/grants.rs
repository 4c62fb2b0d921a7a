//! What a node remembers of its filters' answers, what it refuses, and what it shows.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use wasm_filters::grants::{GrantKey, Revocation, RevocationKind};
use wasm_filters::host::{AuthAnswer, DenialKind, FilterRouting, GiftAnswer, Stage};
use wasm_filters::manifest::{Digest, Hook, Manifest, VersionDocument};

use crate::node::*;
use crate::support::{NOW_MS, guest, user};

fn auth_calls(node: &Node) -> u64 {
    node.calls(Hook::Auth)
}

#[tokio::test]
async fn a_grant_is_given_again_until_it_is_revoked() {
    let node = Node::new();
    let version = node.version("v1", json!({"cache_ms": 600_000})).await;
    node.apply(active(&version, 1));
    let table = node.host.snapshot();
    let headers = http::HeaderMap::new();
    let credential = credential(TOKEN);
    let call = auth_call(&credential, &headers, anybody());
    let key = GrantKey::of(&table, &call);
    assert!(node.host.cached_grant(&key, Instant::now()).is_none());
    granted_by(&node.host.authorize(&table, call).await);
    for _ in 0..10 {
        granted_by(&node.host.authorize(&table, call).await);
        assert!(node.host.cached_grant(&key, Instant::now()).is_some());
    }
    assert_eq!(auth_calls(&node), 1);
    // Another filter's change keeps it; a change of this one does not.
    let revocation = Revocation {
        kind: RevocationKind::User,
        value: "ada".to_owned(),
        until_unix_ms: NOW_MS * 2,
    };
    node.host.revoke(&revocation, NOW_MS).unwrap();
    assert!(node.host.cached_grant(&key, Instant::now()).is_none());
    let AuthAnswer::Denied(denial) = node.host.authorize(&table, call).await else {
        panic!("a revoked user got in");
    };
    assert_eq!(
        (denial.kind, denial.code.as_str()),
        (DenialKind::Revoked, "revoked")
    );
}

#[tokio::test]
async fn a_new_version_is_asked_anew() {
    let node = Node::new();
    let config = json!({"cache_ms": 600_000});
    let (v1, v2) = (
        node.version("v1", config.clone()).await,
        node.version("v2", config).await,
    );
    for (activation, version) in [(1, &v1), (2, &v2), (3, &v1)] {
        node.apply(active(version, activation));
        let table = node.host.snapshot();
        let answer = authorize(&node.host, &table, TOKEN, anybody()).await;
        assert_eq!(granted_by(&answer), version.manifest().version);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thundering_herd_makes_one_call() {
    let node = Node::new();
    let version = node.version("v1", json!({"cache_ms": 600_000})).await;
    node.apply(active(&version, 1));
    let table = node.host.snapshot();
    for (token, calls) in [(TOKEN, 1), ("rubbish", 2)] {
        let herd: Vec<_> = (0..200)
            .map(|_| {
                let (host, table) = (node.host.clone(), Arc::clone(&table));
                tokio::spawn(async move { authorize(&host, &table, token, anybody()).await })
            })
            .collect();
        for viewer in herd {
            let answer = viewer.await.unwrap();
            let is_granted = matches!(answer, AuthAnswer::Granted(_));
            assert_eq!(is_granted, token == TOKEN, "{answer:?}");
        }
        assert_eq!(auth_calls(&node), calls);
    }
}

#[tokio::test]
async fn nobody_gets_in_where_nobody_decides() {
    let node = Node::new();
    let denied = async |token| {
        let table = node.host.snapshot();
        match authorize(&node.host, &table, token, anybody()).await {
            AuthAnswer::Denied(denial) => (denial.kind, denial.code.clone()),
            other => panic!("not denied: {other:?}"),
        }
    };
    assert_eq!(
        denied(TOKEN).await,
        (DenialKind::NoFilter, "no-filter".to_owned())
    );
    let version = node.version("v1", none()).await;
    node.apply(active(&version, 1));
    assert_eq!(
        denied("rubbish").await,
        (DenialKind::Filter, "bad-token".to_owned())
    );
    node.apply(FilterRouting {
        enabled: false,
        ..active(&version, 2)
    });
    assert_eq!(
        denied(TOKEN).await,
        (DenialKind::NoFilter, "no-filter".to_owned())
    );
}

#[tokio::test]
async fn answers_about_equal_requests_are_kept_as_long_as_the_filter_says() {
    let node = Node::new();
    let version = node.version("v1", json!({"cache_ms": 600_000})).await;
    let never = node.version("v2", none()).await;
    for (activation, version, calls) in [(1, &version, 1), (2, &never, 5)] {
        node.apply(active(version, activation));
        let table = node.host.snapshot();
        for _ in 0..5 {
            assert_eq!(
                marked_by(&node.host, &table, anybody()).await,
                version.manifest().version
            );
            rewritten_by(&node.host, &table, anybody()).await;
        }
        assert_eq!(node.calls(Hook::HttpResponse), calls);
        assert_eq!(node.calls(Hook::HttpRequest), calls);
    }
}

#[tokio::test]
async fn gifts_go_by_a_plan_that_was_checked() {
    let node = Node::new();
    let prices = json!({"prices": {"rose": 100, "leaf": 1}});
    let version = node.version("v1", prices).await;
    node.apply(active(&version, 1));
    let table = node.host.snapshot();
    let give = async |item: &str| {
        let gift = wasm_filters::contract::gifts::Gift {
            id: "g7".to_owned(),
            sender: user("ada"),
            recipient: "grace".to_owned(),
            item: item.to_owned(),
            count: 1,
            note: None,
            combo_so_far: 0,
            attrs: Vec::new(),
        };
        node.host.on_gift(&table, info(anybody()), &gift).await
    };
    let GiftAnswer::Accept { plan, filter } = give("rose").await else {
        panic!("no rose");
    };
    assert_eq!((plan.total, plan.transfers.len(), filter), (100, 2, name()));
    let GiftAnswer::Reject(rejection) = give("tank").await else {
        panic!("a tank");
    };
    assert_eq!(rejection.code, "unknown-gift");
    // Its plan moves nothing to the house, which is no transfer: the filter has failed.
    let GiftAnswer::Reject(rejection) = give("leaf").await else {
        panic!("a leaf");
    };
    assert_eq!(rejection.code, "filter-unavailable");
    let items = node
        .host
        .catalog(&table, info(anybody()), &user("ada"))
        .await;
    assert_eq!(items.len(), 2);
    let welcome = node
        .host
        .on_join(&table, info(anybody()), &user("ada"))
        .await;
    assert_eq!(welcome.len(), 1);
}

#[tokio::test]
async fn figures_come_and_go_with_a_version() {
    let node = Node::new();
    let version = node.version("v1", none()).await;
    node.apply(active(&version, 1));
    let table = node.host.snapshot();
    let _ = authorize(&node.host, &table, TOKEN, anybody()).await;
    said(&node.host, &table, "!metric", anybody()).await;
    said(&node.host, &table, "!log a line", anybody()).await;
    let lines = node.host.logs(&name(), 0);
    assert!(
        lines.iter().any(|line| line.message == "a line"),
        "{lines:?}"
    );
    let short = version.id().short();
    let text = node.metrics();
    for expected in [
        format!(
            "weir_filter_calls_total{{filter=\"f\",version=\"{short}\",shadow=\"false\",hook=\"auth\",decision=\"allow\"}} 1"
        ),
        "weir_filter_own_total{filter=\"f\",name=\"messages\"} 1".to_owned(),
        "weir_filter_swaps_total 1".to_owned(),
        format!(
            "weir_filter_call_seconds_count{{filter=\"f\",version=\"{short}\",shadow=\"false\",hook=\"chat\"}} 2"
        ),
    ] {
        assert!(text.contains(&expected), "{expected}\n{text}");
    }
    node.host.apply(Default::default(), Instant::now());
    let text = node.metrics();
    assert!(!text.contains("filter=\"f\""), "{text}");
}

#[tokio::test]
async fn what_cannot_serve_is_refused_with_the_stage() {
    let node = Node::new();
    let wasm = guest("all-hooks");
    let manifest = |config: serde_json::Value| {
        let mut manifest = Manifest::new(name(), "1", vec![Hook::Chat]);
        manifest.config = config;
        manifest
    };
    let document = |manifest, component| VersionDocument {
        component,
        manifest,
    };
    let mut greedy = manifest(json!({}));
    greedy.limits.memory_bytes = 1 << 40;
    for (document, stage, reason) in [
        (
            document(manifest(json!({})), Digest::of(b"other")),
            Stage::Digest,
            "the bytes are",
        ),
        (
            document(greedy, Digest::of(&wasm)),
            Stage::Manifest,
            "limits.memory_bytes",
        ),
        (
            document(manifest(json!({"x": 1})), Digest::of(&wasm)),
            Stage::Probe,
            "configure",
        ),
    ] {
        let rejected = node.host.prepare(document, wasm.clone()).await.unwrap_err();
        assert_eq!(rejected.stage, stage, "{rejected}");
        assert!(rejected.reason.contains(reason), "{rejected}");
    }
}
