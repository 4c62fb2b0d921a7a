use bytes::Bytes;

use super::*;

/// `seconds` of a constant rate with RTMP's rounding, a keyframe every `gop` frames.
fn source((n, d): (u32, u32), gop: u32, seconds: u32, reorder: i64) -> Vec<Sample> {
    let frames = seconds * n / d;
    let picture = |frame: u32| {
        let millis = i64::from(frame) * 1_000 * i64::from(d) / i64::from(n);
        let cts = MediaTime::from_millis(reorder * 33);
        let dts = MediaTime::from_millis(7_000 + millis);
        Sample::video(dts, cts, frame.is_multiple_of(gop), Bytes::new())
    };
    (0..frames).map(picture).collect()
}

fn probe(samples: &[Sample]) -> Option<(ProbeReport, usize)> {
    let mut probe = Probe::new();
    for (taken, sample) in samples.iter().enumerate() {
        probe.push_video(sample);
        if let Some(report) = probe.report() {
            return Some((report, taken + 1));
        }
    }
    None
}

#[test]
fn every_usual_rate_is_recognised_behind_millisecond_rounding() {
    for rate in USUAL {
        for (gop, reorder) in [
            (2 * rate.0.div_ceil(rate.1), 0),
            (rate.0.div_ceil(rate.1), 2),
        ] {
            let (report, taken) = probe(&source(rate, gop, 4, reorder)).unwrap();
            let FrameRate {
                numerator,
                denominator,
            } = report.frame_rate;
            assert_eq!((numerator, denominator), rate);
            assert_eq!(report.passthrough, Passthrough::Yes { gop_frames: gop });
            assert_eq!(taken as u32, gop + 1, "no longer than the first GOP");
            assert!(!report.audio);
        }
    }
}

#[test]
fn says_why_a_source_cannot_pass_through() {
    let verdict = |samples: &[Sample]| probe(samples).unwrap().0.passthrough;
    assert_eq!(
        verdict(&source((25, 1), 250, 4, 0)),
        Passthrough::GopTooLong
    );
    assert_eq!(verdict(&source((30, 1), 75, 4, 0)), Passthrough::GopTooLong);

    let mut uneven = source((30, 1), 1_000, 4, 0);
    for at in [10, 25, 40] {
        uneven[at].keyframe = true;
    }
    assert_eq!(verdict(&uneven), Passthrough::GopIrregular);

    let mut jittery = source((30, 1), 60, 4, 0);
    jittery[20].dts = jittery[20].dts + MediaTime::from_millis(15);
    assert_eq!(verdict(&jittery), Passthrough::FramesIrregular);
}

#[test]
fn an_unusual_rate_is_measured() {
    let (report, _) = probe(&source((40, 1), 80, 4, 0)).unwrap();
    let rate = report.frame_rate;
    let measured = f64::from(rate.numerator) / f64::from(rate.denominator);
    assert!((measured - 40.0).abs() < 0.1, "{measured}");
}

#[test]
fn waits_for_a_keyframe_and_survives_a_jump() {
    let mut samples = source((30, 1), 60, 6, 0);
    let tail = samples.split_off(30);
    assert!(
        probe(&tail[..40]).is_none(),
        "its first keyframe is the 31st frame"
    );
    assert!(probe(&tail).is_some());

    let mut jumped = source((30, 1), 60, 1, 0);
    jumped.extend(source((25, 1), 50, 3, 0));
    let (report, _) = probe(&jumped).unwrap();
    assert_eq!(report.frame_rate.numerator, 25);
    assert!(probe(&[]).is_none());
}

#[test]
fn ends_on_any_timestamps() {
    let crawling: Vec<Sample> = (0..2_000)
        .map(|at| Sample::video(MediaTime(at), MediaTime::ZERO, at == 0, Bytes::new()))
        .collect();
    let (report, taken) = probe(&crawling).unwrap();
    assert_eq!(taken, FRAMES_MAX as usize + 1);
    assert_eq!(report.frame_rate.numerator, 240_000);
    let mut probe = Probe::new();
    for dts in [i64::MIN, i64::MAX, 0, -1, i64::MAX, i64::MIN] {
        probe.push_video(&Sample::video(
            MediaTime(dts),
            MediaTime::ZERO,
            true,
            Bytes::new(),
        ));
    }
    probe.push_audio();
    assert!(probe.report().is_none());
}
