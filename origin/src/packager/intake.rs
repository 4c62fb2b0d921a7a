//! The first seconds of a broadcast: what is it? Kept until known, then packaged like the rest.
//!
//! Also the place where a broadcast is refused for what it is. Pure but for the arrival times
//! that it is given.

mod beside;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use cmaf::{
    AudioConfig, MediaTime, Probe, ProbeReport, Sample, VideoConfig, without_temporal_delimiter,
};
use rtmp::flv::{AudioBody, AudioCodec, ColorInfo, VideoBody, VideoCodec};
use tokio::time::Instant;

use super::source_clock::{Kind, SourceClock};
use crate::publish::{PublishedBody, PublishedTag};
use crate::transcode::SourceFrame;

pub(super) use beside::BesideTrack;
pub(super) use source::{KnownSource, Source};

use beside::Beside;
pub(crate) use source::video_config;
use source::{audio_config, coloured};

/// Bytes kept while the source is being looked at: 2.6 s at 100 Mbit/s.
const BACKLOG_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Once track 0 is known, so long is waited for the tracks beside it.
const BESIDE_WAIT_MS: i64 = 500;
/// A track this far behind another has stopped: all renditions would wait for it.
const TRACK_LAG_MS_MAX: i64 = 3_000;

/// Why a broadcast is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// A decoder configuration (`avcC`, `hvcC`, `av1C`, AudioSpecificConfig, `OpusHead`) cannot be
    /// used.
    #[error("the {0} configuration cannot be used: {1}")]
    Configuration(&'static str, String),
    /// Another configuration than at the start: to go on with [`Intake::renew`].
    #[error("the {0} configuration changes all the time")]
    ConfigurationChanged(&'static str),
    /// No keyframe within the bound on bytes.
    #[error("no keyframe in the first {BACKLOG_BYTES_MAX} bytes")]
    NoKeyframe,
    /// A frame of another codec than the configuration before it.
    #[error("{0} frames came after a configuration of another codec")]
    OtherCodec(&'static str),
    /// A track of the broadcaster's ladder gives no pictures any more.
    #[error("video track {0} has stopped; publish again to go on without it")]
    TrackStopped(u8),
    /// A codec that is not taken.
    #[error("the codec {0} is not supported: send H.264, HEVC or AV1 video, and AAC or Opus audio")]
    UnsupportedCodec(&'static str),
}

/// One frame of the source, on the stream's timeline.
#[derive(Clone, Debug)]
pub(super) enum Media {
    Audio {
        dts_ms: i64,
        data: Bytes,
    },
    Video {
        /// As the broadcaster numbers it.
        track: u8,
        frame: SourceFrame,
        arrival: Instant,
    },
}

/// Turns tags into [`Media`], and knows the configuration.
#[derive(Debug, Default)]
pub(super) struct Intake {
    video: Option<(VideoCodec, VideoConfig)>,
    audio: Option<(AudioCodec, AudioConfig)>,
    /// What the encoder says about colours, beside the configuration.
    color: Option<ColorInfo>,
    probe: Probe,
    /// Source time of the first keyframe: zero of the stream's timeline.
    zero_ms: Option<i64>,
    started_at: Option<SystemTime>,
    clock: SourceClock,
    /// When the first tag arrived: what the clock counts from.
    opened: Option<Instant>,
    /// How far the source's clock leapt last, until it is asked for.
    leapt_ms: Option<i64>,
    last_video_ms: Option<i64>,
    last_audio_ms: Option<i64>,
    /// What is seen of other tracks until the source is known.
    beside: Beside,
    /// What the source was taken for, until that is seen to be so.
    taken_for: Option<KnownSource>,
    /// Media time at which track 0 was known.
    known_ms: Option<i64>,
    /// The tracks in use beside track 0, once the source is known: their records and newest times.
    ladder: Option<BTreeMap<u8, (Bytes, i64)>>,
    backlog: Vec<Media>,
    backlog_bytes: usize,
}

impl Intake {
    /// Reads one tag. `None` for a tag without media, or before the first keyframe.
    pub(super) fn read(
        &mut self,
        tag: PublishedTag,
        now: SystemTime,
    ) -> Result<Option<Media>, IntakeError> {
        let arrival = tag.arrival;
        let timestamp_ms = self.place(&tag);
        match tag.body {
            PublishedBody::Audio(AudioBody::SequenceHeader { codec, record }) => {
                self.configure_audio(codec, record)?;
                Ok(None)
            }
            PublishedBody::Audio(AudioBody::Frame { codec, data }) => {
                self.audio(codec, timestamp_ms, data)
            }
            PublishedBody::Video(VideoBody::SequenceHeader { codec, record }) => {
                self.configure_video(codec, record)?;
                Ok(None)
            }
            PublishedBody::Video(VideoBody::Color(color)) => {
                self.color = Some(color);
                Ok(None)
            }
            PublishedBody::Video(VideoBody::Frame {
                codec,
                keyframe,
                composition_ms,
                data,
            }) => {
                if self.video.as_ref().is_some_and(|(own, _)| *own != codec) {
                    return Err(IntakeError::OtherCodec(codec.as_str()));
                }
                let data = match codec {
                    VideoCodec::Av1 => without_temporal_delimiter(data),
                    _ => data,
                };
                let frame = SourceFrame {
                    dts_ms: timestamp_ms,
                    composition_ms,
                    keyframe,
                    data,
                };
                self.video(frame, arrival, now)
            }
            PublishedBody::Video(VideoBody::Track { number, body }) => {
                self.other_track(number, timestamp_ms, *body, arrival)
            }
            PublishedBody::Audio(AudioBody::Unsupported { codec, .. })
            | PublishedBody::Video(VideoBody::Unsupported { codec, .. }) => {
                Err(IntakeError::UnsupportedCodec(codec))
            }
            // End of sequence and the like carry nothing.
            PublishedBody::Audio(_) | PublishedBody::Video(_) => Ok(None),
        }
    }

    /// The same publisher is looked at anew; with another configuration, if there is a `header`.
    ///
    /// # Errors
    /// If the configuration cannot be used.
    pub(super) fn renew(
        self,
        header: Option<PublishedTag>,
        now: SystemTime,
    ) -> Result<Self, IntakeError> {
        let mut next = Self {
            video: self.video,
            audio: self.audio,
            color: self.color,
            clock: self.clock,
            opened: self.opened,
            ..Self::default()
        };
        if let Some(header) = header {
            next.read(header, now)?;
        }
        Ok(next)
    }

    /// How far the source's clock leapt, if it did since this was asked last.
    pub(super) fn take_leap(&mut self) -> Option<i64> {
        self.leapt_ms.take()
    }

    /// Where a tag belongs on the source's repaired timeline.
    fn place(&mut self, tag: &PublishedTag) -> i64 {
        let opened = *self.opened.get_or_insert(tag.arrival);
        let kind = match &tag.body {
            PublishedBody::Audio(AudioBody::Frame { .. }) => Kind::Audio,
            PublishedBody::Video(VideoBody::Frame { .. }) => Kind::Video,
            PublishedBody::Video(VideoBody::Track { body, .. })
                if matches!(**body, VideoBody::Frame { .. }) =>
            {
                Kind::Video
            }
            _ => return tag.timestamp_ms,
        };
        let arrived = tag.arrival.saturating_duration_since(opened);
        let placed = self.clock.place(kind, tag.timestamp_ms, arrived);
        self.leapt_ms = placed.leapt_ms.or(self.leapt_ms);
        placed.ms
    }

    /// Keeps media until the source is known.
    pub(super) fn keep(&mut self, media: Media) -> Result<(), IntakeError> {
        self.measure(&media);
        match &media {
            Media::Audio { data, .. } => self.backlog_bytes += data.len(),
            Media::Video { track, frame, .. } => {
                self.backlog_bytes += frame.data.len();
                if *track == 0 {
                    self.beside.first(frame);
                } else {
                    self.beside.picture(*track, frame);
                }
            }
        }
        self.backlog.push(media);
        if self.backlog_bytes > BACKLOG_BYTES_MAX {
            return Err(IntakeError::NoKeyframe);
        }
        Ok(())
    }

    fn measure(&mut self, media: &Media) {
        match media {
            Media::Audio { .. } => self.probe.push_audio(),
            Media::Video {
                track: 0, frame, ..
            } => self.probe.push_video(&video_sample(frame)),
            Media::Video { .. } => {}
        }
    }

    /// Looks on at a source that was taken for a known one; false if it is another after all, and has to be looked at
    /// anew.
    pub(super) fn is_as_taken(&mut self, media: &Media) -> bool {
        if self.taken_for.is_some() {
            self.measure(media);
        }
        let Some(report) = self.probe.report() else {
            return true;
        };
        self.taken_for
            .take()
            .is_none_or(|known| known.is_like(&report))
    }

    /// A first picture of the source `known`, as far as its configurations tell.
    fn recognise(&mut self, known: &KnownSource) -> Option<ProbeReport> {
        let same = self.zero_ms.is_some()
            && self.beside.is_empty()
            && self.coloured_video().as_ref() == Some(&known.video)
            && self.audio.as_ref().map(|(_, audio)| audio) == known.audio.as_ref();
        same.then(|| {
            self.taken_for = Some(known.clone());
            known.report
        })
    }

    fn coloured_video(&self) -> Option<VideoConfig> {
        let (_, video) = self.video.clone()?;
        Some(coloured(video, self.color))
    }

    /// The source, once it is known, or recognised as the one before; takes the backlog.
    pub(super) fn source(&mut self, before: Option<&KnownSource>) -> Option<Source> {
        let measured = self.probe.report();
        let report = measured.or_else(|| self.recognise(before?))?;
        let now_ms = self.last_video_ms?;
        let known_ms = *self.known_ms.get_or_insert(now_ms);
        if !self.beside.is_known() && now_ms - known_ms < BESIDE_WAIT_MS {
            return None;
        }
        let video = self.coloured_video()?;
        let verdict = if self.beside.is_empty() {
            Ok(Vec::new())
        } else {
            self.beside.verdict(&video, &report)
        };
        let (beside, alone) = match verdict {
            Ok(beside) => (beside, None),
            Err(reason) => (Vec::new(), Some(reason)),
        };
        let in_use = |track: &BesideTrack| (track.number, (track.video.record().clone(), now_ms));
        self.ladder = Some(beside.iter().map(in_use).collect());
        Some(Source {
            video,
            beside,
            alone,
            audio: self.audio.as_ref().map(|(_, audio)| audio.clone()),
            report,
            started_at: self.started_at?,
            backlog: std::mem::take(&mut self.backlog),
        })
    }

    fn configure_video(&mut self, codec: VideoCodec, record: Bytes) -> Result<(), IntakeError> {
        match &self.video {
            Some((own, known)) if *own == codec && *known.record() == record => Ok(()),
            // Before the first picture an encoder may correct itself.
            Some(_) if self.zero_ms.is_some() => Err(IntakeError::ConfigurationChanged("video")),
            _ => {
                let config = video_config(codec, record)
                    .map_err(|error| IntakeError::Configuration(codec.as_str(), error))?;
                self.video = Some((codec, config));
                Ok(())
            }
        }
    }

    fn configure_audio(&mut self, codec: AudioCodec, record: Bytes) -> Result<(), IntakeError> {
        match &self.audio {
            Some((own, known)) if *own == codec && *known.record() == record => Ok(()),
            Some(_) if self.last_audio_ms.is_some() => {
                Err(IntakeError::ConfigurationChanged("audio"))
            }
            _ => {
                let config = audio_config(codec, record)
                    .map_err(|error| IntakeError::Configuration(codec.as_str(), error))?;
                self.audio = Some((codec, config));
                Ok(())
            }
        }
    }

    fn video(
        &mut self,
        mut frame: SourceFrame,
        arrival: Instant,
        now: SystemTime,
    ) -> Result<Option<Media>, IntakeError> {
        self.last_video_ms = Some(frame.dts_ms);
        if self.zero_ms.is_none() {
            if !frame.keyframe || self.video.is_none() {
                return Ok(None);
            }
            self.zero_ms = Some(frame.dts_ms);
            self.started_at = Some(now);
        }
        self.check_ladder()?;
        frame.dts_ms -= self.zero_ms.unwrap_or_default();
        Ok(Some(Media::Video {
            track: 0,
            frame,
            arrival,
        }))
    }

    /// A tag of another track than track 0. Before the source is known nothing in it can end the
    /// broadcast: at worst track 0 has to do alone.
    fn other_track(
        &mut self,
        number: u8,
        timestamp_ms: i64,
        body: VideoBody,
        arrival: Instant,
    ) -> Result<Option<Media>, IntakeError> {
        match body {
            VideoBody::SequenceHeader { codec, record } => {
                match &self.ladder {
                    None => self.beside.configure(number, codec, record),
                    Some(ladder) => {
                        let known = ladder.get(&number);
                        if known.is_some_and(|(known, _)| *known != record) {
                            return Err(IntakeError::ConfigurationChanged("video"));
                        }
                    }
                }
                Ok(None)
            }
            VideoBody::Frame {
                codec,
                keyframe,
                composition_ms,
                data,
            } => {
                if let Some(ladder) = &mut self.ladder {
                    let Some((_, last_ms)) = ladder.get_mut(&number) else {
                        return Ok(None);
                    };
                    *last_ms = timestamp_ms;
                    self.check_ladder()?;
                }
                let Some(zero_ms) = self.zero_ms else {
                    return Ok(None);
                };
                let data = match codec {
                    VideoCodec::Av1 => without_temporal_delimiter(data),
                    _ => data,
                };
                let frame = SourceFrame {
                    dts_ms: timestamp_ms - zero_ms,
                    composition_ms,
                    keyframe,
                    data,
                };
                Ok(Some(Media::Video {
                    track: number,
                    frame,
                    arrival,
                }))
            }
            VideoBody::Color(color) => {
                self.beside.color(number, color);
                Ok(None)
            }
            VideoBody::Unsupported { codec, .. } => {
                let reason = format!("{codec} is not supported");
                self.beside.fault(number, reason);
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Renditions are shown together, so that one that stops would stop all of them.
    fn check_ladder(&self) -> Result<(), IntakeError> {
        let (Some(ladder), Some(first_ms)) = (&self.ladder, self.last_video_ms) else {
            return Ok(());
        };
        for (&number, (_, last_ms)) in ladder {
            if first_ms - last_ms > TRACK_LAG_MS_MAX {
                return Err(IntakeError::TrackStopped(number));
            }
            if last_ms - first_ms > TRACK_LAG_MS_MAX {
                return Err(IntakeError::TrackStopped(0));
            }
        }
        Ok(())
    }

    fn audio(
        &mut self,
        codec: AudioCodec,
        timestamp_ms: i64,
        data: Bytes,
    ) -> Result<Option<Media>, IntakeError> {
        let is_first = self.last_audio_ms.is_none();
        self.last_audio_ms = Some(timestamp_ms);
        match &mut self.audio {
            Some((own, _)) if *own != codec => {
                return Err(IntakeError::OtherCodec(codec.as_str()));
            }
            // An Opus header does not say how long packets are: the first packet does.
            Some((_, config)) if is_first => {
                *config = config.clone().with_frame_samples_of(&data);
            }
            _ => {}
        }
        // What sounds before the first picture has no place on the timeline.
        let dts_ms = self.zero_ms.map(|zero_ms| timestamp_ms - zero_ms);
        let dts_ms = dts_ms.filter(|dts_ms| *dts_ms >= 0 && self.audio.is_some());
        Ok(dts_ms.map(|dts_ms| Media::Audio { dts_ms, data }))
    }
}

/// The packager's form of a picture.
pub(super) fn video_sample(frame: &SourceFrame) -> Sample {
    Sample::video(
        MediaTime::from_millis(frame.dts_ms),
        MediaTime::from_millis(i64::from(frame.composition_ms)),
        frame.keyframe,
        frame.data.clone(),
    )
}
