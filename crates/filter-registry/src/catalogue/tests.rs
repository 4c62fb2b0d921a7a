mod operate;
mod push;
mod report;
mod rules;

use std::collections::BTreeMap;

use wasm_filters::manifest::{Digest, FilterName, Hook, Manifest, VersionDocument, VersionId};

use super::*;
use crate::wire::{Activate, FilterReport, NodeName, NodeReport, Rollback, RolledBack, VersionRef};

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
