//! What of a stream outlives its publishers: the playlists, their timeline, their numbers.

use std::sync::Arc;
use std::time::Duration;

use channels::Begun;
use cmaf::{FrameRate, GridInput, GridPlan, MediaTime, Packager, TrackId, TrackKind, TrackSpec};
use tokio::time::Instant;

use super::align::TrackIndex;
use super::intake::Source;
use super::plan::{Layout, Plan, PlanError};
use super::wall_clock::WallClock;
use super::writer::Writer;
use super::{BroadcastError, Studio};
use crate::metrics::StreamMetrics;
use crate::numbers::{Live, Numbers};
use crate::transcode::Job;
use crate::window::{LiveStream, SourceInfo, StreamInfo};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) layout: Layout,
    pub(super) packager: Packager,
    pub(super) writer: Writer,
    pub(super) metrics: StreamMetrics,
    /// Nobody is there who sends something to show.
    pub(super) absence: Option<Absence>,
    /// For the encoders of its renditions: whoever comes back finds it.
    pub(super) job: Option<Job>,
    pub(super) wall_clock: WallClock,
    numbers: Numbers,
    reached: u64,
}

/// A time without a source, as far as it is listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Absence {
    since: Instant,
    gaps: u32,
}

impl Absence {
    pub(super) fn since(since: Instant) -> Self {
        Self { since, gaps: 0 }
    }

    /// When the next gap is to be listed: a part is listed when it is over.
    fn next(&self, part_target: Duration) -> Instant {
        self.since + part_target * (self.gaps + 1)
    }
}

impl Stage {
    /// For the first source of a stream, and what its publisher's key comes back with.
    pub(super) fn new(
        studio: &Studio,
        info: (StreamInfo, Option<Begun>),
        plan: &Plan,
        source: &Source,
    ) -> Result<Self, BroadcastError> {
        let leader = TrackId(plan.leader_track());
        let packager = Packager::led_by(leader, &plan.grid, plan.tracks(source))?;
        Self::with(studio, info, plan.layout(), packager)
    }

    /// For a stream of another life of this process, whose publisher may come back.
    pub(super) fn revived(studio: &Studio, name: &str, live: Live) -> Result<Self, BroadcastError> {
        let (layout, begun) = (live.layout, live.begun);
        // Until the source is known the packager only has to be there.
        let nominal = FrameRate {
            numerator: 30,
            denominator: 1,
        };
        let mut input = GridInput::new(nominal, None);
        input.latency = layout.latency.grid();
        let grid = GridPlan::choose_within(&input, layout.part_target);
        let grid = grid.map_err(PlanError::from)?;
        let tracks = layout.names().map(|(_, is_audio)| {
            TrackSpec::unconfigured(if is_audio {
                TrackKind::Audio
            } else {
                TrackKind::Video
            })
        });
        let packager = Packager::new(&grid, tracks.collect())?;
        let size = layout.rungs.first().map(|rung| (rung.width, rung.height));
        let (width, height) = size.unwrap_or_default();
        let info = StreamInfo {
            name: name.to_owned(),
            title: live.title,
            started_at: live.started_at,
            source: SourceInfo {
                width,
                height,
                frames_per_second: 0.0,
                passthrough: false,
            },
        };
        Self::with(studio, (info, begun), layout, packager)
    }

    fn with(
        studio: &Studio,
        (info, begun): (StreamInfo, Option<Begun>),
        layout: Layout,
        packager: Packager,
    ) -> Result<Self, BroadcastError> {
        let live = Live {
            title: info.title.clone(),
            started_at: info.started_at,
            layout: layout.clone(),
            begun,
        };
        let now = studio.wall_clock.now();
        let start = studio.numbers.begin(&info.name, live, now);
        let metrics = studio.metrics.stream(&info.name);
        let writer = Writer::new(&studio.packaging, &layout, info, start, metrics.clone())?;
        Ok(Self {
            layout,
            packager,
            writer,
            metrics,
            absence: None,
            job: None,
            wall_clock: studio.wall_clock,
            numbers: studio.numbers.clone(),
            reached: start.msn.value(),
        })
    }

    pub(super) fn live(&self) -> &Arc<LiveStream> {
        self.writer.stream()
    }

    /// Gets ready for a source that goes on with the stream.
    pub(super) fn resume(&mut self, plan: &Plan, source: &Source) -> Result<(), BroadcastError> {
        let leader = TrackId(plan.leader_track());
        self.packager
            .resume(leader, &plan.grid, plan.tracks(source))?;
        self.write_gaps()?;
        self.live().set_source(plan.describe(source));
        Ok(())
    }

    /// When a gap is to be listed; `silent` is when a stream becomes absent that is not.
    pub(super) fn gap_due(&self, silent: Instant) -> Instant {
        self.absence
            .map_or(silent, |absence| absence.next(self.layout.part_target))
    }

    /// Lists one more part of nothing.
    pub(super) fn list_gap(&mut self) -> Result<(), BroadcastError> {
        if let Some(absence) = &mut self.absence {
            absence.gaps = absence.gaps.saturating_add(1);
        }
        self.packager.absent()?;
        self.write_gaps()
    }

    /// Closes what is open.
    pub(super) fn close(&mut self) -> Result<(), BroadcastError> {
        self.packager.discontinuity()?;
        self.write_gaps()
    }

    fn write_gaps(&mut self) -> Result<(), BroadcastError> {
        self.writer.collect(&mut self.packager);
        self.write(|_| MediaTime::ZERO)
    }

    /// Shows what was collected, and reserves numbers ahead.
    pub(super) fn write(
        &mut self,
        delay: impl Fn(TrackIndex) -> MediaTime,
    ) -> Result<(), BroadcastError> {
        self.writer.write(delay)?;
        let msn = self.live().next_msn().value();
        if msn != self.reached {
            self.reached = msn;
            let next = self.writer.next();
            self.numbers.reach(
                self.live().name(),
                next.msn,
                next.discontinuity_sequence,
                self.wall_clock.now(),
            );
        }
        Ok(())
    }

    /// Sets EXT-X-ENDLIST: the stream is over.
    pub(super) fn end(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "the end of a stream is incomplete");
        }
        self.writer.end();
        self.leave(false);
    }

    /// Notes where the stream stands, exactly.
    pub(super) fn leave(&self, goes_on: bool) {
        let name = self.live().name();
        self.numbers
            .leave(name, self.writer.next(), goes_on, self.wall_clock.now());
    }
}
