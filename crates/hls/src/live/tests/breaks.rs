//! Discontinuities, gaps, and dates.

use super::*;

/// Checklist 9, 10.
#[test]
fn discontinuities_are_counted_when_they_leave() {
    let mut live = live();
    live.discontinuity(ProgramDateTime::from_unix_millis(1_000))
        .unwrap();
    push_segments(&mut live, 2);
    assert!(
        !snapshot(&live).segments[0].head.discontinuity,
        "nothing came before"
    );
    assert_eq!(
        snapshot(&live).segments[0]
            .head
            .program_date_time
            .unwrap()
            .unix_millis(),
        1_000
    );
    push_parts(&mut live, 1);
    let closed = live
        .discontinuity(ProgramDateTime::from_unix_millis(60_000))
        .unwrap();
    assert_eq!(closed.unwrap().parts, 1);
    push_segments(&mut live, 1);
    let playlist = snapshot(&live);
    let last = &playlist.segments[3].head;
    assert!(last.discontinuity);
    assert_eq!(last.map.as_deref(), Some("init-103.mp4"));
    assert_eq!(last.program_date_time.unwrap().unix_millis(), 60_000);
    push_segments(&mut live, 8);
    assert_eq!(snapshot(&live).discontinuity_sequence, 7);
    push_segments(&mut live, 3);
    assert_eq!(snapshot(&live).discontinuity_sequence, 8);
    assert_eq!(
        snapshot(&live).segments[0].head.map.as_deref(),
        Some("init-103.mp4")
    );
}

/// Checklist 9, 11.
#[test]
fn a_discontinuity_may_have_nothing_but_gaps_behind_it() {
    let mut live = live();
    push_segments(&mut live, 2);
    let init = live.current_init();
    let time = live.next_time();
    live.discontinuity_of_gaps(time).unwrap();
    assert_eq!(live.current_init(), init, "there is no other");
    let gap = NewPart {
        duration: PART,
        independent: false,
        gap: true,
    };
    live.push_part(gap).unwrap();
    live.close_segment().unwrap();
    let listed = snapshot(&live);
    let last = listed.segments.last().unwrap();
    assert!(last.head.discontinuity && last.gap);
    assert_eq!(last.head.map, None);
    assert_eq!(live.last_discontinuity_sequence(), 8);
    live.discontinuity(live.next_time()).unwrap();
    assert_ne!(live.current_init(), init);
    assert_eq!(
        live.last_discontinuity_sequence(),
        9,
        "one that is about to be listed counts"
    );
}

#[test]
fn dates_are_steered_from_the_next_segment_on() {
    let mut live = live();
    push_segments(&mut live, 1);
    push_parts(&mut live, 3);
    live.steer(-10);
    push_parts(&mut live, 3);
    live.close_segment().unwrap();
    live.steer(4);
    push_segments(&mut live, 1);
    let dates: Vec<_> = snapshot(&live)
        .segments
        .iter()
        .map(|own| own.head.program_date_time.unwrap().unix_millis())
        .collect();
    assert_eq!(dates, [0, 2_000, 3_994]);
}

#[test]
fn dates_never_go_back() {
    let mut live = live();
    push_segments(&mut live, 3);
    live.discontinuity(ProgramDateTime::from_unix_millis(-5_000))
        .unwrap();
    assert_eq!(live.next_time().unix_millis(), 6_000);
    push_segments(&mut live, 1);
    assert_eq!(live.next_time().unix_millis(), 8_000);
}

/// zap-stream-core#96: Parts of the old source stayed after a reconnect.
#[test]
fn a_discontinuity_leaves_no_part_behind() {
    let mut live = live();
    push_segments(&mut live, 1);
    push_parts(&mut live, 2);
    live.discontinuity(ProgramDateTime::from_unix_millis(9_000))
        .unwrap();
    let playlist = snapshot(&live);
    assert!(playlist.open.parts.is_empty());
    assert_eq!(playlist.segments[1].head.parts.len(), 2);
    assert_eq!(live.next_part(), at(102, 0));
    assert_eq!(
        live.part_state(Msn::new(101), PartIndex::new(2)),
        ObjectState::NotFound
    );
}

/// Checklist 11.
#[test]
fn gaps_have_no_media() {
    let mut live = live();
    push_segments(&mut live, 1);
    let gap = NewPart {
        duration: PART,
        independent: false,
        gap: true,
    };
    live.push_part(gap).unwrap();
    let closed = live.close_segment().unwrap();
    assert_eq!(closed.violation, None);
    let last = snapshot(&live).segments.pop().unwrap();
    assert!(last.gap && last.head.parts[0].gap);
    assert_eq!(live.segment_state(closed.msn), ObjectState::NotFound);
    assert_eq!(
        live.part_state(closed.msn, PartIndex::ZERO),
        ObjectState::NotFound
    );
}

/// A track that pauses (audio, say) leaves a hole in a Segment that is there all the same.
#[test]
fn a_segment_may_have_a_gap_within() {
    let mut live = live();
    let gap = NewPart {
        duration: PART,
        independent: false,
        gap: true,
    };
    push_parts(&mut live, 1);
    let short = NewPart {
        duration: PART / 2,
        ..part(&live)
    };
    assert_eq!(live.push_part(short).unwrap().violation, None);
    assert_eq!(
        live.push_part(gap).unwrap().violation,
        None,
        "short before a gap is fine"
    );
    push_parts(&mut live, 1);
    let msn = live.close_segment().unwrap().msn;
    let gaps: Vec<bool> = snapshot(&live).segments[0]
        .head
        .parts
        .iter()
        .map(|part| part.gap)
        .collect();
    assert_eq!(gaps, [false, false, true, false]);
    assert!(!snapshot(&live).segments[0].gap);
    assert_eq!(live.segment_state(msn), ObjectState::Available);
    assert_eq!(
        live.part_state(msn, PartIndex::new(2)),
        ObjectState::NotFound
    );
    assert_eq!(
        live.part_state(msn, PartIndex::new(3)),
        ObjectState::Available
    );
}
