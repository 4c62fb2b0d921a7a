//! What publishers sent, what the server did with it, and who was the limit.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Plan;
use super::recording::Recording;
use super::watch::Seen;
use crate::cpu;
use crate::histogram::{Histogram, Spread};

/// Who leaves so late is the limit itself, and not the server.
const LATE_MS_MAX: f64 = 20.0;
/// Distinct reasons for an end that are told apart.
const REASONS_MAX: usize = 20;

/// What publishers count together.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) connected: u64,
    pub(super) flaps: u64,
    messages: u64,
    bytes: u64,
    left_late: Histogram,
    taken: Histogram,
    ends: BTreeMap<String, u64>,
}

impl Sent {
    /// From here on it counts how late messages leave.
    pub(super) fn measure(&mut self) {
        (self.messages, self.bytes) = (0, 0);
        self.left_late = Histogram::default();
        self.taken = Histogram::default();
    }

    pub(super) fn message(&mut self, bytes: usize, late: Duration, taken: Duration) {
        let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.messages += 1;
        self.bytes += bytes as u64;
        self.left_late.record(us(late));
        self.taken.record(us(taken));
    }

    /// A publisher ended, or never began.
    pub(super) fn note(&mut self, why: String) {
        let known = self.ends.contains_key(&why) || self.ends.len() < REASONS_MAX;
        let why = if known { why } else { "other".to_owned() };
        *self.ends.entry(why).or_default() += 1;
    }
}

/// Processor time up to a moment, or between two.
#[derive(Debug)]
pub(super) struct Used {
    at: Instant,
    elapsed: Duration,
    client: Duration,
    /// None of a process that is gone.
    servers: Vec<(u32, Option<Duration>)>,
}

impl Used {
    pub(super) fn now(pids: &[u32]) -> anyhow::Result<Self> {
        let servers = pids.iter();
        Ok(Self {
            at: Instant::now(),
            elapsed: Duration::ZERO,
            client: cpu::own_time()?,
            servers: servers
                .map(|&pid| (pid, cpu::time_of_tree(pid).ok()))
                .collect(),
        })
    }

    pub(super) fn since(mut self, from: &Self) -> Self {
        self.elapsed = self.at - from.at;
        self.client = self.client.saturating_sub(from.client);
        for ((_, to), (_, from)) in self.servers.iter_mut().zip(&from.servers) {
            *to = to.zip(*from).map(|(to, from)| to.saturating_sub(from));
        }
        self
    }
}

/// Of one server.
#[derive(Debug, Clone, Serialize)]
pub struct Server {
    /// Its process.
    pub pid: u32,
    /// Cores that it and its children kept busy, once all publishers had begun. None: it is gone.
    pub cores: Option<f64>,
    /// What they held in memory at the end.
    pub resident_bytes: Option<u64>,
}

/// Of all streams that were watched.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Watched {
    /// Streams that were played.
    pub streams: usize,
    /// Why others were not, and how often.
    pub not_seen: BTreeMap<String, u64>,
    /// Parts that came to be listed while somebody watched, and were loaded.
    pub parts: usize,
    /// Those that were whole in hand more than a PART-TARGET after the PROGRAM-DATE-TIME of their end.
    pub late: usize,
    /// How long after it they were: milliseconds.
    pub latency_p50_ms: i64,
    /// 99th percentile.
    pub latency_p99_ms: i64,
    /// The worst.
    pub latency_max_ms: i64,
    /// The largest of all playlists.
    pub part_target_ms: u64,
    /// How often buffers ran dry.
    pub stalls: u32,
    /// Parts that were listed and could not be had, or vanished.
    pub missing: usize,
    /// Parts marked GAP=YES.
    pub gaps: usize,
    /// Some of what went wrong.
    pub errors: Vec<String>,
}

/// Of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How many there were to be.
    pub publishers: usize,
    /// Publishes that were accepted.
    pub connected: u64,
    /// Connections that were dropped on purpose.
    pub flaps: u64,
    /// Connections that ended otherwise, and publishes that were refused.
    pub ends: BTreeMap<String, u64>,
    /// Seconds that were measured, from when all had begun.
    pub seconds: f64,
    /// Of the recording.
    pub bits_per_second: u64,
    /// Sent in that time.
    pub messages: u64,
    /// With RTMP's headers.
    pub bytes: u64,
    /// From when a message was to leave to when it did.
    pub left_late: Spread,
    /// From there until the kernel had all of it: a server that does not read shows here.
    pub taken: Spread,
    /// None: nobody watched.
    pub watched: Option<Watched>,
    /// Processor time and memory.
    pub servers: Vec<Server>,
    /// Cores that this program kept busy.
    pub client_cores: f64,
    /// Why the figures may be this program's.
    pub limits: Vec<String>,
}

impl Report {
    pub(super) fn new(
        plan: &Plan,
        recording: &Recording,
        sent: Sent,
        seen: &[Seen],
        (used, resident): (Used, Vec<Option<u64>>),
    ) -> Self {
        let cores = |time: Duration| time.as_secs_f64() / used.elapsed.as_secs_f64();
        let servers = used.servers.iter().zip(resident);
        let left_late = sent.left_late.spread();
        let late = left_late.p99_ms > LATE_MS_MAX;
        let limit = format!("messages leave {:.0} ms late (p99)", left_late.p99_ms);
        Self {
            publishers: plan.publishers,
            connected: sent.connected,
            flaps: sent.flaps,
            ends: sent.ends,
            seconds: used.elapsed.as_secs_f64(),
            bits_per_second: recording.bits_per_second(),
            messages: sent.messages,
            bytes: sent.bytes,
            left_late,
            taken: sent.taken.spread(),
            watched: plan.watch.is_some().then(|| watched(seen)),
            servers: servers
                .map(|(&(pid, time), resident_bytes)| Server {
                    pid,
                    cores: time.map(cores),
                    resident_bytes,
                })
                .collect(),
            client_cores: cores(used.client),
            limits: late.then_some(limit).into_iter().collect(),
        }
    }
}

fn watched(seen: &[Seen]) -> Watched {
    let mut all = Watched::default();
    let mut latencies = Vec::new();
    for seen in seen {
        let report = match seen {
            Ok(report) => report,
            Err(why) => {
                let known = all.not_seen.contains_key(why) || all.not_seen.len() < REASONS_MAX;
                let why = if known { why } else { "other" };
                *all.not_seen.entry(why.to_owned()).or_default() += 1;
                continue;
            }
        };
        all.streams += 1;
        for rendition in &report.renditions {
            all.parts += rendition.fresh;
            all.late += rendition.late;
            all.part_target_ms = all.part_target_ms.max(rendition.part_target_ms);
            all.stalls += rendition.stalls;
            all.missing += rendition.missing;
            all.gaps += rendition.gaps;
            latencies.extend_from_slice(&rendition.fresh_latencies_ms);
            let errors = rendition.errors.iter().cloned();
            let left = REASONS_MAX.saturating_sub(all.errors.len());
            all.errors.extend(errors.take(left));
        }
    }
    latencies.sort_unstable();
    let at = |percent| crate::load::percentile(&latencies, percent);
    (all.latency_p50_ms, all.latency_p99_ms) = (at(50), at(99));
    all.latency_max_ms = at(100);
    all
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "| {name} | {value} |");
        let kbps = self.bits_per_second / 1_000;
        row(
            "publishers",
            format!(
                "{} of {kbps} kbit/s for {:.1} s",
                self.publishers, self.seconds
            ),
        )?;
        row("---", "---".to_owned())?;
        row(
            "accepted",
            format!("{} publishes, {} dropped out", self.connected, self.flaps),
        )?;
        for (why, count) in &self.ends {
            row("ended", format!("{count} times: {why}"))?;
        }
        row(
            "sent",
            format!("{} messages, {} bytes", self.messages, self.bytes),
        )?;
        row("left late", self.left_late.to_string())?;
        row("taken in", self.taken.to_string())?;
        if let Some(watched) = &self.watched {
            watched.rows(&mut row)?;
        }
        for server in &self.servers {
            let used = match (server.cores, server.resident_bytes) {
                (Some(cores), Some(bytes)) => {
                    format!("{cores:.2} cores, {:.1} MiB", bytes as f64 / 1_048_576.0)
                }
                _ => "ended on the way".to_owned(),
            };
            row(&format!("server {}", server.pid), used)?;
        }
        row("this client", format!("{:.2} cores", self.client_cores))?;
        for limit in &self.limits {
            row("this client is the limit", limit.clone())?;
        }
        Ok(())
    }
}

impl Watched {
    fn rows(&self, row: &mut impl FnMut(&str, String) -> fmt::Result) -> fmt::Result {
        row("watched", format!("{} streams", self.streams))?;
        for (why, count) in &self.not_seen {
            row("not watched", format!("{count} times: {why}"))?;
        }
        row(
            "parts",
            format!(
                "{} late of {}, by more than {} ms; {} missing, {} gaps, {} stalls",
                self.late, self.parts, self.part_target_ms, self.missing, self.gaps, self.stalls
            ),
        )?;
        row(
            "part's end to in hand",
            format!(
                "p50 {}, p99 {}, max {} ms",
                self.latency_p50_ms, self.latency_p99_ms, self.latency_max_ms
            ),
        )?;
        for error in &self.errors {
            row("error", error.clone())?;
        }
        Ok(())
    }
}
