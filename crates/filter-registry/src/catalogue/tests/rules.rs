//! The rules hold whatever people and nodes do.

use proptest::prelude::*;

use super::*;
use crate::wire::{Revoke, SetEnabled, Shadow};

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
