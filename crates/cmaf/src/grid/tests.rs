use super::*;

fn rate(numerator: u32, denominator: u32) -> FrameRate {
    FrameRate {
        numerator,
        denominator,
    }
}

#[track_caller]
fn check(
    rate: (u32, u32),
    gop_frames: Option<u32>,
    audio_rate: Option<u32>,
    frames: (u32, u32),
    part_target_ms: u64,
) {
    let planned = (frames, part_target_ms);
    check_of(Latency::Standard, rate, gop_frames, audio_rate, planned);
}

#[track_caller]
fn check_of(
    latency: Latency,
    (numerator, denominator): (u32, u32),
    gop_frames: Option<u32>,
    audio_rate: Option<u32>,
    (frames, part_target_ms): ((u32, u32), u64),
) {
    let mut input = GridInput::new(rate(numerator, denominator), audio_rate);
    input.gop_frames = gop_frames;
    input.latency = latency;
    let plan = GridPlan::choose(&input).unwrap();
    let planned = (plan.frames_per_part, plan.frames_per_segment);
    assert_eq!(planned, frames, "{input:?}");
    let part_target = Duration::from_millis(part_target_ms);
    assert_eq!(plan.part_target, part_target, "{input:?}");
    assert_eq!(plan.part_hold_back, plan.part_target * 3);
    assert_eq!(plan.target_duration, Duration::from_secs(2));
}

#[test]
fn usual_sources() {
    check((30, 1), None, Some(48_000), (10, 60), 342);
    check((30, 1), None, Some(44_100), (10, 60), 349);
    check((30, 1), None, None, (10, 60), 335);
    check((30_000, 1_001), None, Some(48_000), (10, 60), 342);
    check((25, 1), None, Some(48_000), (8, 48), 342);
    check((24, 1), None, Some(48_000), (8, 48), 342);
    check((24_000, 1_001), None, Some(48_000), (8, 48), 342);
    check((50, 1), None, Some(48_000), (16, 96), 342);
    check((60, 1), None, Some(48_000), (20, 120), 342);
    check((60_000, 1_001), None, Some(48_000), (20, 120), 342);
}

#[test]
fn usual_sources_with_low_latency() {
    let check_low = |rate, gop_frames, audio_rate, frames, part_target_ms| {
        let planned = (frames, part_target_ms);
        check_of(Latency::Low, rate, gop_frames, audio_rate, planned);
    };
    check_low((30, 1), None, Some(48_000), (6, 30), 214);
    check_low((30, 1), None, Some(44_100), (6, 30), 209);
    check_low((30, 1), None, None, (6, 30), 201);
    check_low((30_000, 1_001), None, Some(48_000), (6, 30), 214);
    check_low((25, 1), None, Some(48_000), (5, 25), 214);
    check_low((24, 1), None, Some(48_000), (5, 25), 214);
    check_low((24_000, 1_001), None, Some(48_000), (5, 25), 214);
    check_low((50, 1), None, Some(48_000), (10, 50), 214);
    check_low((60, 1), None, Some(48_000), (12, 60), 214);
    check_low((60_000, 1_001), None, Some(48_000), (12, 60), 214);
    // GOPs that come are kept, and gathered to a second.
    check_low((30, 1), Some(60), Some(48_000), (6, 60), 214);
    check_low((30, 1), Some(30), Some(48_000), (6, 30), 214);
    check_low((30, 1), Some(15), Some(48_000), (6, 30), 214);
    check_low((60, 1), Some(60), Some(48_000), (12, 60), 214);
    check_low((1, 1), None, None, (1, 1), 1_001);
}

#[test]
fn a_source_that_passes_through_keeps_its_gop() {
    check((30, 1), Some(60), Some(48_000), (10, 60), 342);
    check((30, 1), Some(30), Some(48_000), (10, 60), 342);
    check((25, 1), Some(50), Some(48_000), (10, 50), 406);
    check((60, 1), Some(60), Some(48_000), (20, 120), 342);
    // 250 frames do not fit a segment: the GOP is not ours to keep.
    check((25, 1), Some(250), Some(48_000), (8, 48), 342);
}

#[test]
fn slow_sources_get_fewer_parts() {
    check((1, 1), None, None, (1, 2), 1_001);
    check((5, 1), None, None, (2, 10), 401);
    check((10, 1), None, None, (3, 18), 301);
}

#[test]
fn refuses_what_cannot_be_planned() {
    for bad in [
        rate(0, 1),
        rate(30, 0),
        rate(1, 2),
        rate(241, 1),
        rate(u32::MAX, 1),
    ] {
        assert!(GridPlan::choose(&GridInput::new(bad, None)).is_err());
    }
    let silent = GridInput::new(rate(30, 1), Some(0));
    assert_eq!(GridPlan::choose(&silent), Err(GridError::Audio));
}

#[test]
fn every_usual_rate_keeps_video_and_audio_within_85_to_100_percent() {
    let frame_rates = [
        (24_000, 1_001),
        (24, 1),
        (25, 1),
        (30_000, 1_001),
        (30, 1),
        (48, 1),
        (50, 1),
        (60_000, 1_001),
        (60, 1),
        (120, 1),
        (15, 1),
        (12, 1),
        (20, 1),
    ];
    for (numerator, denominator) in frame_rates {
        for audio_rate in [22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000] {
            let input = GridInput::new(rate(numerator, denominator), Some(audio_rate));
            let plan = GridPlan::choose(&input).unwrap();
            let target = plan.part_target.as_secs_f64() + 1e-9;
            let fps = f64::from(numerator) / f64::from(denominator);
            let video = f64::from(plan.frames_per_part) / fps;
            assert!(
                video <= target && video >= 0.85 * target,
                "{input:?} {plan:?}"
            );
            let frame = 1_024.0 / f64::from(audio_rate);
            let longest = (video / frame).ceil() * frame;
            let shortest = (video / frame).floor() * frame;
            assert!(
                longest <= target && shortest >= 0.85 * target,
                "{input:?} {plan:?}"
            );
            let segment = f64::from(plan.frames_per_segment) / fps;
            assert!(segment <= 2.01, "{input:?} {plan:?}");
        }
    }
}

/// At 22.05 and 24 kHz a frame of AAC lasts 46 and 43 ms: parts of 200 ms hold 4 or 5 of them, which is 80 %, and
/// at 12 fps, whose parts last 167 ms, 3 or 4; at 32 kHz those hold 5 of 32 ms, which is 83 %.
#[test]
fn low_latency_keeps_video_and_audio_within_85_to_100_percent() {
    let frame_rates = [
        (24_000, 1_001),
        (24, 1),
        (25, 1),
        (30_000, 1_001),
        (30, 1),
        (48, 1),
        (50, 1),
        (60_000, 1_001),
        (60, 1),
        (120, 1),
        (15, 1),
        (12, 1),
        (20, 1),
    ];
    for (numerator, denominator) in frame_rates {
        for audio_rate in [22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000] {
            let mut input = GridInput::new(rate(numerator, denominator), Some(audio_rate));
            input.latency = Latency::Low;
            let plan = GridPlan::choose(&input).unwrap();
            let target = plan.part_target.as_secs_f64() + 1e-9;
            let fps = f64::from(numerator) / f64::from(denominator);
            let video = f64::from(plan.frames_per_part) / fps;
            assert!(target <= 0.26, "{input:?} {plan:?}");
            assert!(
                video <= target && video >= 0.85 * target,
                "{input:?} {plan:?}"
            );
            let frame = 1_024.0 / f64::from(audio_rate);
            let longest = (video / frame).ceil() * frame;
            let shortest = (video / frame).floor() * frame;
            let least = match audio_rate {
                ..32_000 => 0.74,
                32_000 if numerator == 12 => 0.83,
                _ => 0.85,
            };
            assert!(
                longest <= target && shortest >= least * target,
                "{input:?} {plan:?}"
            );
            let segment = f64::from(plan.frames_per_segment) / fps;
            assert!((0.999..=1.26).contains(&segment), "{input:?} {plan:?}");
        }
    }
}

/// The setting changed while a stream waited for its publisher.
#[test]
fn a_source_that_goes_on_keeps_the_part_target_of_the_other_profile() {
    for (latency, target, frames) in [(Latency::Low, 342, 10), (Latency::Standard, 214, 6)] {
        let target = Duration::from_millis(target);
        let mut input = GridInput::new(rate(30, 1), Some(48_000));
        input.latency = latency;
        let plan = GridPlan::choose_within(&input, target).unwrap();
        assert_eq!((plan.part_target, plan.frames_per_part), (target, frames));
    }
}

#[test]
fn a_source_that_goes_on_keeps_the_part_target() {
    let usual = Duration::from_millis(342);
    for (numerator, denominator) in [
        (24_000, 1_001),
        (24, 1),
        (25, 1),
        (30_000, 1_001),
        (30, 1),
        (50, 1),
        (60_000, 1_001),
        (60, 1),
        (120, 1),
    ] {
        for audio_rate in [None, Some(44_100), Some(48_000)] {
            let input = GridInput::new(rate(numerator, denominator), audio_rate);
            let plan = GridPlan::choose_within(&input, usual).unwrap();
            assert_eq!(plan.part_target, usual);
            assert!(plan.part_max.to_duration() <= usual, "{input:?} {plan:?}");
            let fps = f64::from(numerator) / f64::from(denominator);
            let video = f64::from(plan.frames_per_part) / fps;
            assert!(video >= 0.85 * 0.342, "{input:?} {plan:?}");
        }
    }
    let slow = GridInput::new(rate(2, 1), None);
    assert_eq!(
        GridPlan::choose_within(&slow, usual),
        Err(GridError::PartTarget(usual))
    );
}
