use bytes::Bytes;

use super::*;
use crate::{AudioConfig, FrameRate, GridInput, VideoConfig};

const VIDEO: TrackId = TrackId(0);
const AUDIO: TrackId = TrackId(1);
const RUNG: TrackId = TrackId(2);

const AVCC: [u8; 39] = [
    1, 0x42, 0xC0, 0x1F, 0xFF, 0xE1, 0, 23, 0x67, 0x42, 0xC0, 0x1F, 0xDA, 0x01, 0x40, 0x16, 0xEC,
    0x04, 0x40, 0, 0, 0x03, 0, 0x40, 0, 0, 0x0C, 0x23, 0xC6, 0x0C, 0xA8, 1, 0, 4, 0x68, 0xCE, 0x0F,
    0xC8, 0,
];

/// A publisher of 30 fps with a keyframe every 2 s, 48 kHz audio, and a rung.
struct Studio {
    packager: Packager,
    outputs: Vec<Output>,
}

impl Studio {
    fn new() -> Self {
        let rate = FrameRate {
            numerator: 30,
            denominator: 1,
        };
        let plan = GridPlan::choose(&GridInput::new(rate, Some(48_000))).unwrap();
        let tracks = vec![video().into(), audio(&[0x11, 0x90]).into(), video().into()];
        Self {
            packager: Packager::new(&plan, tracks).unwrap(),
            outputs: Vec::new(),
        }
    }

    fn push(&mut self, track: TrackId, millis: i64, keyframe: bool) {
        let dts = MediaTime::from_millis(millis);
        let data = Bytes::from_static(b"data");
        let sample = Sample::video(dts, MediaTime::ZERO, keyframe, data);
        self.packager.push(track, sample).unwrap();
        self.poll();
    }

    fn poll(&mut self) {
        while let Some(output) = self.packager.poll() {
            self.outputs.push(output);
        }
    }

    /// Frames `from..to` of the given tracks, audio at the video's pace.
    fn run(&mut self, frames: std::ops::Range<i64>, tracks: &[TrackId]) {
        for frame in frames {
            let keyframe = frame % 60 == 0;
            for &track in tracks {
                if track == AUDIO {
                    let first = |frame: i64| (frame * 1_600 + 1_023) / 1_024;
                    for at in first(frame)..first(frame + 1) {
                        self.push(AUDIO, at * 1_024 / 48, true);
                    }
                } else {
                    self.push(track, frame * 1_000 / 30, keyframe);
                }
            }
        }
    }

    fn parts(&self, track: TrackId) -> Vec<&PartOutput> {
        let parts = self.outputs.iter().filter_map(|output| match output {
            Output::Part(part) if part.track == track => Some(part),
            _ => None,
        });
        parts.collect()
    }

    fn gaps(&self, track: TrackId) -> Vec<&GapOutput> {
        let gaps = self.outputs.iter().filter_map(|output| match output {
            Output::Gap(gap) if gap.track == track => Some(gap),
            _ => None,
        });
        gaps.collect()
    }

    fn inits(&self) -> Vec<(TrackId, u64, bool)> {
        let inits = self.outputs.iter().filter_map(|output| match output {
            Output::Init(init) => Some((init.track, init.segment_offset, init.discontinuity)),
            _ => None,
        });
        inits.collect()
    }

    fn ends(&self, track: TrackId) -> Vec<&SegmentEndOutput> {
        let ends = self.outputs.iter().filter_map(|output| match output {
            Output::SegmentEnd(end) if end.track == track => Some(end),
            _ => None,
        });
        ends.collect()
    }

    fn events(&self) -> Vec<&'static str> {
        let events = self.outputs.iter().filter_map(|output| match output {
            Output::Event(event) => Some(event.as_str()),
            _ => None,
        });
        events.collect()
    }
}

fn video() -> TrackConfig {
    VideoConfig::from_avcc(Bytes::from_static(&AVCC[..38]))
        .unwrap()
        .into()
}

fn audio(asc: &'static [u8]) -> TrackConfig {
    AudioConfig::from_asc(Bytes::from_static(asc))
        .unwrap()
        .into()
}

#[test]
fn a_part_is_out_as_soon_as_the_frame_behind_it_arrives() {
    let mut studio = Studio::new();
    studio.run(0..10, &[VIDEO]);
    assert!(studio.parts(VIDEO).is_empty());
    studio.run(10..11, &[VIDEO]);
    let parts = studio.parts(VIDEO);
    assert_eq!((parts.len(), parts[0].samples), (1, 10));
    assert_eq!(parts[0].duration, MediaTime::from_millis(333));
}

#[test]
fn a_follower_that_delivers_nothing_becomes_gaps_and_holds_nobody_up() {
    let mut studio = Studio::new();
    studio.run(0..60, &[VIDEO, AUDIO]);
    assert_eq!(studio.parts(AUDIO).len(), 5);
    assert!(studio.gaps(RUNG).is_empty(), "the rung may still come");
    studio.run(60..300, &[VIDEO, AUDIO]);
    assert_eq!(studio.parts(AUDIO).len(), 29);
    assert_eq!(studio.gaps(RUNG).len(), 23, "2 s behind the leader");
    assert_eq!(studio.gaps(RUNG)[0].duration, MediaTime::from_millis(333));
    assert!(studio.ends(RUNG).iter().all(|end| end.gap));
    assert!(studio.ends(AUDIO).iter().all(|end| !end.gap));
}

#[test]
fn a_suspended_follower_is_gaps_at_once_and_comes_back_with_the_next_run() {
    let mut studio = Studio::new();
    studio.run(0..75, &[VIDEO, AUDIO, RUNG]);
    studio.packager.suspend(RUNG, true).unwrap();
    studio.poll();
    assert_eq!(studio.gaps(RUNG).len(), 0, "the open part is not over");
    assert_eq!(studio.parts(RUNG).len(), 7);
    studio.run(75..121, &[VIDEO, AUDIO]);
    assert_eq!(studio.parts(VIDEO).len(), 12);
    assert_eq!(
        studio.gaps(RUNG).len(),
        5,
        "as many as the leader has parts since"
    );
    assert!(studio.gaps(RUNG)[0].start >= MediaTime::from_millis(2_300));
    studio.packager.discontinuity().unwrap();
    studio.packager.suspend(RUNG, false).unwrap();
    studio.poll();
    studio.run(180..241, &[VIDEO, AUDIO, RUNG]);
    let gaps = studio.gaps(RUNG).len();
    assert_eq!(studio.parts(RUNG).len() + gaps, studio.parts(VIDEO).len());
    assert!(
        studio.inits().contains(&(RUNG, 3, true)),
        "{:?}",
        studio.inits()
    );
    let ends = |track| -> Vec<u64> {
        let ends = studio.ends(track);
        ends.iter().map(|end| end.segment_offset).collect()
    };
    assert_eq!(ends(RUNG), ends(VIDEO));
    let length = |track| -> i64 {
        let ends = studio.ends(track);
        ends.iter().map(|end| end.duration.ticks()).sum()
    };
    assert_eq!(length(RUNG), length(VIDEO), "in step to the tick");
}

#[test]
fn any_video_track_can_lead() {
    let rate = FrameRate {
        numerator: 30,
        denominator: 1,
    };
    let plan = GridPlan::choose(&GridInput::new(rate, Some(48_000))).unwrap();
    let tracks = || vec![video().into(), audio(&[0x11, 0x90]).into(), video().into()];
    let mut studio = Studio {
        packager: Packager::led_by(RUNG, &plan, tracks()).unwrap(),
        outputs: Vec::new(),
    };
    assert_eq!(studio.packager.leader(), RUNG);
    studio.packager.suspend(VIDEO, true).unwrap();
    assert!(studio.packager.suspend(RUNG, true).is_err());
    studio.run(0..121, &[AUDIO, RUNG]);
    assert_eq!(studio.parts(RUNG).len(), 12);
    assert_eq!(studio.gaps(VIDEO).len(), 12);
    let silent = Packager::led_by(AUDIO, &plan, tracks());
    assert!(matches!(silent, Err(PackageError::NoVideo)));
}

#[test]
fn audio_that_pauses_is_a_gap_and_goes_on_in_place() {
    let mut studio = Studio::new();
    studio.run(0..60, &[VIDEO, AUDIO, RUNG]);
    studio.run(60..180, &[VIDEO, RUNG]);
    studio.run(180..400, &[VIDEO, AUDIO, RUNG]);
    assert_eq!(studio.events(), ["audio_reanchored"]);
    let gaps: Vec<_> = studio
        .gaps(AUDIO)
        .iter()
        .map(|gap| (gap.segment_offset, gap.part))
        .collect();
    let expected: Vec<_> = (6..18).map(|part| (part / 6, part as u32 % 6)).collect();
    assert_eq!(gaps, expected);
    let resumed = studio.parts(AUDIO)[6];
    assert_eq!((resumed.segment_offset, resumed.part), (3, 0));
    assert_eq!(resumed.start, MediaTime::from_millis(6_016));
}

#[test]
fn a_rung_that_comes_late_goes_on_at_a_keyframe() {
    let mut studio = Studio::new();
    studio.run(0..150, &[VIDEO, AUDIO]);
    studio.run(0..60, &[RUNG]);
    assert!(studio.events().contains(&"dropped_late"));
    studio.run(60..150, &[RUNG]);
    studio.run(150..300, &[VIDEO, AUDIO, RUNG]);
    let first = studio.parts(RUNG)[0];
    assert!(first.independent);
    assert_eq!(first.start, MediaTime::from_millis(4_000));
    assert_eq!(first.part, 0, "keyframes start segments");
}

#[test]
fn a_leader_that_stalls_leaves_queues_bounded() {
    let mut studio = Studio::new();
    studio.run(0..60, &[VIDEO, AUDIO, RUNG]);
    studio.run(60..6_000, &[AUDIO, RUNG]);
    let full = studio.events();
    assert!(full.contains(&"dropped_queue_full"));
    assert!(full.len() > 3_000, "each loss is told");
    studio.run(6_000..6_200, &[VIDEO, AUDIO, RUNG]);
    assert!(studio.events().contains(&"timestamp_jump"));
    let last = *studio.parts(AUDIO).last().unwrap();
    assert!(last.start > MediaTime::from_millis(205_000));
    assert!(studio.inits().contains(&(AUDIO, 1, true)));
}

#[test]
fn timestamps_that_go_back_are_a_discontinuity_on_a_timeline_that_does_not() {
    let mut studio = Studio::new();
    studio.run(0..100, &[VIDEO, AUDIO, RUNG]);
    studio.run(0..100, &[VIDEO, AUDIO, RUNG]);
    studio.packager.end().unwrap();
    studio.poll();
    assert!(studio.events().contains(&"timestamp_jump"));
    for track in [VIDEO, AUDIO, RUNG] {
        let starts: Vec<_> = studio.parts(track).iter().map(|part| part.start).collect();
        assert!(starts.is_sorted(), "{track:?} {starts:?}");
        assert!(studio.inits().contains(&(track, 2, true)));
        assert_eq!(studio.ends(track).len(), 4);
    }
    assert_eq!(studio.outputs.last(), Some(&Output::Ended));
    assert!(matches!(
        studio.packager.discontinuity(),
        Err(PackageError::Ended)
    ));
}

#[test]
fn a_discontinuity_closes_all_tracks_and_starts_at_a_keyframe() {
    let mut studio = Studio::new();
    let all = [VIDEO, AUDIO, RUNG];
    studio.run(0..75, &all);
    studio.packager.discontinuity().unwrap();
    studio.packager.discontinuity().unwrap();
    studio.run(75..200, &all);
    assert_eq!(
        studio.inits()[3..],
        [(VIDEO, 2, true), (AUDIO, 2, true), (RUNG, 2, true)]
    );
    let ends: Vec<_> = studio.ends(VIDEO).iter().map(|end| end.duration).collect();
    assert_eq!(ends[0], MediaTime::from_millis(2_000));
    assert_eq!(
        ends[1].to_duration().as_millis(),
        499,
        "14 frames and one of nominal length"
    );
    let resumed = studio
        .parts(VIDEO)
        .into_iter()
        .find(|part| part.segment_offset == 2)
        .unwrap();
    assert_eq!(
        resumed.start,
        MediaTime::from_millis(4_000),
        "source times are kept"
    );
}

#[test]
fn a_changed_configuration_is_a_discontinuity_and_the_same_one_is_not() {
    let mut studio = Studio::new();
    studio.run(0..90, &[VIDEO, AUDIO, RUNG]);
    studio
        .packager
        .configure(AUDIO, audio(&[0x11, 0x90]))
        .unwrap();
    assert_eq!(studio.ends(VIDEO).len(), 1);
    studio
        .packager
        .configure(AUDIO, audio(&[0x12, 0x10]))
        .unwrap();
    studio.poll();
    assert_eq!(studio.ends(VIDEO).len(), 2);
    assert!(matches!(
        studio.packager.configure(VIDEO, audio(&[0x12, 0x10])),
        Err(PackageError::WrongKind(VIDEO))
    ));
    assert!(matches!(
        studio.packager.configure(TrackId(7), video()),
        Err(PackageError::UnknownTrack(TrackId(7)))
    ));
}

#[test]
fn a_gop_longer_than_the_target_is_cut_and_told() {
    let mut studio = Studio::new();
    for frame in 0..300 {
        studio.push(VIDEO, frame * 1_000 / 30, frame == 0);
    }
    assert_eq!(studio.events()[..2], ["segment_without_keyframe"; 2]);
    assert!(
        studio
            .ends(VIDEO)
            .iter()
            .all(|end| end.duration <= MediaTime::from_millis(2_410))
    );
}

#[test]
fn a_keyframe_that_is_a_little_late_is_waited_for() {
    let mut studio = Studio::new();
    for frame in 0..400 {
        studio.push(VIDEO, frame * 1_000 / 30, frame % 66 == 0);
    }
    assert!(studio.events().is_empty());
    let ends = studio.ends(VIDEO);
    assert!(
        ends.iter()
            .all(|end| end.duration == MediaTime::from_millis(2_200))
    );
}

#[test]
fn keyframes_in_haste_do_not_run_the_msn_ahead_of_time() {
    let mut studio = Studio::new();
    // One long GOP, then a keyframe every three frames.
    for frame in 0..3_000 {
        studio.push(
            VIDEO,
            frame * 1_000 / 30,
            frame == 0 || (frame > 55 && frame % 3 == 0),
        );
    }
    assert!(
        studio.ends(VIDEO).len() <= 100,
        "100 s, {} segments",
        studio.ends(VIDEO).len()
    );
}

#[test]
fn misuse_is_an_error_and_unusable_samples_are_events() {
    let mut studio = Studio::new();
    let sample = |dts: i64| Sample::audio(MediaTime(dts), Bytes::new());
    assert!(matches!(
        studio.packager.push(TrackId(9), sample(0)),
        Err(PackageError::UnknownTrack(_))
    ));
    studio.packager.push(VIDEO, sample(i64::MAX)).unwrap();
    studio.poll();
    assert_eq!(studio.events(), ["dropped_unusable"]);
    let error = (0..=OUTPUTS_MAX + 1).find_map(|_| {
        let frame = Sample::video(MediaTime::ZERO, MediaTime::ZERO, false, Bytes::new());
        studio.packager.push(VIDEO, frame).err()
    });
    assert!(matches!(error, Some(PackageError::Unpolled)));
    let plan = GridPlan::choose(&GridInput::new(
        FrameRate {
            numerator: 30,
            denominator: 1,
        },
        None,
    ));
    let silent = Packager::new(&plan.unwrap(), vec![audio(&[0x11, 0x90]).into()]);
    assert!(matches!(silent, Err(PackageError::NoVideo)));
}

#[test]
fn a_leader_part_shorter_than_an_aac_frame_is_no_gap() {
    let mut studio = Studio::new();
    // 60 fps on the grid of 30: parts of 18 frames, and one of a single frame of 16.7 ms, in which
    // an AAC frame of 21.3 ms may not start.
    let mut audio = 0;
    for frame in 0..1_200i64 {
        studio.push(VIDEO, frame * 1_000 / 60, frame % 109 == 0);
        while audio * 1_024 / 48 <= frame * 1_000 / 60 {
            studio.push(AUDIO, audio * 1_024 / 48, true);
            audio += 1;
        }
    }
    let shortest = studio.parts(VIDEO).iter().map(|part| part.samples).min();
    assert_eq!(shortest, Some(1));
    assert_eq!(
        studio.parts(VIDEO)[0].samples,
        18,
        "at least 85 % of PART-TARGET"
    );
    assert!(studio.gaps(AUDIO).is_empty());
    assert!(studio.events().is_empty());
}

#[test]
fn an_absence_is_listed_in_all_tracks_in_segments_of_gaps() {
    let mut studio = Studio::new();
    studio.packager.absent().unwrap();
    studio.poll();
    assert!(
        studio.outputs.is_empty(),
        "there was nothing to be absent from"
    );
    let all = [VIDEO, AUDIO, RUNG];
    studio.run(0..75, &all);
    studio.packager.discontinuity().unwrap();
    let left = studio.packager.position();
    for _ in 0..7 {
        studio.packager.absent().unwrap();
    }
    studio.poll();
    let back = left + MediaTime::from_millis(7 * 342);
    for track in all {
        let gaps: Vec<_> = studio
            .gaps(track)
            .iter()
            .map(|gap| (gap.segment_offset, gap.part))
            .collect();
        // 342 ms each: five make 1.71 s, six would be more than 2 s.
        let expected: Vec<_> = (0..7).map(|gap| (2 + gap / 5, gap as u32 % 5)).collect();
        assert_eq!(gaps, expected, "{track:?}");
        let ends: Vec<_> = studio.ends(track).iter().map(|end| end.gap).collect();
        assert_eq!(ends, [false, false, true], "{track:?}");
    }
    assert_eq!(studio.packager.position(), back);
    studio.run(120..300, &all);
    assert_eq!(
        studio.inits()[3..],
        [(VIDEO, 4, true), (AUDIO, 4, true), (RUNG, 4, true)],
        "the open segment of gaps was closed"
    );
    let resumed = studio.parts(VIDEO);
    let resumed = resumed.iter().find(|part| part.segment_offset == 4);
    assert_eq!(resumed.unwrap().start, back);
}

#[test]
fn another_source_goes_on_where_the_last_one_ended() {
    let mut studio = Studio::new();
    let all = [VIDEO, AUDIO, RUNG];
    studio.run(0..75, &all);
    studio.packager.discontinuity().unwrap();
    studio.packager.absent().unwrap();
    studio.poll();
    let before = studio.packager.position();
    let slower = GridInput::new(
        FrameRate {
            numerator: 25,
            denominator: 1,
        },
        None,
    );
    let plan = GridPlan::choose_within(&slower, std::time::Duration::from_millis(342)).unwrap();
    // It has no sound.
    let tracks = vec![
        video().into(),
        TrackSpec::unconfigured(TrackKind::Audio),
        video().into(),
    ];
    // And another one leads.
    studio.packager.resume(RUNG, &plan, tracks).unwrap();
    for frame in 0..200 {
        for track in [VIDEO, RUNG] {
            studio.push(track, 7_000_000 + frame * 40, frame % 50 == 0);
        }
    }
    assert_eq!(studio.inits()[3..], [(RUNG, 3, true), (VIDEO, 3, true)]);
    let parts = studio.parts(RUNG);
    let first = parts.iter().find(|part| part.segment_offset == 3).unwrap();
    assert_eq!((first.start, first.part), (before, 0));
    assert_eq!(first.samples, 8, "8 of 40 ms fit 342 ms");
    // Its gaps wait for nobody.
    assert_eq!(
        studio.gaps(AUDIO).len(),
        parts.len() - 8 + 1,
        "as many as parts of the picture, and the absence"
    );
}

#[test]
fn another_source_must_have_the_same_tracks() {
    let rate = FrameRate {
        numerator: 30,
        denominator: 1,
    };
    let plan = GridPlan::choose(&GridInput::new(rate, Some(48_000))).unwrap();
    let resumed = |tracks| Studio::new().packager.resume(VIDEO, &plan, tracks);
    assert!(matches!(
        resumed(vec![video().into()]),
        Err(PackageError::UnknownTrack(TrackId(2)))
    ));
    assert!(matches!(
        resumed(vec![video().into(), video().into(), video().into()]),
        Err(PackageError::WrongKind(AUDIO))
    ));
}

#[test]
fn sound_that_is_anchored_anew_within_a_part_does_not_exceed_its_target() {
    let mut studio = Studio::new();
    let mut shift = 0;
    for frame in 0..300i64 {
        studio.push(VIDEO, frame * 1_000 / 30, frame % 60 == 0);
        // Twelve times in ten seconds the sound's clock is set, by so little that it goes on.
        if frame % 25 == 7 {
            shift += 133;
        }
        let first = |frame: i64| (frame * 1_600 + 1_023) / 1_024;
        for at in first(frame)..first(frame + 1) {
            studio.push(AUDIO, at * 1_024 / 48 + shift % 300, true);
        }
    }
    assert!(studio.events().contains(&"audio_reanchored"));
    let longest = studio.parts(AUDIO).iter().map(|part| part.duration).max();
    assert!(
        longest.unwrap() <= MediaTime::from_millis(342),
        "{longest:?}"
    );
}
