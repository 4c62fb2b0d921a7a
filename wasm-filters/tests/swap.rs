//! Versions that change under load, are tried on some, are taken back, and run in the shadow.

mod harness;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use wasm_filters::grants::{GrantKey, Revocation, RevocationKind};
use wasm_filters::host::{
    AuthAnswer, ChatVerdict, DenialKind, FilterRouting, GiftAnswer, HostEvent, RollbackError,
};
use wasm_filters::manifest::{FailurePolicy, Hook, Isolation, Manifest};
use wasm_filters::rollout::{Canary, Percent, RequestPin};

use crate::support::{NOW_MS, guest, user};
use harness::*;

const SWAPS: usize = 200;

/// One caller: everything that a request does, with one table, until told to stop.
async fn keep_calling(
    host: wasm_filters::host::Host,
    worker: u32,
    stop: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
) {
    let mut number = worker;
    while !stop.load(Ordering::Relaxed) {
        number = number.wrapping_add(2);
        let pin = RequestPin::of(&number.to_le_bytes());
        let table = host.snapshot();
        let first = granted_by(&authorize(&host, &table, TOKEN, pin).await);
        let rest = [
            rewritten_by(&host, &table, pin).await,
            said(&host, &table, "!label", pin).await,
            marked_by(&host, &table, pin).await,
        ];
        for label in rest {
            assert_eq!(label, first, "one request met two versions");
        }
        requests.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_or_meets_two_versions_through_200_swaps() {
    let node = Node::new();
    let mut versions = Vec::new();
    for label in ["v1", "v2", "v3", "v4"] {
        let pooled = |manifest: &mut Manifest| {
            // Both ways of having an instance.
            let of_call = label == "v1" || label == "v3";
            let isolation = if of_call {
                Isolation::Call
            } else {
                Isolation::Pooled
            };
            manifest.isolation = Some(isolation);
        };
        versions.push(node.version_with(label, none(), pooled).await);
    }
    node.apply(active(&versions[0], 1));
    let (stop, requests) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let callers: Vec<_> = (0..4)
        .map(|worker| {
            let (stop, requests) = (Arc::clone(&stop), Arc::clone(&requests));
            tokio::spawn(keep_calling(node.host.clone(), worker, stop, requests))
        })
        .collect();
    for swap in 1..=SWAPS {
        let before = requests.load(Ordering::Relaxed);
        let canary = Canary {
            version: Arc::clone(&versions[(swap + 1) % 4]),
            percent: Percent::new(30).unwrap(),
        };
        let routing = active(&versions[swap % 4], swap as u64 + 1);
        let canary = (swap % 3 == 0).then_some(canary);
        node.apply(FilterRouting { canary, ..routing });
        // Requests go through between any two swaps.
        while requests.load(Ordering::Relaxed) < before + 2 {
            assert!(
                callers.iter().all(|caller| !caller.is_finished()),
                "a caller failed"
            );
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let status = node.host.status();
    for version in &status.filters[&name()].versions {
        assert_eq!(version.last_failure, None);
    }
    assert!(node.host.snapshot().generation() > SWAPS as u64);

    // Old versions have left, all of them but the one that serves.
    let weak: Vec<_> = versions.iter().map(Arc::downgrade).collect();
    let serving = Arc::clone(&versions[0]);
    drop(versions);
    node.apply(active(&serving, 1000));
    drop(serving);
    let left = weak.iter().filter(|version| version.upgrade().is_none());
    assert_eq!(left.count(), 3);
}

#[tokio::test]
async fn a_version_leaves_with_the_last_request_that_uses_it() {
    let node = Node::new();
    let (old, new) = (
        node.version("old", none()).await,
        node.version("new", none()).await,
    );
    node.apply(active(&old, 1));
    let weak = Arc::downgrade(&old);
    drop(old);
    let request = node.host.snapshot();
    node.apply(active(&new, 2));
    // The request that began before goes on with what it began with.
    assert_eq!(said(&node.host, &request, "!label", anybody()).await, "old");
    let now = node.host.snapshot();
    assert_eq!(said(&node.host, &now, "!label", anybody()).await, "new");
    assert!(weak.upgrade().is_some());
    drop(request);
    assert!(weak.upgrade().is_none());
}

#[tokio::test]
async fn a_version_that_fails_is_taken_back_at_once_while_it_bakes() {
    let node = Node::new();
    // The same message: the old version drops it, the new one panics.
    let old = node.version("old", json!({"words": ["!panic"]})).await;
    let closed = |manifest: &mut Manifest| {
        manifest.failure = Some(FailurePolicy::Previous);
    };
    let new = node.version_with("new", none(), closed).await;
    let mut events = node.host.events();
    node.apply(active(&old, 1));
    let routing = FilterRouting {
        previous: Some(Arc::clone(&old)),
        bake: Duration::from_secs(60),
        ..active(&new, 2)
    };
    node.apply(routing.clone());
    for _ in 0..20 {
        let table = node.host.snapshot();
        let answer = say(&node.host, &table, "!panic", anybody()).await;
        // Nobody notices: the version before answers for the new one.
        assert!(matches!(answer.verdict, ChatVerdict::Drop(_)), "{answer:?}");
    }
    assert!(matches!(events.try_recv(), Ok(HostEvent::Disabled { .. })));
    let Ok(HostEvent::RolledBack {
        from,
        to,
        automatic,
        ..
    }) = events.try_recv()
    else {
        panic!("it was not taken back");
    };
    assert_eq!((from, to, automatic), (new.id(), old.id(), true));
    let status = node.host.status();
    let filter = &status.filters[&name()];
    assert_eq!(
        (filter.active, &*filter.taken_back),
        (Some(old.id()), &[new.id()][..])
    );
    let failed = filter
        .versions
        .iter()
        .find(|version| version.id == new.id())
        .unwrap();
    let failure = failed.last_failure.as_ref().unwrap();
    assert_eq!((failure.hook, failure.kind), (Hook::Chat, "unreachable"));
    assert!(failure.message.contains("asked to panic"), "{failure:?}");
    let lines = node.host.logs(&name(), 0);
    assert!(
        lines.iter().any(|line| line.message.contains("taken back")),
        "{lines:?}"
    );
    // What the registry still wants does not bring it back; a new activation does.
    node.apply(routing.clone());
    let table = node.host.snapshot();
    assert_eq!(said(&node.host, &table, "!label", anybody()).await, "old");
    node.apply(FilterRouting {
        activation: 3,
        ..routing
    });
    let table = node.host.snapshot();
    assert_eq!(said(&node.host, &table, "!label", anybody()).await, "new");
}

#[tokio::test]
async fn a_version_with_more_errors_is_judged_and_taken_back() {
    let node = Node::new();
    let no_breaker = |manifest: &mut Manifest| manifest.disable_after = None;
    let old = node.version_with("old", none(), no_breaker).await;
    let new = node.version_with("new", none(), no_breaker).await;
    node.apply(active(&old, 1));
    let canary = Canary {
        version: Arc::clone(&new),
        percent: Percent::new(50).unwrap(),
    };
    node.apply(FilterRouting {
        canary: Some(canary),
        ..active(&old, 2)
    });
    let mut events = node.host.events();
    let table = node.host.snapshot();
    for viewer in 0..200u32 {
        let pin = RequestPin::of(&viewer.to_le_bytes());
        let on_canary = table.version_for(&name(), Hook::Chat, pin) == Some(new.id());
        // One in ten of the canary's calls fails; the hook fails open, so that people can talk.
        let text = if on_canary && viewer % 10 == 0 {
            "!error x"
        } else {
            "hello"
        };
        said(&node.host, &table, text, pin).await;
    }
    node.host.tick(Instant::now());
    let Ok(HostEvent::RolledBack {
        from, to, reason, ..
    }) = events.try_recv()
    else {
        panic!("it was not taken back");
    };
    assert_eq!((from, to), (new.id(), old.id()));
    assert!(reason.contains("calls failed"), "{reason}");
    let table = node.host.snapshot();
    for viewer in 0..200u32 {
        let pin = RequestPin::of(&viewer.to_le_bytes());
        assert_eq!(table.version_for(&name(), Hook::Chat, pin), Some(old.id()));
    }
}

#[tokio::test]
async fn an_operator_takes_a_version_back() {
    let node = Node::new();
    let (old, new) = (
        node.version("old", none()).await,
        node.version("new", none()).await,
    );
    node.apply(active(&new, 1));
    let nothing = Err(RollbackError::NothingBefore(name()));
    assert_eq!(node.host.rollback(&name(), "no"), nothing);
    assert!(node.host.rollback(&"other".parse().unwrap(), "no").is_err());
    node.apply(FilterRouting {
        previous: Some(old),
        ..active(&new, 1)
    });
    let began = Instant::now();
    node.host.rollback(&name(), "a hunch").unwrap();
    let took = began.elapsed();
    assert!(took < Duration::from_millis(50), "{took:?}");
    let table = node.host.snapshot();
    assert_eq!(said(&node.host, &table, "!label", anybody()).await, "old");
}

#[tokio::test]
async fn a_failing_filter_answers_by_its_policy_and_is_left_alone_after_a_while() {
    let node = Node::new();
    let policy = |policy| move |manifest: &mut Manifest| manifest.failure = Some(policy);
    let open = node
        .version_with("open", none(), policy(FailurePolicy::Open))
        .await;
    let closed = node
        .version_with("closed", none(), policy(FailurePolicy::Closed))
        .await;
    node.apply(active(&open, 1));
    let table = node.host.snapshot();
    assert_eq!(
        said(&node.host, &table, "!panic", anybody()).await,
        "!panic"
    );
    node.apply(active(&closed, 2));
    let table = node.host.snapshot();
    for _ in 0..12 {
        let answer = say(&node.host, &table, "!panic", anybody()).await;
        let ChatVerdict::Drop(rejection) = answer.verdict else {
            panic!("let through");
        };
        assert_eq!(rejection.code, "filter-unavailable");
    }
    let status = node.host.status();
    let version = &status.filters[&name()].versions[0];
    assert_eq!(version.breaker, "open");
    let chat = version
        .hooks
        .iter()
        .find(|hook| hook.hook == Hook::Chat)
        .unwrap();
    assert_eq!(
        (chat.failures["unreachable"], chat.failures["disabled"]),
        (10, 2)
    );
    // Also with a message that it would have let through.
    let answer = say(&node.host, &table, "hello", anybody()).await;
    assert!(matches!(answer.verdict, ChatVerdict::Drop(_)));
}

#[tokio::test]
async fn a_shadow_is_compared_and_leaves_no_trace() {
    let node = Node::new();
    let (live, shadow) = (
        node.version("live", none()).await,
        node.version("next", none()).await,
    );
    node.apply(FilterRouting {
        shadow: Some(Arc::clone(&shadow)),
        ..active(&live, 1)
    });
    let table = node.host.snapshot();
    assert_eq!(said(&node.host, &table, "!count n", anybody()).await, "1");
    let compared = async |count: u64| loop {
        let status = node.host.status();
        let versions = &status.filters[&name()].versions;
        let shadow = versions.iter().find(|version| version.shadow).unwrap();
        let comparison = shadow.comparison.clone().unwrap();
        if comparison.equal + comparison.different + comparison.failed == count {
            break comparison;
        }
        tokio::task::yield_now().await;
    };
    let one = compared(1).await;
    assert_eq!((one.equal, one.different), (1, 0));
    // Had it counted on the live data, this would be 3.
    assert_eq!(said(&node.host, &table, "!count n", anybody()).await, "2");
    assert_eq!(compared(2).await.equal, 2);
    let granted = authorize(&node.host, &table, TOKEN, anybody()).await;
    assert_eq!(granted_by(&granted), "live");
    let three = compared(3).await;
    assert_eq!(three.different, 1);
    let difference = &three.differences[0];
    assert!(
        difference.live.as_ref().unwrap().contains("live"),
        "{difference:?}"
    );
    assert!(difference.shadow.contains("next"), "{difference:?}");
    assert!(!format!("{difference:?}").contains(TOKEN));
    // A shadow that panics harms nobody.
    assert_eq!(said(&node.host, &table, "!label", anybody()).await, "live");
}

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
    assert!(node.host.cached_grant(&key).is_none());
    granted_by(&node.host.authorize(&table, call).await);
    for _ in 0..10 {
        granted_by(&node.host.authorize(&table, call).await);
        assert!(node.host.cached_grant(&key).is_some());
    }
    assert_eq!(auth_calls(&node), 1);
    // Another filter's change keeps it; a change of this one does not.
    let revocation = Revocation {
        kind: RevocationKind::User,
        value: "ada".to_owned(),
        until_unix_ms: NOW_MS * 2,
    };
    node.host.revoke(&revocation, NOW_MS).unwrap();
    assert!(node.host.cached_grant(&key).is_none());
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
    assert_eq!(rejection.code, "unknown-item");
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
    authorize(&node.host, &table, TOKEN, anybody()).await;
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
    use wasm_filters::host::Stage;
    use wasm_filters::manifest::{Digest, VersionDocument};
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
