use super::*;

fn rate(numerator: u32, denominator: u32) -> FrameRate {
    FrameRate {
        numerator,
        denominator,
    }
}

#[track_caller]
fn check(
    (numerator, denominator): (u32, u32),
    gop_frames: Option<u32>,
    audio_rate: Option<u32>,
    frames: (u32, u32),
    part_target_ms: u64,
) {
    let mut input = GridInput::new(rate(numerator, denominator), audio_rate);
    input.gop_frames = gop_frames;
    let plan = GridPlan::choose(&input).unwrap();
    assert_eq!((plan.frames_per_part, plan.frames_per_segment), frames);
    assert_eq!(plan.part_target, Duration::from_millis(part_target_ms));
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
