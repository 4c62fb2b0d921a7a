//! A breaker through virtual time.

use proptest::prelude::*;

use super::*;

const OPTIONS: BreakerOptions = BreakerOptions {
    failures: 3,
    within: Duration::from_secs(10),
};

fn ms(start: Instant, ms: u64) -> Instant {
    start + Duration::from_millis(ms)
}

#[test]
fn it_opens_with_enough_failures_within_the_time_only() {
    let start = Instant::now();
    let mut breaker = Breaker::new(OPTIONS);
    assert!(!breaker.failed(ms(start, 0)));
    assert!(!breaker.failed(ms(start, 6_000)));
    // The first is 11 s old by now.
    assert!(!breaker.failed(ms(start, 11_000)));
    assert_eq!(breaker.admit(ms(start, 11_000)), Admission::Call);
    assert!(breaker.failed(ms(start, 12_000)));
    assert_eq!(breaker.admit(ms(start, 12_999)), Admission::Refused);
}

#[test]
fn one_call_is_tried_after_the_pause_and_decides() {
    let start = Instant::now();
    let mut breaker = Breaker::new(OPTIONS);
    for _ in 0..3 {
        breaker.failed(start);
    }
    assert_eq!(breaker.admit(ms(start, 1_000)), Admission::Trial);
    assert_eq!(breaker.admit(ms(start, 1_000)), Admission::Refused);
    // It fails: twice the pause.
    assert!(breaker.failed(ms(start, 1_010)));
    assert_eq!(breaker.admit(ms(start, 3_000)), Admission::Refused);
    assert_eq!(breaker.admit(ms(start, 3_010)), Admission::Trial);
    // It goes away: the next one tries at once.
    breaker.abandoned(ms(start, 3_020));
    assert_eq!(breaker.admit(ms(start, 3_020)), Admission::Trial);
    breaker.succeeded(ms(start, 3_030));
    assert_eq!(breaker.admit(ms(start, 3_030)), Admission::Call);
    assert_eq!(breaker.opened(), 2);
}

#[test]
fn the_pause_grows_to_its_bound_and_starts_again_after_a_good_time() {
    let mut now = Instant::now();
    let mut breaker = Breaker::new(OPTIONS);
    for _ in 0..3 {
        breaker.failed(now);
    }
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let BreakerState::Open(until) = breaker.state() else {
            panic!("not open");
        };
        pauses.push((until - now).as_secs());
        now = until;
        assert_eq!(breaker.admit(now), Admission::Trial);
        assert!(breaker.failed(now));
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    now += PAUSE_MAX;
    assert_eq!(breaker.admit(now), Admission::Trial);
    breaker.succeeded(now);
    now += PAUSE_MAX;
    for _ in 0..3 {
        breaker.failed(now);
    }
    assert_eq!(breaker.state(), BreakerState::Open(now + PAUSE_MIN));
}

#[test]
fn a_shared_breaker_lets_one_permit_try_and_a_dropped_one_hands_on() {
    let shared = SharedBreaker::new(Some(BreakerOptions {
        failures: 1,
        ..OPTIONS
    }));
    let start = Instant::now();
    assert!(shared.admit(start).unwrap().failed(start));
    assert!(shared.admit(start).is_none());
    let later = start + PAUSE_MIN;
    let trial = shared.admit(later).unwrap();
    assert!(shared.admit(later).is_none());
    drop(trial);
    let trial = shared.admit(Instant::now() + PAUSE_MIN).unwrap();
    trial.succeeded(later);
    assert_eq!(shared.state(), BreakerState::Closed);
    assert!(shared.admit(later).is_some());
}

#[test]
fn without_options_it_never_opens() {
    let shared = SharedBreaker::new(None);
    let now = Instant::now();
    for _ in 0..10_000 {
        assert!(!shared.admit(now).unwrap().failed(now));
    }
}

proptest! {
    /// Whatever happens: a pause is never longer than the bound, and after it somebody may try.
    #[test]
    fn it_always_comes_back(events in prop::collection::vec((0u8..4, 0u64..5_000), 1..200)) {
        let mut now = Instant::now();
        let mut breaker = Breaker::new(OPTIONS);
        for (event, wait) in events {
            now += Duration::from_millis(wait);
            match event {
                0 => { breaker.admit(now); }
                1 => { breaker.failed(now); }
                2 => breaker.succeeded(now),
                _ => breaker.abandoned(now),
            }
            if let BreakerState::Open(until) = breaker.state() {
                prop_assert!(until <= now + PAUSE_MAX);
            }
        }
        if breaker.state() == BreakerState::HalfOpen {
            breaker.abandoned(now);
        }
        prop_assert_ne!(breaker.admit(now + PAUSE_MAX), Admission::Refused);
    }
}
