//! The supervised ffmpeg child that makes the ladder of one stream.
//!
//! Frames go in with [`Transcoder::push`], which never blocks; frames come out of
//! [`Transcoder::next`]. When the child dies, or falls too far behind and is killed, `next` says
//! [`TranscodeEvent::Lost`]; the driver answers with [`Transcoder::restart`], and the new child is
//! fed the current GOP first, so that it need not wait for a keyframe.

mod arguments;
mod child;
mod feed;
mod ladder;
mod lines;
mod replay;

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use cmaf::VideoConfig;
use tokio::time::{Instant, sleep_until};

use crate::config::TranscodeSettings;
use crate::metrics::TranscodeMetrics;

pub use arguments::{EncodeSpec, Keyframes};
pub use child::{EncodedFrame, SpawnError};
pub(crate) use feed::format_of;
pub use ladder::{LadderPlan, Rung};

use child::{Child, ChildEvent};
use feed::Feed;
use replay::Replay;

/// The pause before the second restart in a row without a picture; it doubles from there.
const RESTART_PAUSE_MIN: Duration = Duration::from_millis(100);

/// A child this little behind has caught up.
const CAUGHT_UP_LAG: Duration = Duration::from_millis(500);
/// A child that starts has a whole GOP before it: it may be so many times `lag_max` behind.
const START_LAG_FACTOR: u32 = 2;

/// A child that lived as long, and gave pictures, was a good one.
const GOOD_LIFE: Duration = Duration::from_secs(2);

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
    /// A rung's decoder configuration (`avcC`); again after every restart.
    Configuration {
        /// Index into [`EncodeSpec::rungs`].
        rung: usize,
        /// AVCDecoderConfigurationRecord.
        avcc: Bytes,
    },
    /// A rung's next picture.
    Frame {
        /// Index into [`EncodeSpec::rungs`].
        rung: usize,
        /// The picture.
        frame: EncodedFrame,
    },
    /// The child has gone. Nothing more comes until [`Transcoder::restart`].
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
    /// It has been given a keyframe.
    synchronised: bool,
    /// It has worked off what had to wait for it; from then on `lag_max` counts.
    caught_up: bool,
    /// Newest frame given, and oldest newest frame got back, to tell the lag.
    fed_ms: i64,
    made_ms: Vec<Option<i64>>,
    fed_first_ms: Option<i64>,
}

impl Running {
    fn has_made(&self) -> bool {
        self.made_ms.iter().any(Option::is_some)
    }

    /// The failures in a row, now that this child has gone.
    fn failures_after(&self, before: u32) -> u32 {
        if self.has_made() && self.started.elapsed() >= GOOD_LIFE {
            0
        } else {
            before + 1
        }
    }

    fn lag(&self) -> Duration {
        let Some(first) = self.fed_first_ms else {
            return Duration::ZERO;
        };
        let made = self.made_ms.iter().map(|made| made.unwrap_or(first)).min();
        let lag = self.fed_ms - made.unwrap_or(first);
        Duration::from_millis(u64::try_from(lag).unwrap_or(0))
    }
}

impl Transcoder {
    /// Starts the first child; if that fails, [`Self::next`] says so. `source` is what it decodes.
    pub fn new(
        settings: TranscodeSettings,
        spec: EncodeSpec,
        source: &VideoConfig,
        stream: impl Into<String>,
        metrics: TranscodeMetrics,
    ) -> Self {
        let (feed, preamble) = Feed::new(source);
        let mut transcoder = Self {
            replay: Replay::new(settings.replay_bytes_max),
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

    /// Takes the source's next picture. A child that has fallen too far behind is killed here.
    pub fn push(&mut self, frame: &SourceFrame) {
        let tag = self.feed.frame(frame);
        self.replay.push(frame.dts_ms, frame.keyframe, tag.clone());
        let State::Running(running) = &mut self.state else {
            return;
        };
        running.synchronised |= frame.keyframe;
        if !running.synchronised {
            return;
        }
        running.child.feed(tag);
        running.fed_ms = frame.dts_ms;
        running.fed_first_ms.get_or_insert(frame.dts_ms);
        let lag = running.lag();
        self.metrics.lag(lag);
        running.caught_up |= running.has_made() && lag < CAUGHT_UP_LAG;
        let lag_max = if running.caught_up {
            self.settings.lag_max
        } else {
            self.settings.lag_max * START_LAG_FACTOR
        };
        let queued = running.child.queued_bytes();
        if queued > self.settings.queue_bytes_max || lag > lag_max {
            self.failures = running.failures_after(self.failures);
            self.state = State::Killed(format!(
                "fell {} ms behind with {queued} bytes queued",
                lag.as_millis()
            ));
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
                State::Running(running) => match running.child.next().await {
                    Some(ChildEvent::Configuration { rung, avcc }) => {
                        return TranscodeEvent::Configuration { rung, avcc };
                    }
                    Some(ChildEvent::Frame { rung, frame }) => {
                        if let Some(made) = running.made_ms.get_mut(rung) {
                            *made = Some(frame.dts_ms);
                        }
                        return TranscodeEvent::Frame { rung, frame };
                    }
                    Some(ChildEvent::Exited { reason }) => return self.lost(reason),
                    None => return self.lost("its reader has gone".to_owned()),
                },
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
        let child = Child::spawn(
            &self.settings.ffmpeg,
            &self.spec,
            self.resume_ms,
            &self.stream,
        )?;
        tracing::info!(
            stream = self.stream,
            pid = child.pid(),
            rungs = self.spec.rungs.len(),
            resume_ms = self.resume_ms,
            "ffmpeg started"
        );
        child.feed(self.preamble.clone());
        for tag in self.replay.tags() {
            child.feed(tag);
        }
        self.state = State::Running(Running {
            child,
            started: Instant::now(),
            synchronised: !self.replay.is_empty(),
            caught_up: false,
            fed_ms: self.replay.last_ms().unwrap_or(0),
            fed_first_ms: self.replay.first_ms(),
            made_ms: vec![None; self.spec.rungs.len()],
        });
        Ok(())
    }
}
