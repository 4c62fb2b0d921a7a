//! An encoder and its network, honest but in the real world: its clock is not the wall's, its timestamps begin
//! anywhere and wrap, its capture stops, and what it sends comes in heaps.

use std::time::Duration;

use bytes::Bytes;
use origin::publish::{EndReason, Publication, PublishedBody, PublishedTag};
use rand::Rng as _;
use rand::rngs::StdRng;
use rtmp::TimestampUnwrapper;
use rtmp::flv::{AudioBody, AudioCodec, VideoBody, VideoCodec};
use tokio::time::{Instant, sleep_until};

use crate::publisher::PICTURES;

/// A network gives what was sent in about this long together.
const BATCH: Duration = Duration::from_millis(200);
/// And sometimes so much later.
pub(super) const LATE_MAX: Duration = Duration::from_millis(80);
const PICTURE: &[u8] = &[0x65; 24];
const SOUND: &[u8] = &[0x21; 12];
const SECOND_NS: i64 = 1_000_000_000;

/// What sounds: an AudioSpecificConfig of AAC-LC and its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sound {
    pub(super) record: &'static [u8],
    pub(super) rate: i64,
}

pub(super) const STEREO_48000: Sound = Sound {
    record: &[0x11, 0x90],
    rate: 48_000,
};
pub(super) const MONO_44100: Sound = Sound {
    record: &[0x12, 0x08],
    rate: 44_100,
};

/// How an encoder is set, from when it connects until it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// Pictures in so many seconds.
    pub(super) rate: (i64, i64),
    pub(super) b_frames: bool,
    pub(super) picture: usize,
    pub(super) sound: Option<Sound>,
    /// Of the source's clock against the wall's, in parts per million.
    pub(super) off_ppm: i64,
    /// Of the sound's clock against the picture's.
    pub(super) sound_off_ppm: i64,
    /// As RTMP carries it.
    pub(super) first_timestamp: u32,
}

/// What happens while it is on air.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The clock is set by so many milliseconds.
    Leap(i64),
    /// The capture gives no pictures for so long.
    NoPictures(Duration),
    /// No sound for so long.
    NoSound(Duration),
    /// What is sent is on its way for so long, and comes in a heap.
    Heap(Duration),
    /// Frames last from 12 to 60 ms for so long.
    Variable(Duration),
    /// Another configuration.
    OtherPicture,
}

/// See the module's documentation.
pub(super) struct Source {
    publication: Publication,
    setting: Setting,
    /// When it began, and what its clock counts from.
    begun: Instant,
    unwrapper: TimestampUnwrapper,
    /// By how much its clock was set since.
    set_ms: i64,
    picture: Track,
    sound: Track,
    since_keyframe: i64,
    keyframe_ns: i64,
    variable_until: i64,
    silent_until: i64,
    blind_until: i64,
    held_until: Instant,
    /// Timestamps that came out below the one before by all of 32 bits.
    pub(super) wraps: u64,
    last_timestamp: u32,
}

/// Frames of a kind, by the source's clock.
struct Track {
    /// What the next frame is counted from.
    from_ns: i64,
    frames: i64,
}

impl Track {
    const fn new() -> Self {
        Self {
            from_ns: 0,
            frames: 0,
        }
    }
}

pub(super) type Sent = Result<(), EndReason>;

impl Source {
    pub(super) async fn connect(
        publication: Publication,
        setting: Setting,
    ) -> Result<Self, EndReason> {
        let mut source = Self {
            publication,
            setting,
            begun: Instant::now(),
            unwrapper: TimestampUnwrapper::new(),
            set_ms: 0,
            picture: Track::new(),
            sound: Track::new(),
            since_keyframe: 0,
            keyframe_ns: 0,
            variable_until: 0,
            silent_until: 0,
            blind_until: 0,
            held_until: Instant::now(),
            wraps: 0,
            last_timestamp: setting.first_timestamp,
        };
        source.picture_header(0).await?;
        if let Some(sound) = setting.sound {
            let record = Bytes::from_static(sound.record);
            let codec = AudioCodec::Aac;
            let body = AudioBody::SequenceHeader { codec, record };
            source.send(0, PublishedBody::Audio(body)).await?;
        }
        Ok(source)
    }

    /// Until then, batch by batch.
    pub(super) async fn run_until(&mut self, until: Instant, random: &mut StdRng) -> Sent {
        while Instant::now() < until {
            let late = random.random_range(Duration::ZERO..LATE_MAX);
            let batch = (Instant::now() + BATCH).min(until);
            sleep_until(batch.max(self.held_until) + late).await;
            self.send_until(self.now_ns() - 20_000_000, random).await?;
        }
        Ok(())
    }

    pub(super) async fn happen(&mut self, event: Event) -> Sent {
        let now = self.now_ns();
        let after = |by: Duration| now + i64::try_from(by.as_nanos()).unwrap();
        match event {
            Event::Leap(by_ms) => self.set_ms += by_ms,
            Event::NoPictures(by) => self.blind_until = after(by),
            Event::NoSound(by) => self.silent_until = after(by),
            Event::Heap(by) => self.held_until = Instant::now() + by,
            Event::Variable(by) => self.variable_until = after(by),
            Event::OtherPicture => {
                self.setting.picture = (self.setting.picture + 1) % PICTURES.len();
                self.since_keyframe = 0;
                self.picture_header(now / 1_000_000).await?;
            }
        }
        Ok(())
    }

    /// What the source's clock has counted.
    fn now_ns(&self) -> i64 {
        let wall = i64::try_from(self.begun.elapsed().as_nanos()).unwrap();
        wall + wall / 1_000_000 * self.setting.off_ppm
    }

    async fn send_until(&mut self, until_ns: i64, random: &mut StdRng) -> Sent {
        loop {
            let picture = self.picture_ns();
            let sound = self.setting.sound.map(|sound| self.sound_ns(sound));
            match sound.filter(|sound| *sound <= picture) {
                Some(sound) if sound <= until_ns => self.sounds(sound).await?,
                None if picture <= until_ns => self.shows(picture, random).await?,
                _ => return Ok(()),
            }
        }
    }

    fn picture_ns(&self) -> i64 {
        let (frames, seconds) = self.setting.rate;
        self.picture.from_ns + self.picture.frames * seconds * SECOND_NS / frames
    }

    fn sound_ns(&self, sound: Sound) -> i64 {
        let counted = self.sound.frames * 1_024 * SECOND_NS / sound.rate;
        counted + counted / 1_000_000 * self.setting.sound_off_ppm
    }

    async fn sounds(&mut self, at_ns: i64) -> Sent {
        self.sound.frames += 1;
        if at_ns < self.silent_until {
            return Ok(());
        }
        let body = AudioBody::Frame {
            codec: AudioCodec::Aac,
            data: Bytes::from_static(SOUND),
        };
        self.send(at_ns / 1_000_000, PublishedBody::Audio(body))
            .await
    }

    async fn shows(&mut self, at_ns: i64, random: &mut StdRng) -> Sent {
        let variable = at_ns < self.variable_until;
        if variable {
            let lasts = random.random_range(12_000_000..60_000_000);
            self.picture.from_ns = at_ns + lasts;
            self.picture.frames = 0;
        } else {
            self.picture.frames += 1;
        }
        let (frames, seconds) = self.setting.rate;
        let gop = (2 * frames + seconds / 2) / seconds;
        let due = if variable {
            at_ns - self.keyframe_ns >= 1_900_000_000
        } else {
            self.since_keyframe >= gop
        };
        let index = if due { 0 } else { self.since_keyframe };
        self.since_keyframe = index + 1;
        if index == 0 {
            self.keyframe_ns = at_ns;
        }
        if at_ns < self.blind_until {
            return Ok(());
        }
        let frame_ms = seconds * 1_000 / frames;
        let reordered = match index {
            _ if !self.setting.b_frames => 0,
            // I, P, B, B, P, B, B, ...; whoever has no P behind it is shown as it is decoded.
            0 => 1,
            _ if (index - 1) / 3 * 3 + 3 >= gop => 1,
            _ if (index - 1) % 3 == 0 => 3,
            _ => 0,
        };
        let body = VideoBody::Frame {
            codec: VideoCodec::Avc,
            keyframe: index == 0,
            composition_ms: i32::try_from(reordered * frame_ms).unwrap(),
            data: Bytes::from_static(PICTURE),
        };
        self.send(at_ns / 1_000_000, PublishedBody::Video(body))
            .await
    }

    async fn picture_header(&mut self, at_ms: i64) -> Sent {
        let body = VideoBody::SequenceHeader {
            codec: VideoCodec::Avc,
            record: Bytes::from_static(PICTURES[self.setting.picture]),
        };
        self.send(at_ms, PublishedBody::Video(body)).await
    }

    async fn send(&mut self, at_ms: i64, body: PublishedBody) -> Sent {
        let ms = i64::from(self.setting.first_timestamp) + self.set_ms + at_ms;
        // What RTMP has room for, and how the origin's session reads it.
        let timestamp = u32::try_from(ms.rem_euclid(1 << 32)).unwrap();
        self.wraps += u64::from(self.last_timestamp > u32::MAX - 10_000 && timestamp < 10_000);
        self.last_timestamp = timestamp;
        let tag = PublishedTag {
            timestamp_ms: self.unwrapper.unwrap_ms(timestamp),
            arrival: Instant::now(),
            body,
        };
        self.publication.send(tag).await
    }
}
