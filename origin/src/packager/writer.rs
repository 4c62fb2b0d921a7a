//! Carries what the packager gives into the window: numbers, dates, bounds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cmaf::{MediaTime, Output, Packager, PartOutput, Sample, TrackConfig, TrackId};
use hls::multivariant::{AudioRendition, FrameRate, Multivariant, Variant};
use hls::{
    ConfigError, LiveConfig, LivePlaylist, Msn, NewPart, ProgramDateTime, RenditionName,
    RenditionNameError,
};
use tokio::time::Instant;

use super::Studio;
use super::align::TrackIndex;
use super::intake::Source;
use super::plan::{Bandwidth, Plan};
use crate::config::{PackagingSettings, StreamSettings};
use crate::metrics::StreamMetrics;
use crate::transcode::SourceFrame;
use crate::window::{LiveStream, RenditionKind, StreamInfo, Update};

/// 2026-01-01T00:00:00Z, where Media Sequence Numbers count seconds from. A segment lasts at
/// least a second, so that a stream never uses more numbers than the clock has moved on, and a
/// restarted origin begins above them.
const MSN_EPOCH_UNIX_SECONDS: u64 = 1_767_225_600;
/// EXT-X-DISCONTINUITY-SEQUENCE begins at the hours of the same clock, so that it does not go back
/// for a stream that breaks less than once an hour. Not at its seconds: hls.js walks an array of
/// that length at every reload, and 28 million entries cost it a second each time.
const DISCONTINUITY_SECONDS: u64 = 3_600;
/// Arrival times kept: those of the frames that may still be on their way through ffmpeg.
const ARRIVALS_MAX: usize = 1_024;
/// Segments that the byte bound never takes: a player at the live edge needs them.
const SEGMENTS_MIN: u64 = 4;

/// Why the window cannot take more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The newest segments alone exceed the bound.
    #[error("packaging.window_bytes_max is too small for this bitrate")]
    WindowTooSmall,
    /// The grid gives no valid playlist.
    #[error("no playlist for this grid: {0}")]
    Playlist(#[from] ConfigError),
    /// A rendition's name cannot stand in a URL.
    #[error(transparent)]
    Name(#[from] RenditionNameError),
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Writer {
    stream: Arc<LiveStream>,
    metrics: StreamMetrics,
    start_msn: Msn,
    /// Wall-clock time of zero on the stream's timeline.
    zero: ProgramDateTime,
    /// Time of the leader's first sample: zero of the packager's timeline.
    leader_zero: Option<MediaTime>,
    tracks: Vec<Track>,
    /// Frame rate for the Multivariant Playlist; `None` once it is written.
    unwritten: Option<MultivariantDraft>,
    outputs: Vec<Output>,
    arrivals: VecDeque<(MediaTime, Instant)>,
    window_bytes_max: usize,
    evicting: bool,
}

#[derive(Debug)]
struct Track {
    name: RenditionName,
    config: Option<TrackConfig>,
    /// The next part is the first with a new Initialization Section.
    starts: bool,
}

#[derive(Debug)]
struct MultivariantDraft {
    bandwidths: Vec<Bandwidth>,
    frame_rate: Option<FrameRate>,
}

impl Writer {
    pub(super) fn new(
        studio: &Studio,
        settings: &StreamSettings,
        plan: &Plan,
        source: &Source,
        metrics: StreamMetrics,
    ) -> Result<Self, WriteError> {
        let clock = source.started_at.duration_since(SystemTime::UNIX_EPOCH);
        let clock = clock.unwrap_or_default().as_secs();
        let clock = Msn::new(clock.saturating_sub(MSN_EPOCH_UNIX_SECONDS));
        let start_msn = studio.catalog.start_msn(&settings.name, clock);
        let zero = ProgramDateTime::from(source.started_at);
        let mut tracks = Vec::new();
        let mut renditions = Vec::new();
        for (track, name) in plan.names().into_iter().enumerate() {
            let name = RenditionName::new(name)?;
            let kind = if plan.audio_track() == Some(track) {
                RenditionKind::Audio
            } else {
                RenditionKind::Video
            };
            let playlist = live_playlist(&studio.packaging, plan, name.clone(), start_msn, zero)?;
            renditions.push((playlist, kind));
            let config = match kind {
                RenditionKind::Audio => source.audio.clone().map(TrackConfig::Audio),
                RenditionKind::Video => (plan.passthrough_track() == Some(track))
                    .then(|| TrackConfig::Video(source.video.clone())),
            };
            tracks.push(Track {
                name,
                config,
                starts: true,
            });
        }
        let rate = plan.grid.frame_rate;
        let mut writer = Self {
            stream: Arc::new(LiveStream::new(info(settings, plan, source), renditions)),
            metrics,
            start_msn,
            zero,
            leader_zero: None,
            tracks,
            unwritten: Some(MultivariantDraft {
                bandwidths: plan.bandwidths(source),
                frame_rate: FrameRate::new(rate.numerator, rate.denominator),
            }),
            outputs: Vec::new(),
            arrivals: VecDeque::new(),
            window_bytes_max: studio.packaging.window_bytes_max,
            evicting: false,
        };
        writer.write_multivariant();
        Ok(writer)
    }

    pub(super) fn stream(&self) -> &Arc<LiveStream> {
        &self.stream
    }

    /// Notes when a source frame arrived.
    pub(super) fn arrived(&mut self, frame: &SourceFrame, at: Instant) {
        if self.arrivals.len() >= ARRIVALS_MAX {
            self.arrivals.pop_front();
        }
        self.arrivals
            .push_back((MediaTime::from_millis(frame.dts_ms), at));
    }

    /// Notes the leader's first sample.
    pub(super) fn leads(&mut self, sample: &Sample) {
        self.leader_zero.get_or_insert(sample.dts);
    }

    /// Notes a track's decoder configuration; with the last one the stream can be announced.
    pub(super) fn configured(&mut self, track: TrackIndex, config: &TrackConfig) {
        if let Some(track) = self.tracks.get_mut(track) {
            track.config = Some(config.clone());
        }
        self.write_multivariant();
    }

    /// Takes what the packager has ready.
    pub(super) fn collect(&mut self, packager: &mut Packager) {
        while let Some(output) = packager.poll() {
            self.outputs.push(output);
        }
    }

    /// Writes what was collected, all of it visible at once. `delay` is a track's presentation
    /// minus decode time: dates are those of what is shown.
    pub(super) fn write(
        &mut self,
        delay: impl Fn(TrackIndex) -> MediaTime,
    ) -> Result<(), WriteError> {
        if self.outputs.is_empty() {
            return Ok(());
        }
        let stream = Arc::clone(&self.stream);
        let mut update = stream.update();
        for output in std::mem::take(&mut self.outputs) {
            self.apply(&mut update, output, &delay);
        }
        let bounded = self.bound(&mut update);
        self.metrics
            .window_bytes
            .set(i64::try_from(update.stored_bytes()).unwrap_or(i64::MAX));
        bounded
    }

    /// Sets EXT-X-ENDLIST everywhere.
    pub(super) fn end(&self) {
        for rendition in self.stream.update().renditions() {
            rendition.playlist.end();
        }
    }

    fn apply(
        &mut self,
        update: &mut Update<'_>,
        output: Output,
        delay: &impl Fn(TrackIndex) -> MediaTime,
    ) {
        match output {
            Output::Init(init) => {
                let msn = self.start_msn.plus(init.segment_offset);
                if let Some(rendition) = update.rendition(init.track.0) {
                    rendition.store.insert_init(msn, init.bytes);
                }
                if let Some(track) = self.tracks.get_mut(init.track.0) {
                    track.starts = true;
                }
            }
            Output::Part(part) => {
                self.start_track(update, part.track, part.start + delay(part.track.0));
                self.push_part(update, part);
            }
            Output::Gap(gap) => {
                self.metrics.packaging_event("gap");
                self.start_track(update, gap.track, gap.start);
                let part = NewPart {
                    duration: span(gap.start, gap.duration),
                    independent: false,
                    gap: true,
                };
                let pushed = update
                    .rendition(gap.track.0)
                    .map(|rendition| rendition.playlist.push_part(part));
                if let Some(Err(error)) = pushed {
                    self.unlistable(gap.track, &error.to_string());
                }
            }
            Output::SegmentEnd(end) => {
                let closed = update
                    .rendition(end.track.0)
                    .map(|rendition| rendition.playlist.close_segment());
                match closed {
                    Some(Ok(segment)) => self.violation(segment.violation),
                    Some(Err(error)) => self.unlistable(end.track, &error.to_string()),
                    None => {}
                }
            }
            Output::Event(event) => {
                self.metrics.packaging_event(event.as_str());
                tracing::debug!(stream = self.stream.info().name, ?event, "packaging");
            }
            _ => {}
        }
    }

    /// The first part after an Initialization Section dates what follows.
    fn start_track(&mut self, update: &mut Update<'_>, track: TrackId, start: MediaTime) {
        let Some(own) = self.tracks.get_mut(track.0).filter(|own| own.starts) else {
            return;
        };
        own.starts = false;
        let since_zero = start + self.leader_zero.unwrap_or_default();
        let time = self.zero.plus(since_zero.to_duration());
        if let Some(rendition) = update.rendition(track.0) {
            // It fails only after the end, when nothing is packaged any more.
            let _ = rendition.playlist.discontinuity(time);
        }
    }

    fn push_part(&self, update: &mut Update<'_>, part: PartOutput) {
        let newest = part.start + part.duration + self.leader_zero.unwrap_or_default();
        let arrival = self.arrival_before(newest);
        let Some(rendition) = update.rendition(part.track.0) else {
            return;
        };
        rendition.newest_part_arrival = arrival;
        let new = NewPart {
            duration: span(part.start, part.duration),
            independent: part.independent,
            gap: false,
        };
        match rendition.push_part(new, part.bytes) {
            Ok(added) => {
                let due = self.start_msn.plus(part.segment_offset);
                if (added.msn, added.part.value()) != (due, part.part) {
                    let listed = format!(
                        "{}.{} is listed as {}.{}",
                        due, part.part, added.msn, added.part
                    );
                    self.unlistable(part.track, &listed);
                }
                self.violation(added.violation);
                self.metrics.health.part(added.msn.value(), arrival);
                if let Some(track) = self.tracks.get(part.track.0) {
                    self.metrics.part(track.name.as_str());
                }
            }
            Err(error) => self.unlistable(part.track, &error.to_string()),
        }
    }

    /// When the last source frame before `end` arrived.
    fn arrival_before(&self, end: MediaTime) -> Option<Instant> {
        let after = self.arrivals.partition_point(|(at, _)| *at < end);
        self.arrivals.get(after.checked_sub(1)?).map(|(_, at)| *at)
    }

    /// The oldest media goes first, whatever the playlists still list.
    fn bound(&mut self, update: &mut Update<'_>) -> Result<(), WriteError> {
        while update.stored_bytes() > self.window_bytes_max {
            let oldest = update
                .renditions()
                .filter_map(|own| own.store.oldest())
                .min();
            let newest = update
                .renditions()
                .map(|own| own.playlist.next_part().0)
                .max();
            let (Some(oldest), Some(newest)) = (oldest, newest) else {
                return Ok(());
            };
            if newest.since(oldest) < SEGMENTS_MIN {
                return Err(WriteError::WindowTooSmall);
            }
            if !self.evicting {
                self.evicting = true;
                let bytes_max = self.window_bytes_max;
                let stream = &self.stream.info().name;
                tracing::warn!(
                    stream,
                    bytes_max,
                    "the window is full: media goes before its time"
                );
            }
            self.metrics.packaging_event("evicted_segment");
            for rendition in update.renditions() {
                if rendition.store.oldest() == Some(oldest) {
                    rendition.store.drop_oldest();
                }
            }
        }
        Ok(())
    }

    fn violation(&self, violation: Option<hls::Violation>) {
        if let Some(violation) = violation {
            self.metrics.packaging_event(violation.as_str());
            tracing::debug!(stream = self.stream.info().name, %violation, "packaging");
        }
    }

    fn unlistable(&self, track: TrackId, reason: &str) {
        self.metrics.packaging_event("unlistable");
        let stream = &self.stream.info().name;
        tracing::warn!(stream, ?track, reason, "media and playlist disagree");
    }

    /// Written once, as soon as every configuration is known.
    fn write_multivariant(&mut self) {
        if self.tracks.iter().any(|track| track.config.is_none()) {
            return;
        }
        let Some(draft) = self.unwritten.take() else {
            return;
        };
        match self.multivariant(&draft).render() {
            Ok(text) => self.stream.set_multivariant(text),
            Err(error) => {
                tracing::error!(stream = self.stream.info().name, %error, "no Multivariant Playlist");
            }
        }
    }

    fn multivariant(&self, draft: &MultivariantDraft) -> Multivariant {
        let mut playlist = Multivariant::default();
        let mut audio_codec = None;
        for track in &self.tracks {
            if let Some(TrackConfig::Audio(audio)) = &track.config {
                audio_codec = Some(audio.codec().to_owned());
                playlist.audio.push(AudioRendition {
                    rendition: track.name.clone(),
                    name: "Audio".to_owned(),
                    language: None,
                    channels: Some(audio.channels()),
                    default: true,
                });
            }
        }
        for (track, bandwidth) in self.tracks.iter().zip(&draft.bandwidths) {
            let Some(TrackConfig::Video(video)) = &track.config else {
                continue;
            };
            playlist.variants.push(Variant {
                rendition: track.name.clone(),
                bandwidth: bandwidth.peak,
                average_bandwidth: Some(bandwidth.average),
                codecs: std::iter::once(video.codec())
                    .chain(audio_codec.clone())
                    .collect(),
                resolution: Some((u32::from(video.width()), u32::from(video.height()))),
                frame_rate: draft.frame_rate,
            });
        }
        playlist
    }
}

fn info(settings: &StreamSettings, plan: &Plan, source: &Source) -> StreamInfo {
    StreamInfo {
        name: settings.name.clone(),
        title: settings.title.clone(),
        started_at: source.started_at,
        width: u32::from(source.video.width()),
        height: u32::from(source.video.height()),
        frames_per_second: plan.frames_per_second(),
        passthrough: plan.passthrough_track().is_some(),
    }
}

fn live_playlist(
    settings: &PackagingSettings,
    plan: &Plan,
    rendition: RenditionName,
    start_msn: Msn,
    start_time: ProgramDateTime,
) -> Result<LivePlaylist, ConfigError> {
    let segments = u32::try_from(settings.window_segments).unwrap_or(u32::MAX);
    LivePlaylist::new(LiveConfig {
        rendition,
        target_duration: plan.grid.target_duration,
        part_target: plan.grid.part_target,
        part_hold_back: plan.grid.part_hold_back,
        window: plan.grid.target_duration * segments,
        start_msn,
        start_discontinuity_sequence: start_msn.value() / DISCONTINUITY_SECONDS,
        start_time,
    })
}

/// A duration as the difference of two positions: rounding errors must not add up.
fn span(start: MediaTime, duration: MediaTime) -> Duration {
    (start + duration).to_duration() - start.to_duration()
}
