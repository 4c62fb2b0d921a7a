mod breaks;
mod lasting;

use super::*;
use crate::{RenditionName, Skip, media::MediaPlaylist};

const PART: Duration = Duration::from_nanos(333_333_333);

fn config() -> LiveConfig {
    LiveConfig {
        rendition: RenditionName::new("720p").unwrap(),
        target_duration: Duration::from_secs(2),
        part_target: Duration::from_millis(350),
        part_hold_back: Duration::from_millis(1_050),
        window: Duration::from_secs(20),
        removed_max: Duration::from_secs(14_400),
        start_msn: Msn::new(100),
        start_discontinuity_sequence: 7,
        start_time: ProgramDateTime::from_unix_millis(0),
    }
}

fn live() -> LivePlaylist {
    LivePlaylist::new(config()).unwrap()
}

fn part(live: &LivePlaylist) -> NewPart {
    let independent = live.next_part().1 == PartIndex::ZERO;
    NewPart {
        duration: PART,
        independent,
        gap: false,
    }
}

fn push_parts(live: &mut LivePlaylist, count: u32) {
    for _ in 0..count {
        let added = live.push_part(part(live)).unwrap();
        assert_eq!(added.violation, None);
    }
}

fn push_segments(live: &mut LivePlaylist, count: u32) {
    for _ in 0..count {
        push_parts(live, 6);
        assert_eq!(live.close_segment().unwrap().violation, None);
    }
}

fn snapshot(live: &LivePlaylist) -> MediaPlaylist {
    live.snapshot(&RenderRequest::default())
}

fn delta(live: &LivePlaylist) -> MediaPlaylist {
    live.snapshot(&RenderRequest {
        skip: Some(Skip::Yes),
        reports: &[],
    })
}

fn hints(live: &LivePlaylist) -> Vec<String> {
    snapshot(live)
        .preload_hints
        .into_iter()
        .map(|hint| hint.uri)
        .collect()
}

const fn at(msn: u64, part: u32) -> (Msn, PartIndex) {
    (Msn::new(msn), PartIndex::new(part))
}

/// Checklist 1, 2.
#[test]
fn settings_are_checked() {
    let check = |change: fn(&mut LiveConfig), error| {
        let mut config = config();
        change(&mut config);
        assert_eq!(LivePlaylist::new(config).map(|_| ()), Err(error));
    };
    check(
        |config| config.target_duration = Duration::ZERO,
        ConfigError::TargetDuration,
    );
    check(
        |config| config.target_duration = Duration::from_millis(1_500),
        ConfigError::TargetDuration,
    );
    check(
        |config| config.part_target = Duration::ZERO,
        ConfigError::PartTarget,
    );
    check(|config| config.part_target = PART, ConfigError::PartTarget);
    check(
        |config| config.part_target = Duration::from_secs(3),
        ConfigError::PartTarget,
    );
    check(
        |config| config.part_hold_back = Duration::from_millis(1_049),
        ConfigError::PartHoldBack,
    );
    check(
        |config| config.window = Duration::from_millis(5_999),
        ConfigError::Window,
    );
    check(
        |config| config.removed_max = Duration::from_millis(5_999),
        ConfigError::RemovedMax,
    );
    check(
        |config| config.window = Duration::from_secs(99_999),
        ConfigError::Window,
    );
}

/// The sum holds in the text, not only in the numbers.
#[test]
fn parts_sum_to_their_segment_in_the_text() {
    let mut live = live();
    push_segments(&mut live, 4);
    let text = live.render(&RenderRequest::default());
    let micros = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap();
        format!("{whole}{fraction:0<6}").parse::<u64>().unwrap()
    };
    let (mut sum, mut segments) = (0, 0);
    for line in text.lines() {
        if let Some(part) = line.strip_prefix("#EXT-X-PART:DURATION=") {
            sum += micros(part.split(',').next().unwrap());
        } else if let Some(duration) = line.strip_prefix("#EXTINF:") {
            assert_eq!(sum, micros(duration.trim_end_matches(',')));
            sum = 0;
            segments += 1;
        }
    }
    assert_eq!(segments, 4);
}

/// Checklist 3; zap-stream-core#96.
#[test]
fn parts_off_the_part_target_are_reported() {
    let mut live = live();
    let mut push = |millis, independent| {
        let duration = Duration::from_millis(millis);
        let part = NewPart {
            duration,
            independent,
            gap: false,
        };
        live.push_part(part)
            .unwrap()
            .violation
            .map(Violation::as_str)
    };
    assert_eq!(push(350, true), None);
    assert_eq!(push(533, false), Some("part_above_target"));
    assert_eq!(push(297, false), None);
    assert_eq!(push(298, false), Some("part_short"));
    assert_eq!(push(100, true), None);
    assert_eq!(
        push(298, false),
        None,
        "the short one before was independent"
    );
    assert_eq!(push(100, false), None);
    live.close_segment().unwrap();
    push_parts(&mut live, 1);
}

/// Checklist 5.
#[test]
fn segments_without_an_independent_frame_are_reported() {
    let mut live = live();
    live.push_part(NewPart {
        duration: PART,
        independent: false,
        gap: false,
    })
    .unwrap();
    let violation = live.close_segment().unwrap().violation;
    assert_eq!(violation, Some(Violation::SegmentNotIndependent));
}

/// OME#1686: an EXTINF of 4294967.996 s.
#[test]
fn no_segment_exceeds_the_target_duration() {
    let mut live = live();
    let part = |millis| NewPart {
        duration: Duration::from_millis(millis),
        independent: true,
        gap: false,
    };
    let too_long = live.push_part(part(4_294_967_996));
    assert!(
        matches!(too_long, Err(PushError::TooLong { .. })),
        "{too_long:?}"
    );
    assert!(matches!(
        live.push_part(part(2_500)),
        Err(PushError::TooLong { .. })
    ));
    live.push_part(part(2_400)).unwrap();
    live.push_part(part(99)).unwrap();
    let full = PushError::SegmentFull { msn: Msn::new(100) };
    assert_eq!(live.push_part(part(1)), Err(full));
    assert_eq!(
        live.next_part(),
        at(100, 2),
        "a refused Part changes nothing"
    );
    live.close_segment().unwrap();
    live.push_part(part(1)).unwrap();
    let nothing = NewPart {
        duration: Duration::from_nanos(999),
        ..part(1)
    };
    assert_eq!(live.push_part(nothing), Err(PushError::TooShort));
}

#[test]
fn parts_of_a_segment_are_bounded() {
    let mut live = live();
    let part = NewPart {
        duration: Duration::from_micros(1),
        independent: true,
        gap: false,
    };
    for _ in 0..PARTS_PER_SEGMENT_MAX {
        live.push_part(part).unwrap();
    }
    assert_eq!(
        live.push_part(part),
        Err(PushError::SegmentFull { msn: Msn::new(100) })
    );
}

/// Checklist 27.
#[test]
fn parts_are_held_within_the_advance_part_limit() {
    let mut live = live();
    push_parts(&mut live, 2);
    let state = |msn, part| live.part_state(Msn::new(msn), PartIndex::new(part));
    assert_eq!(state(100, 1), ObjectState::Available);
    assert_eq!(state(100, 2), ObjectState::Hold);
    assert_eq!(state(100, 10), ObjectState::Hold);
    assert_eq!(state(100, 11), ObjectState::NotFound);
    assert_eq!(state(101, 0), ObjectState::Hold);
    assert_eq!(state(101, 8), ObjectState::Hold);
    assert_eq!(state(101, 9), ObjectState::NotFound);
    assert_eq!(state(102, 0), ObjectState::NotFound);
    assert_eq!(state(99, 0), ObjectState::NotFound);
    assert_eq!(live.segment_state(Msn::new(100)), ObjectState::Hold);
    assert_eq!(live.segment_state(Msn::new(101)), ObjectState::NotFound);
    assert_eq!(live.init_state(Msn::new(100)), ObjectState::Available);
    assert_eq!(live.init_state(Msn::new(101)), ObjectState::NotFound);
}

/// Checklist 13; gohlslib: without a hint hls.js loops.
#[test]
fn there_is_always_a_hint_until_the_end() {
    let mut live = live();
    assert_eq!(hints(&live), ["init-100.mp4", "100.0.m4s"]);
    push_parts(&mut live, 1);
    assert_eq!(hints(&live), ["100.1.m4s"]);
    push_parts(&mut live, 5);
    live.close_segment().unwrap();
    assert_eq!(hints(&live), ["101.0.m4s"]);
    live.discontinuity(ProgramDateTime::from_unix_millis(9_000))
        .unwrap();
    assert_eq!(hints(&live), ["init-101.mp4", "101.0.m4s"]);
    push_parts(&mut live, 1);
    assert_eq!(hints(&live), ["101.1.m4s"]);
    live.end();
    assert!(hints(&live).is_empty());
}

/// Checklist 16, 25.
#[test]
fn deltas_skip_only_beyond_the_skip_boundary() {
    let mut live = live();
    push_segments(&mut live, 7);
    assert_eq!(delta(&live), snapshot(&live), "nothing is old enough");
    push_parts(&mut live, 1);
    let short = delta(&live);
    assert_eq!((short.version, short.skipped_segments), (9, 1));
    assert_eq!(short.segments[0].uri, "101.m4s");
    assert_eq!(short.segments[0].head.map.as_deref(), Some("init-100.mp4"));
    assert_eq!(short.media_sequence, Msn::new(100));
    assert_eq!(short.open, snapshot(&live).open);
    let v2 = live.snapshot(&RenderRequest {
        skip: Some(Skip::V2),
        reports: &[],
    });
    assert_eq!(v2, short);
    live.end();
    assert_eq!(delta(&live), snapshot(&live));
}

/// Checklist 14.
#[test]
fn reports_name_the_last_part() {
    let mut live = live();
    assert_eq!(live.report(), None);
    push_parts(&mut live, 2);
    let report = |msn, part| {
        let uri = "../720p/index.m3u8".to_owned();
        let (last_msn, part) = at(msn, part);
        Some(RenditionReport {
            uri,
            last_msn,
            last_part: Some(part),
        })
    };
    assert_eq!(live.report(), report(100, 1));
    push_parts(&mut live, 4);
    live.close_segment().unwrap();
    assert_eq!(live.report(), report(100, 5));
}

/// Checklist 17, 24.
#[test]
fn the_end_is_final() {
    let mut live = live();
    push_segments(&mut live, 1);
    push_parts(&mut live, 1);
    assert_eq!(live.end().unwrap().parts, 1);
    assert_eq!(live.end(), None);
    assert_eq!(live.push_part(part(&live)), Err(PushError::Ended));
    assert_eq!(live.close_segment(), Err(CloseError::Ended));
    assert_eq!(
        live.discontinuity(ProgramDateTime::default()),
        Err(EndedError)
    );
    let (msn, part) = live.next_part();
    assert_eq!(live.part_state(msn, part), ObjectState::NotFound);
    assert_eq!(live.segment_state(msn), ObjectState::NotFound);
    assert!(snapshot(&live).end_list);
    for query in ["", "_HLS_msn=999", "_HLS_msn=x", "_HLS_part=1"] {
        let (decision, directives) = live.decide_query(query);
        assert_eq!(decision, Decision::Ready, "{query}");
        assert!(directives.is_empty());
    }
}

#[test]
fn malformed_queries_are_refused_with_their_status() {
    let (decision, _) = live().decide_query("_HLS_part=1");
    let Decision::Reject(rejection) = decision else {
        panic!("{decision:?}")
    };
    assert_eq!(
        (rejection.status(), rejection.as_str()),
        (400, "part_without_msn")
    );
}

#[test]
fn empty_segments_are_refused() {
    assert_eq!(live().close_segment(), Err(CloseError::Empty));
}

/// zap-stream-core#96: an audio playlist promised Parts that never came.
#[test]
fn short_audio_parts_are_parts_too() {
    let mut live = live();
    for frames in [15, 16, 16, 15, 16, 16] {
        let duration = Duration::from_secs(1_024 * frames) / 48_000;
        let audio = NewPart {
            duration,
            independent: true,
            gap: false,
        };
        assert_eq!(live.push_part(audio).unwrap().violation, None);
    }
    live.close_segment().unwrap();
    assert_eq!(
        live.decide_query("_HLS_msn=100&_HLS_part=5").0,
        Decision::Ready
    );
}

/// What is put together from settled text is what the document says, in every version.
#[test]
fn a_text_of_settled_segments_is_the_documents() {
    let mut live = LivePlaylist::new(LiveConfig {
        window: Duration::from_secs(60),
        ..config()
    })
    .unwrap();
    let check = |live: &LivePlaylist| {
        for skip in [None, Some(Skip::Yes)] {
            let request = RenderRequest { skip, reports: &[] };
            assert_eq!(live.render(&request), live.snapshot(&request).to_string());
        }
    };
    check(&live);
    for segment in 0..90 {
        for _ in 0..6 {
            push_parts(&mut live, 1);
            check(&live);
        }
        live.close_segment().unwrap();
        check(&live);
        match segment % 23 {
            7 => {
                live.discontinuity(live.next_time()).unwrap();
            }
            11 => live.steer(40),
            15 => live.withdraw(Msn::new(100 + segment - 10)),
            _ => {}
        }
        check(&live);
    }
    live.end();
    check(&live);
}

/// The text that has left does not stay for ever.
#[test]
fn settled_text_is_bounded() {
    let mut live = live();
    push_segments(&mut live, 4_000);
    assert!(format!("{live:?}").len() < 256 * 1024);
    let request = RenderRequest::default();
    assert_eq!(live.render(&request), live.snapshot(&request).to_string());
}
