//! Versions that change under load, are tried on some, are taken back, and run in the shadow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use wasm_filters::host::{ChatVerdict, FilterRouting, Host, HostEvent, RollbackError};
use wasm_filters::manifest::{FailurePolicy, Hook, Isolation, Manifest};
use wasm_filters::rollout::{Canary, Percent, RequestPin};

use crate::node::*;

const SWAPS: usize = 200;

/// One caller: everything that a request does, with one table, until told to stop.
async fn keep_calling(host: Host, worker: u32, stop: Arc<AtomicBool>, requests: Arc<AtomicU64>) {
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
