//! What HEVC and AV1 rungs give, at the transcoder: a decoder configuration record, and frames that
//! a decoder takes. The packager is not part of it.

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use origin::config;
use origin::metrics::Metrics;
use origin::transcode::{
    EncodeSpec, EncodedFrame, Encoder, Jobs, Keyframes, Rung, RungCodec, SourceFrame,
    TranscodeEvent, Transcoder,
};
use rtmp::flv::{Reader, VideoBody};
use tokio::time::{Instant, timeout};

use crate::harness::PATIENCE;

/// Frames of the source: 4 s.
const FRAMES: usize = 120;
const FRAME: Duration = Duration::from_micros(33_333);
/// A segment, as the plan has it: half a frame short of 2 s.
const PERIOD: Duration = Duration::from_millis(1_983);

/// What one rung gave.
#[derive(Default)]
struct Made {
    codec: Option<RungCodec>,
    record: Bytes,
    frames: Vec<EncodedFrame>,
    delays: Vec<Duration>,
}

fn rung(name: &str, height: u32, encoder: Encoder, preset: &str) -> Rung {
    Rung {
        name: name.to_owned(),
        width: height * 16 / 9,
        height,
        bitrate_kbps: 500,
        encoder,
        preset: preset.to_owned(),
    }
}

/// The `avcC` and the frames of a test picture.
fn source() -> (Bytes, Vec<SourceFrame>) {
    let output = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=640x360:r=30",
        ])
        .args(["-frames:v", &FRAMES.to_string(), "-c:v", "libx264"])
        .args([
            "-preset",
            "ultrafast",
            "-g",
            "60",
            "-bf",
            "0",
            "-f",
            "flv",
            "-",
        ])
        .output()
        .unwrap();
    let mut reader = Reader::new();
    reader.push(&output.stdout);
    let mut avcc = Bytes::new();
    let mut frames = Vec::new();
    while let Some(tag) = reader.poll_tag().unwrap() {
        match VideoBody::parse(tag.body) {
            Ok(VideoBody::SequenceHeader { record, .. }) => avcc = record,
            Ok(VideoBody::Frame {
                keyframe,
                composition_ms,
                data,
                ..
            }) => frames.push(SourceFrame {
                dts_ms: tag.timestamp_ms,
                composition_ms,
                keyframe,
                data,
            }),
            _ => {}
        }
    }
    assert_eq!(frames.len(), FRAMES);
    (avcc, frames)
}

/// Pushes the source at its own pace; collects until every rung has given every frame.
async fn transcode(rungs: Vec<Rung>) -> Vec<Made> {
    let (avcc, frames) = source();
    let settings = config::parse(Path::new("test.toml"), "").unwrap().transcode;
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    let jobs = Jobs::new(NonZeroUsize::MIN, metrics.jobs());
    let mut made: Vec<Made> = rungs.iter().map(|_| Made::default()).collect();
    let source = cmaf::VideoConfig::from_avcc(avcc).unwrap();
    let spec = EncodeSpec {
        source_format: "flv",
        hdr: None,
        threads: 0,
        gop_frames: 60,
        hardware: settings.hardware.clone(),
        rungs,
        keyframes: Keyframes::Every(PERIOD),
    };
    let metrics = metrics.stream("demo").transcode();
    let job = jobs.take().unwrap();
    let mut transcoder = Transcoder::new(settings, spec, &source, "demo", metrics, job);
    let mut tick = tokio::time::interval(FRAME);
    let mut frames = frames.into_iter();
    let mut pushed = Vec::new();
    loop {
        let event = tokio::select! {
            _ = tick.tick(), if pushed.len() < FRAMES => {
                let frame = frames.next().unwrap();
                pushed.push((frame.dts_ms, Instant::now()));
                transcoder.push(&frame);
                if pushed.len() == FRAMES {
                    transcoder.finish();
                }
                continue;
            }
            event = timeout(PATIENCE, transcoder.next()) => event.unwrap(),
        };
        match event {
            TranscodeEvent::Configuration {
                rung,
                codec,
                record,
            } => {
                made[rung].codec = Some(codec);
                made[rung].record = record;
            }
            TranscodeEvent::Frame { rung, frame } => {
                let at = pushed.iter().find(|(dts_ms, _)| *dts_ms == frame.dts_ms);
                made[rung].delays.push(at.unwrap().1.elapsed());
                made[rung].frames.push(frame);
            }
            TranscodeEvent::Lost { .. } => return made,
            other => panic!("{other:?}"),
        }
    }
}

/// Bytes that ffprobe takes as they are.
fn elementary_stream(made: &Made) -> Vec<u8> {
    let mut stream = Vec::new();
    match made.codec.unwrap() {
        RungCodec::Hevc => {
            annex_b(&mut stream, &parameter_sets(&made.record));
            for frame in &made.frames {
                annex_b(&mut stream, &frame.data);
            }
        }
        RungCodec::Av1 => {
            for frame in &made.frames {
                stream.extend([0x12, 0]);
                stream.extend_from_slice(&frame.data);
            }
        }
        RungCodec::H264 => unreachable!("FLV carries it"),
    }
    stream
}

/// The parameter sets of an `hvcC`, with lengths of four bytes.
fn parameter_sets(record: &[u8]) -> Vec<u8> {
    assert_eq!(record[0], 1, "configurationVersion");
    let mut sets = Vec::new();
    let mut rest = &record[23..];
    for _ in 0..record[22] {
        let count = u16::from_be_bytes([rest[1], rest[2]]);
        rest = &rest[3..];
        for _ in 0..count {
            let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
            sets.extend([0, 0]);
            sets.extend_from_slice(&rest[..2 + length]);
            rest = &rest[2 + length..];
        }
    }
    assert!(rest.is_empty());
    sets
}

fn annex_b(stream: &mut Vec<u8>, mut units: &[u8]) {
    while let Some((length, rest)) = units.split_first_chunk::<4>() {
        let (unit, after) = rest.split_at(u32::from_be_bytes(*length) as usize);
        stream.extend([0, 0, 0, 1]);
        stream.extend_from_slice(unit);
        units = after;
    }
}

/// Codec, size, and frames decoded without complaint.
fn probed(format: &str, stream: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("stream");
    std::fs::write(&file, stream).unwrap();
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-f",
            format,
            "-count_frames",
            "-show_entries",
        ])
        .args([
            "stream=codec_name,width,height,nb_read_frames",
            "-of",
            "csv=p=0",
        ])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn keyframes(made: &Made) -> Vec<i64> {
    let keyframes = made.frames.iter().filter(|frame| frame.keyframe);
    keyframes.map(|frame| frame.dts_ms).collect()
}

fn percentile(delays: &[Duration], percent: usize) -> Duration {
    let mut delays = delays.to_vec();
    delays.sort();
    delays[(delays.len() - 1) * percent / 100]
}

#[tokio::test]
async fn hevc_and_av1_beside_h264() {
    let made = transcode(vec![
        rung("360p", 360, Encoder::X264, "ultrafast"),
        rung("360p-hevc", 360, Encoder::X265, "ultrafast"),
        rung("180p-av1", 180, Encoder::SvtAv1, "12"),
    ])
    .await;
    let [h264, hevc, av1] = &made[..] else {
        panic!("three rungs");
    };
    for (name, rung) in [("x264", h264), ("x265", hevc), ("svt-av1", av1)] {
        let [p50, p95] = [50, 95].map(|percent| percentile(&rung.delays, percent));
        println!("{name}: frame in to frame out p50 {p50:?} p95 {p95:?}");
        assert_eq!(rung.frames.len(), FRAMES, "{name} lost frames");
        assert_eq!(keyframes(rung), [0, 2_000], "{name} has its own grid");
        // Generous: this is no benchmark. A lookahead would be half a second.
        assert!(
            p50 < Duration::from_millis(250),
            "{name} holds frames: {p50:?}"
        );
    }
    assert_eq!(hevc.codec, Some(RungCodec::Hevc));
    assert_eq!(probed("hevc", &elementary_stream(hevc)), "hevc,640,360,120");
    assert_eq!(av1.codec, Some(RungCodec::Av1));
    assert_eq!(av1.record[0], 0x81, "marker and version");
    assert_eq!(probed("obu", &elementary_stream(av1)), "av1,320,180,120");
}
