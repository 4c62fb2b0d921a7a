use super::*;
use crate::catalogue::{Bake, Canary, Desired};
use crate::wire::NodeVersion;
use wasm_filters::manifest::Digest;

fn id(byte: u8) -> VersionId {
    VersionId::from([byte; 32])
}

/// Versions 1 to 4; 2 is wanted, 1 was before.
fn filter() -> NodeFilter {
    let versions = (1..=4_u8).map(|number| NodeVersion {
        id: id(number),
        number: u32::from(number),
        component: Digest::from([number; 32]),
        serial: u64::from(number),
        signature: None,
    });
    NodeFilter {
        versions: versions.collect(),
        desired: Desired {
            active: Some(id(2)),
            previous: Some(id(1)),
            bake: Some(Bake { ms: 500 }),
            since_generation: 7,
            ..Desired::default()
        },
    }
}

fn own(from: u8, to: u8, since_generation: u64) -> RolledBack {
    RolledBack {
        from: id(from),
        to: Some(id(to)),
        reason: String::new(),
        since_generation,
    }
}

fn ran() -> Ran {
    Ran {
        active: id(1),
        previous: None,
        since_generation: 3,
    }
}

fn all(_: VersionId) -> bool {
    true
}

#[test]
fn what_is_wanted_runs_when_it_is_ready() {
    let plan = plan(&filter(), None, Some(ran()), all);
    assert_eq!(plan.active, Some(id(2)));
    assert_eq!(plan.previous, Some(id(1)));
    assert_eq!((plan.bake_ms, plan.since_generation), (500, 7));
}

#[test]
fn what_ran_goes_on_until_then_as_the_activation_that_it_was() {
    let plan = plan(&filter(), None, Some(ran()), |version| version != id(2));
    assert_eq!(plan.active, Some(id(1)));
    assert_eq!((plan.bake_ms, plan.since_generation), (0, 3));
}

#[test]
fn nothing_runs_where_nothing_is_ready() {
    let plan = plan(&filter(), None, Some(ran()), |_| false);
    assert_eq!((plan.active, plan.previous), (None, None));
}

#[test]
fn a_canary_waits_for_the_version_that_it_is_compared_with() {
    let mut filter = filter();
    let canary = Canary {
        version: id(3),
        percent: 10,
    };
    filter.desired.canary = Some(canary);
    assert_eq!(plan(&filter, None, None, all).canary, Some((id(3), 10)));
    let without = plan(&filter, None, Some(ran()), |version| version != id(2));
    assert_eq!(without.canary, None);
    let not_ready = plan(&filter, None, None, |version| version != id(3));
    assert_eq!((not_ready.canary, not_ready.active), (None, Some(id(2))));
}

#[test]
fn the_nodes_own_rollback_holds_until_somebody_activates_anew() {
    let mut filter = filter();
    let own = own(2, 1, 7);
    let held = plan(&filter, Some(&own), Some(ran()), all);
    assert_eq!(
        (held.active, held.previous, held.bake_ms),
        (Some(id(1)), None, 0)
    );
    filter.desired.shadow = Some(id(3));
    filter.desired.enabled = false;
    let held = plan(&filter, Some(&own), Some(ran()), all);
    assert_eq!(
        held.active,
        Some(id(1)),
        "a shadow and a switch are not an activation"
    );
    filter.desired.since_generation = 9;
    let anew = plan(&filter, Some(&own), Some(ran()), all);
    assert_eq!((anew.active, anew.since_generation), (Some(id(2)), 9));
}

#[test]
fn the_nodes_own_rollback_of_a_canary_ends_the_canary_alone() {
    let mut filter = filter();
    filter.desired.canary = Some(Canary {
        version: id(3),
        percent: 10,
    });
    let own = own(3, 2, 7);
    let held = plan(&filter, Some(&own), None, all);
    assert_eq!(
        (held.active, held.previous, held.canary),
        (Some(id(2)), Some(id(1)), None)
    );
}

#[test]
fn the_most_urgent_is_made_ready_first_and_the_newest_too() {
    assert_eq!(wanted(&filter(), None, None), [id(2), id(1), id(4)]);
    let own = own(2, 1, 7);
    assert_eq!(wanted(&filter(), Some(&own), None), [id(1), id(2), id(4)]);
    let mut filter = filter();
    filter.desired = Desired::default();
    assert_eq!(wanted(&filter, None, Some(ran())), [id(1), id(4)]);
}
