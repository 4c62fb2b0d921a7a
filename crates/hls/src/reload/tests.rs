use super::*;

/// Segment 10 is open with two Parts; Segment 9 had six.
const POSITION: LivePosition = LivePosition {
    open: Msn::new(10),
    open_parts: 2,
    previous_parts: 6,
    started: true,
    ended: false,
    target_duration: Duration::from_secs(2),
    part_target: Duration::from_millis(350),
};

/// Segment 9 has just been completed; Segment 10 has nothing yet.
const BETWEEN: LivePosition = LivePosition {
    open_parts: 0,
    ..POSITION
};

#[track_caller]
fn check(position: LivePosition, query: &str, expected: Decision) {
    let directives = DeliveryDirectives::parse(query).unwrap();
    assert_eq!(position.decide(&directives), expected, "{query}");
}

use Decision::{Ready, Reject, Wait};

#[test]
fn plain_requests_are_answered_at_once() {
    check(POSITION, "", Ready);
    check(POSITION, "_HLS_skip=YES", Ready);
}

#[test]
fn nothing_is_answered_before_the_first_segment() {
    let empty = LivePosition {
        started: false,
        previous_parts: 0,
        ..POSITION
    };
    check(empty, "", Wait);
    check(empty, "_HLS_msn=10&_HLS_part=0", Wait);
    check(empty, "_HLS_msn=3", Wait);
    check(empty, "_HLS_msn=13", Reject(Rejection::MsnTooFar));
}

/// Checklist 18; OME's server did not block on MSN alone.
#[test]
fn msn_alone_waits_for_the_whole_segment() {
    check(POSITION, "_HLS_msn=9", Ready);
    check(POSITION, "_HLS_msn=10", Wait);
    check(POSITION, "_HLS_msn=11", Wait);
}

#[test]
fn msn_and_part_wait_for_the_part() {
    check(POSITION, "_HLS_msn=10&_HLS_part=1", Ready);
    check(POSITION, "_HLS_msn=10&_HLS_part=2", Wait);
    check(POSITION, "_HLS_msn=11&_HLS_part=0", Wait);
}

/// Checklist 19.
#[test]
fn part_beyond_the_last_is_the_first_of_the_next_segment() {
    check(POSITION, "_HLS_msn=9&_HLS_part=6", Ready);
    check(POSITION, "_HLS_msn=9&_HLS_part=4000000000", Ready);
    check(BETWEEN, "_HLS_msn=9&_HLS_part=5", Ready);
    check(BETWEEN, "_HLS_msn=9&_HLS_part=6", Wait);
    check(BETWEEN, "_HLS_msn=10&_HLS_part=0", Wait);
}

/// Checklist 20.
#[test]
fn old_positions_are_answered_at_once() {
    check(POSITION, "_HLS_msn=0", Ready);
    check(POSITION, "_HLS_msn=8&_HLS_part=77", Ready);
    check(BETWEEN, "_HLS_msn=8&_HLS_part=77", Ready);
}

/// Checklist 22. OME's server held such requests for ever.
#[test]
fn far_positions_are_refused_at_once() {
    check(POSITION, "_HLS_msn=12", Wait);
    check(POSITION, "_HLS_msn=13", Reject(Rejection::MsnTooFar));
    check(
        POSITION,
        "_HLS_msn=18446744073709551615",
        Reject(Rejection::MsnTooFar),
    );
    // The last Segment is 9 until 10 has a Part.
    check(BETWEEN, "_HLS_msn=11", Wait);
    check(BETWEEN, "_HLS_msn=12", Reject(Rejection::MsnTooFar));
    // ceil(3 / 0.35) = 9 beyond Part 1.
    check(POSITION, "_HLS_msn=10&_HLS_part=10", Wait);
    check(
        POSITION,
        "_HLS_msn=10&_HLS_part=11",
        Reject(Rejection::PartTooFar),
    );
    check(
        POSITION,
        "_HLS_msn=11&_HLS_part=9",
        Reject(Rejection::PartTooFar),
    );
    assert_eq!(Rejection::MsnTooFar.status(), 400);
    assert_eq!(Rejection::PartTooFar.status(), 400);
}

/// hls.js#6076: on a slow first load a player asks ahead; near is not far.
#[test]
fn near_positions_are_held_not_refused() {
    for part in 0..9 {
        check(POSITION, &format!("_HLS_msn=11&_HLS_part={part}"), Wait);
        check(POSITION, &format!("_HLS_msn=12&_HLS_part={part}"), Wait);
    }
}

#[test]
fn advance_part_limit_follows_the_draft() {
    for (millis, limit) in [
        (200, 15),
        (333, 10),
        (350, 9),
        (999, 4),
        (1_000, 3),
        (2_000, 3),
    ] {
        assert_eq!(
            advance_part_limit(Duration::from_millis(millis)),
            limit,
            "{millis}"
        );
    }
}

/// Checklist 24.
#[test]
fn ended_playlists_ignore_directives() {
    let ended = LivePosition {
        ended: true,
        ..POSITION
    };
    check(ended, "_HLS_msn=10", Ready);
    check(ended, "_HLS_msn=999", Ready);
    check(ended, "_HLS_msn=999&_HLS_part=999", Ready);
}

/// Checklist 23.
#[test]
fn requests_are_held_for_three_target_durations() {
    assert_eq!(POSITION.blocked_max(), Duration::from_secs(6));
    assert_eq!(Rejection::BlockedTooLong.status(), 503);
}

/// Checklist 34.
#[test]
fn an_edge_behind_its_origin_is_lenient() {
    let stale = |query: &str, millis| {
        let directives = DeliveryDirectives::parse(query).unwrap();
        POSITION.check_limits(&directives, Duration::from_millis(millis))
    };
    assert_eq!(stale("_HLS_msn=13", 0), Err(Rejection::MsnTooFar));
    assert_eq!(stale("_HLS_msn=13", 500), Ok(()));
    assert_eq!(stale("_HLS_msn=14", 500), Err(Rejection::MsnTooFar));
    assert_eq!(stale("_HLS_msn=10&_HLS_part=13", 1_000), Ok(()));
    assert_eq!(
        stale("_HLS_msn=10&_HLS_part=14", 1_000),
        Err(Rejection::PartTooFar)
    );
}

#[test]
fn a_playlist_without_parts_has_a_position_too() {
    let whole = LivePosition {
        part_target: Duration::ZERO,
        open_parts: 0,
        ..POSITION
    };
    check(whole, "_HLS_msn=10", Wait);
    check(whole, "_HLS_msn=10&_HLS_part=3", Wait);
}
