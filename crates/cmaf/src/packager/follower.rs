//! [`Follower`]: a track that is cut where the leader was. It queues samples until the leader's
//! boundary is known, and gives up waiting for samples that do not come.

use std::collections::VecDeque;

use super::leader::{self, cts_offset};
use super::output::{DropReason, Event, Output};
use super::track::TrackWriter;
use super::{FOLLOWER_WAIT, TrackKind};
use crate::audio_clock::AudioClock;
use crate::chunk::ChunkSample;
use crate::{GridPlan, MediaTime, Sample, TICKS_PER_SECOND, TrackConfig};

/// Queued samples: 40 s of AAC, 30 s of 60 fps.
const QUEUE_SAMPLES_MAX: usize = 2_048;
const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Boundaries that wait for samples. The wait of 2 s ends after fewer on any regular grid.
const CUTS_MAX: usize = 256;
/// When a run starts, queued samples farther ahead are left over from an older timeline.
const AHEAD_MAX: MediaTime = MediaTime::from_millis(10_000);

/// What the leader decided, in presentation time of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Part { start: MediaTime, end: MediaTime },
    SegmentEnd,
}

#[derive(Debug)]
pub(super) struct Follower {
    writer: TrackWriter,
    clock: Option<AudioClock>,
    timescale: u32,
    /// Nominal duration of a sample, in units.
    sample_units: i64,
    part_max: MediaTime,
    part_target: MediaTime,
    queue: VecDeque<Queued>,
    queue_bytes: usize,
    cuts: VecDeque<Cut>,
    /// Video: presentation minus decode time at keyframes.
    delay: Option<MediaTime>,
    /// Video: samples were lost, so nothing decodes before the next keyframe.
    needs_keyframe: bool,
    /// Source time of the stream's zero.
    base: MediaTime,
    /// End of the run's last part, in units.
    written: Option<i64>,
    /// Where the run starts.
    start: MediaTime,
    /// Boundary before which all parts are closed; None while no run is on.
    floor: Option<MediaTime>,
    /// Nothing comes for now; nobody waits for it.
    suspended: bool,
}

/// A sample in units of the track's timescale, on the source's timeline.
#[derive(Debug)]
struct Queued {
    units: i64,
    cts_offset: i32,
    sync: bool,
    data: bytes::Bytes,
}

impl Follower {
    pub(super) fn new(writer: TrackWriter, plan: &GridPlan) -> Self {
        let mut follower = Self {
            writer,
            clock: None,
            timescale: TICKS_PER_SECOND as u32,
            sample_units: plan.frame_duration().ticks().max(1),
            part_max: plan.part_max,
            part_target: plan.part_target_time(),
            queue: VecDeque::new(),
            queue_bytes: 0,
            cuts: VecDeque::new(),
            delay: None,
            needs_keyframe: true,
            base: MediaTime::ZERO,
            written: None,
            start: MediaTime::ZERO,
            floor: None,
            suspended: false,
        };
        if let Some(config) = follower.writer.config().cloned() {
            follower.prepare(&config);
        }
        follower
    }

    pub(super) fn writer(&self) -> &TrackWriter {
        &self.writer
    }

    pub(super) fn writer_mut(&mut self) -> &mut TrackWriter {
        &mut self.writer
    }

    pub(super) fn configure(&mut self, config: TrackConfig) {
        self.prepare(&config);
        self.queue.clear();
        self.queue_bytes = 0;
        self.writer.configure(config);
    }

    pub(super) fn suspend(&mut self, suspended: bool) {
        self.suspended = suspended;
        if suspended {
            self.needs_keyframe |= self.writer.kind() == TrackKind::Video;
        }
    }

    pub(super) fn enqueue(&mut self, cut: Cut) {
        self.cuts.push_back(cut);
    }

    /// A run starts: what is queued for before `boundary` was never to be seen.
    pub(super) fn start(
        &mut self,
        segment: u64,
        discontinuity: bool,
        boundary: MediaTime,
        base: MediaTime,
        out: &mut VecDeque<Output>,
    ) -> mp4_atom::Result<()> {
        self.base = base;
        self.needs_keyframe = self.writer.kind() == TrackKind::Video;
        let before = self.queue.len();
        let floor = self.limit(boundary);
        let ceiling = self.limit(boundary + AHEAD_MAX);
        self.queue
            .retain(|queued| (floor..ceiling).contains(&queued.units));
        self.queue_bytes = self.queue.iter().map(|queued| queued.data.len()).sum();
        let dropped = before - self.queue.len();
        if dropped > 0 {
            self.dropped(dropped as u32, DropReason::BeforeStart, out);
        }
        self.start = boundary;
        self.floor = Some(boundary);
        self.writer.start(segment, discontinuity, out)
    }

    /// The run is over: closes all parts with what there is.
    pub(super) fn stop(&mut self, out: &mut VecDeque<Output>) -> mp4_atom::Result<()> {
        while let Some(cut) = self.cuts.pop_front() {
            self.perform(cut, out)?;
        }
        self.floor = None;
        self.delay = None;
        self.written = None;
        Ok(())
    }

    pub(super) fn push(&mut self, sample: Sample, out: &mut VecDeque<Output>) {
        if self.suspended {
            return self.dropped(1, DropReason::Suspended, out);
        }
        if self.writer.config().is_none() {
            return self.dropped(1, DropReason::Unconfigured, out);
        }
        if sample.keyframe && self.delay.is_none() {
            self.delay = Some(leader::reordering_delay(&sample));
        }
        let units = self.place(&sample, out);
        if self.floor.is_some_and(|floor| units < self.limit(floor)) {
            self.needs_keyframe |= self.writer.kind() == TrackKind::Video;
            let started = self.floor > Some(self.start);
            let reason = if started {
                DropReason::Late
            } else {
                DropReason::BeforeStart
            };
            return self.dropped(1, reason, out);
        }
        self.take_back(units, out);
        self.queue_bytes += sample.data.len();
        self.queue.push_back(Queued {
            units,
            cts_offset: cts_offset(&sample),
            sync: sample.keyframe || self.writer.kind() == TrackKind::Audio,
            data: sample.data,
        });
        self.shed(out);
    }

    /// Writes the parts that are complete, or overdue.
    pub(super) fn drain(
        &mut self,
        leader_now: Option<MediaTime>,
        out: &mut VecDeque<Output>,
    ) -> mp4_atom::Result<()> {
        while let Some(&cut) = self.cuts.front() {
            if let Cut::Part { end, .. } = cut {
                let limit = self.limit(end);
                let complete = self.queue.back().is_some_and(|last| last.units >= limit);
                let overdue = leader_now.is_some_and(|now| now - end > FOLLOWER_WAIT);
                // What has no configuration takes no samples: there is nothing to wait for.
                let absent = self.suspended || self.writer.config().is_none();
                if !complete && !overdue && !absent && self.cuts.len() <= CUTS_MAX {
                    break;
                }
                if !complete && self.suspended {
                    // Half a part would put the playlist out of step with its siblings'.
                    self.queue.clear();
                    self.queue_bytes = 0;
                }
            }
            self.cuts.pop_front();
            self.perform(cut, out)?;
        }
        Ok(())
    }

    fn prepare(&mut self, config: &TrackConfig) {
        self.timescale = config.timescale();
        if let TrackConfig::Audio(audio) = config {
            self.sample_units = i64::from(audio.frame_samples());
            self.clock = Some(AudioClock::new(audio.sample_rate()));
        }
        self.delay = None;
    }

    /// The sample's decode time in units; audio by counting frames.
    fn place(&mut self, sample: &Sample, out: &mut VecDeque<Output>) -> i64 {
        let Some(clock) = &mut self.clock else {
            let dts = match self.queue.back() {
                Some(last) => leader::in_order(MediaTime(last.units), sample.dts),
                None => sample.dts,
            };
            return dts.ticks();
        };
        let samples = match self.writer.config() {
            Some(TrackConfig::Audio(audio)) => audio.samples_of(&sample.data),
            _ => 0,
        };
        let placed = clock.place(sample.dts, samples);
        if let Some(departure) = placed.departure {
            let track = self.writer.id();
            out.push_back(Output::Event(Event::AudioReanchored { track, departure }));
        }
        placed.units
    }

    /// Units of the first sample that belongs behind a boundary.
    fn limit(&self, boundary: MediaTime) -> i64 {
        if self.clock.is_some() {
            // Rounded up: a frame that starts before the boundary belongs before it.
            return -(-boundary).to_timescale(self.timescale);
        }
        // The same picture may differ by a rounded millisecond; frames are farther apart.
        let tolerance = MediaTime(self.sample_units / 4);
        (boundary - self.delay.unwrap_or_default() - tolerance).ticks()
    }

    fn perform(&mut self, cut: Cut, out: &mut VecDeque<Output>) -> mp4_atom::Result<()> {
        match cut {
            Cut::Part { start, end } => self.part(start, end, out),
            Cut::SegmentEnd => {
                self.writer.end_segment(out)?;
                self.writer.initialise(out)
            }
        }
    }

    fn part(
        &mut self,
        start: MediaTime,
        end: MediaTime,
        out: &mut VecDeque<Output>,
    ) -> mp4_atom::Result<()> {
        let limit = self.limit(end);
        self.floor = Some(end);
        let mut samples = self.take_until(limit, out);
        if samples.is_empty() && self.clock.is_some() {
            // No audio frame starts in a leader's part that is shorter than one; that is no gap.
            samples = self.take_neighbour();
        }
        let Some(first) = samples.first() else {
            self.written = None;
            let span = (start - self.base, end - start);
            self.writer.gap(span, out);
            return Ok(());
        };
        let base = self.base.to_timescale(self.timescale);
        let first_units = first.units;
        let decode_time = first_units - base;
        let next = self.queue.front().map(|next| next.units);
        let samples = self.timed(samples, next);
        let units: i64 = samples
            .iter()
            .map(|sample| i64::from(sample.duration))
            .sum();
        self.written = Some(first_units + units);
        let start = MediaTime::from_timescale(decode_time, self.timescale);
        let end = MediaTime::from_timescale(decode_time + units, self.timescale);
        self.writer
            .part(&samples, decode_time, (start, end - start), out)
    }

    /// Takes the samples before `limit`, except those that could not be decoded.
    fn take_until(&mut self, limit: i64, out: &mut VecDeque<Output>) -> Vec<Queued> {
        let mut taken = Vec::new();
        let mut undecodable = 0;
        while self.queue.front().is_some_and(|next| next.units < limit) {
            let Some(sample) = self.queue.pop_front() else {
                break;
            };
            self.queue_bytes -= sample.data.len();
            if !self.writer.is_initialised() || (self.needs_keyframe && !sample.sync) {
                undecodable += 1;
                continue;
            }
            self.needs_keyframe = false;
            taken.push(sample);
        }
        if undecodable > 0 {
            let initialised = self.writer.is_initialised();
            self.needs_keyframe |= self.writer.kind() == TrackKind::Video && !initialised;
            let reason = if initialised {
                DropReason::NoKeyframe
            } else {
                DropReason::Unconfigured
            };
            self.dropped(undecodable, reason, out);
        }
        taken
    }

    /// The next sample, if it starts where the last part ended.
    fn take_neighbour(&mut self) -> Vec<Queued> {
        let adjoins = |next: &Queued| self.written.is_some_and(|written| next.units <= written);
        let taken = if self.queue.front().is_some_and(adjoins) {
            self.queue.pop_front()
        } else {
            None
        };
        if let Some(sample) = &taken {
            self.queue_bytes -= sample.data.len();
        }
        taken.into_iter().collect()
    }

    /// Each sample lasts until the next one. The last one's follower may be unknown, or not its
    /// neighbour: then it lasts the nominal time.
    fn timed(&self, samples: Vec<Queued>, next: Option<i64>) -> Vec<ChunkSample> {
        let nominal = self.sample_units;
        let last = samples.last().map_or(0, |last| last.units);
        let first = samples.first().map_or(0, |first| first.units);
        let neighbour = next.filter(|&next| self.clock.is_none() && next - last <= nominal * 3);
        let mut end = neighbour.unwrap_or(last + nominal);
        // The last frame gives way where sound was anchored anew within a part, and so is not on its grid.
        let most = if self.clock.is_none() {
            self.part_max
        } else {
            self.part_target
        };
        end = end
            .min(first + most.to_timescale(self.timescale))
            .max(last + 1);
        let mut ends: Vec<i64> = samples.iter().skip(1).map(|next| next.units).collect();
        ends.push(end);
        let timed = samples.into_iter().zip(ends);
        let chunked = timed.map(|(sample, end)| ChunkSample {
            duration: u32::try_from(end - sample.units).unwrap_or(0),
            cts_offset: sample.cts_offset,
            sync: sample.sync,
            data: sample.data,
        });
        chunked.collect()
    }

    /// Timestamps that go back take back what they overlap: decode order has to hold.
    fn take_back(&mut self, units: i64, out: &mut VecDeque<Output>) {
        let mut count = 0;
        while self.queue.back().is_some_and(|last| last.units >= units) {
            let taken = self.queue.pop_back();
            self.queue_bytes -= taken.map_or(0, |sample| sample.data.len());
            count += 1;
        }
        if count > 0 {
            self.dropped(count, DropReason::Backwards, out);
        }
    }

    fn shed(&mut self, out: &mut VecDeque<Output>) {
        let mut count = 0;
        while self.queue.len() > QUEUE_SAMPLES_MAX || self.queue_bytes > QUEUE_BYTES_MAX {
            let Some(oldest) = self.queue.pop_front() else {
                break;
            };
            self.queue_bytes -= oldest.data.len();
            count += 1;
        }
        if count > 0 {
            self.needs_keyframe |= self.writer.kind() == TrackKind::Video;
            self.dropped(count, DropReason::QueueFull, out);
        }
    }

    fn dropped(&self, samples: u32, reason: DropReason, out: &mut VecDeque<Output>) {
        let track = self.writer.id();
        out.push_back(Output::Event(Event::Dropped {
            track,
            samples,
            reason,
        }));
    }
}
