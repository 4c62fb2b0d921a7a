use proptest::prelude::*;

use super::*;

fn reading(round_trip_ms: f64) -> Reading {
    Reading {
        publisher: true,
        round_trip_ms: Some(round_trip_ms),
        ..Reading::default()
    }
}

fn second(second: usize) -> Duration {
    Duration::from_secs(u64::try_from(second).unwrap())
}

/// The state after each second.
fn states(values: &[f64]) -> Vec<State> {
    let mut judge = Judge::default();
    let seconds = values.iter().enumerate();
    seconds
        .map(|(at, value)| judge.judge(second(at), &reading(*value), &[]))
        .collect()
}

#[test]
fn a_condition_counts_after_three_seconds_and_goes_after_ten() {
    let values = [&[10.0; 5][..], &[400.0; 8], &[10.0; 15]].concat();
    let states = states(&values);
    let degraded: Vec<usize> = (0..states.len())
        .filter(|at| states[*at] == State::Degraded)
        .collect();
    // It began at 5 and was last true at 12.
    assert_eq!(degraded, (8..22).collect::<Vec<_>>());
}

#[test]
fn what_gets_worse_and_better_goes_through_both_states() {
    let values = [&[400.0; 6][..], &[2_000.0; 6], &[400.0; 14], &[1.0; 12]].concat();
    let states = states(&values);
    let mut changes = vec![states[0]];
    changes.extend(
        states
            .windows(2)
            .filter(|pair| pair[0] != pair[1])
            .map(|pair| pair[1]),
    );
    use State::{Bad, Degraded, Good};
    assert_eq!(changes, [Good, Degraded, Bad, Degraded, Good]);
}

#[test]
fn a_single_bad_second_is_nothing() {
    let values: Vec<f64> = (0..100)
        .map(|at| if at % 3 == 0 { 9_000.0 } else { 10.0 })
        .collect();
    assert!(states(&values).iter().all(|state| *state == State::Good));
}

#[test]
fn a_second_that_is_worse_makes_nothing_worse() {
    let values = [&[400.0; 3][..], &[2_000.0], &[400.0; 20]].concat();
    let states = states(&values);
    assert!(!states.contains(&State::Bad), "{states:?}");
    assert_eq!(states[3], State::Degraded);
}

#[test]
fn what_was_there_within_ten_seconds_does_not_go_with_what_was_worse() {
    let values = [&[2_000.0; 6][..], &[400.0; 9], &[10.0; 12]].concat();
    let states = states(&values);
    // Bad was last true at 5, degraded at 14.
    assert_eq!(
        states[14..18],
        [
            State::Bad,
            State::Degraded,
            State::Degraded,
            State::Degraded
        ]
    );
    assert_eq!(states[25], State::Good);
}

#[test]
fn codes_are_unique() {
    let mut codes: Vec<&str> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Cause::ALL.len());
}

proptest! {
    /// However figures jump about, the state gets better at most once in ten seconds, and never while a
    /// condition as bad was there within them.
    #[test]
    fn it_does_not_flap(values in proptest::collection::vec(prop_oneof![Just(10.0), Just(400.0), Just(2_000.0)], 1..400)) {
        let states = states(&values);
        let level = |value: f64| beyond(value, 300.0, 1_500.0).unwrap_or_default();
        let mut better = Vec::new();
        for at in 1..states.len() {
            if states[at] < states[at - 1] {
                better.push(at);
                let recent = values[at.saturating_sub(9)..=at].iter().map(|value| level(*value)).max();
                prop_assert!(recent < Some(states[at - 1]), "at {at}");
                prop_assert!(recent <= Some(states[at]), "at {at}");
            }
            if states[at] > states[at - 1] {
                let recent = values[at.saturating_sub(3)..=at].iter().map(|value| level(*value)).min();
                prop_assert!(recent > Some(states[at - 1]), "at {at}");
                prop_assert!(recent >= Some(states[at]), "at {at}");
            }
        }
        prop_assert!(better.windows(2).all(|pair| pair[1] - pair[0] >= 10), "{better:?}");
        // What lasts is said.
        for at in 4..states.len() {
            let least = values[at - 4..=at].iter().map(|value| level(*value)).min().unwrap();
            prop_assert!(states[at] >= least, "at {at}");
        }
    }
}
