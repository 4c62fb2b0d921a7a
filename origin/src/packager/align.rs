//! Holds every track back to the slowest picture, so that all renditions stand at the same time.
//!
//! A passed through source is here at once, its encoded siblings a few milliseconds later. Given to
//! the packager as they come, a rendition could be a part ahead of another when ffmpeg dies, and
//! the streams would have to be mended there. Held back to the slowest picture they agree at every
//! moment: nothing that one rendition has shown is missing in another. Pure.
//!
//! Tracks are compared in presentation order's time: a source with B-frames is decoded ahead of what
//! it shows, its encoded siblings (which have none) are not.

use std::collections::VecDeque;

use cmaf::{MediaTime, Sample};

/// Bytes waiting in all queues together. Beyond them everything waiting is dropped, and the
/// stream goes on at a later keyframe.
const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Index of a track, in the order given to [`Aligner::new`].
pub(super) type TrackIndex = usize;

/// What comes out, in the packager's order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Aligned {
    /// Media was lost before what follows: all renditions are discontinuous here.
    Discontinuity,
    /// The next sample.
    Sample(TrackIndex, Sample),
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Aligner {
    queues: Vec<Queue>,
    queued_bytes: usize,
    /// Time up to which everything has been given out.
    released: Option<MediaTime>,
    /// Looking for the keyframe to go on from.
    resuming: bool,
}

#[derive(Debug)]
struct Queue {
    is_video: bool,
    samples: VecDeque<Timed>,
    /// Time of the newest sample seen.
    newest: Option<MediaTime>,
    /// Presentation minus decode time at the first keyframe.
    delay: Option<MediaTime>,
}

/// A sample with the time it is compared by: decode time plus the track's delay.
#[derive(Debug)]
struct Timed {
    at: MediaTime,
    sample: Sample,
}

impl Aligner {
    /// One flag per track: whether it is video. There has to be a video track.
    pub(super) fn new(tracks: impl IntoIterator<Item = bool>) -> Self {
        let queue = |is_video| Queue {
            is_video,
            samples: VecDeque::new(),
            newest: None,
            delay: None,
        };
        Self {
            queues: tracks.into_iter().map(queue).collect(),
            queued_bytes: 0,
            released: None,
            resuming: true,
        }
    }

    /// Takes a track's next sample. Samples before what was given out already are dropped.
    pub(super) fn push(&mut self, track: TrackIndex, sample: Sample) {
        if self.queued_bytes + sample.data.len() > QUEUE_BYTES_MAX {
            self.interrupt();
            self.clear();
        }
        let Some(queue) = self.queues.get_mut(track) else {
            return;
        };
        if sample.keyframe && queue.is_video {
            queue.delay.get_or_insert(sample.cts_offset);
        }
        let at = sample.dts + queue.delay.unwrap_or_default();
        // During a restart the child repeats what it made before.
        if queue.is_video && self.released.is_some_and(|released| at <= released) {
            return;
        }
        self.queued_bytes += sample.data.len();
        queue.newest = Some(at);
        queue.samples.push_back(Timed { at, sample });
    }

    /// A track lost its source: its samples that wait are dropped, and all tracks go on together
    /// at a keyframe that all of them have.
    pub(super) fn lose(&mut self, tracks: impl IntoIterator<Item = TrackIndex>) {
        self.interrupt();
        for track in tracks {
            if let Some(queue) = self.queues.get_mut(track) {
                let bytes: usize = queue
                    .samples
                    .drain(..)
                    .map(|timed| timed.sample.data.len())
                    .sum();
                self.queued_bytes -= bytes;
                queue.newest = None;
            }
        }
    }

    /// Presentation minus decode time of a track's keyframes.
    pub(super) fn delay(&self, track: TrackIndex) -> MediaTime {
        let queue = self.queues.get(track);
        queue.and_then(|queue| queue.delay).unwrap_or_default()
    }

    /// Time up to which everything has been given out.
    pub(super) fn released(&self) -> Option<MediaTime> {
        self.released
    }

    /// The next sample that all video tracks have reached.
    pub(super) fn pop(&mut self) -> Option<Aligned> {
        if self.resuming {
            return self.resume().then_some(Aligned::Discontinuity);
        }
        let frontier = self.frontier()?;
        self.pop_until(frontier)
    }

    /// What is left when no more samples come, in order and without waiting for anyone.
    pub(super) fn pop_rest(&mut self) -> Option<Aligned> {
        if self.resuming {
            return None;
        }
        self.pop_until(MediaTime(i64::MAX))
    }

    fn pop_until(&mut self, frontier: MediaTime) -> Option<Aligned> {
        let (at, track) = self
            .queues
            .iter()
            .enumerate()
            .filter_map(|(track, queue)| Some((queue.samples.front()?.at, track)))
            .min()?;
        if at > frontier {
            return None;
        }
        let queue = self.queues.get_mut(track)?;
        let sample = queue.samples.pop_front()?.sample;
        self.queued_bytes -= sample.data.len();
        if queue.is_video {
            self.released = self.released.max(Some(at));
        }
        Some(Aligned::Sample(track, sample))
    }

    /// The newest time that every video track has reached.
    fn frontier(&self) -> Option<MediaTime> {
        let video = self.queues.iter().filter(|queue| queue.is_video);
        video.map(|queue| queue.newest).min().flatten()
    }

    fn interrupt(&mut self) {
        self.resuming = true;
    }

    fn clear(&mut self) {
        for queue in &mut self.queues {
            queue.samples.clear();
            queue.newest = None;
        }
        self.queued_bytes = 0;
    }

    /// Drops what lies before the first keyframe that all video tracks have. True when there is
    /// one, and it is at the front of all of them.
    fn resume(&mut self) -> bool {
        let mut from = MediaTime(i64::MIN);
        // Each round drops samples or ends, so there are few rounds.
        loop {
            let mut latest = from;
            for queue in self.queues.iter_mut().filter(|queue| queue.is_video) {
                let usable = |timed: &Timed| timed.sample.keyframe && timed.at >= from;
                self.queued_bytes -= queue.drop_while(|timed| !usable(timed));
                let Some(front) = queue.samples.front() else {
                    return false;
                };
                latest = latest.max(front.at);
            }
            if latest == from {
                break;
            }
            from = latest;
        }
        for queue in self.queues.iter_mut().filter(|queue| !queue.is_video) {
            self.queued_bytes -= queue.drop_while(|timed| timed.at < from);
        }
        self.resuming = false;
        true
    }
}

impl Queue {
    /// Drops from the front; gives the bytes dropped.
    fn drop_while(&mut self, unwanted: impl Fn(&Timed) -> bool) -> usize {
        let mut bytes = 0;
        while let Some(timed) = self.samples.pop_front_if(|timed| unwanted(timed)) {
            bytes += timed.sample.data.len();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn video(dts: i64, keyframe: bool) -> Sample {
        let data = Bytes::from_static(b"v");
        Sample::video(MediaTime(dts), MediaTime::ZERO, keyframe, data)
    }

    fn audio(dts: i64) -> Sample {
        Sample::audio(MediaTime(dts), Bytes::from_static(b"a"))
    }

    fn drain(aligner: &mut Aligner) -> String {
        let mut out = Vec::new();
        while let Some(aligned) = aligner.pop() {
            out.push(match aligned {
                Aligned::Discontinuity => "|".to_owned(),
                Aligned::Sample(track, sample) => format!("{track}@{}", sample.dts.ticks()),
            });
        }
        out.join(" ")
    }

    #[test]
    fn nothing_passes_the_slowest_picture() {
        let mut aligner = Aligner::new([true, true, false]);
        aligner.push(0, video(0, true));
        aligner.push(0, video(3, false));
        aligner.push(2, audio(1));
        aligner.push(2, audio(4));
        assert_eq!(drain(&mut aligner), "");
        aligner.push(1, video(0, true));
        assert_eq!(drain(&mut aligner), "| 0@0 1@0");
        aligner.push(1, video(3, false));
        assert_eq!(drain(&mut aligner), "2@1 0@3 1@3");
        assert_eq!(aligner.released(), Some(MediaTime(3)));
        assert_eq!(
            aligner.pop_rest(),
            Some(Aligned::Sample(2, audio(4))),
            "at the end nobody waits"
        );
    }

    #[test]
    fn it_starts_at_the_first_keyframe_of_all() {
        let mut aligner = Aligner::new([true, true, false]);
        aligner.push(2, audio(0));
        aligner.push(2, audio(9));
        for (dts, keyframe) in [(0, true), (3, false), (6, true)] {
            aligner.push(0, video(dts, keyframe));
        }
        aligner.push(1, video(3, false));
        aligner.push(1, video(6, true));
        assert_eq!(drain(&mut aligner), "| 0@6 1@6");
        aligner.push(0, video(9, false));
        aligner.push(1, video(9, false));
        assert_eq!(drain(&mut aligner), "0@9 1@9 2@9");
    }

    #[test]
    fn after_a_loss_all_go_on_at_one_later_keyframe() {
        let mut aligner = Aligner::new([true, true]);
        for track in [0, 1] {
            aligner.push(track, video(0, true));
        }
        aligner.push(0, video(3, false));
        assert_eq!(drain(&mut aligner), "| 0@0 1@0");
        aligner.lose([1]);
        assert!(aligner.resuming);
        aligner.push(0, video(6, true));
        // The new child repeats the GOP from its keyframe.
        aligner.push(1, video(0, true));
        aligner.push(1, video(3, false));
        assert_eq!(drain(&mut aligner), "");
        aligner.push(1, video(6, true));
        assert_eq!(drain(&mut aligner), "| 0@6 1@6");
    }

    #[test]
    fn a_source_with_b_frames_is_compared_by_what_it_shows() {
        let mut aligner = Aligner::new([true, true]);
        let delayed = |dts, keyframe| {
            let mut sample = video(dts, keyframe);
            sample.cts_offset = MediaTime(6);
            sample
        };
        for dts in [0, 3, 6] {
            aligner.push(0, delayed(dts, dts == 0));
        }
        aligner.push(1, video(6, true));
        aligner.push(1, video(9, false));
        assert_eq!(drain(&mut aligner), "| 0@0 1@6 0@3 1@9");
        assert_eq!(aligner.delay(0), MediaTime(6));
    }

    #[test]
    fn queues_are_bounded() {
        let mut aligner = Aligner::new([true, true]);
        let big = |dts| {
            let data = Bytes::from(vec![0; QUEUE_BYTES_MAX / 4]);
            Sample::video(MediaTime(dts), MediaTime::ZERO, true, data)
        };
        for dts in 0..50 {
            aligner.push(0, big(dts));
            assert!(aligner.queued_bytes <= QUEUE_BYTES_MAX);
        }
        aligner.push(1, big(49));
        assert_eq!(drain(&mut aligner), "| 0@49 1@49");
        assert_eq!(aligner.queued_bytes, 0);
    }
}
