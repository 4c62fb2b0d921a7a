//! Real H.264 and AAC from ffmpeg, through the probe and the packager, back into ffprobe and
//! ffmpeg. Passes over itself where ffmpeg is not installed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::{Buf, Bytes};
use cmaf::{
    AudioConfig, GridInput, GridPlan, MediaTime, Output, Packager, Passthrough, Probe, Sample,
    TrackConfig, TrackId, VideoConfig,
};

const SECONDS: u32 = 6;
const VIDEO: TrackId = TrackId(0);
const AUDIO: TrackId = TrackId(1);

/// What an FLV file holds, in file order.
#[derive(Default)]
struct Flv {
    video: Option<VideoConfig>,
    audio: Option<AudioConfig>,
    samples: Vec<(TrackId, Sample)>,
}

impl Flv {
    /// As much of FLV as ffmpeg writes for H.264 and AAC.
    fn read(mut file: Bytes) -> Self {
        let mut flv = Self::default();
        assert_eq!(&file.split_to(3)[..], b"FLV");
        file.advance(10);
        while file.len() > 11 {
            let kind = file.get_u8();
            let size = file.get_uint(3) as usize;
            let low = file.get_uint(3) as i64;
            let millis = low | i64::from(file.get_u8()) << 24;
            file.advance(3);
            let body = file.split_to(size);
            file.advance(4);
            match kind {
                8 => flv.audio_tag(millis, body),
                9 => flv.video_tag(millis, body),
                _ => {}
            }
        }
        flv
    }

    fn video_tag(&mut self, millis: i64, mut body: Bytes) {
        let keyframe = body.get_u8() >> 4 == 1;
        let packet = body.get_u8();
        let cts = body.get_int(3);
        match packet {
            0 => self.video = Some(VideoConfig::from_avcc(body).unwrap()),
            1 => {
                let dts = MediaTime::from_millis(millis);
                let sample = Sample::video(dts, MediaTime::from_millis(cts), keyframe, body);
                self.samples.push((VIDEO, sample));
            }
            _ => {}
        }
    }

    fn audio_tag(&mut self, millis: i64, mut body: Bytes) {
        body.advance(1);
        match body.get_u8() {
            0 => self.audio = Some(AudioConfig::from_asc(body).unwrap()),
            _ if body.is_empty() => {}
            _ => {
                let sample = Sample::audio(MediaTime::from_millis(millis), body);
                self.samples.push((AUDIO, sample));
            }
        }
    }
}

fn tools_are_installed() -> bool {
    ["/usr/bin/ffmpeg", "/usr/bin/ffprobe"]
        .into_iter()
        .all(|tool| Path::new(tool).exists())
}

fn publish(rate: &str, gop: u32, reordered: u32, audio_rate: u32) -> Flv {
    let video = format!("testsrc2=size=320x180:rate={rate}:duration={SECONDS}");
    let audio = format!("sine=sample_rate={audio_rate}:duration={SECONDS}");
    let output = Command::new("/usr/bin/ffmpeg")
        .args([
            "-v", "error", "-f", "lavfi", "-i", &video, "-f", "lavfi", "-i", &audio,
        ])
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-pix_fmt",
            "yuv420p",
        ])
        .args([
            "-g",
            &gop.to_string(),
            "-keyint_min",
            &gop.to_string(),
            "-sc_threshold",
            "0",
        ])
        .args([
            "-bf",
            &reordered.to_string(),
            "-c:a",
            "aac",
            "-f",
            "flv",
            "pipe:1",
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Flv::read(output.stdout.into())
}

/// Init section and parts of each track, one file per track, and the samples in them.
fn package(flv: &Flv, name: &str) -> [(PathBuf, u32); 2] {
    let video = flv.video.clone().unwrap();
    let audio = flv.audio.clone().unwrap();
    let mut probe = Probe::new();
    for (track, sample) in &flv.samples {
        match *track {
            VIDEO => probe.push_video(sample),
            _ => probe.push_audio(),
        }
    }
    let report = probe.report().unwrap();
    assert!(report.audio);
    let mut input = GridInput::new(report.frame_rate, Some(audio.sample_rate()));
    let Passthrough::Yes { gop_frames } = report.passthrough else {
        panic!("{report:?}");
    };
    input.gop_frames = Some(gop_frames);
    let plan = GridPlan::choose(&input).unwrap();
    let tracks = vec![
        TrackConfig::from(video).into(),
        TrackConfig::from(audio).into(),
    ];
    let mut packager = Packager::new(&plan, tracks).unwrap();
    for (track, sample) in &flv.samples {
        packager.push(*track, sample.clone()).unwrap();
    }
    packager.end().unwrap();
    let mut files = [(Vec::new(), 0), (Vec::new(), 0)];
    while let Some(output) = packager.poll() {
        match output {
            Output::Init(init) => files[init.track.0].0.extend_from_slice(&init.bytes),
            Output::Part(part) => {
                files[part.track.0].0.extend_from_slice(&part.bytes);
                files[part.track.0].1 += part.samples;
            }
            Output::Gap(gap) => panic!("{gap:?}"),
            _ => {}
        }
    }
    let mut index = 0;
    files.map(|(bytes, samples)| {
        let file = format!("cmaf-{}-{name}-{index}.mp4", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, bytes).unwrap();
        index += 1;
        (path, samples)
    })
}

fn stdout_of(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && errors.is_empty(),
        "{command:?}: {errors}"
    );
    String::from_utf8(output.stdout).unwrap()
}

fn check(name: &str, rate: &str, gop: u32, reordered: u32, audio_rate: u32) {
    if !tools_are_installed() {
        return;
    }
    let flv = publish(rate, gop, reordered, audio_rate);
    let pictures = flv
        .samples
        .iter()
        .filter(|(track, _)| *track == VIDEO)
        .count() as u32;
    let packaged = package(&flv, name);
    assert_eq!(packaged[0].1, pictures, "every picture is in a part");
    for (path, samples) in packaged {
        let counted = stdout_of(
            Command::new("/usr/bin/ffprobe")
                .args([
                    "-v",
                    "error",
                    "-count_frames",
                    "-show_entries",
                    "stream=nb_read_frames",
                ])
                .args(["-of", "csv=p=0"])
                .arg(&path),
        );
        let counted: u32 = counted.trim().trim_end_matches(',').parse().unwrap();
        assert_eq!(counted, samples, "{}", path.display());
        stdout_of(
            Command::new("/usr/bin/ffmpeg")
                .args(["-v", "error", "-xerror", "-i"])
                .arg(&path)
                .args(["-f", "null", "-"]),
        );
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn ffmpeg_plays_what_it_published_at_30_fps() {
    check("30", "30", 60, 0, 48_000);
}

#[test]
fn ffmpeg_plays_reordered_frames_at_ntsc_rate() {
    check("2997", "30000/1001", 60, 2, 44_100);
}

#[test]
fn ffmpeg_plays_short_gops_at_25_fps() {
    check("25", "25", 25, 2, 48_000);
}

#[test]
fn ffmpeg_plays_reordered_frames_at_film_and_high_rates() {
    check("23976", "24000/1001", 48, 2, 44_100);
    check("50", "50", 100, 3, 48_000);
    check("5994", "60000/1001", 120, 0, 48_000);
}
