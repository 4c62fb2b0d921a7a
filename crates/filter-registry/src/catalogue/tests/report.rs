//! What the nodes' reports change.

use super::*;
use crate::wire::{Shadow, VersionState};

#[test]
fn a_version_that_a_node_rejected_is_not_activated() {
    let state = pushed(2);
    let rejection = Rejection {
        stage: "compile".to_owned(),
        reason: "more than 5 s of processor time".to_owned(),
    };
    let filter = FilterReport {
        versions: BTreeMap::from([(id("v2"), VersionState::Rejected(rejection.clone()))]),
        ..FilterReport::default()
    };
    let change = report(&state, filter.clone());
    assert_eq!(change.events.len(), 1, "{:?}", change.events);
    assert!(!change.value);
    let state = change.next;
    assert!(report(&state, filter).events.is_empty(), "told once");
    let refused = state
        .activate(&name("auth"), &activate(2), &alice(), NOW)
        .unwrap_err();
    let expected = CatalogueError::RejectedByNode {
        node: node("edge-1"),
        rejection,
    };
    assert_eq!(refused, expected);
    let shadow = Shadow {
        version: Some(VersionRef::Number(2)),
        if_generation: None,
    };
    assert_eq!(
        state
            .shadow(&name("auth"), &shadow, &alice(), NOW)
            .unwrap_err(),
        expected
    );
    // A node that went away for good blocks nobody for ever.
    let later = NOW + NODE_FORGOTTEN_AFTER_MS;
    assert!(
        state
            .activate(&name("auth"), &activate(2), &alice(), later)
            .is_ok()
    );
}

#[test]
fn a_nodes_rollback_becomes_the_wish_for_all_exactly_once() {
    let state = run(&pushed(2), &activate(2));
    let since = desired(&state).since_generation;
    let change = report(&state, went_back("v2", since));
    assert!(change.value);
    let state = change.next;
    assert_eq!(desired(&state).active, Some(id("v1")));
    assert!(matches!(
        &change.events[0].action,
        AuditAction::RolledBack { from: Some(2), to: Some(1), node: Some(by), .. } if *by == node("edge-1")
    ));
    let again = report(&state, went_back("v2", since));
    assert!(!again.value && again.events.is_empty());
    assert_eq!(again.next.generation(), state.generation());
    // Somebody insists: what was said about the first activation says nothing about the second.
    let state = run(&state, &activate(2));
    let late = report(&state, went_back("v2", since));
    assert!(!late.value);
    assert_eq!(desired(&late.next).active, Some(id("v2")));
    let since = desired(&state).since_generation;
    assert!(report(&state, went_back("v2", since)).value);
}

#[test]
fn a_shadow_or_a_switch_does_not_make_a_nodes_rollback_stale() {
    let state = run(&pushed(3), &activate(2));
    let since = desired(&state).since_generation;
    let request = Shadow {
        version: Some(VersionRef::Number(3)),
        if_generation: None,
    };
    let state = state
        .shadow(&name("auth"), &request, &alice(), NOW)
        .unwrap()
        .next;
    let change = report(&state, went_back("v2", since));
    assert!(change.value);
    assert_eq!(desired(&change.next).shadow, Some(id("v3")));
}

#[test]
fn a_canary_that_was_worse_on_one_node_ends_on_all() {
    let canary = Activate {
        percent: Some(50),
        ..activate(2)
    };
    let state = run(&pushed(2), &canary);
    let since = desired(&state).since_generation;
    // About the active version: not the newcomer, so not what is being judged.
    assert!(!report(&state, went_back("v1", since)).value);
    let change = report(&state, went_back("v2", since));
    assert!(change.value);
    assert_eq!(desired(&change.next).canary, None);
    assert_eq!(desired(&change.next).active, Some(id("v1")));
}
