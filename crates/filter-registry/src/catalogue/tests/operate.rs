//! What operators change: activation, canaries, rollbacks, revocations.

use super::*;
use crate::wire::Revoke;

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
