//! One stream's health, across its publishers: what is observed goes in, figures and a judgement come out.
//!
//! Pure: `now` is what has passed since the process began.

use std::time::Duration;

use super::arrivals::{Arrivals, Picture, Totals};
use super::judge::{Judge, Reason, State};
use super::reading::{History, Reading, RungReading};
use super::rules::{Breach, Change, IngestRules, Watch};
use super::sliding::{Quantiles, Sum};

/// Latencies of parts, and speeds of encoders, are over so long.
const MAKING_SPAN: Duration = Duration::from_secs(10);
/// Longer names of encoders are cut off.
const ENCODER_CHARS_MAX: usize = 80;
/// A step of an encoder's time beyond this is a restart, not its speed.
const MADE_STEP_MS_MAX: i64 = 2_000;
/// What came before, or until encoders have started, waited for that: its parts' latencies say nothing.
const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// Rungs that are looked at: no ladder has more.
const RUNGS_MAX: usize = 8;

/// Who publishes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publisher {
    /// Over RTMPS.
    pub tls: bool,
    /// What it calls itself in `onMetaData`.
    pub encoder: Option<String>,
}

impl Publisher {
    /// Takes a name that came from outside: of bounded length, without control characters.
    pub(super) fn named(&mut self, encoder: &str) {
        let plain = encoder.chars().filter(|char| !char.is_control());
        let name: String = plain.take(ENCODER_CHARS_MAX).collect();
        self.encoder = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
    }
}

/// What a publisher sends, once that is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceInfo {
    /// RFC 6381, of the picture.
    pub video_codec: String,
    /// RFC 6381, of the sound if there is any.
    pub audio_codec: Option<String>,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// The renditions, best first.
    pub renditions: Vec<String>,
    /// Those of them that an encoder makes.
    pub rungs: Vec<String>,
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    began: Duration,
    session: Option<Session>,
    sessions: u64,
    source: Option<SourceInfo>,
    is_packaged: bool,
    packaged_since: Duration,
    totals: Totals,
    taken_ms: Option<i64>,
    rungs: Vec<Rung>,
    /// So many of them, from the first on, are left out.
    shed: usize,
    msn: Option<u64>,
    latency: Quantiles,
    judge: Judge,
    history: History,
    /// When the newest figures were taken.
    read_at: Duration,
    /// Since when nobody publishes and nothing is packaged.
    over: Option<Duration>,
    /// When somebody last asked for it, to make something of it.
    touched: Duration,
}

/// One publisher's time.
#[derive(Clone, Debug)]
struct Session {
    number: u64,
    began: Duration,
    publisher: Publisher,
    arrivals: Arrivals,
    watch: Watch,
    round_trip: Option<Duration>,
}

#[derive(Clone, Debug)]
struct Rung {
    name: String,
    made_ms: Option<i64>,
    made: Sum,
}

impl Stream {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            began: now,
            session: None,
            sessions: 0,
            source: None,
            is_packaged: false,
            packaged_since: now,
            totals: Totals::default(),
            taken_ms: None,
            rungs: Vec::new(),
            shed: 0,
            msn: None,
            latency: Quantiles::over(MAKING_SPAN),
            judge: Judge::default(),
            history: History::default(),
            read_at: now,
            over: Some(now),
            touched: now,
        }
    }

    /// A publisher comes; one that is there is forgotten. Gives the number under which it is heard.
    pub(super) fn publish(
        &mut self,
        now: Duration,
        publisher: Publisher,
        rules: IngestRules,
    ) -> u64 {
        self.begin(now);
        self.sessions += 1;
        self.session = Some(Session {
            number: self.sessions,
            began: now,
            publisher,
            arrivals: Arrivals::new(now, self.totals),
            watch: Watch::new(rules),
            round_trip: None,
        });
        self.sessions
    }

    /// A publisher goes.
    pub(super) fn unpublish(&mut self, now: Duration, number: u64) {
        if self.session(number).is_some() {
            self.session = None;
            self.settle(now);
        }
    }

    pub(super) fn picture(&mut self, now: Duration, number: u64, picture: &Picture) {
        if let Some(session) = self.session(number) {
            session.arrivals.picture(now, picture);
            session.watch.picture(picture);
            let totals = session.arrivals.totals();
            self.totals = totals;
        }
    }

    pub(super) fn sound(&mut self, now: Duration, number: u64, dts_ms: i64, bytes: usize) {
        if let Some(session) = self.session(number) {
            session.arrivals.sound(now, dts_ms, bytes);
            let totals = session.arrivals.totals();
            self.totals = totals;
        }
    }

    /// The size that a publisher's configuration says.
    pub(super) fn size(&mut self, number: u64, width: u32, height: u32) {
        if let Some(session) = self.session(number) {
            session.watch.configured(width, height);
        }
    }

    pub(super) fn encoder(&mut self, number: u64, name: &str) {
        if let Some(session) = self.session(number) {
            session.publisher.named(name);
        }
    }

    /// From now on other rules hold for this publisher, if they are other.
    pub(super) fn hold_to(&mut self, number: u64, rules: IngestRules) {
        if let Some(session) = self.session(number) {
            session.watch.hold_to(rules);
        }
    }

    /// What the kernel measured, and what has become of the rules. Once a second.
    pub(super) fn check(
        &mut self,
        now: Duration,
        number: u64,
        round_trip: Option<Duration>,
    ) -> Vec<Change> {
        let Some(session) = self.session(number) else {
            return Vec::new();
        };
        session.round_trip = round_trip;
        let pace = session.arrivals.pace(now);
        session.watch.check(now, pace)
    }

    /// How long there was no picture from this publisher; `None` if it is not the one any more.
    pub(super) fn without_picture(&mut self, now: Duration, number: u64) -> Option<Duration> {
        Some(self.session(number)?.arrivals.without_picture(now))
    }

    /// Packaging begins, or goes on with another source.
    pub(super) fn packaged(&mut self, now: Duration, source: SourceInfo) {
        self.packaged_since = now;
        self.taken_ms = None;
        let names = source.rungs.iter().take(RUNGS_MAX);
        self.rungs = names
            .map(|name| Rung {
                name: name.clone(),
                made_ms: None,
                made: Sum::over(MAKING_SPAN),
            })
            .collect();
        self.shed = 0;
        self.source = Some(source);
        self.is_packaged = true;
        self.begin(now);
    }

    /// Packaging ends.
    pub(super) fn unpackaged(&mut self, now: Duration) {
        self.is_packaged = false;
        self.taken_ms = None;
        self.settle(now);
    }

    /// A frame of the source was handed to whoever makes something of it.
    pub(super) fn taken(&mut self, dts_ms: i64) {
        self.taken_ms = Some(dts_ms);
        for rung in &mut self.rungs {
            // Nothing was made yet: from here on it counts.
            rung.made_ms.get_or_insert(dts_ms);
        }
    }

    /// An encoder gave a frame.
    pub(super) fn made(&mut self, now: Duration, rung: usize, dts_ms: i64) {
        if let Some(rung) = self.rungs.get_mut(rung) {
            let step = rung.made_ms.map_or(0, |last| dts_ms.saturating_sub(last));
            let step = if step > MADE_STEP_MS_MAX {
                0
            } else {
                step.max(0)
            };
            rung.made
                .add(now, f64::from(i32::try_from(step).unwrap_or(0)) / 1_000.0);
            rung.made_ms = Some(dts_ms);
        }
    }

    /// The first so many rungs are left out: nothing is made of them, and they are behind nothing.
    pub(super) fn shed(&mut self, rungs: usize) {
        // Also what comes back begins anew.
        for rung in self.rungs.iter_mut().take(rungs.max(self.shed)) {
            rung.made_ms = None;
            rung.made.clear();
        }
        self.shed = rungs;
    }

    /// A part is there: so long after its last frame was.
    pub(super) fn part(&mut self, now: Duration, msn: u64, latency: Option<Duration>) {
        self.msn = self.msn.max(Some(msn));
        let arrived = latency.map(|latency| now.saturating_sub(latency));
        let counts = arrived.is_some_and(|at| at >= self.packaged_since + SETTLED_AFTER);
        if let Some(latency) = latency.filter(|_| counts) {
            self.latency.add(now, latency.as_secs_f64() * 1_000.0);
        }
    }

    /// Takes the figures of this moment, and judges them. Once a second.
    pub(super) fn tick(&mut self, now: Duration) -> State {
        let reading = self.read(now);
        let broken: Vec<Breach> = match &self.session {
            Some(session) => session.watch.broken().cloned().collect(),
            None => Vec::new(),
        };
        let state = self.judge.judge(now, &reading, &broken);
        self.history.push(reading);
        self.read_at = now;
        state
    }

    fn read(&mut self, now: Duration) -> Reading {
        let latency = self.latency.p50_p99(now);
        let taken_ms = self.taken_ms;
        let (left_out, made) = self.rungs.split_at(self.shed.min(self.rungs.len()));
        let rungs = made.iter().map(|rung| RungReading {
            name: rung.name.clone(),
            speed: rung.made.per_second(now),
            lag_ms: lag_ms(taken_ms, rung.made_ms),
        });
        let mut reading = Reading {
            publisher: self.session.is_some(),
            latency_p50_ms: latency.map(|(p50, _)| p50),
            latency_p99_ms: latency.map(|(_, p99)| p99),
            rungs: rungs.collect(),
            left_out: left_out.iter().map(|rung| rung.name.clone()).collect(),
            ..Reading::default()
        };
        if let Some(session) = &self.session {
            let arrivals = &session.arrivals;
            reading.bitrate_kbps = arrivals.bitrate(now).map(|bits| bits / 1_000.0);
            reading.frame_rate = arrivals.frame_rate(now);
            reading.usual_frame_rate = arrivals.usual_frame_rate();
            reading.keyframe_interval_seconds =
                arrivals.keyframe_interval().map(|it| it.as_secs_f64());
            reading.sound_offset_ms = arrivals.sound_offset_ms(now);
            reading.pace = arrivals.pace(now);
            reading.late_percent = arrivals.late_percent(now);
            reading.missing_percent = arrivals.missing_percent(now);
            reading.recent_jumps = arrivals.recent_jumps(now);
            reading.without_picture_seconds = arrivals.without_picture(now).as_secs_f64();
            reading.without_sound_seconds = arrivals.without_sound(now).map(|it| it.as_secs_f64());
            reading.round_trip_ms = session.round_trip.map(|it| it.as_secs_f64() * 1_000.0);
        }
        reading
    }

    /// Somebody is about to make something of it: what is over is kept for as long again.
    pub(super) fn touch(&mut self, now: Duration) {
        self.touched = now;
    }

    /// From when on what is over is of no use to anybody; `None` while it is not.
    pub(super) fn idle_since(&self) -> Option<Duration> {
        Some(self.over?.max(self.touched))
    }

    /// Since when it is over; `None` while somebody publishes or something is packaged.
    pub(super) fn over(&self) -> Option<Duration> {
        self.over
    }

    pub(super) fn state(&self) -> State {
        self.judge.state()
    }

    pub(super) fn reasons(&self) -> Vec<Reason> {
        self.judge.reasons()
    }

    pub(super) fn history(&self) -> &History {
        &self.history
    }

    pub(super) fn source(&self) -> Option<&SourceInfo> {
        self.source.as_ref()
    }

    /// Who publishes, and since when.
    pub(super) fn publisher(&self) -> Option<(&Publisher, Duration)> {
        let session = self.session.as_ref()?;
        Some((&session.publisher, session.began))
    }

    /// When the newest figures were taken.
    pub(super) fn read_at(&self) -> Duration {
        self.read_at
    }

    pub(super) fn began(&self) -> Duration {
        self.began
    }

    pub(super) fn msn(&self) -> Option<u64> {
        self.msn
    }

    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    /// Publishers so far.
    pub(super) fn sessions(&self) -> u64 {
        self.sessions
    }

    fn session(&mut self, number: u64) -> Option<&mut Session> {
        let session = self.session.as_mut();
        session.filter(|session| session.number == number)
    }

    /// It is not over, or not any more; nobody has looked at it meanwhile.
    fn begin(&mut self, now: Duration) {
        if self.over.take().is_some() {
            self.began = now;
            let passed = now.saturating_sub(self.read_at).as_secs();
            self.history.skip(passed);
        }
    }

    fn settle(&mut self, now: Duration) {
        if self.session.is_none() && !self.is_packaged {
            self.over = Some(now);
        }
    }
}

fn lag_ms(taken_ms: Option<i64>, made_ms: Option<i64>) -> f64 {
    let (Some(taken), Some(made)) = (taken_ms, made_ms) else {
        return 0.0;
    };
    f64::from(i32::try_from(taken.saturating_sub(made).max(0)).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests;
