//! Rollouts through virtual time.

use proptest::prelude::*;

use super::*;
use crate::stats::Histogram;

const MINUTE: Duration = Duration::from_secs(60);

fn desired(active: u8, previous: Option<u8>, activation: u64) -> Desired<u8> {
    Desired {
        enabled: true,
        active: Some(active),
        previous,
        bake: MINUTE,
        activation,
        ..Desired::default()
    }
}

fn canary(version: u8, percent: u8) -> Option<Canary<u8>> {
    let percent = Percent::new(percent).unwrap();
    Some(Canary { version, percent })
}

#[test]
fn a_canary_serves_its_share_and_always_the_same_viewers() {
    let mut rollout = Rollout::default();
    let now = Instant::now();
    let mut served = Vec::new();
    for percent in [1, 10, 50, 99] {
        let canary = canary(2, percent);
        rollout.apply(
            Desired {
                canary,
                ..desired(1, None, 1)
            },
            now,
        );
        let effective = rollout.effective();
        let on_canary: Vec<u32> = (0..20_000)
            .filter(|viewer: &u32| {
                let pin = RequestPin::of(&viewer.to_le_bytes());
                effective.choose(pin.bucket(7)) == Some(&2)
            })
            .collect();
        let share = on_canary.len() as f64 / 200.0;
        assert!(
            (share - f64::from(percent)).abs() < 1.0,
            "{share} {percent}"
        );
        assert!(served.iter().all(|viewer| on_canary.contains(viewer)));
        served = on_canary;
    }
}

#[test]
fn filters_do_not_try_their_canaries_on_the_same_viewers() {
    let share = Percent::new(10).unwrap();
    let both = (0..10_000u32)
        .map(|viewer| RequestPin::of(&viewer.to_le_bytes()))
        .filter(|pin| share.contains(pin.bucket(1)) && share.contains(pin.bucket(2)))
        .count();
    assert!((50..200).contains(&both), "{both}");
}

#[test]
fn a_node_that_starts_does_not_judge_what_was_active_before() {
    let mut rollout = Rollout::default();
    rollout.apply(desired(2, Some(1), 5), Instant::now());
    assert_eq!(rollout.watch(), None);
}

#[test]
fn a_replacement_is_watched_until_its_bake_time_is_over() {
    let mut rollout = Rollout::default();
    let start = Instant::now();
    rollout.apply(desired(1, None, 1), start);
    rollout.apply(desired(2, Some(1), 2), start);
    let watch = *rollout.watch().unwrap();
    assert_eq!(
        (watch.version, watch.against, watch.side_by_side),
        (2, 1, false)
    );
    // Something else changed: the watch goes on, it does not begin again.
    rollout.apply(desired(2, Some(1), 2), start + MINUTE / 2);
    assert_eq!(rollout.watch(), Some(&watch));
    rollout.poll(start + MINUTE - Duration::from_millis(1));
    assert!(rollout.watch().is_some());
    rollout.poll(start + MINUTE);
    assert_eq!(rollout.watch(), None);
    assert_eq!(rollout.effective().active, Some(2));
}

#[test]
fn what_was_taken_back_stays_so_until_somebody_asks_anew() {
    let mut rollout = Rollout::default();
    let now = Instant::now();
    rollout.apply(desired(1, None, 1), now);
    rollout.apply(desired(2, Some(1), 2), now);
    assert_eq!(rollout.take_back(), Some(TakenBack { from: 2, to: 1 }));
    assert_eq!(rollout.effective().active, Some(1));
    assert_eq!(rollout.watch(), None);
    // Nothing further back.
    assert_eq!(rollout.take_back(), None);
    // The same wish again, as with a change of another filter.
    rollout.apply(desired(2, Some(1), 2), now);
    assert_eq!(rollout.effective().active, Some(1));
    // The rule for all.
    rollout.apply(
        Desired {
            bake: Duration::ZERO,
            ..desired(1, Some(2), 3)
        },
        now,
    );
    assert_eq!(rollout.effective().active, Some(1));
    assert_eq!(rollout.watch(), None);
    // Somebody wants it after all.
    rollout.apply(desired(2, Some(1), 4), now);
    assert_eq!(rollout.effective().active, Some(2));
    assert!(rollout.watch().is_some());
}

#[test]
fn a_canary_is_taken_back_alone() {
    let mut rollout = Rollout::default();
    let now = Instant::now();
    rollout.apply(desired(2, Some(1), 1), now);
    rollout.apply(
        Desired {
            canary: canary(3, 10),
            ..desired(2, Some(1), 2)
        },
        now,
    );
    let watch = rollout.watch().unwrap();
    assert_eq!(
        (watch.version, watch.against, watch.side_by_side),
        (3, 2, true)
    );
    assert_eq!(rollout.take_back(), Some(TakenBack { from: 3, to: 2 }));
    let effective = rollout.effective();
    assert_eq!((effective.active, effective.canary), (Some(2), None));
    // And then the active one.
    assert_eq!(rollout.take_back(), Some(TakenBack { from: 2, to: 1 }));
}

#[test]
fn a_disabled_filter_has_no_version() {
    let mut rollout = Rollout::default();
    let now = Instant::now();
    rollout.apply(
        Desired {
            enabled: false,
            ..desired(2, Some(1), 1)
        },
        now,
    );
    assert_eq!(rollout.effective().choose(0), None);
    assert_eq!(rollout.take_back(), None);
}

/// Traffic at one hook: the driver that the host is, in virtual time.
struct Node {
    rollout: Rollout<u8>,
    windows: [Window; 4],
    now: Instant,
}

impl Node {
    /// One second: `calls` requests, of which version `v` fails every `every[v]`th.
    fn second(
        &mut self,
        calls: u32,
        every: [u64; 4],
        start: &[Window; 4],
    ) -> Option<TakenBack<u8>> {
        for viewer in 0..calls {
            let bucket = RequestPin::of(&viewer.to_le_bytes()).bucket(3);
            let version = usize::from(*self.rollout.effective().choose(bucket).unwrap());
            let window = &mut self.windows[version];
            window.calls += 1;
            window.errors +=
                u64::from(every[version] != 0 && window.calls.is_multiple_of(every[version]));
            window.durations.record_many(Duration::from_micros(20), 1);
        }
        self.now += Duration::from_secs(1);
        self.rollout.poll(self.now);
        let watch = *self.rollout.watch()?;
        let (new, old) = (usize::from(watch.version), usize::from(watch.against));
        let earlier = if watch.side_by_side {
            start[old].clone()
        } else {
            Window::default()
        };
        let old = self.windows[old].since(&earlier);
        match judge(&old, &self.windows[new].since(&start[new])) {
            Verdict::Worse(_) => self.rollout.take_back(),
            _ => None,
        }
    }
}

proptest! {
    /// Whatever the traffic: a version that fails clearly more often is gone within the bake time,
    /// one that does not stays; and at every moment somebody is served by a version.
    #[test]
    fn bad_versions_go_and_good_ones_stay(
        calls in 5u32..300,
        old_every in prop::sample::select(vec![0u64, 100, 20]),
        bad in any::<bool>(),
        share in prop::option::of(5u8..=99),
    ) {
        let mut node = Node { rollout: Rollout::default(), windows: Default::default(), now: Instant::now() };
        let every = [0, old_every, if bad { 3 } else { old_every }, 0];
        node.rollout.apply(desired(1, None, 1), node.now);
        let none: [Window; 4] = Default::default();
        for _ in 0..60 {
            node.second(calls, every, &none);
        }
        let start = node.windows.clone();
        match share {
            Some(percent) => {
                let canary = canary(2, percent);
                node.rollout.apply(Desired { canary, ..desired(1, None, 2) }, node.now);
            }
            None => node.rollout.apply(desired(2, Some(1), 2), node.now),
        }
        let taken = (0..59).find_map(|_| node.second(calls, every, &start));
        let judged = node.windows[2].calls >= 200;
        if bad && judged {
            prop_assert_eq!(taken, Some(TakenBack { from: 2, to: 1 }));
        }
        if !bad && node.windows[2].calls >= 1000 {
            prop_assert_eq!(taken, None);
        }
    }
}

#[test]
fn a_window_is_the_difference_of_two_readings() {
    let mut durations = Histogram::default();
    durations.record_many(Duration::from_micros(5), 10);
    let earlier = Window {
        calls: 10,
        errors: 1,
        durations: durations.clone(),
    };
    durations.record_many(Duration::from_millis(5), 10);
    let window = Window {
        calls: 20,
        errors: 4,
        durations,
    }
    .since(&earlier);
    assert_eq!((window.calls, window.errors), (10, 3));
    assert!(window.durations.quantile(0.01) > Duration::from_millis(4));
}
