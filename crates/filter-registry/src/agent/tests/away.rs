//! What a node does by itself, and what it has on its disk, while the registry is away.

use std::sync::atomic::Ordering;

use super::*;
use crate::store::Store as _;

#[tokio::test(start_paused = true)]
async fn a_node_comes_back_with_what_it_ran_while_its_registry_is_away() {
    let world = World::with_one().await;
    let registry = &world.registry;
    let wire = Wire::to(registry);
    let node = FakeNode::new();
    let agent = world.edge("edge-1", &node, wire.clone()).await;
    until_running(&agent, "auth", id("auth", "one")).await;
    agent.stop().await;
    // The origin's vetting let it through, and no node was there to say otherwise.
    release(registry, "auth", "bad", 2).await;
    let agent = world.edge("edge-1", &FakeNode::new(), wire.clone()).await;
    until(&agent, "auth", |filter| filter.state == FilterState::Behind).await;
    agent.stop().await;

    wire.away.store(true, Ordering::SeqCst);
    let node = FakeNode::new();
    let agent = world.edge("edge-1", &node, wire.clone()).await;
    until_running(&agent, "auth", id("auth", "one")).await;
    assert_eq!(node.runs("auth").as_deref(), Some("one"));
    let mut status = agent.watch();
    let lost = status
        .wait_for(|status| status.problem.is_some())
        .await
        .unwrap()
        .clone();
    assert!(!lost.connected);
    // And follows again when it is back.
    release(registry, "auth", "three", 3).await;
    wire.away.store(false, Ordering::SeqCst);
    until_running(&agent, "auth", id("auth", "three")).await;
    assert!(agent.status().connected);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_goes_away_changes_nothing() {
    let world = World::with_one().await;
    let registry = &world.registry;
    let wire = Wire::to(registry);
    let node = FakeNode::new();
    let agent = world.edge("edge-1", &node, wire.clone()).await;
    until_running(&agent, "auth", id("auth", "one")).await;
    wire.away.store(true, Ordering::SeqCst);
    let mut status = agent.watch();
    status.wait_for(|status| !status.connected).await.unwrap();
    assert_eq!(node.runs("auth").as_deref(), Some("one"));
    let reports = wire.reports.load(Ordering::SeqCst);
    // Paused time: ten minutes in which the agent goes on trying, and no real second.
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(wire.reports.load(Ordering::SeqCst), reports);
    assert_eq!(node.runs("auth").as_deref(), Some("one"));
    wire.away.store(false, Ordering::SeqCst);
    let began = tokio::time::Instant::now();
    status.wait_for(|status| status.connected).await.unwrap();
    assert!(began.elapsed() <= RETRY_MAX, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_nodes_own_rollback_is_kept_told_and_followed_by_all() {
    let world = World::with_one().await;
    let registry = &world.registry;
    release(registry, "auth", "two", 2).await;
    let wire = Wire::to(registry);
    let node = FakeNode::new();
    let agent = world.edge("edge-1", &node, wire.clone()).await;
    let other = FakeNode::new();
    let other_agent = world.edge("edge-2", &other, Wire::to(registry)).await;
    until_running(&agent, "auth", id("auth", "two")).await;
    until_running(&other_agent, "auth", id("auth", "two")).await;
    // The registry does not hear of it for now.
    wire.away.store(true, Ordering::SeqCst);
    let event = NodeEvent::RolledBack {
        filter: name("auth"),
        from: id("auth", "two"),
        to: Some(id("auth", "one")),
        reason: "p99 is 3 times as long".to_owned(),
    };
    node.sender.send(event).await.unwrap();
    until_running(&agent, "auth", id("auth", "one")).await;
    assert_eq!(node.runs("auth").as_deref(), Some("one"));
    // Not even a restart brings the bad one back.
    agent.stop().await;
    let node = FakeNode::new();
    let agent = world.edge("edge-1", &node, wire.clone()).await;
    until_running(&agent, "auth", id("auth", "one")).await;
    until(&agent, "auth", |filter| {
        filter.state == FilterState::RolledBack
    })
    .await;
    assert_eq!(other.runs("auth").as_deref(), Some("two"));
    // Now it hears, and all go back.
    wire.away.store(false, Ordering::SeqCst);
    until_running(&other_agent, "auth", id("auth", "one")).await;
    until(&agent, "auth", |filter| {
        filter.state == FilterState::Running
    })
    .await;
    let records = registry.audit(0).await.unwrap().records;
    let told = records
        .iter()
        .filter(|record| record.actor == "edge-1")
        .count();
    assert_eq!(told, 1, "{records:#?}");
    // Somebody insists.
    activate(registry, "auth", 2).await;
    until_running(&agent, "auth", id("auth", "two")).await;
}

#[tokio::test(start_paused = true)]
async fn the_local_copy_holds_no_more_than_it_needs() {
    let world = World::new().await;
    let registry = &world.registry;
    let node = FakeNode::new();
    let agent = world.edge_1(&node).await;
    for serial in 1..=6_u32 {
        let label = format!("label-{serial}");
        release(registry, "auth", &label, serial).await;
        until_running(&agent, "auth", id("auth", &label)).await;
    }
    agent.stop().await;
    let copy = FileStore::open(world.dir.path().join("edge-1"))
        .await
        .unwrap();
    let kept = copy.documents().await.unwrap();
    assert!(kept.contains(&id("auth", "label-6")) && kept.contains(&id("auth", "label-5")));
    assert!(kept.len() <= 3, "{kept:?}");
    assert_eq!(copy.blobs().await.unwrap().len(), kept.len());
}
