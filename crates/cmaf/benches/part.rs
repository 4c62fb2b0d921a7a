//! What packaging costs: one video part of 10 frames at about 3 Mbit/s, one audio part of 16 AAC
//! frames at 128 kbit/s, from `push` to the finished chunk.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    missing_docs,
    reason = "criterion's macros write undocumented functions"
)]

use bytes::Bytes;
use cmaf::{
    AudioConfig, FrameRate, GridInput, GridPlan, MediaTime, Output, Packager, Sample, TrackConfig,
    TrackId, VideoConfig,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const VIDEO: TrackId = TrackId(0);
const AUDIO: TrackId = TrackId(1);
const FRAMES_PER_PART: u64 = 10;
/// 3 Mbit/s at 30 fps.
const FRAME_BYTES: usize = 12_500;
const AAC_FRAME_BYTES: usize = 341;
const AVCC: &[u8] = &[
    1, 0x42, 0xC0, 0x1F, 0xFF, 0xE1, 0, 23, 0x67, 0x42, 0xC0, 0x1F, 0xDA, 0x01, 0x40, 0x16, 0xEC,
    0x04, 0x40, 0, 0, 0x03, 0, 0x40, 0, 0, 0x0C, 0x23, 0xC6, 0x0C, 0xA8, 1, 0, 4, 0x68, 0xCE, 0x0F,
    0xC8,
];

/// A stream without end: each call gives the samples of a third of a second.
struct Stream {
    packager: Packager,
    frame: i64,
    audio: i64,
    picture: Bytes,
    sound: Bytes,
}

impl Stream {
    fn new(with_audio: bool) -> Self {
        let frame_rate = FrameRate {
            numerator: 30,
            denominator: 1,
        };
        let plan = GridPlan::choose(&GridInput::new(frame_rate, Some(48_000))).unwrap();
        let video = VideoConfig::from_avcc(Bytes::from_static(AVCC)).unwrap();
        let audio = AudioConfig::from_asc(Bytes::from_static(&[0x11, 0x90])).unwrap();
        let mut tracks = vec![TrackConfig::Video(video).into()];
        if with_audio {
            tracks.push(TrackConfig::Audio(audio).into());
        }
        Self {
            packager: Packager::new(&plan, tracks).unwrap(),
            frame: 0,
            audio: 0,
            picture: vec![0xA5; FRAME_BYTES].into(),
            sound: vec![0x5A; AAC_FRAME_BYTES].into(),
        }
    }

    fn video(&mut self) -> usize {
        for _ in 0..FRAMES_PER_PART {
            let dts = MediaTime(self.frame * 3_000);
            let keyframe = self.frame % 60 == 0;
            let frame = Sample::video(dts, MediaTime(3_000), keyframe, self.picture.clone());
            self.packager.push(VIDEO, frame).unwrap();
            self.frame += 1;
        }
        self.drain()
    }

    fn sound(&mut self) -> usize {
        let until = self.frame * 3_000;
        while self.audio * 1_920 < until {
            let dts = MediaTime(self.audio * 1_920);
            self.packager
                .push(AUDIO, Sample::audio(dts, self.sound.clone()))
                .unwrap();
            self.audio += 1;
        }
        self.drain()
    }

    fn drain(&mut self) -> usize {
        let mut bytes = 0;
        while let Some(output) = self.packager.poll() {
            if let Output::Part(part) = output {
                bytes += part.bytes.len();
            }
        }
        bytes
    }
}

fn parts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("part");
    group.throughput(Throughput::Bytes(FRAMES_PER_PART * FRAME_BYTES as u64));
    group.bench_function("video, 10 frames, 3 Mbit/s", |bencher| {
        let mut stream = Stream::new(false);
        bencher.iter(|| stream.video());
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("video and audio, one part each", |bencher| {
        let mut stream = Stream::new(true);
        bencher.iter(|| stream.video() + stream.sound());
    });
    group.finish();
}

criterion_group!(benches, parts);
criterion_main!(benches);
