//! Carries what the packager gives into the window: numbers, dates, bounds.

mod multivariant;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cmaf::{MediaTime, Output, Packager, PartOutput, StartOutput, TrackConfig, TrackId};
use hls::{
    ConfigError, LiveConfig, LivePlaylist, NewPart, ProgramDateTime, RenditionName,
    RenditionNameError,
};
use tokio::time::Instant;

use super::align::TrackIndex;
use super::drift::Drift;
use super::intake::Source;
use super::plan::{Bandwidth, Layout, Plan};
use crate::config::{PackagingSettings, ThumbnailSettings};
use crate::metrics::StreamMetrics;
use crate::numbers::Start;
use crate::transcode::SourceFrame;
use crate::window::{LiveStream, RenditionKind, StreamInfo, Update};

/// Arrival times kept: those of the frames that may still be on their way through ffmpeg.
const ARRIVALS_MAX: usize = 1_024;
/// Segments whose dates the leader has settled and a follower may still have to.
const MOVED_MAX: usize = 64;
/// A segment's date goes back against the one before by so many milliseconds at most.
const BACK_MS_MAX: i64 = 10;
/// What comes later than a gap for its time may be shown behind it.
const LATE_MS_MAX: i64 = 300;
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
    start: Start,
    tracks: Vec<Track>,
    source: Option<SourceNow>,
    /// The track that decides the boundaries.
    leader: TrackId,
    outputs: Vec<Output>,
    arrivals: VecDeque<(MediaTime, Instant)>,
    /// Of the parts of an update: when the last frame of each arrived, and the next one. As many as it has
    /// outputs at most.
    fetchable: Vec<(Instant, Option<Instant>)>,
    /// By how many milliseconds the dates of which segments are moved.
    moved: VecDeque<(u64, i64)>,
    window_bytes_max: usize,
    thumbnails: Option<ThumbnailSettings>,
    evicting: bool,
    shown: u64,
}

#[derive(Debug)]
struct Track {
    name: RenditionName,
    /// The newest one: that of another source than the present one, if this has nothing for the track.
    config: Option<TrackConfig>,
    /// The source has something for it.
    present: bool,
    /// The next part is the first of a run.
    starts: bool,
    /// The run has an Initialization Section.
    initialised: bool,
}

/// What is packaged at present.
#[derive(Debug)]
struct SourceNow {
    /// Wall-clock time of zero on the source's timeline.
    zero: ProgramDateTime,
    /// The same moment on the source's timeline and on the packager's, once there is something to show.
    run: Option<StartOutput>,
    /// What the dates of this run were moved by when it began, in milliseconds.
    moved_ms: i64,
    /// Another run was there before this one, and no part of this one.
    broken: bool,
    bandwidths: Vec<Bandwidth>,
    /// The Multivariant Playlist speaks of it.
    announced: bool,
    drift: Drift,
    /// When it began.
    begun: Instant,
}

impl SourceNow {
    /// From the packager's timeline to the source's.
    fn time(&self, packaged: MediaTime) -> MediaTime {
        self.run
            .map_or(packaged, |run| packaged - run.start + run.source)
    }

    /// The wall's time of a moment on the packager's timeline.
    fn date(&self, packaged: MediaTime, moved_ms: i64) -> ProgramDateTime {
        let time = self.zero.plus(self.time(packaged).to_duration());
        ProgramDateTime::from_unix_millis(time.unix_millis().saturating_add(moved_ms))
    }
}

impl Writer {
    /// For a stream with these renditions, none of which has anything to show yet.
    pub(super) fn new(
        packaging: &PackagingSettings,
        layout: &Layout,
        info: StreamInfo,
        start: Start,
        metrics: StreamMetrics,
    ) -> Result<Self, WriteError> {
        let time = ProgramDateTime::from(info.started_at);
        let mut tracks = Vec::new();
        let mut renditions = Vec::new();
        for (name, is_audio) in layout.names() {
            let name = RenditionName::new(name)?;
            let kind = if is_audio {
                RenditionKind::Audio
            } else {
                RenditionKind::Video
            };
            let playlist = live_playlist(packaging, layout, name.clone(), start, time)?;
            renditions.push((playlist, kind));
            tracks.push(Track {
                name,
                config: None,
                present: false,
                starts: false,
                initialised: false,
            });
        }
        Ok(Self {
            stream: Arc::new(LiveStream::new(info, renditions)),
            metrics,
            start,
            tracks,
            source: None,
            leader: TrackId(0),
            outputs: Vec::new(),
            arrivals: VecDeque::new(),
            fetchable: Vec::new(),
            moved: VecDeque::new(),
            window_bytes_max: packaging.window_bytes_max,
            thumbnails: packaging.thumbnails,
            evicting: false,
            shown: 0,
        })
    }

    /// Another source begins, the stream's first or one that goes on with it.
    pub(super) fn begin(&mut self, plan: &Plan, source: &Source) {
        self.source = Some(SourceNow {
            zero: ProgramDateTime::from(source.started_at),
            run: None,
            moved_ms: 0,
            broken: false,
            bandwidths: plan.bandwidths(source),
            announced: false,
            drift: Drift::default(),
            begun: Instant::now(),
        });
        self.arrivals.clear();
        for (index, track) in self.tracks.iter_mut().enumerate() {
            let known = if plan.audio_track() == Some(index) {
                source.audio.clone().map(TrackConfig::Audio)
            } else {
                let number = plan.source_number(index);
                let video = number.and_then(|number| source.track(number));
                video.map(|video| TrackConfig::Video(video.clone()))
            };
            track.present = plan.audio_track() != Some(index) || known.is_some();
            // What ffmpeg makes is known when it has spoken; that of before says nothing about it.
            if track.present {
                track.config = known;
            }
        }
        self.announce();
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
        if let Some(source) = &mut self.source {
            let since = at.saturating_duration_since(source.begun);
            source.drift.note(frame.dts_ms.saturating_mul(1_000), since);
        }
    }

    /// Whether something else, that is a gap, is listed for the time of a picture of the leader.
    pub(super) fn is_past(&self, dts: MediaTime) -> bool {
        let source = self.source.as_ref().filter(|source| source.run.is_some());
        let (Some(source), Some(next)) = (source, self.stream.next_time(self.leader.0)) else {
            return false;
        };
        let moved_ms = self.moved.back().map_or(0, |(_, moved_ms)| *moved_ms);
        let time = source.zero.plus(dts.to_duration()).unix_millis();
        let late_ms = next
            .unix_millis()
            .saturating_sub(time.saturating_add(moved_ms));
        late_ms > LATE_MS_MAX
    }

    /// Notes a track's decoder configuration; with the last one the stream can be announced.
    pub(super) fn configured(&mut self, track: TrackIndex, config: &TrackConfig) {
        if let Some(track) = self.tracks.get_mut(track) {
            track.config = Some(config.clone());
        }
        self.announce();
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
        drop(update);
        let now = Instant::now();
        for (last, next) in self.fetchable.drain(..) {
            let next = next.map(|next| now.saturating_duration_since(next));
            let since_last = now.saturating_duration_since(last);
            self.metrics.part_fetchable(since_last, next);
        }
        bounded
    }

    /// Whether there was ever anything to see.
    pub(super) fn has_shown(&self) -> bool {
        self.shown > 0
    }

    /// Parts of media so far, of all renditions.
    pub(super) fn shown(&self) -> u64 {
        self.shown
    }

    /// What a stream begins with that takes this one's place, or goes on with it in another life.
    pub(super) fn next(&self) -> Start {
        Start {
            msn: self.stream.next_msn(),
            discontinuity_sequence: self.stream.next_discontinuity_sequence(),
        }
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
            Output::Start(start) => {
                if let Some(source) = &mut self.source {
                    source.broken = source.run.replace(start).is_some();
                    if source.broken {
                        source.drift.break_off();
                    }
                }
            }
            Output::Init(init) => {
                let msn = self.start.msn.plus(init.segment_offset);
                if let Some(rendition) = update.rendition(init.track.0) {
                    rendition.store.insert_init(msn, init.bytes);
                }
                self.initialised(init.track);
            }
            Output::Part(part) => {
                self.shown += 1;
                let shown = part.start + delay(part.track.0);
                self.start_track(update, part.track, shown);
                if part.part == 0 {
                    self.date(update, part.track, part.segment_offset, shown);
                }
                self.push_part(update, part);
            }
            Output::Gap(gap) => {
                self.metrics.packaging_event("gap");
                self.start_track(update, gap.track, gap.start);
                if gap.part == 0 {
                    self.date(update, gap.track, gap.segment_offset, gap.start);
                }
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
                tracing::debug!(stream = self.stream.name(), ?event, "packaging");
            }
            _ => {}
        }
    }

    /// A run has its Initialization Section. The leader's is the first, and with it all tracks start.
    fn initialised(&mut self, track: TrackId) {
        if track == self.leader {
            for track in &mut self.tracks {
                track.starts = true;
                track.initialised = false;
            }
        }
        if let Some(track) = self.tracks.get_mut(track.0) {
            track.starts = true;
            track.initialised = true;
        }
    }

    /// The first part of a run dates what follows.
    fn start_track(&mut self, update: &mut Update<'_>, track: TrackId, start: MediaTime) {
        let Some(own) = self.tracks.get_mut(track.0).filter(|own| own.starts) else {
            return;
        };
        let (Some(source), Some(rendition)) = (&mut self.source, update.rendition(track.0)) else {
            return;
        };
        own.starts = false;
        if source.broken && track == self.leader {
            source.broken = false;
            source.moved_ms = source.drift.settle_ms();
        }
        let time = source.date(start, source.moved_ms);
        // Either fails only after the end, when nothing is packaged any more.
        let _ = if own.initialised {
            rendition.playlist.discontinuity(time)
        } else {
            rendition.playlist.discontinuity_of_gaps(time)
        };
    }

    /// Dates a segment by its first part: that of the wall's clock, whatever sound lacked before it. All
    /// renditions are moved against the media by the same in the same segment.
    fn date(&mut self, update: &mut Update<'_>, track: TrackId, segment: u64, start: MediaTime) {
        let Some(source) = self.source.as_mut().filter(|source| source.run.is_some()) else {
            return;
        };
        if track == self.leader {
            if self.moved.len() >= MOVED_MAX {
                self.moved.pop_front();
            }
            self.moved.push_back((segment, source.drift.step_ms()));
        }
        let moved = self.moved.iter().find(|(of, _)| *of == segment);
        let (Some(rendition), Some((_, moved_ms))) = (update.rendition(track.0), moved) else {
            return;
        };
        let playlist = &mut rendition.playlist;
        let due = source.date(start, *moved_ms).unix_millis();
        let listed = playlist.next_time().unix_millis();
        // Never back by more than that: the mapping from media to dates must not be ambiguous.
        playlist.steer(due.saturating_sub(listed).max(-BACK_MS_MAX));
    }

    fn push_part(&mut self, update: &mut Update<'_>, part: PartOutput) {
        let newest = part.start + part.duration;
        let newest = self.source.as_ref().map(|source| source.time(newest));
        let (arrival, next) = newest.map_or((None, None), |end| self.arrivals_at(end));
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
                if let Some(bytes) = part.i_frame_bytes {
                    rendition.playlist.begins_with_i_frame(bytes);
                }
                let due = self.start.msn.plus(part.segment_offset);
                if (added.msn, added.part.value()) != (due, part.part) {
                    let listed = format!(
                        "{}.{} is listed as {}.{}",
                        due, part.part, added.msn, added.part
                    );
                    self.unlistable(part.track, &listed);
                }
                self.violation(added.violation);
                self.metrics.health.part(added.msn.value(), arrival);
                // What was looked at before it was known what it is says nothing about the way of a part.
                let begun = self.source.as_ref().map(|source| source.begun);
                let live = arrival.filter(|last| begun.is_some_and(|begun| *last >= begun));
                self.fetchable.extend(live.map(|last| (last, next)));
                if let Some(track) = self.tracks.get(part.track.0) {
                    self.metrics.part(track.name.as_str());
                }
            }
            Err(error) => self.unlistable(part.track, &error.to_string()),
        }
    }

    /// When the last source frame before `end` arrived, and the one after it.
    fn arrivals_at(&self, end: MediaTime) -> (Option<Instant>, Option<Instant>) {
        let after = self.arrivals.partition_point(|(at, _)| *at < end);
        let arrival = |index: usize| self.arrivals.get(index).map(|(_, at)| *at);
        (after.checked_sub(1).and_then(arrival), arrival(after))
    }

    /// The oldest media goes first, and from the playlists with it.
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
                let stream = self.stream.name();
                tracing::warn!(
                    stream,
                    bytes_max,
                    "the window is full: media goes before its time"
                );
            }
            self.metrics.packaging_event("evicted_segment");
            let before = update.stored_bytes();
            for rendition in update.renditions() {
                rendition.withdraw(oldest.next());
            }
            // What a playlist must not lose stays, however short its segments are.
            if update.stored_bytes() == before {
                return Err(WriteError::WindowTooSmall);
            }
        }
        Ok(())
    }

    fn violation(&self, violation: Option<hls::Violation>) {
        if let Some(violation) = violation {
            self.metrics.packaging_event(violation.as_str());
            tracing::debug!(stream = self.stream.name(), %violation, "packaging");
        }
    }

    fn unlistable(&self, track: TrackId, reason: &str) {
        self.metrics.packaging_event("unlistable");
        let stream = self.stream.name();
        tracing::warn!(stream, ?track, reason, "media and playlist disagree");
    }
}

fn live_playlist(
    settings: &PackagingSettings,
    layout: &Layout,
    rendition: RenditionName,
    start: Start,
    start_time: ProgramDateTime,
) -> Result<LivePlaylist, ConfigError> {
    LivePlaylist::new(LiveConfig {
        rendition,
        target_duration: cmaf::TARGET_DURATION,
        part_target: layout.part_target,
        part_hold_back: layout.part_hold_back,
        window: settings.window,
        removed_max: settings.removed_max,
        start_msn: start.msn,
        start_discontinuity_sequence: start.discontinuity_sequence,
        start_time,
    })
}

/// A duration as the difference of two positions: rounding errors must not add up.
fn span(start: MediaTime, duration: MediaTime) -> Duration {
    (start + duration).to_duration() - start.to_duration()
}
