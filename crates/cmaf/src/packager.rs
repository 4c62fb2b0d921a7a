//! [`Packager`]: one per stream; samples of all its tracks in, parts on a shared grid out.
//! It writes no playlist, knows no wall clock, and does not choose the grid.

mod follower;
mod leader;
mod output;
mod track;

use std::collections::VecDeque;

use thiserror::Error;

use crate::{GridPlan, MediaTime, Sample, TrackConfig};
use follower::{Cut, Follower};
use leader::{Leader, Step};
use track::TrackWriter;

pub use output::{
    DropReason, Event, GapOutput, InitOutput, Output, PartOutput, SegmentEndOutput, StartOutput,
};

/// Outputs that may wait to be polled. One push makes some tens at most.
const OUTPUTS_MAX: usize = 4_096;
/// Largest sample taken: an uncompressed 4K picture is smaller.
pub(crate) const SAMPLE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Timestamps beyond this (1,500 years) are damage, and would not survive arithmetic.
const DTS_MAX: MediaTime = MediaTime(1 << 52);
/// How long, in the leader's media time, a part waits for a follower's samples.
const FOLLOWER_WAIT: MediaTime = MediaTime::from_millis(2_000);

/// Index of a track, in the order given to [`Packager::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub usize);

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackKind {
    /// AAC or Opus.
    Audio,
    /// H.264, HEVC or AV1.
    Video,
}

/// A track of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackSpec {
    /// What it carries.
    pub kind: TrackKind,
    /// Its decoder configuration, if known: see [`Packager::configure`].
    pub config: Option<TrackConfig>,
}

impl TrackSpec {
    /// A track whose sequence header has yet to come.
    #[must_use]
    pub fn unconfigured(kind: TrackKind) -> Self {
        Self { kind, config: None }
    }
}

impl From<TrackConfig> for TrackSpec {
    fn from(config: TrackConfig) -> Self {
        Self {
            kind: kind_of(&config),
            config: Some(config),
        }
    }
}

/// Misuse of a [`Packager`]. What is wrong with the media is an [`Event`] instead.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PackageError {
    /// A box did not fit its format; the part is lost.
    #[error("could not write a box")]
    Boxes(#[from] mp4_atom::Error),
    /// Called after [`Packager::end`].
    #[error("the stream has ended")]
    Ended,
    /// No video track can lead.
    #[error("a stream needs a video track")]
    NoVideo,
    /// No such track.
    #[error("there is no track {0:?}")]
    UnknownTrack(TrackId),
    /// [`Packager::poll`] was not called until it gave None.
    #[error("{OUTPUTS_MAX} outputs wait to be polled")]
    Unpolled,
    /// An audio configuration for a video track or the other way round.
    #[error("the configuration is not of track {0:?}'s kind")]
    WrongKind(TrackId),
}

/// The packaging of one stream.
///
/// One video track *leads*, the first unless told otherwise: its frames decide where parts and
/// segments end. All other
/// tracks *follow*: they are cut at the leader's boundaries, compared in presentation time, so
/// that a keyframe on the same picture starts the same segment in every rendition.
///
/// # Usage
///
/// 1. [`new`](Self::new) with a [`GridPlan`] and the tracks.
/// 2. [`configure`](Self::configure) each track when its sequence header arrives, before its
///    samples. A follower that gets its configuration while the stream runs is listed as gaps up
///    to the next segment; so hold samples back until all tracks are configured, if that is soon.
/// 3. [`push`](Self::push) samples in decode order per track, tracks interleaved in any way. The
///    stream begins at the leader's first keyframe; what lies before it is dropped.
/// 4. After every call that takes `&mut self`, [`poll`](Self::poll) until it gives None. Outputs
///    of one track are in order; tracks are interleaved.
/// 5. [`discontinuity`](Self::discontinuity) when the source or the encoder starts anew; go on
///    with 2 or 3. While there is no source, [`absent`](Self::absent) once per PART-TARGET, and
///    [`resume`](Self::resume) with what the next one is. [`end`](Self::end) when the show is over.
///
/// A part is written when the first sample behind it has arrived, as only then the duration of
/// its last sample is known. A part of a follower also needs its boundary, that is the leader. If
/// a follower delivers nothing for 2 s of the leader's time, the part becomes an
/// [`Output::Gap`]; samples that come later still are dropped, and video goes on at a keyframe.
///
/// A follower that is known to give nothing for a while is [suspended](Self::suspend): its parts are
/// gaps at once.
///
/// All buffers are bounded: a follower without leader loses its oldest samples.
#[derive(Debug)]
pub struct Packager {
    leader: Leader,
    leader_writer: TrackWriter,
    followers: Vec<Follower>,
    /// The source's time at zero of the stream's timeline.
    base: Option<MediaTime>,
    /// End of the leader's last part on the stream's timeline.
    end: MediaTime,
    /// Presentation minus decode time at the leader's keyframes; boundaries are presentation times.
    leader_delay: MediaTime,
    segments: u64,
    part_target: MediaTime,
    segment_max: MediaTime,
    /// What the open segment of [`Self::absent`] lists; zero when there is none.
    absent: MediaTime,
    outputs: VecDeque<Output>,
    ended: bool,
}

impl Packager {
    /// A packager for tracks which share `plan`'s grid.
    ///
    /// # Errors
    /// [`PackageError::NoVideo`], and [`PackageError::WrongKind`] for a [`TrackSpec`] at odds with
    /// itself.
    pub fn new(plan: &GridPlan, tracks: Vec<TrackSpec>) -> Result<Self, PackageError> {
        let mut kinds = tracks.iter().map(|spec| spec.kind);
        let first = kinds.position(|kind| kind == TrackKind::Video);
        let leader = TrackId(first.ok_or(PackageError::NoVideo)?);
        Self::led_by(leader, plan, tracks)
    }

    /// A packager in which the video track `leader` leads: one that never falls silent.
    ///
    /// # Errors
    /// As [`Self::new`]; [`PackageError::NoVideo`] also when `leader` is none.
    pub fn led_by(
        leader: TrackId,
        plan: &GridPlan,
        tracks: Vec<TrackSpec>,
    ) -> Result<Self, PackageError> {
        let mut leader_writer = None;
        let mut followers = Vec::new();
        for (index, spec) in tracks.into_iter().enumerate() {
            let id = TrackId(index);
            if spec
                .config
                .as_ref()
                .is_some_and(|config| kind_of(config) != spec.kind)
            {
                return Err(PackageError::WrongKind(id));
            }
            let writer = TrackWriter::new(id, spec.kind, spec.config);
            if spec.kind == TrackKind::Video && id == leader {
                leader_writer = Some(writer);
            } else {
                followers.push(Follower::new(writer, plan));
            }
        }
        Ok(Self {
            leader: Leader::new(plan),
            leader_writer: leader_writer.ok_or(PackageError::NoVideo)?,
            followers,
            base: None,
            end: MediaTime::ZERO,
            leader_delay: MediaTime::ZERO,
            segments: 0,
            part_target: plan.part_target_time(),
            segment_max: plan.segment_max(),
            absent: MediaTime::ZERO,
            outputs: VecDeque::new(),
            ended: false,
        })
    }

    /// Goes on with another source on the same timeline: same tracks and kinds in the same order,
    /// numbers and time behind what was packaged. Another track may lead.
    ///
    /// The first segment of the new source has [`InitOutput::discontinuity`] set, if there was one before
    /// it. A track without configuration, because the new source has nothing for it, is listed as gaps.
    ///
    /// # Errors
    /// Those of [`Self::led_by`]; [`PackageError::WrongKind`] too if a track was of another kind before,
    /// and [`PackageError::UnknownTrack`] if there were more or fewer tracks.
    pub fn resume(
        &mut self,
        leader: TrackId,
        plan: &GridPlan,
        tracks: Vec<TrackSpec>,
    ) -> Result<(), PackageError> {
        self.check()?;
        self.close()?;
        let mut next = Self::led_by(leader, plan, tracks)?;
        if next.followers.len() != self.followers.len() {
            let tracks = next.followers.len().max(self.followers.len());
            return Err(PackageError::UnknownTrack(TrackId(tracks)));
        }
        for writer in self.writers() {
            let id = writer.id();
            let own = next.writer_mut(id).ok_or(PackageError::UnknownTrack(id))?;
            if own.kind() != writer.kind() {
                return Err(PackageError::WrongKind(id));
            }
            own.go_on_after(writer);
        }
        next.leader.go_on_after(&self.leader);
        next.end = self.end;
        next.segments = self.segments;
        next.absent = self.absent;
        next.outputs = std::mem::take(&mut self.outputs);
        *self = next;
        Ok(())
    }

    /// There is nothing to package: lists one gap of PART-TARGET in every track, in segments of their own
    /// of about TARGETDURATION. The leader's next keyframe ends the absence: whoever lists gaps by a clock stops
    /// as soon as the packager [runs](Self::is_running), since a gap ends the part that is being made. Nothing
    /// happens before the first segment.
    ///
    /// # Errors
    /// On misuse: see [`PackageError`].
    pub fn absent(&mut self) -> Result<(), PackageError> {
        self.check()?;
        self.close_run()?;
        if self.segments == 0 {
            return Ok(());
        }
        let span = (self.end, self.part_target);
        let mut outputs = std::mem::take(&mut self.outputs);
        for writer in self.writers_mut() {
            writer.gap(span, &mut outputs);
        }
        self.outputs = outputs;
        self.end = self.end + self.part_target;
        self.absent = self.absent + self.part_target;
        if self.absent + self.part_target > self.segment_max {
            self.close_absence()?;
        }
        Ok(())
    }

    /// Whether a part is being made: the leader has begun with a keyframe, and nothing has ended that run.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.leader.latest().is_some()
    }

    /// End of what is listed on the stream's timeline.
    #[must_use]
    pub fn position(&self) -> MediaTime {
        self.end
    }

    /// Sets a track's decoder configuration. The same one again changes nothing; another one while
    /// the stream runs is a [`discontinuity`](Self::discontinuity) of all tracks.
    ///
    /// # Errors
    /// On misuse: see [`PackageError`].
    pub fn configure(&mut self, track: TrackId, config: TrackConfig) -> Result<(), PackageError> {
        self.check()?;
        let writer = self
            .writer(track)
            .ok_or(PackageError::UnknownTrack(track))?;
        if writer.kind() != kind_of(&config) {
            return Err(PackageError::WrongKind(track));
        }
        if writer.config() == Some(&config) {
            return Ok(());
        }
        if writer.config().is_some() {
            self.close()?;
        }
        if track == self.leader_writer.id() {
            self.leader_writer.configure(config);
        } else if let Some(follower) = self.follower(track) {
            follower.configure(config);
        }
        Ok(())
    }

    /// Takes the next sample of a track.
    ///
    /// # Errors
    /// On misuse: see [`PackageError`]. A sample that cannot be used is an [`Event`].
    pub fn push(&mut self, track: TrackId, sample: Sample) -> Result<(), PackageError> {
        self.check()?;
        if sample.data.len() > SAMPLE_BYTES_MAX || sample.dts.abs_diff(MediaTime::ZERO) > DTS_MAX {
            self.writer(track)
                .ok_or(PackageError::UnknownTrack(track))?;
            self.dropped(track, DropReason::Unusable);
            return Ok(());
        }
        if track == self.leader_writer.id() {
            return self.push_leader(sample);
        }
        let leader_now = self.leader_now();
        let mut outputs = std::mem::take(&mut self.outputs);
        let follower = self.follower(track);
        let result = follower.map(|follower| {
            follower.push(sample, &mut outputs);
            follower.drain(leader_now, &mut outputs)
        });
        self.outputs = outputs;
        result.ok_or(PackageError::UnknownTrack(track))??;
        Ok(())
    }

    /// Closes the part and the segment of every track. The next keyframe of the leader starts a
    /// segment with [`InitOutput::discontinuity`] set.
    ///
    /// # Errors
    /// On misuse: see [`PackageError`].
    pub fn discontinuity(&mut self) -> Result<(), PackageError> {
        self.check()?;
        self.close()
    }

    /// Says whether a follower gives nothing for now. While it does, its samples are dropped and
    /// its parts are listed as gaps as soon as the leader has made them. Let it go on just before
    /// a [`discontinuity`](Self::discontinuity): it starts with the next run. The leader cannot be
    /// suspended.
    ///
    /// # Errors
    /// On misuse: see [`PackageError`].
    pub fn suspend(&mut self, track: TrackId, suspended: bool) -> Result<(), PackageError> {
        self.check()?;
        let leader_now = self.leader_now();
        let mut outputs = std::mem::take(&mut self.outputs);
        let result = self.follower(track).map(|follower| {
            follower.suspend(suspended);
            follower.drain(leader_now, &mut outputs)
        });
        self.outputs = outputs;
        result.ok_or(PackageError::UnknownTrack(track))??;
        Ok(())
    }

    /// Closes every track for good and gives [`Output::Ended`].
    ///
    /// # Errors
    /// On misuse: see [`PackageError`].
    pub fn end(&mut self) -> Result<(), PackageError> {
        self.check()?;
        self.close()?;
        self.ended = true;
        self.outputs.push_back(Output::Ended);
        Ok(())
    }

    /// The next output, if one is ready.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The track that decides the boundaries.
    #[must_use]
    pub fn leader(&self) -> TrackId {
        self.leader_writer.id()
    }

    fn check(&self) -> Result<(), PackageError> {
        if self.ended {
            return Err(PackageError::Ended);
        }
        if self.outputs.len() > OUTPUTS_MAX {
            return Err(PackageError::Unpolled);
        }
        Ok(())
    }

    fn writer(&self, track: TrackId) -> Option<&TrackWriter> {
        self.writers().find(|writer| writer.id() == track)
    }

    fn writers(&self) -> impl Iterator<Item = &TrackWriter> {
        let followers = self.followers.iter().map(Follower::writer);
        std::iter::once(&self.leader_writer).chain(followers)
    }

    fn writers_mut(&mut self) -> impl Iterator<Item = &mut TrackWriter> {
        let followers = self.followers.iter_mut().map(Follower::writer_mut);
        std::iter::once(&mut self.leader_writer).chain(followers)
    }

    fn writer_mut(&mut self, track: TrackId) -> Option<&mut TrackWriter> {
        self.writers_mut().find(|writer| writer.id() == track)
    }

    fn follower(&mut self, track: TrackId) -> Option<&mut Follower> {
        self.followers
            .iter_mut()
            .find(|follower| follower.writer().id() == track)
    }

    fn dropped(&mut self, track: TrackId, reason: DropReason) {
        self.outputs.push_back(Output::Event(Event::Dropped {
            track,
            samples: 1,
            reason,
        }));
    }

    /// Presentation time of the leader's latest frame, while it runs.
    fn leader_now(&self) -> Option<MediaTime> {
        self.leader.latest().map(|dts| dts + self.leader_delay)
    }

    fn push_leader(&mut self, sample: Sample) -> Result<(), PackageError> {
        if self.leader_writer.config().is_none() {
            self.dropped(self.leader(), DropReason::Unconfigured);
            return Ok(());
        }
        let steps = self.leader.push(sample);
        self.perform(steps)
    }

    /// No segment is open after this.
    fn close(&mut self) -> Result<(), PackageError> {
        self.close_run()?;
        self.close_absence()
    }

    fn close_run(&mut self) -> Result<(), PackageError> {
        let steps = self.leader.stop();
        self.perform(steps)
    }

    fn close_absence(&mut self) -> Result<(), PackageError> {
        if self.absent == MediaTime::ZERO {
            return Ok(());
        }
        self.segments += 1;
        self.leader.pass(self.absent);
        self.absent = MediaTime::ZERO;
        let mut outputs = std::mem::take(&mut self.outputs);
        let ended = self
            .writers_mut()
            .try_for_each(|writer| writer.end_segment(&mut outputs));
        self.outputs = outputs;
        Ok(ended?)
    }

    /// Carries out what the leader decided, then lets the followers catch up.
    fn perform(&mut self, steps: Vec<Step>) -> Result<(), PackageError> {
        for step in steps {
            match step {
                Step::Start { at, delay } => self.start(at, delay)?,
                Step::Part { samples, end } => self.part(&samples, end)?,
                Step::SegmentEnd { keyframe } => self.segment_end(keyframe)?,
                Step::Stop => self.stop()?,
                Step::Jump { by } => {
                    self.outputs
                        .push_back(Output::Event(Event::TimestampJump { by }));
                }
                Step::Drop => self.dropped(self.leader(), DropReason::NoKeyframe),
            }
        }
        let leader_now = self.leader_now();
        for follower in &mut self.followers {
            follower.drain(leader_now, &mut self.outputs)?;
        }
        Ok(())
    }

    fn start(&mut self, at: MediaTime, delay: MediaTime) -> Result<(), PackageError> {
        self.close_absence()?;
        // Differences of the source are kept as long as the timeline does not go back.
        let base = self.base.filter(|&base| at - base >= self.end);
        let base = base.unwrap_or(at - self.end);
        self.base = Some(base);
        self.leader_delay = delay;
        self.outputs.push_back(Output::Start(StartOutput {
            source: at,
            start: at - base,
        }));
        let discontinuity = self.segments > 0;
        let segment = self.segments;
        self.leader_writer
            .start(segment, discontinuity, &mut self.outputs)?;
        let boundary = at + delay;
        for follower in &mut self.followers {
            follower.start(segment, discontinuity, boundary, base, &mut self.outputs)?;
        }
        Ok(())
    }

    fn part(&mut self, samples: &[Sample], end: MediaTime) -> Result<(), PackageError> {
        let (Some(first), Some(base)) = (samples.first(), self.base) else {
            return Ok(());
        };
        self.end = end - base;
        let cut = Cut::Part {
            start: first.dts + self.leader_delay,
            end: end + self.leader_delay,
        };
        for follower in &mut self.followers {
            follower.enqueue(cut);
        }
        let part = leader::chunk_samples(samples, end);
        let start = first.dts - base;
        let span = (start, self.end - start);
        self.leader_writer
            .part(&part, start.ticks(), span, &mut self.outputs)?;
        Ok(())
    }

    fn segment_end(&mut self, keyframe: bool) -> Result<(), PackageError> {
        self.segments += 1;
        self.leader_writer.end_segment(&mut self.outputs)?;
        for follower in &mut self.followers {
            follower.enqueue(Cut::SegmentEnd);
        }
        if !keyframe {
            self.outputs
                .push_back(Output::Event(Event::SegmentWithoutKeyframe {
                    segment_offset: self.segments,
                }));
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), PackageError> {
        for follower in &mut self.followers {
            follower.stop(&mut self.outputs)?;
        }
        Ok(())
    }
}

fn kind_of(config: &TrackConfig) -> TrackKind {
    match config {
        TrackConfig::Audio(_) => TrackKind::Audio,
        TrackConfig::Video(_) => TrackKind::Video,
    }
}

#[cfg(test)]
mod tests;
