//! Nodes do what the registry wants, and say how far they are.

use super::*;
use crate::catalogue::RevocationKind;
use crate::wire::{Revoke, Rollback, VersionState};

#[tokio::test(start_paused = true)]
async fn three_nodes_converge_and_say_so() {
    let world = World::new().await;
    let registry = &world.registry;
    let mut nodes = Vec::new();
    for number in 1..=3 {
        let node = FakeNode::new();
        let source = Arc::new(registry.clone());
        let agent = world.edge(&format!("edge-{number}"), &node, source).await;
        nodes.push((node, agent));
    }
    push(registry, "auth", "one", 1).await;
    // The newest is made ready before anybody activates it.
    until_known(registry, |overview| {
        let filter = overview.filters.get("auth");
        filter.is_some_and(|filter| filter.versions[0].ready_on.len() == 3)
    })
    .await;
    let generation = activate(registry, "auth", 1).await;
    for (node, agent) in &nodes {
        until_running(agent, "auth", id("auth", "one")).await;
        assert_eq!(node.runs("auth").as_deref(), Some("one"));
        assert!(agent.settled().await);
        assert_eq!(node.prepared.lock().len(), 1);
    }
    until_known(registry, |overview| {
        let nodes = overview.nodes.values();
        nodes
            .filter(|node| node.report.generation == generation)
            .count()
            == 3
    })
    .await;
    let overview = registry.overview();
    let report = &overview.nodes.values().next().unwrap().report.filters["auth"];
    assert_eq!(report.active, Some(id("auth", "one")));
    assert_eq!(report.stats["calls"], 7);
    assert_eq!(registry.logs(&name("auth"), 0).unwrap().lines.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn one_filters_trouble_is_not_anothers() {
    let world = World::new().await;
    let registry = &world.registry;
    for (filter, label) in [
        ("a-bad", "bad"),
        ("b-stuck", "stuck"),
        ("c-panic", "panic"),
        ("d-good", "good"),
    ] {
        release(registry, filter, label, 1).await;
    }
    let node = FakeNode::new();
    let agent = world.edge_1(&node).await;
    until_running(&agent, "d-good", id("d-good", "good")).await;
    let known = |overview: &Overview, filter: &str| {
        let node = overview.nodes.values().next();
        let report = node.and_then(|node| node.report.filters.get(filter));
        report.and_then(|report| report.versions.values().next().cloned())
    };
    until_known(registry, |overview| {
        matches!(known(overview, "a-bad"), Some(VersionState::Rejected(r)) if r.stage == "check")
            && matches!(known(overview, "c-panic"), Some(VersionState::Rejected(r)) if r.stage == "node")
            && matches!(known(overview, "b-stuck"), Some(VersionState::Preparing))
    })
    .await;
    assert_eq!(agent.status().filters["a-bad"].state, FilterState::Missing);
    assert!(!agent.status().settled);
    node.gate.add_permits(1);
    until_running(&agent, "b-stuck", id("b-stuck", "stuck")).await;
    assert!(!agent.settled().await, "some are missing");
}

#[tokio::test(start_paused = true)]
async fn the_version_before_runs_until_the_next_is_ready() {
    let world = World::with_one().await;
    let registry = &world.registry;
    let node = FakeNode::new();
    let agent = world.edge_1(&node).await;
    until_running(&agent, "auth", id("auth", "one")).await;
    release(registry, "auth", "stuck", 2).await;
    until(&agent, "auth", |filter| filter.state == FilterState::Behind).await;
    assert_eq!(node.runs("auth").as_deref(), Some("one"));
    node.gate.add_permits(1);
    until_running(&agent, "auth", id("auth", "stuck")).await;
    let routing = node.applied.lock()["auth"].clone();
    assert_eq!(routing.previous.as_deref(), Some("one"));
    assert!(routing.bake_ms > 0);
    let request = Rollback::default();
    registry
        .rollback(&name("auth"), &request, &alice())
        .await
        .unwrap();
    until_running(&agent, "auth", id("auth", "one")).await;
    assert_eq!(
        node.prepared.lock().as_slice(),
        ["one", "stuck"],
        "it was ready"
    );
}

#[tokio::test(start_paused = true)]
async fn revocations_reach_the_node() {
    let world = World::new().await;
    let registry = &world.registry;
    push(registry, "auth", "one", 1).await;
    let node = FakeNode::new();
    let agent = world.edge_1(&node).await;
    until(&agent, "auth", |filter| filter.state == FilterState::Idle).await;
    let revoke = Revoke {
        kind: RevocationKind::User,
        value: "eve".to_owned(),
        seconds: 60,
    };
    let done = registry.revoke(&revoke, &alice()).await.unwrap();
    let mut status = agent.watch();
    let told = status.wait_for(|status| status.generation == done.generation);
    told.await.unwrap();
    assert_eq!(node.revoked.lock()[0].value, "eve");
}
