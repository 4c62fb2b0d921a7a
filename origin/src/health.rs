//! How every stream is: figures, a state with its reasons, and five minutes of history.
//!
//! Ingest and packager make small calls on a handle ([`Observer`], [`StreamHealth`]); once a second
//! [`Healths::run`] takes the figures of that moment and judges them. What is decided is in pure cores
//! (`stream` and what it is made of); here are the clock, the locks, the log and the metrics. It ends no
//! stream itself: what breaks a rule whose action is `cut` is said to ingest, which does.
//!
//! ```text
//!  ingest ──Observer──▶ Stream: arrivals, rules ─┐
//!  packager ─StreamHealth─▶     rungs, parts ────┴─ tick ▶ reading ▶ judge ▶ state, reasons ▶ JSON, gauges, log
//! ```
//!
//! A stream's health has its name: a publisher that comes back goes on with it.

mod api;
mod arrivals;
mod gauges;
mod judge;
mod page;
mod reading;
mod rules;
mod sliding;
mod stream;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::Registry;
use telemetry::metrics::RegisterError;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

pub use arrivals::Picture;
pub use judge::{Cause, State};
pub use reading::MOMENTS_MAX;
pub use rules::{BitrateRule, Breach, IngestRules, Limit, Rule, RuleAction};
pub use stream::{Publisher, SourceInfo};

pub(crate) use api::router;

use gauges::Gauges;
use judge::Reason;
use rules::Change;
use stream::Stream;

/// From one judgement to the next.
const STEP: Duration = Duration::from_secs(1);
/// What is over can still be looked at for so long: as long as its history.
const KEPT: Duration = Duration::from_secs(300);
/// Streams that are over and kept. Those that are live are bounded by ingest's connections.
const OVER_MAX: usize = 64;

/// Every stream's health. Clones share it.
#[derive(Clone, Debug)]
pub struct Healths {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    streams: Mutex<BTreeMap<String, Arc<Mutex<Stream>>>>,
    gauges: Gauges,
}

impl Shared {
    fn since_start(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began)
    }
}

/// One stream's health, for whoever makes something of it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StreamHealth {
    shared: Arc<Shared>,
    stream: Arc<Mutex<Stream>>,
}

/// One publisher's hold on its stream's health. Dropping it says that the publisher has gone.
#[derive(Debug)]
pub struct Observer {
    health: StreamHealth,
    name: String,
    number: u64,
}

impl Healths {
    /// Registers the metrics.
    pub fn register(registry: &Registry) -> Result<Self, RegisterError> {
        Ok(Self {
            shared: Arc::new(Shared {
                began: Instant::now(),
                streams: Mutex::default(),
                gauges: Gauges::register(registry)?,
            }),
        })
    }

    /// The health of the stream of this name, which begins with it if there is none.
    pub fn stream(&self, name: &str) -> StreamHealth {
        let now = self.shared.since_start(Instant::now());
        let mut streams = self.shared.streams.lock();
        let stream = match streams.get(name) {
            Some(stream) => {
                // Whoever asks is about to use it: it must not be forgotten meanwhile.
                stream.lock().touch(now);
                Arc::clone(stream)
            }
            None => {
                let stream = Arc::new(Mutex::new(Stream::new(now)));
                streams.insert(name.to_owned(), Arc::clone(&stream));
                stream
            }
        };
        StreamHealth {
            shared: Arc::clone(&self.shared),
            stream,
        }
    }

    /// A publisher begins to send to the stream of this name, under these rules.
    pub fn publish(&self, name: &str, publisher: Publisher, rules: IngestRules) -> Observer {
        let health = self.stream(name);
        let now = self.shared.since_start(Instant::now());
        let number = health.stream.lock().publish(now, publisher, rules);
        Observer {
            health,
            name: name.to_owned(),
            number,
        }
    }

    /// Judges every stream once a second, until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut steps = interval(STEP);
        // After a pause of the whole process there is nothing to catch up with.
        steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                at = steps.tick() => self.tick(at),
            }
        }
    }

    /// One step of [`Self::run`].
    fn tick(&self, at: Instant) {
        let now = self.shared.since_start(at);
        let mut live = HashSet::new();
        for (name, stream) in self.all() {
            let mut stream = stream.lock();
            if stream.over().is_some() {
                continue;
            }
            let before = stream.state();
            let state = stream.tick(now);
            self.shared.gauges.show(&name, &stream);
            if state != before {
                log(&name, state, &stream.reasons());
            }
            live.insert(name);
        }
        self.shared.gauges.retain(|name| live.contains(name));
        self.forget(now);
    }

    /// What has been over for long goes, and the oldest of what is more than is kept.
    fn forget(&self, now: Duration) {
        let mut streams = self.shared.streams.lock();
        let mut over: Vec<(Duration, String)> = streams
            .iter()
            .filter_map(|(name, stream)| Some((stream.lock().idle_since()?, name.clone())))
            .collect();
        over.sort_unstable();
        let excess = over.len().saturating_sub(OVER_MAX);
        for (index, (since, name)) in over.into_iter().enumerate() {
            if index < excess || now.saturating_sub(since) >= KEPT {
                streams.remove(&name);
            }
        }
    }

    fn all(&self) -> Vec<(String, Arc<Mutex<Stream>>)> {
        let streams = self.shared.streams.lock();
        let shared =
            |(name, stream): (&String, &Arc<Mutex<Stream>>)| (name.clone(), Arc::clone(stream));
        streams.iter().map(shared).collect()
    }
}

fn log(stream: &str, state: State, reasons: &[Reason]) {
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.cause.as_str()).collect();
    let words: Vec<&str> = reasons.iter().map(|reason| reason.words.as_str()).collect();
    let (codes, words) = (codes.join(","), words.join("; "));
    match state {
        State::Good => tracing::info!(stream, "the stream is good again"),
        State::Degraded | State::Bad => {
            tracing::warn!(
                stream,
                state = state.as_str(),
                codes,
                words,
                "the stream's health has changed"
            );
        }
    }
}

impl StreamHealth {
    /// Packaging begins: this is the source, and these the renditions.
    pub fn packaged(&self, source: SourceInfo) {
        let now = self.now();
        self.stream.lock().packaged(now, source);
    }

    /// Packaging has ended.
    pub fn unpackaged(&self) {
        let now = self.now();
        self.stream.lock().unpackaged(now);
    }

    /// A frame of the source went to the packager and the encoders; `dts_ms` on the stream's timeline.
    pub fn taken(&self, dts_ms: i64) {
        self.stream.lock().taken(dts_ms);
    }

    /// The encoder of the rung with this index (of [`SourceInfo::rungs`]) gave a frame; `dts_ms` as above.
    pub fn made(&self, rung: usize, dts_ms: i64) {
        let now = self.now();
        self.stream.lock().made(now, rung, dts_ms);
    }

    /// The first so many rungs (of [`SourceInfo::rungs`]) are left out for the load; 0: none any more.
    pub fn shed(&self, rungs: usize) {
        self.stream.lock().shed(rungs);
    }

    /// A part can be fetched; `arrival` is when its last source frame came.
    pub fn part(&self, msn: u64, arrival: Option<Instant>) {
        let now = Instant::now();
        let latency = arrival.map(|arrival| now.saturating_duration_since(arrival));
        let now = self.shared.since_start(now);
        self.stream.lock().part(now, msn, latency);
    }

    fn now(&self) -> Duration {
        self.shared.since_start(Instant::now())
    }
}

impl Observer {
    /// A frame of the picture came.
    pub fn picture(&self, picture: &Picture) {
        let now = self.health.now();
        self.health.stream.lock().picture(now, self.number, picture);
    }

    /// A frame of sound came; `dts_ms` by the publisher's clock.
    pub fn sound(&self, dts_ms: i64, bytes: usize) {
        let now = self.health.now();
        self.health
            .stream
            .lock()
            .sound(now, self.number, dts_ms, bytes);
    }

    /// The picture's size, as its configuration says.
    pub fn size(&self, width: u32, height: u32) {
        self.health.stream.lock().size(self.number, width, height);
    }

    /// What the publisher calls itself.
    pub fn encoder(&self, name: &str) {
        self.health.stream.lock().encoder(self.number, name);
    }

    /// From now on these rules hold, if they are other than before.
    pub fn hold_to(&self, rules: IngestRules) {
        self.health.stream.lock().hold_to(self.number, rules);
    }

    /// To be called once a second, with the round trip that the kernel measured. A rule that is broken
    /// and whose action is to cut comes back.
    pub fn check(&self, round_trip: Option<Duration>) -> Option<Breach> {
        let now = self.health.now();
        let changes = self
            .health
            .stream
            .lock()
            .check(now, self.number, round_trip);
        let mut cut = None;
        for change in changes {
            match change {
                Change::Broken(breach) => {
                    self.health.shared.gauges.broken(&breach);
                    let (rule, words) = (breach.rule.as_str(), &breach.words);
                    tracing::warn!(
                        stream = self.name,
                        rule,
                        words,
                        "a rule of ingest is broken"
                    );
                    if breach.action == RuleAction::Cut {
                        cut.get_or_insert(breach);
                    }
                }
                Change::Mended(rule) => {
                    let rule = rule.as_str();
                    tracing::info!(stream = self.name, rule, "a rule of ingest is kept again");
                }
            }
        }
        cut
    }

    /// How long this publisher has sent no picture.
    pub fn without_picture(&self) -> Duration {
        let now = self.health.now();
        let without = self.health.stream.lock().without_picture(now, self.number);
        without.unwrap_or_default()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        let now = self.health.now();
        self.health.stream.lock().unpublish(now, self.number);
    }
}

#[cfg(test)]
mod tests;
