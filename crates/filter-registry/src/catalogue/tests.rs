use std::collections::BTreeMap;

use proptest::prelude::*;
use wasm_filters::manifest::{Digest, FilterName, Hook, Manifest, VersionDocument, VersionId};

use super::*;
use crate::wire::{
    Activate, FilterReport, NodeName, NodeReport, Revoke, Rollback, RolledBack, SetEnabled, Shadow,
    VersionRef, VersionState,
};

const NOW: UnixMillis = 1_800_000_000_000;

fn name(name: &str) -> FilterName {
    name.parse().unwrap()
}

fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

fn alice() -> Actor {
    Actor::local("alice")
}

fn document(filter: &str, label: &str) -> VersionDocument {
    VersionDocument {
        component: Digest::of(label.as_bytes()),
        manifest: Manifest::new(name(filter), label, vec![Hook::Auth]),
    }
}

fn id(label: &str) -> VersionId {
    document("auth", label).id()
}

fn push(
    state: &Catalogue,
    label: &str,
    serial: u64,
) -> Result<Change<(u32, bool)>, CatalogueError> {
    let document = document("auth", label);
    let push = Push {
        document: &document,
        size: 10,
        serial,
        signature: None,
    };
    state.push(push, &alice(), NOW, &Limits::default())
}

fn activate(version: u32) -> Activate {
    Activate {
        version: VersionRef::Number(version),
        percent: None,
        bake_ms: None,
        if_generation: None,
    }
}

/// Versions 1 to `count`, and 1 is active.
fn pushed(count: u32) -> Catalogue {
    let mut state = Catalogue::default();
    for number in 1..=count {
        state = push(&state, &format!("v{number}"), u64::from(number))
            .unwrap()
            .next;
    }
    run(&state, &activate(1))
}

fn run(state: &Catalogue, request: &Activate) -> Catalogue {
    let change = state
        .activate(&name("auth"), request, &alice(), NOW)
        .unwrap();
    assert!(change.value);
    change.next
}

fn desired(state: &Catalogue) -> &Desired {
    state.filter(&name("auth")).unwrap().desired()
}

fn back(state: &Catalogue) -> Result<Catalogue, CatalogueError> {
    let change = state.rollback(&name("auth"), &Rollback::default(), &alice(), NOW)?;
    Ok(change.next)
}

/// A report of node "edge-1" about filter "auth".
fn report(state: &Catalogue, filter: FilterReport) -> Change<bool> {
    let report = NodeReport {
        generation: state.generation(),
        role: "edge".to_owned(),
        filters: BTreeMap::from([(name("auth"), filter)]),
    };
    let limits = Limits::default();
    state
        .report(&node("edge-1"), report, None, NOW, &limits)
        .unwrap()
}

fn went_back(from: &str, since_generation: u64) -> FilterReport {
    FilterReport {
        rolled_back: Some(RolledBack {
            from: id(from),
            to: None,
            reason: "7 of 20 calls failed".to_owned(),
            since_generation,
        }),
        ..FilterReport::default()
    }
}

#[test]
fn versions_are_numbered_and_a_version_pushed_again_keeps_its_number() {
    let state = pushed(2);
    let again = push(&state, "v1", 3).unwrap();
    assert_eq!(again.value, (1, false));
    assert_eq!(push(&again.next, "v3", 4).unwrap().value, (3, true));
}

#[test]
fn a_replayed_push_is_refused() {
    let state = pushed(2);
    for serial in [0, 1, 2] {
        let error = push(&state, "v9", serial).unwrap_err();
        assert_eq!(error, CatalogueError::Replayed { serial, last: 2 });
    }
    // Of a filter that was never there too: a serial of 0 means that none was given.
    assert!(push(&Catalogue::default(), "v1", 0).is_err());
}

#[test]
fn names_of_the_api_are_no_filters() {
    let document = document("nodes", "v1");
    let push = Push {
        document: &document,
        size: 1,
        serial: 1,
        signature: None,
    };
    let refused = Catalogue::default().push(push, &alice(), NOW, &Limits::default());
    assert_eq!(
        refused.unwrap_err(),
        CatalogueError::ReservedName(name("nodes"))
    );
}

#[test]
fn activating_keeps_what_was_active_to_go_back_to() {
    let state = run(&pushed(3), &activate(2));
    assert_eq!(desired(&state).active, Some(id("v2")));
    assert_eq!(desired(&state).previous, Some(id("v1")));
    assert_eq!(
        desired(&state).bake,
        Some(Bake {
            ms: BAKE_MS_DEFAULT
        })
    );
    let state = run(&state, &activate(3));
    let state = back(&state).unwrap();
    assert_eq!(desired(&state).active, Some(id("v2")));
    assert_eq!(desired(&state).previous, Some(id("v1")));
    assert_eq!(desired(&state).bake, None, "a rollback is not judged");
    let state = back(&state).unwrap();
    assert_eq!(desired(&state).active, Some(id("v1")));
    let error = back(&state).unwrap_err();
    assert_eq!(error, CatalogueError::NothingBefore(name("auth")));
}

#[test]
fn nothing_goes_back_by_itself_to_what_was_left_as_bad() {
    // 1, 2, 1, 2: then 2 is bad.
    let mut state = pushed(2);
    for number in [2, 1, 2] {
        state = run(&state, &activate(number));
    }
    let state = back(&state).unwrap();
    assert_eq!(desired(&state).active, Some(id("v1")));
    assert_eq!(desired(&state).previous, None);
    state.check().unwrap();
}

#[test]
fn the_first_activation_is_not_judged() {
    assert_eq!(desired(&pushed(1)).bake, None);
}

#[test]
fn a_canary_has_its_share_until_it_is_activated_or_taken_back() {
    let canary = Activate {
        percent: Some(5),
        ..activate(2)
    };
    let state = run(&pushed(3), &canary);
    let wanted = Canary {
        version: id("v2"),
        percent: 5,
    };
    assert_eq!(desired(&state).canary, Some(wanted));
    assert_eq!(desired(&state).active, Some(id("v1")));
    let same = state
        .activate(&name("auth"), &canary, &alice(), NOW)
        .unwrap();
    assert!(!same.value && same.events.is_empty());
    let all = run(&state, &activate(2));
    assert_eq!(desired(&all).canary, None);
    assert_eq!(desired(&all).previous, Some(id("v1")));
    let gone = back(&state).unwrap();
    assert_eq!(desired(&gone).canary, None);
    assert_eq!(desired(&gone).active, Some(id("v1")));
}

#[test]
fn a_canary_needs_something_to_compare_with() {
    let state = push(&Catalogue::default(), "v1", 1).unwrap().next;
    let canary = Activate {
        percent: Some(5),
        ..activate(1)
    };
    let refused = |state: &Catalogue, request: &Activate| {
        state
            .activate(&name("auth"), request, &alice(), NOW)
            .unwrap_err()
    };
    assert_eq!(
        refused(&state, &canary),
        CatalogueError::NothingActive(name("auth"))
    );
    let state = run(&state, &activate(1));
    assert_eq!(refused(&state, &canary), CatalogueError::AlreadyActive);
    for percent in [0, 101] {
        let request = Activate {
            percent: Some(percent),
            ..activate(1)
        };
        assert_eq!(refused(&state, &request), CatalogueError::Percent(percent));
    }
}

#[test]
fn of_two_who_saw_the_same_one_wins_and_the_other_hears_who() {
    let state = pushed(3);
    let seen = Some(state.generation());
    let by_alice = Activate {
        if_generation: seen,
        ..activate(2)
    };
    let state = run(&state, &by_alice);
    let by_bob = Activate {
        if_generation: seen,
        ..activate(3)
    };
    let bob = Actor::local("bob");
    let refused = state
        .activate(&name("auth"), &by_bob, &bob, NOW)
        .unwrap_err();
    let CatalogueError::Overtaken(changed) = &refused else {
        panic!("{refused}");
    };
    assert_eq!(
        (changed.by.as_str(), changed.what.as_str()),
        ("alice", "activated v2")
    );
    assert!(
        refused.to_string().contains("alice activated v2"),
        "{refused}"
    );
    // A push in between is nobody's change of what is wanted.
    let seen = Some(state.generation());
    let state = push(&state, "v4", 4).unwrap().next;
    let request = Activate {
        if_generation: seen,
        ..activate(4)
    };
    assert_eq!(desired(&run(&state, &request)).active, Some(id("v4")));
}

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

#[test]
fn old_versions_go_but_never_one_in_use() {
    let mut state = pushed(3);
    state = run(&state, &activate(2));
    let shadow = Shadow {
        version: Some(VersionRef::Number(3)),
        if_generation: None,
    };
    state = state
        .shadow(&name("auth"), &shadow, &alice(), NOW)
        .unwrap()
        .next;
    let mut dropped = Vec::new();
    for serial in 4..=30 {
        let change = push(&state, &format!("v{serial}"), serial).unwrap();
        dropped.extend(change.dropped.iter().map(|version| version.number));
        state = change.next;
        state.check().unwrap();
    }
    let entry = state.filter(&name("auth")).unwrap();
    assert_eq!(entry.versions().count(), Limits::default().versions_max);
    let kept: Vec<u32> = entry
        .versions()
        .map(|version| version.number)
        .take(4)
        .collect();
    assert_eq!(kept, [1, 2, 3, 14]);
    assert_eq!(dropped, (4..=13).collect::<Vec<_>>());
    assert!(!state.uses(Digest::of(b"v4")) && state.uses(Digest::of(b"v1")));
}

#[test]
fn revocations_end_and_are_bounded() {
    let limits = Limits {
        revocations_max: 2,
        ..Limits::default()
    };
    let revoke = |state: &Catalogue, value: &str, seconds, now| {
        let request = Revoke {
            kind: RevocationKind::User,
            value: value.to_owned(),
            seconds,
        };
        state.revoke(&request, &alice(), now, &limits)
    };
    let state = revoke(&Catalogue::default(), "eve", 10, NOW).unwrap().next;
    let state = revoke(&state, "eve", 5, NOW + 1).unwrap().next;
    let held = state.for_nodes(NOW + 2).revocations;
    assert_eq!(held.len(), 1, "the same again is one");
    assert_eq!(
        held[0].until_unix_ms,
        NOW + 10_001,
        "later, never sooner, never the same"
    );
    let state = revoke(&state, "mallory", 5, NOW).unwrap().next;
    let error = revoke(&state, "trudy", 5, NOW).unwrap_err();
    assert!(
        matches!(error, CatalogueError::TooMany { max: 2, .. }),
        "{error}"
    );
    assert_eq!(state.for_nodes(NOW + 20_000).revocations, []);
    assert!(revoke(&state, "trudy", 5, NOW + 20_000).is_ok());
    for (kind, value) in [
        (RevocationKind::User, ""),
        (RevocationKind::All, "x"),
        (RevocationKind::Token, "a raw token"),
    ] {
        let request = Revoke {
            kind,
            value: value.to_owned(),
            seconds: 1,
        };
        let error = state.revoke(&request, &alice(), NOW, &limits).unwrap_err();
        assert_eq!(error, CatalogueError::RevocationValue, "{kind:?} {value:?}");
    }
}

#[test]
fn what_is_unknown_is_told() {
    let state = pushed(1);
    let unknown = state
        .activate(&name("chat"), &activate(1), &alice(), NOW)
        .unwrap_err();
    assert_eq!(unknown, CatalogueError::UnknownFilter(name("chat")));
    let unknown = state
        .activate(&name("auth"), &activate(9), &alice(), NOW)
        .unwrap_err();
    assert!(unknown.to_string().contains("no version v9"), "{unknown}");
}

/// Something that somebody does, with small numbers so that they meet.
#[derive(Clone, Debug)]
enum Step {
    Push(u8, u8),
    Activate(u32, Option<u8>, bool),
    Shadow(Option<u32>),
    Rollback,
    Enable(bool),
    Report { from: u8, since_back: u64 },
    Revoke(u8),
    Expire,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..9_u8, 1..4_u8).prop_map(|(label, more)| Step::Push(label, more)),
        4 => (1..12_u32, prop::option::of(1..=100_u8), any::<bool>())
            .prop_map(|(number, percent, careful)| Step::Activate(number, percent, careful)),
        1 => prop::option::of(1..12_u32).prop_map(Step::Shadow),
        2 => Just(Step::Rollback),
        1 => any::<bool>().prop_map(Step::Enable),
        2 => (0..9_u8, 0..3_u64).prop_map(|(from, since_back)| Step::Report { from, since_back }),
        1 => (0..3_u8).prop_map(Step::Revoke),
        1 => Just(Step::Expire),
    ];
    prop::collection::vec(step, 1..80)
}

#[expect(clippy::too_many_lines, reason = "one story")]
fn step(state: &Catalogue, step: &Step, serial: &mut u64, limits: &Limits) -> Option<Change<()>> {
    let filter = name("auth");
    let change = |change: Change<bool>| Change {
        next: change.next,
        events: change.events,
        dropped: change.dropped,
        value: (),
    };
    match step {
        Step::Push(label, more) => {
            *serial += u64::from(*more);
            let document = document("auth", &format!("l{label}"));
            let push = Push {
                document: &document,
                size: 1,
                serial: *serial,
                signature: None,
            };
            let pushed = state.push(push, &alice(), NOW, limits).ok()?;
            Some(Change {
                next: pushed.next,
                events: pushed.events,
                dropped: pushed.dropped,
                value: (),
            })
        }
        Step::Activate(number, percent, careful) => {
            let request = Activate {
                version: VersionRef::Number(*number),
                percent: *percent,
                bake_ms: None,
                if_generation: careful.then_some(state.generation()),
            };
            state
                .activate(&filter, &request, &alice(), NOW)
                .ok()
                .map(change)
        }
        Step::Shadow(number) => {
            let request = Shadow {
                version: number.map(VersionRef::Number),
                if_generation: None,
            };
            state
                .shadow(&filter, &request, &alice(), NOW)
                .ok()
                .map(change)
        }
        Step::Rollback => {
            let request = Rollback::default();
            state
                .rollback(&filter, &request, &alice(), NOW)
                .ok()
                .map(change)
        }
        Step::Enable(enabled) => {
            let request = SetEnabled {
                enabled: *enabled,
                if_generation: None,
            };
            state
                .set_enabled(&filter, &request, &alice(), NOW)
                .ok()
                .map(change)
        }
        Step::Report { from, since_back } => {
            let since = state
                .filter(&filter)
                .map_or(0, |entry| entry.desired.since_generation);
            let from = format!("l{from}");
            let told = went_back(&from, since.saturating_sub(*since_back));
            Some(change(report(state, told)))
        }
        Step::Revoke(user) => {
            let request = Revoke {
                kind: RevocationKind::User,
                value: format!("user-{user}"),
                seconds: 60,
            };
            state
                .revoke(&request, &alice(), NOW, limits)
                .ok()
                .map(change)
        }
        Step::Expire => Some(Change::new(state.expire(NOW), Vec::new(), ())),
    }
}

proptest! {
    #[test]
    fn whatever_people_and_nodes_do_the_rules_hold(steps in steps()) {
        let limits = Limits { versions_max: 6, ..Limits::default() };
        let mut state = Catalogue::default();
        let mut serial = 0;
        for what in &steps {
            let Some(change) = step(&state, what, &mut serial, &limits) else { continue };
            let next = change.next;
            prop_assert_eq!(next.check(), Ok(()), "{:?}", what);
            let raised = next.generation() - state.generation();
            prop_assert!(raised <= 1, "{what:?}");
            let seen_by_nodes = next.for_nodes(NOW).filters != state.for_nodes(NOW).filters
                || next.for_nodes(NOW).revocations != state.for_nodes(NOW).revocations;
            prop_assert_eq!(seen_by_nodes, raised == 1, "{:?}", what);
            prop_assert_eq!(change.events.is_empty(), raised == 0, "{:?}", what);
            if let Some(entry) = next.filter(&name("auth")) {
                prop_assert!(entry.versions().count() <= limits.versions_max);
                let used = entry.desired.versions();
                prop_assert!(change.dropped.iter().all(|version| !used.contains(&version.id)));
                let before = state.filter(&name("auth")).map(|entry| &entry.desired);
                let switched = before.is_some_and(|before| {
                    before.active != entry.desired.active || before.canary != entry.desired.canary
                });
                prop_assert_eq!(switched, entry.desired.since_generation == next.generation() && raised == 1);
            }
            let json = serde_json::to_vec(&next).unwrap();
            let mut read: Catalogue = serde_json::from_slice(&json).unwrap();
            read.nodes = next.nodes.clone();
            prop_assert_eq!(&read, &next, "what is kept on disk is all of it");
            state = next;
        }
    }
}
