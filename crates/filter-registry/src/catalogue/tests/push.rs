//! What a push does to the catalogue.

use super::*;
use crate::wire::Shadow;

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
