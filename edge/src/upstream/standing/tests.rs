use super::*;

use Availability::{Down, Trial, Up};
use Failure::{NoAnswer, Unreachable};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn who_cannot_be_reached_falls_at_once() {
    let now = Instant::now();
    let mut standing = Standing::default();
    assert_eq!(standing.availability(now), Up);
    assert!(standing.failed(Unreachable, now));
    assert_eq!(standing.availability(now), Down);
    assert_eq!(standing.availability(now + DOWN_MIN), Trial);
}

#[test]
fn who_gives_no_answer_falls_when_it_is_no_accident() {
    let now = Instant::now();
    let mut standing = Standing::default();
    for _ in 1..FAILURES_MAX {
        assert!(!standing.failed(NoAnswer, now));
    }
    assert!(!standing.succeeded(), "it had not fallen");
    for _ in 1..FAILURES_MAX {
        assert!(!standing.failed(NoAnswer, now));
        assert_eq!(standing.availability(now), Up);
    }
    assert!(standing.failed(NoAnswer, now));
    assert_eq!(standing.availability(now), Down);
}

#[test]
fn one_tries_at_a_time_and_all_come_back_when_it_answers() {
    let now = Instant::now();
    let mut standing = Standing::default();
    standing.failed(Unreachable, now);
    assert!(!standing.tries(now));
    let later = now + DOWN_MIN;
    assert!(standing.tries(later));
    assert!(!standing.tries(later));
    assert_eq!(standing.availability(later), Down);
    assert!(standing.succeeded());
    assert_eq!(standing.availability(later), Up);
}

#[test]
fn a_trial_that_is_never_heard_of_again_gives_its_turn_to_another() {
    let now = Instant::now();
    let mut standing = Standing::default();
    standing.failed(Unreachable, now);
    assert!(standing.tries(now + DOWN_MIN));
    assert!(!standing.tries(now + seconds(20)));
    assert!(standing.tries(now + DOWN_MIN + DOWN_MAX));
}

#[test]
fn it_is_left_alone_for_twice_as_long_each_time() {
    let mut now = Instant::now();
    let mut standing = Standing::default();
    assert!(standing.failed(Unreachable, now));
    for down in [2, 4, 8, 16, 30, 30] {
        // Those under way when it fell.
        assert!(!standing.failed(Unreachable, now));
        now += DOWN_MAX;
        assert!(standing.tries(now));
        assert!(!standing.failed(NoAnswer, now), "it had fallen before");
        assert_eq!(standing.availability(now + seconds(down - 1)), Down);
        assert_eq!(standing.availability(now + seconds(down)), Trial);
    }
    standing.succeeded();
    standing.failed(Unreachable, now);
    assert_eq!(standing.availability(now + DOWN_MIN), Trial);
}
