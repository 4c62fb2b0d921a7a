//! [`Leader`]: decides from the leading track's frames where parts and segments end. It writes
//! nothing; its decisions are [`Step`]s.

use std::collections::VecDeque;

use crate::chunk::ChunkSample;
use crate::{GridPlan, MediaTime, Sample};

/// How far a segment may run past TARGETDURATION to reach a late keyframe. EXTINF is compared
/// rounded to whole seconds (RFC 8216bis 4.4.3.1), so 2.4 s is within 2 s; a segment that starts
/// without a keyframe is worse for a player than one that is long.
const SEGMENT_OVERRUN_MAX: MediaTime = MediaTime::from_millis(400);
/// Segments average at least this, as MSNs are handed out one a second.
const SEGMENT_AVERAGE_MIN: MediaTime = MediaTime::from_millis(1_000);
/// GOPs remembered when guessing when the next keyframe comes.
const GOPS_MAX: usize = 8;
const PART_BYTES_MAX: usize = 64 * 1024 * 1024;
const PART_SAMPLES_MAX: usize = 1_024;
/// Largest reordering delay believed: 16 frames at 16 fps.
const DELAY_MAX: MediaTime = MediaTime::from_millis(1_000);

const MILLISECOND: MediaTime = MediaTime::from_millis(1);

/// What is to happen next, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A run of segments starts at this source time.
    Start { at: MediaTime, delay: MediaTime },
    /// These frames are a part; the next frame starts at `end`.
    Part {
        samples: Vec<Sample>,
        end: MediaTime,
    },
    /// The segment is complete; says whether the next one starts with a keyframe.
    SegmentEnd { keyframe: bool },
    /// The run is over.
    Stop,
    /// The timestamps jumped.
    Jump { by: MediaTime },
    /// The frame cannot be used: no run without a keyframe.
    Drop,
}

#[derive(Debug)]
pub(super) struct Leader {
    frames_per_part: usize,
    part_min: MediaTime,
    part_max: MediaTime,
    segment_max: MediaTime,
    gather_max: MediaTime,
    frame: MediaTime,
    run: Option<Run>,
    /// Segments closed since the stream began, and their total duration.
    segments: u64,
    closed: MediaTime,
}

/// An unbroken run of frames.
#[derive(Debug)]
struct Run {
    /// The frames of the open part. Never empty.
    open: Vec<Sample>,
    part_start: MediaTime,
    open_bytes: usize,
    last: MediaTime,
    last_keyframe: bool,
    segment_start: MediaTime,
    keyframe_at: MediaTime,
    gops: VecDeque<MediaTime>,
}

impl Leader {
    pub(super) fn new(plan: &GridPlan) -> Self {
        Self {
            frames_per_part: plan.frames_per_part as usize,
            part_min: plan.part_min(),
            part_max: plan.part_max,
            segment_max: plan.segment_max(),
            gather_max: plan.gather_max,
            frame: plan.frame_duration(),
            run: None,
            segments: 0,
            closed: MediaTime::ZERO,
        }
    }

    /// Segments count on from those of another leader.
    pub(super) fn go_on_after(&mut self, before: &Self) {
        self.segments = before.segments;
        self.closed = before.closed;
    }

    /// A segment was closed in which nothing led.
    pub(super) fn pass(&mut self, duration: MediaTime) {
        self.segments += 1;
        self.closed = self.closed + duration;
    }

    /// Decode time of the latest frame, while running.
    pub(super) fn latest(&self) -> Option<MediaTime> {
        self.run.as_ref().map(|run| run.last)
    }

    pub(super) fn push(&mut self, mut sample: Sample) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(run) = &self.run {
            sample.dts = in_order(run.last, sample.dts);
            let delta = sample.dts - run.last;
            if delta < MediaTime::ZERO || delta > self.part_max {
                steps.push(Step::Jump { by: delta });
                steps.append(&mut self.stop());
            }
        }
        match self.run.take() {
            Some(run) => self.run = Some(self.advance(run, sample, &mut steps)),
            None if sample.keyframe => self.run = Some(start(sample, &mut steps)),
            None => steps.push(Step::Drop),
        }
        steps
    }

    /// Closes the open part and segment, as no frame will tell how long the last one lasts.
    pub(super) fn stop(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        let Some(mut run) = self.run.take() else {
            return steps;
        };
        let end = run.last + self.frame.min(self.part_max);
        if end - run.part_start > self.part_max {
            run.split_last(&mut steps);
        }
        run.close_part(end, &mut steps);
        self.close_segment(&run, end, true, &mut steps);
        steps.push(Step::Stop);
        steps
    }

    fn advance(&mut self, mut run: Run, sample: Sample, steps: &mut Vec<Step>) -> Run {
        let now = sample.dts;
        // The frame before this one lasts until now: if that is too long, its part ended before it.
        let segment_over = now - run.segment_start > self.segment_max + SEGMENT_OVERRUN_MAX;
        if segment_over || now - run.part_start > self.part_max {
            run.split_last(steps);
        }
        if segment_over && run.last > run.segment_start {
            let last = run.last;
            self.close_segment(&run, last, run.last_keyframe, steps);
            run.segment_start = last;
        }
        if sample.keyframe {
            run.gops.push_back(now - run.keyframe_at);
            if run.gops.len() > GOPS_MAX {
                run.gops.pop_front();
            }
            run.keyframe_at = now;
        }
        if sample.keyframe && self.segment_is_due(&run, now) {
            run.close_part(now, steps);
            self.close_segment(&run, now, true, steps);
            run.segment_start = now;
        } else if self.part_is_full(&run, &sample) {
            run.close_part(now, steps);
        }
        run.open_with(sample);
        run
    }

    /// Counted in frames, so that all parts are alike; but a source that changed to shorter frames
    /// than the grid was made for still has to fill its parts.
    fn part_is_full(&self, run: &Run, next: &Sample) -> bool {
        let counted = run.open.len() >= self.frames_per_part;
        let filled = next.dts - run.part_start >= self.part_min;
        (counted && filled)
            || run.open.len() >= PART_SAMPLES_MAX
            || run.open_bytes + next.data.len() > PART_BYTES_MAX
    }

    /// At a keyframe: would the segment be longer at the next one than GOPs are gathered for?
    fn segment_is_due(&self, run: &Run, now: MediaTime) -> bool {
        let elapsed = now - run.segment_start;
        let gop = run.gops.iter().max().copied().unwrap_or_default();
        if elapsed + gop <= self.gather_max {
            return false;
        }
        let total = self.closed + elapsed;
        let least = SEGMENT_AVERAGE_MIN
            .ticks()
            .saturating_mul(self.segments as i64 + 1);
        elapsed >= SEGMENT_AVERAGE_MIN || total.ticks() >= least
    }

    fn close_segment(&mut self, run: &Run, at: MediaTime, keyframe: bool, steps: &mut Vec<Step>) {
        self.segments += 1;
        self.closed = self.closed + (at - run.segment_start);
        steps.push(Step::SegmentEnd { keyframe });
    }
}

fn start(sample: Sample, steps: &mut Vec<Step>) -> Run {
    let at = sample.dts;
    let delay = reordering_delay(&sample);
    steps.push(Step::Start { at, delay });
    let mut run = Run {
        open: Vec::new(),
        part_start: at,
        open_bytes: 0,
        last: at,
        last_keyframe: true,
        segment_start: at,
        keyframe_at: at,
        gops: VecDeque::new(),
    };
    run.open_with(sample);
    run
}

impl Run {
    fn open_with(&mut self, sample: Sample) {
        if self.open.is_empty() {
            self.part_start = sample.dts;
        }
        self.last = sample.dts;
        self.last_keyframe = sample.keyframe;
        self.open_bytes += sample.data.len();
        self.open.push(sample);
    }

    fn close_part(&mut self, end: MediaTime, steps: &mut Vec<Step>) {
        let samples = std::mem::take(&mut self.open);
        self.open_bytes = 0;
        steps.push(Step::Part { samples, end });
    }

    /// Closes the part before its last frame, which opens the next one.
    fn split_last(&mut self, steps: &mut Vec<Step>) {
        if self.open.len() < 2 {
            return;
        }
        if let Some(last) = self.open.pop() {
            self.close_part(last.dts, steps);
            self.open_with(last);
        }
    }
}

/// Presentation minus decode time at a keyframe; what cannot be is taken for none.
pub(super) fn reordering_delay(keyframe: &Sample) -> MediaTime {
    let delay = keyframe.cts_offset;
    if (MediaTime::ZERO..=DELAY_MAX).contains(&delay) {
        delay
    } else {
        MediaTime::ZERO
    }
}

/// Frames within the same millisecond of the source have the same timestamp: one tick behind one
/// another they stay in order. Anything farther back is left as it is.
pub(super) fn in_order(last: MediaTime, dts: MediaTime) -> MediaTime {
    let back = last - dts;
    if (MediaTime::ZERO..MILLISECOND).contains(&back) {
        return last + MediaTime(1);
    }
    dts
}

/// The frames of a part with their durations: each lasts until the next one, the last until `end`.
pub(super) fn chunk_samples(samples: &[Sample], end: MediaTime) -> Vec<ChunkSample> {
    let ends = samples.iter().skip(1).map(|next| next.dts).chain([end]);
    let timed = samples.iter().zip(ends);
    let chunked = timed.map(|(sample, end)| ChunkSample {
        duration: u32::try_from((end - sample.dts).ticks()).unwrap_or(0),
        cts_offset: cts_offset(sample),
        sync: sample.keyframe,
        data: sample.data.clone(),
    });
    chunked.collect()
}

/// Saturating: a source can send any offset.
pub(super) fn cts_offset(sample: &Sample) -> i32 {
    let ticks = sample.cts_offset.ticks();
    i32::try_from(ticks).unwrap_or(if ticks < 0 { i32::MIN } else { i32::MAX })
}
