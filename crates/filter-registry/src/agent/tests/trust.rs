//! A node runs nothing on the registry's word alone.

use std::sync::atomic::Ordering;

use super::*;
use crate::signature::SigningKey;
use crate::wire::VersionState;

#[tokio::test(start_paused = true)]
async fn a_component_that_was_changed_on_its_way_is_never_run() {
    let world = World::with_one().await;
    let registry = &world.registry;
    let wire = Wire::to(registry);
    wire.corrupt.store(true, Ordering::SeqCst);
    let node = FakeNode::new();
    let agent = world.edge("edge-1", &node, wire.clone()).await;
    until(&agent, "auth", |filter| {
        filter.state == FilterState::Missing
    })
    .await;
    until_known(registry, |overview| {
        let rows = overview.nodes.values().next();
        let report = rows.and_then(|node| node.report.filters.get("auth"));
        let state = report.and_then(|report| report.versions.values().next());
        matches!(state, Some(VersionState::Unavailable { reason }) if reason.contains("digest"))
    })
    .await;
    assert!(node.prepared.lock().is_empty());
    wire.corrupt.store(false, Ordering::SeqCst);
    until_running(&agent, "auth", id("auth", "one")).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_wants_signatures_does_not_take_the_registrys_word() {
    let world = World::with_one().await;
    let registry = &world.registry;
    let key = SigningKey::from_pem("ops", &SigningKey::generate_pem().unwrap()).unwrap();
    let public = key.public_key();
    let options = AgentOptions {
        signatures: SignaturePolicy::new(true, [("ops", public.as_str())]).unwrap(),
        ..world.options("edge-1")
    };
    let node = FakeNode::new();
    let _agent = start(options, &node, Arc::new(registry.clone())).await;
    until_known(registry, |overview| {
        let filter = overview.filters.get("auth");
        let rejected = filter.and_then(|filter| filter.versions[0].rejected_on.values().next());
        rejected.is_some_and(|rejected| rejected.stage == "signature")
    })
    .await;
    assert!(node.prepared.lock().is_empty());
}
