//! Publishers with a virtual clock: what they do wrong is named, and nothing else is.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;
use crate::health::judge::Cause;

/// What a publisher sends, and how it comes.
#[derive(Clone, Copy)]
struct Camera {
    frame_rate: i64,
    gop_ms: i64,
    kbps: i64,
    /// Wall time per media time, in per cent.
    stretch: i64,
    /// Of a hundred frames so many never come.
    lost: u32,
    /// How far sound is ahead.
    sound_ms: Option<i64>,
    /// How much later than at once something comes.
    jitter_ms: i64,
}

const GOOD: Camera = Camera {
    frame_rate: 30,
    gop_ms: 2_000,
    kbps: 3_000,
    stretch: 100,
    lost: 0,
    sound_ms: Some(0),
    jitter_ms: 60,
};

struct World {
    stream: Stream,
    number: u64,
    random: StdRng,
    now_ms: i64,
    media_ms: i64,
    states: Vec<State>,
}

fn at(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap())
}

impl World {
    fn new(seed: u64) -> Self {
        let mut stream = Stream::new(at(0));
        let number = stream.publish(at(0), Publisher::default(), IngestRules::default());
        Self {
            stream,
            number,
            random: StdRng::seed_from_u64(seed),
            now_ms: 0,
            media_ms: 700_000,
            states: Vec::new(),
        }
    }

    /// Lets the camera run for so many seconds of wall time.
    fn run(&mut self, camera: Camera, seconds: i64) {
        let until = self.now_ms + seconds * 1_000;
        let frames_from = self.media_ms;
        let (begin, mut events) = (self.now_ms, Vec::new());
        let wall = |media: i64| begin + (media - frames_from) * camera.stretch / 100;
        for index in 0_i64.. {
            let dts = frames_from + index * 1_000 / camera.frame_rate;
            if wall(dts) >= until {
                self.media_ms = dts;
                break;
            }
            if self.random.random_range(0..100) >= camera.lost {
                let came = wall(dts) + self.random.random_range(0..=camera.jitter_ms);
                let key = (dts - 700_000) % camera.gop_ms < 1_000 / camera.frame_rate;
                events.push((came, Some(key), dts));
            }
        }
        for index in 0_i64.. {
            let dts = frames_from + index * 64 / 3;
            let Some(ahead) = camera.sound_ms.filter(|_| dts < self.media_ms) else {
                break;
            };
            events.push((wall(dts), None, dts + ahead));
        }
        events.extend((begin / 1_000 + 1..=until / 1_000).map(|second| (second * 1_000, None, -1)));
        // TCP delivers in order, whatever came late.
        events.sort_by_key(|(came, ..)| *came);
        let mut last_dts = i64::MIN;
        for (came, key, dts) in events {
            match key {
                Some(keyframe) => {
                    if dts < last_dts {
                        continue;
                    }
                    last_dts = dts;
                    let bytes = camera.kbps * 125 / camera.frame_rate;
                    let picture = Picture {
                        dts_ms: dts,
                        keyframe,
                        bytes: usize::try_from(bytes).unwrap(),
                    };
                    self.stream.picture(at(came), self.number, &picture);
                }
                None if dts < 0 => {
                    let state = self.stream.tick(at(came));
                    self.states.push(state);
                }
                None => self.stream.sound(at(came), self.number, dts, 0),
            }
        }
        self.now_ms = until;
    }

    fn figures(&self) -> &Reading {
        self.stream.history.newest().unwrap()
    }

    fn causes(&self) -> Vec<(Cause, State)> {
        let reasons = self.stream.reasons();
        reasons.iter().map(|it| (it.cause, it.state)).collect()
    }
}

fn near(value: Option<f64>, due: f64, by: f64) {
    let value = value.expect("a figure");
    assert!((value - due).abs() <= by, "{value} instead of {due}");
}

/// No jitter: frames that overtake each other would be lost.
const STEADY: Camera = Camera {
    jitter_ms: 20,
    ..GOOD
};

#[test]
fn a_steady_publisher_is_good_and_its_figures_are_right() {
    for (seed, frame_rate) in [(1, 24), (2, 25), (3, 30), (4, 50), (5, 60)] {
        let mut world = World::new(seed);
        let camera = Camera {
            frame_rate,
            jitter_ms: 1_000 / frame_rate - 2,
            ..GOOD
        };
        world.run(camera, 60);
        assert_eq!(world.causes(), []);
        assert!(world.states.iter().all(|state| *state == State::Good));
        let figures = world.figures();
        near(figures.bitrate_kbps, 3_000.0, 60.0);
        #[expect(clippy::cast_precision_loss, reason = "a frame rate")]
        let rate = frame_rate as f64;
        near(figures.frame_rate, rate, 0.7);
        near(figures.usual_frame_rate, rate, 0.3);
        near(figures.keyframe_interval_seconds, 2.0, 0.1);
        near(figures.sound_offset_ms, 0.0, 45.0);
        near(figures.pace, 1.0, 0.02);
        assert!(figures.late_percent < 0.1 && figures.missing_percent < 0.1);
        assert_eq!(world.stream.totals().jumps, 0);
    }
}

#[test]
fn thirty_frames_that_come_at_five_are_bad_and_mend() {
    let mut world = World::new(7);
    world.run(STEADY, 20);
    let slow = Camera {
        stretch: 600,
        ..STEADY
    };
    world.run(slow, 30);
    near(world.figures().frame_rate, 5.0, 0.5);
    near(world.figures().pace, 1.0 / 6.0, 0.03);
    let causes = world.causes();
    assert!(
        causes.contains(&(Cause::SlowMedia, State::Bad)),
        "{causes:?}"
    );
    assert!(
        !causes
            .iter()
            .any(|(cause, _)| *cause == Cause::FramesMissing),
        "{causes:?}"
    );
    let became = world.states.iter().position(|state| *state == State::Bad);
    assert!((20..30).contains(&became.unwrap()), "{became:?}");
    // Faster than time, until it has caught up; then as it should be.
    world.run(STEADY, 60);
    assert_eq!(world.causes(), []);
}

#[test]
fn lost_frames_are_counted_and_named() {
    let mut world = World::new(8);
    let lossy = Camera { lost: 4, ..STEADY };
    world.run(lossy, 60);
    assert_eq!(world.causes(), [(Cause::FramesMissing, State::Degraded)]);
    let share = world.figures().missing_percent;
    assert!((2.0..7.5).contains(&share), "{share}");
    let missing = world.stream.totals().missing;
    assert!((40..110).contains(&missing), "{missing} of 72");
}

#[test]
fn a_share_is_of_the_frames_that_were_due() {
    let mut arrivals = Arrivals::new(at(0), Totals::default());
    // Of ten frames six come.
    for index in (0..1_000_i64).filter(|index| index % 10 < 6) {
        let picture = Picture {
            dts_ms: index * 40,
            keyframe: false,
            bytes: 1_000,
        };
        arrivals.picture(at(index * 40), &picture);
    }
    near(Some(arrivals.missing_percent(at(40_000))), 40.0, 1.0);
}

#[test]
fn sound_that_arrives_apart_from_the_picture_is_named() {
    for (offset, state) in [(900, State::Degraded), (-3_000, State::Bad)] {
        let mut world = World::new(9);
        let apart = Camera {
            sound_ms: Some(offset),
            ..STEADY
        };
        world.run(apart, 20);
        assert_eq!(world.causes(), [(Cause::AvOffset, state)]);
    }
}

#[test]
fn a_picture_that_stops_is_bad_within_seconds_and_sound_that_stops_is_degraded() {
    let mut world = World::new(10);
    world.run(STEADY, 10);
    let (picture_until, until) = (world.now_ms, world.now_ms + 8_000);
    while world.now_ms < until {
        world.now_ms += 20;
        let dts = world.media_ms + world.now_ms - picture_until;
        world.stream.sound(at(world.now_ms), world.number, dts, 100);
        if world.now_ms % 1_000 == 0 {
            world.stream.tick(at(world.now_ms));
        }
    }
    assert!(world.causes().contains(&(Cause::NoPicture, State::Bad)));
    assert_eq!(
        world
            .stream
            .without_picture(at(until), world.number)
            .map(|it| it.as_secs()),
        Some(8)
    );

    let mut world = World::new(11);
    world.run(STEADY, 10);
    let mute = Camera {
        sound_ms: None,
        ..STEADY
    };
    world.run(mute, 15);
    assert_eq!(world.causes(), [(Cause::AudioStopped, State::Degraded)]);
    // Without sound from the start nothing is missed.
    let mut world = World::new(12);
    world.run(mute, 30);
    assert_eq!(world.causes(), []);
}

#[test]
fn a_clock_that_jumps_is_named_for_half_a_minute() {
    let mut world = World::new(13);
    world.run(STEADY, 20);
    world.media_ms += 4_000;
    world.run(STEADY, 10);
    assert_eq!(world.causes(), [(Cause::TimestampJump, State::Degraded)]);
    world.run(STEADY, 40);
    assert_eq!(world.causes(), []);
    // Sound and picture each.
    assert_eq!(world.stream.totals().jumps, 2);
}

#[test]
fn long_gops_are_named() {
    let mut world = World::new(14);
    let rare = Camera {
        gop_ms: 8_000,
        ..STEADY
    };
    world.run(rare, 30);
    assert_eq!(world.causes(), [(Cause::KeyframeInterval, State::Degraded)]);
    near(world.figures().keyframe_interval_seconds, 8.0, 0.1);
}

#[test]
fn what_is_behind_is_named_with_its_rung() {
    let mut world = World::new(15);
    world.stream.packaged(
        at(0),
        SourceInfo {
            rungs: vec!["720p".to_owned(), "360p".to_owned()],
            ..SourceInfo::default()
        },
    );
    for second in 1..=20_i64 {
        for frame in 0..30 {
            let ms = (second - 1) * 1_000 + frame * 33;
            world.stream.taken(ms);
            world.stream.made(at(ms), 1, ms);
            // Half as fast.
            world.stream.made(at(ms), 0, ms / 2);
        }
        let msn = 100 + u64::try_from(second).unwrap();
        // The first ones waited for the encoders.
        let latency = if second < 2 { 1_900 } else { 40 };
        world.stream.part(at(world.now_ms), msn, Some(at(latency)));
        world.run(STEADY, 1);
    }
    let figures = world.figures().clone();
    near(figures.rungs[0].speed, 0.5, 0.03);
    near(figures.rungs[1].speed, 1.0, 0.03);
    assert!(figures.rungs[0].lag_ms > 8_000.0 && figures.rungs[1].lag_ms == 0.0);
    assert_eq!(
        (figures.latency_p50_ms, figures.latency_p99_ms),
        (Some(40.0), Some(40.0))
    );
    assert_eq!(world.causes(), [(Cause::EncoderSlow, State::Bad)]);
    let words = world.stream.reasons()[0].words.clone();
    assert!(words.starts_with("720p is "), "{words}");
    assert_eq!(world.stream.msn(), Some(120));
}

#[test]
fn a_stream_goes_on_with_its_next_publisher() {
    let mut world = World::new(16);
    world.stream.packaged(at(0), SourceInfo::default());
    world.run(STEADY, 10);
    let before = world.stream.totals().frames;
    let (old, now) = (world.number, world.now_ms);
    world.number = world
        .stream
        .publish(at(now), Publisher::default(), IngestRules::default());
    // What the one before still says counts no more, nor does its end.
    let frame = Picture {
        dts_ms: 0,
        keyframe: true,
        bytes: 1,
    };
    world.stream.picture(at(now), old, &frame);
    world.stream.unpublish(at(now), old);
    assert_eq!(world.stream.totals().frames, before);
    world.media_ms = 5_000_000;
    world.run(STEADY, 20);
    assert_eq!(
        (world.causes(), world.stream.totals().jumps),
        (Vec::new(), 0)
    );
    assert_eq!(world.stream.sessions(), 2);
    assert_eq!(world.stream.totals().frames, before + 600);

    world.stream.unpublish(at(world.now_ms), world.number);
    assert_eq!(world.stream.tick(at(world.now_ms + 1_000)), State::Bad);
    assert_eq!(world.causes(), [(Cause::NoPublisher, State::Bad)]);
    assert_eq!(world.stream.over(), None, "it is packaged still");
    world.stream.unpackaged(at(world.now_ms + 2_000));
    assert_eq!(world.stream.over(), Some(at(world.now_ms + 2_000)));
}

#[test]
fn names_of_encoders_are_bounded() {
    let mut publisher = Publisher::default();
    publisher.named(&format!(" obs\u{7}-{}\n", "x".repeat(500)));
    let name = publisher.encoder.unwrap();
    assert!(name.starts_with("obs-x") && name.len() < 100, "{name}");
    let mut publisher = Publisher::default();
    publisher.named(" \n");
    assert_eq!(publisher.encoder, None);
}
