//! Keeps the renditions together: none is shown far ahead of another. Pure.
//!
//! A passed through source is here at once, its encoded siblings a few milliseconds later. Given to
//! the packager as they come, a rendition could be a part ahead of another whenever a player
//! switches, or when ffmpeg dies. So the encoded renditions move in step, and what needs no
//! encoding waits for them, but not for long: an encoder that stumbles must not make the viewers
//! of the source stumble too. Only one that is far behind holds everything, because the packager
//! would list its parts as gaps.
//!
//! A track that is *absent* (a rung that is not made for the moment) is waited for by nobody.
//!
//! Tracks are compared by what they show: a source with B-frames is decoded ahead of that, its
//! encoded siblings (which have none) are not.

use std::collections::VecDeque;

use cmaf::{MediaTime, Sample};

/// Bytes waiting in all queues together. Beyond them everything waiting is dropped, and the
/// stream goes on at a later keyframe.
const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What needs no encoding waits so long for what does.
const PATIENCE: MediaTime = MediaTime::from_millis(100);
/// Rounding between two clocks of the same picture; frames are farther apart.
const TOLERANCE: MediaTime = MediaTime::from_millis(4);
/// And is never farther ahead: the packager gives up on a part after 2 s.
const AHEAD_MAX: MediaTime = MediaTime::from_millis(1_500);

/// Where a track comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Copied sound.
    Audio,
    /// A picture from ffmpeg.
    Encoded,
    /// The passed through picture.
    Source,
}

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
    /// Time of the newest picture given out.
    released: Option<MediaTime>,
    /// Looking for the keyframe to go on from.
    resuming: bool,
    /// Nothing from there on is given out: another child makes it.
    held: Option<MediaTime>,
}

#[derive(Debug)]
struct Queue {
    role: Role,
    /// Nothing comes, and nobody waits for it.
    absent: bool,
    samples: VecDeque<Timed>,
    /// Time of the newest sample given out.
    released: Option<MediaTime>,
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
    /// One role per track. There has to be a picture.
    pub(super) fn new(tracks: impl IntoIterator<Item = Role>) -> Self {
        let queue = |role| Queue {
            role,
            absent: false,
            samples: VecDeque::new(),
            released: None,
            newest: None,
            delay: None,
        };
        Self {
            queues: tracks.into_iter().map(queue).collect(),
            queued_bytes: 0,
            released: None,
            resuming: true,
            held: None,
        }
    }

    /// Takes a track's next sample. Samples before what was given out already are dropped.
    pub(super) fn push(&mut self, track: TrackIndex, sample: Sample) {
        if self.queued_bytes + sample.data.len() > QUEUE_BYTES_MAX {
            self.interrupt();
            self.clear();
        }
        let Some(queue) = self.queues.get_mut(track).filter(|queue| !queue.absent) else {
            return;
        };
        if sample.keyframe && queue.is_video() {
            queue.delay.get_or_insert(sample.cts_offset);
        }
        let at = sample.dts + queue.delay.unwrap_or_default();
        // A new child repeats what the one before made, and all go on after the one farthest ahead.
        let done = if self.resuming {
            self.released
        } else {
            queue.released
        };
        if queue.is_video() && done.is_some_and(|done| at <= done) {
            return;
        }
        self.queued_bytes += sample.data.len();
        queue.newest = Some(at);
        queue.samples.push_back(Timed { at, sample });
    }

    /// Holds everything presented at `at` or later back until the next [`Self::lose`].
    pub(super) fn hold(&mut self, at: MediaTime) {
        self.held = Some(at - TOLERANCE);
    }

    /// Says whether a track gives nothing for the moment. Of use right after [`Self::lose`] only:
    /// a track that comes back has to start where the others go on.
    pub(super) fn set_absent(&mut self, track: TrackIndex, absent: bool) {
        if let Some(queue) = self.queues.get_mut(track) {
            queue.absent = absent;
        }
    }

    /// A track lost its source: its samples that wait are dropped, and all tracks go on together
    /// at a keyframe that all of them have.
    pub(super) fn lose(&mut self, tracks: impl IntoIterator<Item = TrackIndex>) {
        self.held = None;
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

    /// Time of the newest picture given out.
    pub(super) fn released(&self) -> Option<MediaTime> {
        self.released
    }

    /// The next sample that may go.
    pub(super) fn pop(&mut self) -> Option<Aligned> {
        if self.resuming {
            return self.resume().then_some(Aligned::Discontinuity);
        }
        let source = self.frontier(Role::Source);
        let encoded = self.frontier(Role::Encoded);
        let unencoded = match (source, encoded) {
            (Some(source), Some(encoded)) => {
                encoded.max((source - PATIENCE).min(encoded + AHEAD_MAX))
            }
            (source, encoded) => source.or(encoded)?,
        };
        self.pop_until(|role| match role {
            Role::Audio | Role::Source => Some(unencoded),
            Role::Encoded => encoded,
        })
    }

    /// What is left when no more samples come, in order and without waiting for anyone. What is
    /// [held](Self::hold) stays.
    pub(super) fn pop_rest(&mut self) -> Option<Aligned> {
        if self.resuming {
            return None;
        }
        self.pop_until(|_| Some(MediaTime(i64::MAX)))
    }

    /// The earliest sample among those that have reached their role's limit.
    fn pop_until(&mut self, limit: impl Fn(Role) -> Option<MediaTime>) -> Option<Aligned> {
        let (at, track) = self
            .queues
            .iter()
            .enumerate()
            .filter_map(|(track, queue)| {
                let at = queue.samples.front()?.at;
                let held = self.held.is_some_and(|held| at >= held);
                (!held && at <= limit(queue.role)?).then_some((at, track))
            })
            .min()?;
        let queue = self.queues.get_mut(track)?;
        let sample = queue.samples.pop_front()?.sample;
        self.queued_bytes -= sample.data.len();
        queue.released = Some(at);
        if queue.is_video() {
            self.released = self.released.max(Some(at));
        }
        Some(Aligned::Sample(track, sample))
    }

    /// The newest time that every track of the role has reached.
    fn frontier(&self, role: Role) -> Option<MediaTime> {
        let tracks = self.queues.iter();
        let tracks = tracks.filter(|queue| queue.role == role && !queue.absent);
        tracks.map(|queue| queue.newest).min().flatten()
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
            let video = self.queues.iter_mut();
            for queue in video.filter(|queue| queue.is_video() && !queue.absent) {
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
        for queue in self.queues.iter_mut().filter(|queue| !queue.is_video()) {
            self.queued_bytes -= queue.drop_while(|timed| timed.at < from);
        }
        self.resuming = false;
        true
    }
}

impl Queue {
    fn is_video(&self) -> bool {
        self.role != Role::Audio
    }

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

    use super::Role::{Audio, Encoded, Source};
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
    fn encoded_pictures_and_their_sound_move_in_step() {
        let mut aligner = Aligner::new([Encoded, Encoded, Audio]);
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
        let mut aligner = Aligner::new([Source, Encoded, Audio]);
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
        let mut aligner = Aligner::new([Source, Encoded]);
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
    fn the_source_waits_a_little_and_is_never_far_ahead() {
        let millis = |millis| MediaTime::from_millis(millis).ticks();
        let mut aligner = Aligner::new([Source, Encoded, Audio]);
        let released = |aligner: &mut Aligner, until: i64| {
            aligner.push(0, video(millis(until), until == 0));
            let mut newest = None;
            while let Some(aligned) = aligner.pop() {
                if let Aligned::Sample(0, sample) = aligned {
                    newest = Some(sample.dts.ticks() / millis(1));
                }
            }
            newest
        };
        aligner.push(1, video(0, true));
        assert_eq!(released(&mut aligner, 0), Some(0));
        assert_eq!(released(&mut aligner, 50), None, "it waits");
        assert_eq!(released(&mut aligner, 100), None);
        assert_eq!(released(&mut aligner, 150), Some(50), "not for ever");
        assert_eq!(released(&mut aligner, 1_600), Some(150));
        assert_eq!(
            released(&mut aligner, 2_000),
            None,
            "1.5 s ahead are enough"
        );
        // The encoder is slow, not wrong: what it makes now is not dropped.
        aligner.push(1, video(millis(50), false));
        assert!(matches!(aligner.pop(), Some(Aligned::Sample(1, _))));
        // It dies: all go on after what the source has shown.
        aligner.lose([1]);
        aligner.push(1, video(millis(150), true));
        assert_eq!(drain(&mut aligner), "");
    }

    #[test]
    fn nobody_waits_for_an_absent_track() {
        let mut aligner = Aligner::new([Encoded, Encoded, Audio]);
        for track in [0, 1] {
            aligner.push(track, video(0, true));
        }
        assert_eq!(drain(&mut aligner), "| 0@0 1@0");
        aligner.lose([0, 1]);
        aligner.set_absent(0, true);
        aligner.push(0, video(3, true));
        aligner.push(1, video(3, true));
        aligner.push(1, video(6, false));
        aligner.push(2, audio(4));
        assert_eq!(drain(&mut aligner), "| 1@3 2@4 1@6");
        aligner.lose([0, 1]);
        aligner.set_absent(0, false);
        aligner.push(1, video(9, true));
        assert_eq!(drain(&mut aligner), "", "now it is waited for");
        aligner.push(0, video(9, true));
        assert_eq!(drain(&mut aligner), "| 0@9 1@9");
    }

    #[test]
    fn a_handover_loses_nothing() {
        let millis = |millis| MediaTime::from_millis(millis).ticks();
        let mut aligner = Aligner::new([Source, Encoded]);
        for track in [0, 1] {
            aligner.push(track, video(0, true));
        }
        drain(&mut aligner);
        aligner.hold(MediaTime(millis(100)));
        aligner.push(0, video(millis(50), false));
        aligner.push(0, video(millis(100), true));
        aligner.push(0, video(millis(900), false));
        let next = |aligner: &mut Aligner| match aligner.pop_rest() {
            Some(Aligned::Sample(track, sample)) => Some((track, sample.dts.ticks())),
            _ => None,
        };
        assert_eq!(
            drain(&mut aligner),
            format!("0@{}", millis(50)),
            "not the keyframe"
        );
        aligner.push(1, video(millis(50), false));
        assert_eq!(next(&mut aligner), Some((1, millis(50))));
        assert_eq!(next(&mut aligner), None);
        aligner.lose([1]);
        aligner.push(1, video(millis(100), true));
        let expect = format!("| 0@{at} 1@{at}", at = millis(100));
        assert!(drain(&mut aligner).starts_with(&expect));
    }

    #[test]
    fn a_source_with_b_frames_is_compared_by_what_it_shows() {
        let mut aligner = Aligner::new([Source, Encoded]);
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
        let mut aligner = Aligner::new([Source, Encoded]);
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
