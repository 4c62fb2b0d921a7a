//! What leaves the list, and how long it can be downloaded after that.

use super::*;

/// Checklist 8, 9.
#[test]
fn the_window_slides_in_order_and_never_below_its_length() {
    let mut live = live();
    for pushed in 1..=40 {
        push_segments(&mut live, 1);
        let playlist = snapshot(&live);
        let listed = u64::try_from(playlist.segments.len()).unwrap();
        assert_eq!(listed, pushed.min(10));
        assert_eq!(playlist.media_sequence, Msn::new(100 + pushed - listed));
        assert_eq!(playlist.discontinuity_sequence, 7);
    }
}

/// Checklist 8: listed for three Target Durations, then downloadable as long again.
#[test]
fn parts_outlive_their_listing() {
    let mut live = live();
    push_segments(&mut live, 4);
    assert_eq!(
        snapshot(&live).segments[0].head.parts.len(),
        6,
        "exactly three target durations"
    );
    push_parts(&mut live, 1);
    assert!(snapshot(&live).segments[0].head.parts.is_empty());
    assert_eq!(snapshot(&live).segments[1].head.parts.len(), 6);
    assert_eq!(
        live.part_state(Msn::new(100), PartIndex::new(5)),
        ObjectState::Available
    );
    push_parts(&mut live, 5);
    live.close_segment().unwrap();
    push_segments(&mut live, 2);
    assert_eq!(
        live.part_state(Msn::new(100), PartIndex::new(5)),
        ObjectState::Available
    );
    assert_eq!(live.retention().parts_from, Msn::new(100));
    push_parts(&mut live, 1);
    assert_eq!(
        live.part_state(Msn::new(100), PartIndex::new(5)),
        ObjectState::NotFound
    );
    assert_eq!(live.retention().parts_from, Msn::new(101));
    assert_eq!(live.segment_state(Msn::new(100)), ObjectState::Available);
}

/// Checklist 8: a removed Segment stays for its duration plus the longest playlist.
#[test]
fn segments_outlive_their_listing() {
    let mut live = live();
    push_segments(&mut live, 11);
    assert_eq!(snapshot(&live).media_sequence, Msn::new(101));
    assert_eq!(live.retention().segments_from, Msn::new(100));
    // The longest playlist was 22 s, before the trim: 24 s more.
    push_segments(&mut live, 11);
    assert_eq!(live.segment_state(Msn::new(100)), ObjectState::Available);
    push_segments(&mut live, 1);
    assert_eq!(live.segment_state(Msn::new(100)), ObjectState::NotFound);
    assert_eq!(live.retention().segments_from, Msn::new(101));
}

/// multimux 0.2.2: hinted Parts gave 404 at each Segment's end.
#[test]
fn the_last_part_survives_the_end_of_its_segment() {
    let mut live = live();
    push_parts(&mut live, 5);
    let (msn, part) = live.next_part();
    assert_eq!(live.part_state(msn, part), ObjectState::Hold);
    push_parts(&mut live, 1);
    live.close_segment().unwrap();
    assert_eq!(live.part_state(msn, part), ObjectState::Available);
    assert_eq!(live.part_state(msn, part.next()), ObjectState::NotFound);
}

#[test]
fn what_there_is_no_memory_for_leaves_the_list_too() {
    let mut live = live();
    push_segments(&mut live, 14);
    assert_eq!(snapshot(&live).media_sequence, Msn::new(104));
    live.withdraw(Msn::new(108));
    assert_eq!(snapshot(&live).media_sequence, Msn::new(108));
    assert_eq!(live.retention().segments_from, Msn::new(108));
    assert_eq!(live.segment_state(Msn::new(107)), ObjectState::NotFound);
    live.withdraw(Msn::new(114));
    assert_eq!(
        snapshot(&live).media_sequence,
        Msn::new(111),
        "three target durations stay"
    );
    push_segments(&mut live, 1);
    assert_eq!(snapshot(&live).media_sequence, Msn::new(112));
    push_segments(&mut live, 20);
    assert_eq!(snapshot(&live).segments.len(), 10, "the list grows again");
}

#[test]
fn removed_segments_stay_no_longer_than_they_are_to() {
    let mut live = LivePlaylist::new(LiveConfig {
        removed_max: Duration::from_secs(6),
        ..config()
    })
    .unwrap();
    push_segments(&mut live, 13);
    assert_eq!(snapshot(&live).media_sequence, Msn::new(103));
    assert_eq!(live.segment_state(Msn::new(100)), ObjectState::Available);
    push_segments(&mut live, 1);
    assert_eq!(live.segment_state(Msn::new(100)), ObjectState::NotFound);
    assert_eq!(live.segment_state(Msn::new(101)), ObjectState::Available);
}
