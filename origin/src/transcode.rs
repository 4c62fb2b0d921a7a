//! The supervised ffmpeg child that makes the ladder of one stream.
//!
//! Frames go in with [`Transcoder::push`], which never blocks; frames come out of
//! [`Transcoder::next`]. When the child dies, or falls too far behind and is killed, `next` says
//! [`TranscodeEvent::Lost`]; the driver answers with [`Transcoder::restart`], and the new child is
//! fed the current GOP first, so that it need not wait for a keyframe.
//!
//! A child that cannot keep up is replaced by one with fewer rungs, and later by one with more:
//! see [`Transcoder::shed`]. What a child makes cannot be changed while it runs (ffmpeg ends all
//! outputs when one of them is closed), so there is always another child, and a discontinuity.
//! Where possible the change is a handover: the old child gets nothing from a keyframe of the
//! source on, makes what it has, and [`TranscodeEvent::HandedOver`] says that it is done; the new
//! one begins with that keyframe.

mod abilities;
mod arguments;
mod child;
mod encoder;
#[cfg(test)]
pub(crate) mod example;
mod feed;
mod jobs;
mod ladder;
mod lines;
mod output;
mod progress;
mod replay;
mod shed;
mod tone_mapping;

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use cmaf::VideoConfig;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::config::TranscodeSettings;
use crate::metrics::TranscodeMetrics;

pub use abilities::Abilities;
pub use arguments::{EncodeSpec, Keyframes};
pub use child::{EncodedFrame, SpawnError};
pub use encoder::{Encoder, Hardware, RungCodec, listed};
pub(crate) use feed::format_of;
pub use jobs::{Job, Jobs};
pub use ladder::{LadderPlan, Rung};
pub use shed::ShedSettings;
pub use tone_mapping::{Hdr, ToneMapping};

use child::{Child, ChildEvent};
use feed::Feed;
use progress::Progress;
use replay::Replay;
use shed::{Shedder, Verdict};

/// The pause before the second restart in a row without a picture; it doubles from there.
const RESTART_PAUSE_MIN: Duration = Duration::from_millis(100);

/// A child this little behind has caught up.
const CAUGHT_UP_LAG: Duration = Duration::from_millis(500);
/// A child that starts has a whole GOP before it: it may be so many times `lag_max` behind.
const START_LAG_FACTOR: u32 = 2;

/// A child that lived as long, and gave pictures, was a good one.
const GOOD_LIFE: Duration = Duration::from_secs(2);

/// A child that keeps up has so long to make what it still has when another takes over. One that
/// does not keep up has no time at all.
const HANDOVER_MAX: Duration = Duration::from_millis(500);

/// One coded picture of the source, on the stream's timeline in milliseconds.
#[derive(Clone, Debug)]
pub struct SourceFrame {
    /// Decode timestamp.
    pub dts_ms: i64,
    /// Presentation minus decode timestamp.
    pub composition_ms: i32,
    /// Whether decoding can start here.
    pub keyframe: bool,
    /// NAL units with their lengths, or the OBUs of a temporal unit.
    pub data: Bytes,
}

/// What the transcoder says.
#[derive(Debug)]
#[non_exhaustive]
pub enum TranscodeEvent {
    /// A rung's decoder configuration; again after every restart.
    Configuration {
        /// Index into [`EncodeSpec::rungs`].
        rung: usize,
        /// What it is coded in.
        codec: RungCodec,
        /// The decoder configuration record: what `avcC`, `hvcC` or `av1C` holds.
        record: Bytes,
    },
    /// A rung's next picture.
    Frame {
        /// Index into [`EncodeSpec::rungs`].
        rung: usize,
        /// The picture.
        frame: EncodedFrame,
    },
    /// The child has made what it had, up to [`Transcoder::hands_over_at`], where one with more
    /// or fewer rungs goes on: see [`Transcoder::shed`]. Nothing more comes until
    /// [`Transcoder::restart`].
    HandedOver,
    /// The child has gone; the next one may have fewer rungs, see [`Transcoder::shed`]. Nothing
    /// more comes until [`Transcoder::restart`].
    Lost {
        /// For the log.
        reason: String,
    },
    /// Too many starts in a row were of no use.
    GaveUp {
        /// For the log and the publisher.
        reason: String,
    },
}

/// Keeps one ffmpeg running. See the module's documentation for the protocol.
#[derive(Debug)]
pub struct Transcoder {
    settings: TranscodeSettings,
    stream: String,
    spec: EncodeSpec,
    metrics: TranscodeMetrics,
    feed: Feed,
    /// File header and the source's decoder configuration: what every child hears first.
    preamble: Bytes,
    replay: Replay,
    state: State,
    /// Starts in a row that gave no picture, or soon none any more.
    failures: u32,
    resume_ms: Option<i64>,
    shedder: Shedder,
    /// Which rungs have had a configuration, of this child or an earlier one. Before all have, no
    /// rung is shed: nobody could be told what it is.
    configured: Vec<bool>,
    _job: Job,
}

#[derive(Debug)]
enum State {
    Running(Running),
    /// Killed by us; `next` has still to say so.
    Killed(String),
    /// `next` said `Lost` or the input is finished.
    Idle,
    Pausing(Instant),
}

#[derive(Debug)]
struct Running {
    child: Child,
    started: Instant,
    /// The first rung that it makes.
    first_rung: usize,
    /// It has been given a keyframe.
    synchronised: bool,
    /// It has worked off what had to wait for it; from then on `lag_max` counts.
    caught_up: bool,
    progress: Progress,
    /// It gets no more; another takes over.
    closing: Option<Closing>,
}

/// The end of a child that hands over.
#[derive(Clone, Copy, Debug)]
struct Closing {
    /// Presentation time of the first picture that is not its own, in the stream's milliseconds.
    at_ms: i64,
    /// It is killed then.
    deadline: Instant,
}

impl Running {
    /// The failures in a row, now that this child has gone.
    fn failures_after(&self, before: u32) -> u32 {
        if self.progress.has_made() && self.started.elapsed() >= GOOD_LIFE {
            0
        } else {
            before + 1
        }
    }
}

impl Transcoder {
    /// Starts the first child; if that fails, [`Self::next`] says so. `source` is what it decodes, `job`
    /// the place that this takes.
    pub fn new(
        settings: TranscodeSettings,
        spec: EncodeSpec,
        source: &VideoConfig,
        stream: impl Into<String>,
        metrics: TranscodeMetrics,
        job: Job,
    ) -> Self {
        let (feed, preamble) = Feed::new(source);
        let mut transcoder = Self {
            replay: Replay::new(settings.replay_bytes_max),
            shedder: Shedder::new(settings.shed, spec.rungs.len()),
            configured: vec![false; spec.rungs.len()],
            _job: job,
            settings,
            stream: stream.into(),
            spec,
            metrics,
            feed,
            preamble,
            state: State::Idle,
            failures: 0,
            resume_ms: None,
        };
        if let Err(error) = transcoder.spawn() {
            transcoder.failures = 1;
            transcoder.state = State::Killed(error.to_string());
        }
        transcoder
    }

    /// Takes the source's next picture. A child that has fallen too far behind is killed here, and
    /// one that is to be replaced begins to hand over.
    pub fn push(&mut self, frame: &SourceFrame) {
        let tag = self.feed.frame(frame);
        self.replay.push(frame.dts_ms, frame.keyframe, tag.clone());
        let State::Running(running) = &mut self.state else {
            return;
        };
        running.synchronised |= frame.keyframe;
        if !running.synchronised || running.closing.is_some() {
            return;
        }
        let lag = running.progress.lag();
        if let Some(verdict) = self.judge(lag)
            && self.replace(verdict, lag, frame)
        {
            return;
        }
        let State::Running(running) = &mut self.state else {
            return;
        };
        running.child.feed(tag);
        running.progress.fed(frame.dts_ms, Instant::now());
        self.bound_lag();
    }

    /// How many of the ladder's first rungs the next child does not make; or this one, while none
    /// is about to take over. Those that are shed give no event.
    pub fn shed(&self) -> usize {
        self.shedder.shed()
    }

    /// While a child hands over: the presentation time, in the stream's milliseconds, from which
    /// on the next one makes the pictures. None of them, of any rendition, may be shown before
    /// [`TranscodeEvent::HandedOver`].
    pub fn hands_over_at(&self) -> Option<i64> {
        match &self.state {
            State::Running(running) => running.closing.map(|closing| closing.at_ms),
            State::Killed(_) | State::Idle | State::Pausing(_) => None,
        }
    }

    /// What the controller says of a child that is so far behind.
    fn judge(&mut self, lag: Duration) -> Option<Verdict> {
        let all_known = self.configured.iter().all(|known| *known);
        all_known
            .then(|| self.shedder.observe(Instant::now(), lag))
            .flatten()
    }

    /// Begins to replace the child by one with more or fewer rungs. False when it has to wait for
    /// a keyframe of the source.
    fn replace(&mut self, verdict: Verdict, lag: Duration, frame: &SourceFrame) -> bool {
        let State::Running(running) = &mut self.state else {
            return false;
        };
        let now = Instant::now();
        // The child is too slow to be waited for. Where everything is encoded, the next one goes
        // on right after what was shown; beside the source it needs a keyframe of that.
        let at_once =
            verdict == Verdict::Shed && matches!(self.spec.keyframes, Keyframes::Every(_));
        if at_once {
            self.apply(verdict, lag);
            let reason = format!("{} ms behind, and not catching up", lag.as_millis());
            self.state = State::Killed(reason);
            return true;
        }
        if !frame.keyframe {
            return false;
        }
        running.child.finish();
        running.closing = Some(Closing {
            at_ms: frame.dts_ms + i64::from(frame.composition_ms),
            deadline: match verdict {
                Verdict::Shed => now,
                Verdict::Restore => now + HANDOVER_MAX,
            },
        });
        self.apply(verdict, lag);
        true
    }

    /// Counts a rung out or in, and says so.
    fn apply(&mut self, verdict: Verdict, lag: Duration) {
        self.shedder.apply(Instant::now(), verdict);
        let shed = self.shedder.shed();
        let lag_ms = lag.as_millis();
        let names: Vec<&str> = self
            .spec
            .rungs
            .iter()
            .map(|rung| rung.name.as_str())
            .collect();
        let (left_out, made) = names.split_at(shed.min(names.len()));
        match verdict {
            Verdict::Shed => tracing::warn!(
                stream = self.stream,
                lag_ms,
                ?left_out,
                ?made,
                "ffmpeg cannot keep up: the ladder loses its first rung"
            ),
            Verdict::Restore => tracing::info!(
                stream = self.stream,
                lag_ms,
                ?left_out,
                ?made,
                "ffmpeg keeps up: the ladder gets a rung back"
            ),
        }
        match verdict {
            Verdict::Shed => self.metrics.shed(shed),
            Verdict::Restore => self.metrics.restored(shed),
        }
    }

    /// Kills a child that is too far behind, whatever the reason.
    fn bound_lag(&mut self) {
        let State::Running(running) = &mut self.state else {
            return;
        };
        let lag = running.progress.lag();
        self.metrics.lag(lag);
        running.caught_up |= running.progress.has_made() && lag < CAUGHT_UP_LAG;
        let lag_max = if running.caught_up {
            self.settings.lag_max
        } else {
            self.settings.lag_max * START_LAG_FACTOR
        };
        let queued = running.child.queued_bytes();
        if queued <= self.settings.queue_bytes_max && lag <= lag_max {
            return;
        }
        self.failures = running.failures_after(self.failures);
        // One that gave nothing at all hangs: fewer rungs would not help it.
        let too_slow = running.progress.has_made();
        let reason = format!(
            "fell {} ms behind with {queued} bytes queued",
            lag.as_millis()
        );
        self.state = State::Killed(reason);
        let all_known = self.configured.iter().all(|known| *known);
        if too_slow && all_known && self.shedder.may_shed() {
            self.apply(Verdict::Shed, lag);
        }
    }

    /// Starts a new child, at once or after a pause. Its output begins with a keyframe at the
    /// first picture presented at `resume_ms` or later; `None`: at the first it can decode.
    pub fn restart(&mut self, resume_ms: Option<i64>) {
        self.resume_ms = resume_ms;
        let pause = match self.failures {
            0 => Duration::ZERO,
            failures => RESTART_PAUSE_MIN
                .saturating_mul(1 << failures.saturating_sub(1).min(16))
                .min(self.settings.restart_pause_max),
        };
        self.metrics.restarted();
        self.state = State::Pausing(Instant::now() + pause);
    }

    /// Ends the input: the child makes what it has and goes, which `next` reports as `Lost`.
    pub fn finish(&mut self) {
        match &mut self.state {
            State::Running(running) => running.child.finish(),
            State::Killed(_) | State::Idle | State::Pausing(_) => self.state = State::Idle,
        }
    }

    /// Whether a child runs that may still give something.
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    /// The next event; cancel-safe. Waits for ever when there is nothing to wait for.
    pub async fn next(&mut self) -> TranscodeEvent {
        loop {
            match &mut self.state {
                State::Running(running) => {
                    let event = match running.closing {
                        Some(Closing { deadline, .. }) => {
                            timeout_at(deadline, running.child.next())
                                .await
                                .unwrap_or(None)
                        }
                        None => running.child.next().await,
                    };
                    if let Some(event) = self.receive(event) {
                        return event;
                    }
                }
                State::Killed(reason) => {
                    let reason = std::mem::take(reason);
                    self.state = State::Idle;
                    return self.verdict(reason);
                }
                State::Idle => pending::<()>().await,
                State::Pausing(until) => {
                    sleep_until(*until).await;
                    if let Err(error) = self.spawn() {
                        self.failures += 1;
                        self.state = State::Idle;
                        return self.verdict(error.to_string());
                    }
                }
            }
        }
    }

    /// What the child said, or that it says nothing any more.
    fn receive(&mut self, event: Option<ChildEvent>) -> Option<TranscodeEvent> {
        let State::Running(running) = &mut self.state else {
            return None;
        };
        match event {
            Some(ChildEvent::Configuration {
                rung,
                codec,
                record,
            }) => {
                let rung = running.first_rung + rung;
                if let Some(known) = self.configured.get_mut(rung) {
                    *known = true;
                }
                Some(TranscodeEvent::Configuration {
                    rung,
                    codec,
                    record,
                })
            }
            Some(ChildEvent::Frame { rung, frame }) => {
                running.progress.made(rung, frame.dts_ms, Instant::now());
                let rung = running.first_rung + rung;
                Some(TranscodeEvent::Frame { rung, frame })
            }
            _ if running.closing.is_some() => {
                self.state = State::Idle;
                Some(TranscodeEvent::HandedOver)
            }
            Some(ChildEvent::Exited { reason }) => Some(self.lost(reason)),
            None => Some(self.lost("its reader has gone".to_owned())),
        }
    }

    fn lost(&mut self, reason: String) -> TranscodeEvent {
        if let State::Running(running) = &self.state {
            self.failures = running.failures_after(self.failures);
        }
        self.state = State::Idle;
        self.verdict(reason)
    }

    fn verdict(&self, reason: String) -> TranscodeEvent {
        if self.failures >= self.settings.failures_max {
            TranscodeEvent::GaveUp { reason }
        } else {
            TranscodeEvent::Lost { reason }
        }
    }

    fn spawn(&mut self) -> Result<(), SpawnError> {
        let first_rung = self.shedder.shed();
        let mut spec = self.spec.clone();
        spec.rungs.drain(..first_rung.min(spec.rungs.len()));
        let child = Child::spawn(&self.settings.ffmpeg, &spec, self.resume_ms, &self.stream)?;
        tracing::info!(
            stream = self.stream,
            pid = child.pid(),
            rungs = spec.rungs.len(),
            resume_ms = self.resume_ms,
            "ffmpeg started"
        );
        child.feed(self.preamble.clone());
        for tag in self.replay.tags() {
            child.feed(tag);
        }
        let now = Instant::now();
        self.shedder.started(now);
        let rungs = spec.rungs.iter();
        let metrics = rungs.map(|rung| self.metrics.rung(&rung.name)).collect();
        let span = self.replay.first_ms().zip(self.replay.last_ms());
        self.state = State::Running(Running {
            child,
            started: now,
            first_rung,
            synchronised: !self.replay.is_empty(),
            caught_up: false,
            progress: Progress::new(metrics, span),
            closing: None,
        });
        Ok(())
    }
}
