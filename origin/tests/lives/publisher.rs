//! A publisher who cannot be trusted.

use std::time::Duration;

use bytes::Bytes;
use origin::publish::{Publication, PublishedBody, PublishedTag};
use rand::Rng as _;
use rand::rngs::StdRng;
use rtmp::flv::{AudioBody, AudioCodec, VideoBody, VideoCodec};

/// `avcC` records of ffmpeg's x264: 640x360, 480x360, 360x640.
pub(crate) const PICTURES: [&[u8]; 3] = [
    &[
        0x01, 0x42, 0xc0, 0x16, 0xff, 0xe1, 0x00, 0x19, 0x67, 0x42, 0xc0, 0x16, 0xda, 0x02, 0x80,
        0xbf, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0x50, 0x3c,
        0x58, 0xba, 0x80, 0x01, 0x00, 0x04, 0x68, 0xce, 0x0f, 0xc8,
    ],
    &[
        0x01, 0x42, 0xc0, 0x15, 0xff, 0xe1, 0x00, 0x18, 0x67, 0x42, 0xc0, 0x15, 0xda, 0x07, 0x82,
        0xff, 0x97, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x01, 0x40, 0xf1,
        0x62, 0xea, 0x01, 0x00, 0x04, 0x68, 0xce, 0x0f, 0xc8,
    ],
    &[
        0x01, 0x42, 0xc0, 0x16, 0xff, 0xe1, 0x00, 0x19, 0x67, 0x42, 0xc0, 0x16, 0xda, 0x05, 0xc1,
        0x47, 0x97, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0x50, 0x3c,
        0x58, 0xba, 0x80, 0x01, 0x00, 0x04, 0x68, 0xce, 0x0f, 0xc8,
    ],
];
/// AudioSpecificConfigs: AAC-LC of 16 kHz and of 22.05 kHz, mono.
const SOUNDS: [&[u8]; 2] = [&[0x14, 0x08], &[0x13, 0x88]];
const SOUND_RATES: [i64; 2] = [16_000, 22_050];
/// Frames a second that a source may have, and its GOP of a second.
const RATES: [i64; 4] = [10, 10, 12, 15];
const FRAME_BYTES: &[u8] = &[0x55; 400];

/// What a life was like, for whoever has to understand a failure.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    rate: i64,
    picture: usize,
    sound: Option<usize>,
    frames: i64,
    tricks: Vec<String>,
    goodbye: bool,
}

/// What a publisher does beside sending.
#[derive(Clone, Copy, Debug)]
enum Trick {
    Nothing,
    Stall(u64),
    OtherPicture,
    SamePicture,
    Leap(i64),
    Garbage,
    OtherCodec,
    NoSound,
    Composition(i32),
    Empty,
    NoKeyframes,
    Backwards,
    Heap,
}

/// The same encoder again and again, now and then another.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    picture: usize,
    sound: Option<usize>,
    rate: usize,
}

impl Publisher {
    pub(crate) async fn live(&mut self, publication: Publication, random: &mut StdRng) -> Said {
        if random.random_bool(0.2) {
            self.picture = random.random_range(0..PICTURES.len());
            self.sound = random
                .random_bool(0.8)
                .then(|| random.random_range(0..SOUNDS.len()));
            self.rate = random.random_range(0..RATES.len());
        }
        let mut life = Life {
            publication,
            said: Said {
                rate: RATES[self.rate],
                picture: self.picture,
                sound: self.sound,
                frames: random.random_range(1..90),
                ..Said::default()
            },
            begins_ms: match random.random_range(0..6) {
                0 => i64::from(u32::MAX) - 2_000,
                1 => random.random_range(-1_000_000_000..1_000_000_000),
                _ => 0,
            },
            sound_frames: 0,
            sound_off: false,
            keyframes_off: false,
        };
        // An error is a stream that was ended from the other side: the life is over.
        drop(life.run(random).await);
        let goodbye = random.random_bool(0.3);
        life.said.goodbye = goodbye;
        if goodbye {
            life.publication.say_goodbye();
        }
        life.said
    }
}

/// One who does what it should: 30 pictures a second, every `gop`th of them a keyframe.
#[derive(Clone, Copy)]
pub(crate) struct Steady {
    /// Which of the configurations.
    pub(crate) picture: usize,
    pub(crate) gop: i64,
}

impl Default for Steady {
    fn default() -> Self {
        Self {
            picture: 0,
            gop: 60,
        }
    }
}

impl Steady {
    pub(crate) async fn publish(self, mut publication: Publication, seconds: i64) {
        let header = VideoBody::SequenceHeader {
            codec: VideoCodec::Avc,
            record: Bytes::from_static(PICTURES[self.picture]),
        };
        let mut send = async |timestamp_ms: i64, body: VideoBody| {
            let tag = PublishedTag {
                timestamp_ms,
                arrival: tokio::time::Instant::now(),
                body: PublishedBody::Video(body),
            };
            publication.send(tag).await.unwrap();
        };
        send(0, header).await;
        let mut ticks = tokio::time::interval(Duration::from_micros(33_333));
        for frame in 0..seconds * 30 {
            ticks.tick().await;
            let body = VideoBody::Frame {
                codec: VideoCodec::Avc,
                keyframe: frame % self.gop == 0,
                composition_ms: 0,
                data: Bytes::from_static(FRAME_BYTES),
            };
            send(frame * 1_000 / 30, body).await;
        }
    }
}

struct Life {
    publication: Publication,
    said: Said,
    begins_ms: i64,
    sound_frames: i64,
    sound_off: bool,
    keyframes_off: bool,
}

type Sent = Result<(), origin::publish::EndReason>;

impl Life {
    async fn run(&mut self, random: &mut StdRng) -> Sent {
        self.picture(self.said.picture, 0).await?;
        if let Some(sound) = self.said.sound {
            let body = AudioBody::SequenceHeader {
                codec: AudioCodec::Aac,
                record: Bytes::from_static(SOUNDS[sound]),
            };
            self.send(0, PublishedBody::Audio(body)).await?;
        }
        let (mut composition_ms, mut heap) = (0, 0);
        for frame in 0..self.said.frames {
            let at_ms = frame * 1_000 / self.said.rate;
            if random.random_bool(0.02) {
                let trick = trick(random);
                self.said.tricks.push(format!("{trick:?} at {frame}"));
                match trick {
                    Trick::Composition(by_ms) => composition_ms = by_ms,
                    Trick::Heap => heap = 20,
                    trick => self.play(trick, at_ms).await?,
                }
            }
            self.sound_until(at_ms).await?;
            let body = VideoBody::Frame {
                codec: VideoCodec::Avc,
                keyframe: frame % self.said.rate == 0 && !self.keyframes_off,
                composition_ms,
                data: Bytes::from_static(FRAME_BYTES),
            };
            self.send(at_ms, PublishedBody::Video(body)).await?;
            if heap > 0 {
                heap -= 1;
                if heap > 0 {
                    continue;
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            let pause = 1_000 / self.said.rate.unsigned_abs();
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Ok(())
    }

    async fn play(&mut self, trick: Trick, at_ms: i64) -> Sent {
        match trick {
            Trick::Nothing | Trick::Composition(_) | Trick::Heap => {}
            Trick::Stall(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            Trick::OtherPicture => {
                let other = (self.said.picture + 1) % PICTURES.len();
                self.said.picture = other;
                self.picture(other, at_ms).await?;
            }
            Trick::SamePicture => self.picture(self.said.picture, at_ms).await?,
            Trick::Leap(by_ms) => self.begins_ms = self.begins_ms.saturating_add(by_ms),
            Trick::Garbage => {
                let body = VideoBody::SequenceHeader {
                    codec: VideoCodec::Avc,
                    record: Bytes::from_static(b"\x01\x64garbage"),
                };
                self.send(at_ms, PublishedBody::Video(body)).await?;
            }
            Trick::OtherCodec => {
                let body = VideoBody::Unsupported {
                    codec: "VP6",
                    fourcc: None,
                };
                self.send(at_ms, PublishedBody::Video(body)).await?;
            }
            Trick::NoSound => self.sound_off = true,
            Trick::Empty => {
                let body = VideoBody::Frame {
                    codec: VideoCodec::Avc,
                    keyframe: false,
                    composition_ms: 0,
                    data: Bytes::new(),
                };
                self.send(at_ms, PublishedBody::Video(body)).await?;
            }
            Trick::NoKeyframes => self.keyframes_off = true,
            Trick::Backwards => {
                let body = VideoBody::Frame {
                    codec: VideoCodec::Avc,
                    keyframe: true,
                    composition_ms: 0,
                    data: Bytes::from_static(FRAME_BYTES),
                };
                let before = at_ms - 700;
                self.send(before, PublishedBody::Video(body)).await?;
            }
        }
        Ok(())
    }

    async fn picture(&mut self, picture: usize, at_ms: i64) -> Sent {
        let body = VideoBody::SequenceHeader {
            codec: VideoCodec::Avc,
            record: Bytes::from_static(PICTURES[picture]),
        };
        self.send(at_ms, PublishedBody::Video(body)).await
    }

    async fn sound_until(&mut self, until_ms: i64) -> Sent {
        let Some(sound) = self.said.sound else {
            return Ok(());
        };
        loop {
            let at_ms = self.sound_frames * 1_024 * 1_000 / SOUND_RATES[sound];
            if at_ms > until_ms {
                return Ok(());
            }
            self.sound_frames += 1;
            if !self.sound_off {
                let body = AudioBody::Frame {
                    codec: AudioCodec::Aac,
                    data: Bytes::from_static(&FRAME_BYTES[..40]),
                };
                self.send(at_ms, PublishedBody::Audio(body)).await?;
            }
        }
    }

    async fn send(&mut self, at_ms: i64, body: PublishedBody) -> Sent {
        let timestamp_ms = self.begins_ms.saturating_add(at_ms);
        let tag = PublishedTag {
            timestamp_ms,
            arrival: tokio::time::Instant::now(),
            body,
        };
        self.publication.send(tag).await
    }
}

fn trick(random: &mut StdRng) -> Trick {
    match random.random_range(0..16) {
        0 | 1 => Trick::Stall(random.random_range(1..12)),
        2 => Trick::OtherPicture,
        3 => Trick::SamePicture,
        4 => Trick::Leap(random.random_range(-100_000..100_000)),
        5 => Trick::Leap(i64::from(u32::MAX)),
        6 => Trick::Garbage,
        7 => Trick::OtherCodec,
        8 => Trick::NoSound,
        9 => Trick::Composition(random.random_range(-3_000..3_000)),
        10 => Trick::Empty,
        11 => Trick::NoKeyframes,
        12 => Trick::Backwards,
        13 => Trick::Heap,
        _ => Trick::Nothing,
    }
}
