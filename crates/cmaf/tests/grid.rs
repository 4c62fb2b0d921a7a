//! Properties of the part grid: what holds for every regular source, and for any input at all.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[expect(
    dead_code,
    reason = "each test binary uses its own half of the support module"
)]
mod support;

use cmaf::{
    DropReason, Event, FrameRate, GridInput, GridPlan, Latency, MediaTime, Packager, Sample,
    TrackConfig, TrackId, TrackKind, TrackSpec,
};
use proptest::prelude::*;
use support::{Chunk, Log, audio_config, sample, video_config};

const LEADER: TrackId = TrackId(0);
const FOLLOWER: TrackId = TrackId(1);
const AUDIO: TrackId = TrackId(2);

const FRAME_RATES: [(u32, u32); 8] = [
    (24_000, 1_001),
    (24, 1),
    (25, 1),
    (30_000, 1_001),
    (30, 1),
    (50, 1),
    (60_000, 1_001),
    (60, 1),
];
const AUDIO_RATES: [u32; 6] = [22_050, 24_000, 32_000, 44_100, 48_000, 96_000];
const VIDEO_SECONDS: u64 = 13;

/// A publisher with a constant frame rate and RTMP's millisecond timestamps.
#[derive(Clone, Copy, Debug)]
struct Source {
    rate: (u32, u32),
    audio_rate: u32,
    /// None: the plan's, as an encoder of ours.
    gop_seconds: Option<u32>,
    /// Frames between decode and presentation.
    reorder: u32,
    start_millis: i64,
    audio_ahead_millis: i64,
    follower_behind_millis: i64,
    latency: Latency,
}

fn sources() -> impl Strategy<Value = Source> {
    (
        prop::sample::select(&FRAME_RATES[..]),
        prop::sample::select(&AUDIO_RATES[..]),
        prop::option::of(1u32..=2),
        0u32..3,
        prop_oneof![Just(0i64), 0..5_000i64, 4_000_000_000..4_294_000_000i64],
        -400..400i64,
        0..900i64,
        prop::sample::select(&[Latency::Standard, Latency::Low][..]),
    )
        .prop_map(
            |(rate, audio_rate, gop_seconds, reorder, start, audio, follower, latency)| Source {
                rate,
                audio_rate,
                gop_seconds,
                reorder,
                start_millis: start,
                audio_ahead_millis: audio,
                follower_behind_millis: follower,
                latency,
            },
        )
}

impl Source {
    fn gop_frames(&self) -> Option<u32> {
        let fps = self.rate.0.div_ceil(self.rate.1);
        self.gop_seconds.map(|seconds| seconds * fps)
    }

    fn plan(&self) -> GridPlan {
        let frame_rate = FrameRate {
            numerator: self.rate.0,
            denominator: self.rate.1,
        };
        let mut input = GridInput::new(frame_rate, Some(self.audio_rate));
        input.gop_frames = self.gop_frames();
        input.latency = self.latency;
        GridPlan::choose(&input).unwrap()
    }

    /// Whole parts: a last one of a single frame may be shorter than a frame of audio, and without any.
    fn frames(&self, plan: &GridPlan) -> u32 {
        let frames = VIDEO_SECONDS as u32 * self.rate.0 / self.rate.1;
        frames / plan.frames_per_part * plan.frames_per_part
    }

    /// All samples of all tracks in order of arrival.
    fn samples(&self, plan: &GridPlan) -> Vec<(TrackId, Sample)> {
        let gop = self.gop_frames().unwrap_or(plan.frames_per_segment);
        let mut timed = Vec::new();
        let frames = self.frames(plan);
        let frame_millis =
            |frame: u64| (frame * 1_000 * u64::from(self.rate.1) / u64::from(self.rate.0)) as i64;
        for frame in 0..frames {
            let millis = self.start_millis + frame_millis(frame.into());
            let shown = self.start_millis + frame_millis(u64::from(frame + self.reorder));
            let keyframe = frame % gop == 0;
            let dts = MediaTime::from_millis(millis);
            let leader = sample(frame, dts, shown - millis, keyframe);
            timed.push((millis, LEADER, leader));
            // Re-encoded without reordering: decoded when shown.
            let follower = sample(frame, MediaTime::from_millis(shown), 0, keyframe);
            timed.push((millis + self.follower_behind_millis, FOLLOWER, follower));
        }
        // Until the last frame has been shown, which is later than it was decoded.
        let shown_millis = frame_millis(u64::from(frames + self.reorder)) as u64;
        let audio_frames = shown_millis * u64::from(self.audio_rate) / 1_024_000;
        for frame in 0..audio_frames as u32 {
            let millis = u64::from(frame) * 1_024_000 / u64::from(self.audio_rate);
            let millis = self.start_millis + millis as i64;
            let audio = sample(frame, MediaTime::from_millis(millis), 0, true);
            timed.push((millis - self.audio_ahead_millis, AUDIO, audio));
        }
        timed.sort_by_key(|&(arrival, track, _)| (arrival, track));
        timed
            .into_iter()
            .map(|(_, track, sample)| (track, sample))
            .collect()
    }
}

fn specs(audio_rate: u32) -> Vec<TrackSpec> {
    vec![
        video_config().into(),
        video_config().into(),
        audio_config(audio_rate).into(),
    ]
}

/// Durations of 85 to 100 % of PART-TARGET, but for a segment's last part, and for audio frames so long that
/// it cannot be (RFC 8216bis 4.4.4.9 exempts INDEPENDENT parts, which those of audio are).
fn check_durations(log: &Log, plan: &GridPlan, track: TrackId, source: Source) {
    let long_frames = source.latency == Latency::Low && source.audio_rate < 32_000;
    let exempt = track == AUDIO && long_frames;
    let parts = &log.track(track).parts;
    let target = plan.part_target;
    for (at, part) in parts.iter().enumerate() {
        let duration = part.duration.to_duration();
        assert!(duration <= target, "{part:?}");
        let last = parts.get(at + 1).is_none_or(|next| next.part == 0);
        assert!(
            last || (exempt && part.independent) || duration >= target.mul_f64(0.85),
            "{duration:?} of {plan:?}"
        );
    }
    for end in &log.track(track).ends {
        assert!(
            end.duration <= plan.segment_max() + MediaTime::from_millis(45),
            "{end:?}"
        );
    }
}

fn check_regular(source: Source) {
    let plan = source.plan();
    let mut packager = Packager::new(&plan, specs(source.audio_rate)).unwrap();
    let mut log = Log::new(3);
    for (track, sample) in source.samples(&plan) {
        packager.push(track, sample).unwrap();
        log.poll(&mut packager);
    }
    packager.end().unwrap();
    log.poll(&mut packager);
    assert!(log.ended);
    log.events.retain(|event| {
        !matches!(
            event,
            Event::Dropped {
                reason: DropReason::BeforeStart,
                ..
            }
        )
    });
    assert_eq!(log.events, [], "{source:?}");
    let leader = log.track(LEADER);
    let frames = source.frames(&plan);
    assert!(
        leader.numbers().into_iter().eq(0..frames),
        "no leader frame lost or reordered"
    );
    for track in [LEADER, FOLLOWER, AUDIO] {
        check_durations(&log, &plan, track, source);
        assert_eq!(log.track(track).gaps, [], "{source:?}");
        let starts = log.track(track).parts.iter().filter(|part| part.part == 0);
        assert!(starts.into_iter().all(|part| part.independent));
    }
    check_boundaries(&log, source, frames);
}

/// The same frames in the same parts, and audio cut within a frame of the same instant.
fn check_boundaries(log: &Log, source: Source, frames: u32) {
    let leader = log.track(LEADER);
    let follower = log.track(FOLLOWER);
    assert!(follower.numbers().into_iter().eq(0..frames));
    let audio = log.track(AUDIO);
    let numbers = audio.numbers();
    let first = numbers[0];
    let count = numbers.len() as u32;
    assert!(
        numbers.into_iter().eq(first..first + count),
        "no audio frame lost or reordered"
    );
    assert_eq!(leader.parts.len(), follower.parts.len());
    assert_eq!(leader.parts.len(), audio.parts.len());
    let frame = MediaTime::from_timescale(1_024, source.audio_rate);
    let delay = follower.parts[0].start - leader.parts[0].start;
    for ((ours, theirs), heard) in leader.parts.iter().zip(&follower.parts).zip(&audio.parts) {
        let place = (ours.segment_offset, ours.part);
        assert_eq!(place, (theirs.segment_offset, theirs.part));
        assert_eq!(place, (heard.segment_offset, heard.part));
        assert_eq!(ours.samples, theirs.samples);
        let apart = (ours.start + delay).abs_diff(theirs.start);
        assert!(apart <= MediaTime::from_millis(1), "{ours:?} {theirs:?}");
        let late = heard.start - (ours.start + delay);
        let within = MediaTime(-100)..frame + MediaTime::from_millis(2);
        assert!(within.contains(&late), "{late} {source:?}");
    }
    for part in &audio.parts {
        let chunk = Chunk::read(&part.bytes);
        assert!(chunk.durations.iter().all(|&duration| duration == 1_024));
    }
}

fn every_gop_and_latency() -> impl Iterator<Item = (Option<u32>, Latency)> {
    let gops = [None, Some(1), Some(2)];
    gops.into_iter()
        .flat_map(|gop| [Latency::Standard, Latency::Low].map(|latency| (gop, latency)))
}

#[test]
fn every_usual_rate() {
    for rate in FRAME_RATES {
        for audio_rate in AUDIO_RATES {
            for (gop_seconds, latency) in every_gop_and_latency() {
                check_regular(Source {
                    rate,
                    audio_rate,
                    gop_seconds,
                    reorder: 2,
                    start_millis: 123,
                    audio_ahead_millis: -40,
                    follower_behind_millis: 70,
                    latency,
                });
            }
        }
    }
}

/// What a hostile or broken publisher and a busy supervisor can do.
#[derive(Clone, Debug)]
enum Act {
    Push {
        track: usize,
        delta_millis: i64,
        cts_millis: i64,
        keyframe: bool,
    },
    Discontinuity,
    Configure(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let delta = prop_oneof![
        20 => 15..50i64,
        2 => 0..3i64,
        2 => 50..600i64,
        1 => -3_000..0i64,
        1 => prop_oneof![Just(i64::MAX), Just(i64::MIN), Just(1i64 << 40), -100_000..100_000i64],
    ];
    let cts = prop_oneof![8 => 0..100i64, 1 => any::<i64>()];
    let push = (0usize..3, delta, cts, prop::bool::weighted(0.1)).prop_map(
        |(track, delta_millis, cts_millis, keyframe)| Act::Push {
            track,
            delta_millis,
            cts_millis,
            keyframe,
        },
    );
    let act = prop_oneof![
        60 => push,
        1 => Just(Act::Discontinuity),
        1 => (0usize..3).prop_map(Act::Configure),
    ];
    prop::collection::vec(act, 1..400)
}

fn other_config(track: usize) -> TrackConfig {
    if track == AUDIO.0 {
        audio_config(44_100)
    } else {
        video_config()
    }
}

fn check_any(acts: Vec<Act>) {
    let frame_rate = FrameRate {
        numerator: 30,
        denominator: 1,
    };
    let plan = GridPlan::choose(&GridInput::new(frame_rate, Some(48_000))).unwrap();
    let mut specs = specs(48_000);
    specs[1] = TrackSpec::unconfigured(TrackKind::Video);
    let mut packager = Packager::new(&plan, specs).unwrap();
    let mut log = Log::new(3);
    let mut clocks = [MediaTime::ZERO; 3];
    let mut pushed = [0u32; 3];
    for act in acts {
        match act {
            Act::Push {
                track,
                delta_millis,
                cts_millis,
                keyframe,
            } => {
                clocks[track] = clocks[track] + MediaTime::from_millis(delta_millis);
                let next = sample(pushed[track], clocks[track], cts_millis, keyframe);
                pushed[track] += 1;
                packager.push(TrackId(track), next).unwrap();
            }
            Act::Discontinuity => packager.discontinuity().unwrap(),
            Act::Configure(track) => {
                packager
                    .configure(TrackId(track), other_config(track))
                    .unwrap();
            }
        }
        log.poll(&mut packager);
    }
    packager.end().unwrap();
    log.poll(&mut packager);
    for track in &log.tracks {
        assert!(
            track.numbers().is_sorted_by(|a, b| a < b),
            "samples keep their order"
        );
        let most = plan.segment_max() + MediaTime::from_millis(445);
        assert!(track.ends.iter().all(|end| end.duration <= most));
    }
    let leader = log.track(LEADER);
    assert!(
        leader
            .parts
            .iter()
            .all(|part| part.duration.to_duration() <= plan.part_target)
    );
    assert!(
        log.tracks
            .iter()
            .all(|track| track.ends.len() == leader.ends.len())
    );
    let dropped = log.events.iter().map(|event| match *event {
        Event::Dropped { track, samples, .. } if track == LEADER => samples,
        _ => 0,
    });
    let dropped: u32 = dropped.sum();
    assert_eq!(
        leader.numbers().len() as u32 + dropped,
        pushed[0],
        "every frame is accounted for"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn regular_sources_fill_the_grid(source in sources()) {
        check_regular(source);
    }

    #[test]
    fn any_input_keeps_the_invariants(acts in acts()) {
        check_any(acts);
    }
}
