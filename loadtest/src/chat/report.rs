//! What came of it, as a table for people and as JSON for machines.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::load::percentile;

use super::{Control, Dialect, Tally};

/// What talkers said, and what they were answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Talk {
    /// Messages said; warm-up included.
    pub sent: u64,
    /// Messages for which a talker had no room any more: the server has fallen behind.
    pub unsent: u64,
    /// Messages that everybody gets. Socket.IO does not say: all that were sent.
    pub accepted: u64,
    /// Acts said.
    pub acts: u64,
    /// Acts that everybody gets.
    pub acts_accepted: u64,
    /// Other answers to messages and acts, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// From the moment a message was to be sent until a connection had it, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    /// How many were measured.
    pub samples: usize,
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// The worst.
    pub max_ms: f64,
}

impl Latency {
    pub(super) fn of(mut values_us: Vec<u32>) -> Self {
        values_us.sort_unstable();
        let ms = |percent| f64::from(percentile(&values_us, percent)) / 1e3;
        Self {
            samples: values_us.len(),
            p50_ms: ms(50),
            p90_ms: ms(90),
            p99_ms: ms(99),
            max_ms: ms(100),
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {:.1}, p90 {:.1}, p99 {:.1}, max {:.1} ms ({} samples)",
            self.p50_ms, self.p90_ms, self.p99_ms, self.max_ms, self.samples
        )
    }
}

/// What the server's processes took, children included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Server {
    /// CPU seconds of the measured time.
    pub cpu_seconds: f64,
    /// The same per delivery of that time.
    pub cpu_us_per_delivery: f64,
    /// Resident bytes without connections, with all of them idle, and after the measured time.
    pub resident_bytes: [u64; 3],
    /// What an idle connection adds.
    pub idle_bytes_per_connection: f64,
}

/// All listeners at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Reconnect {
    /// How many were dropped.
    pub dropped: usize,
    /// How many were back within a minute.
    pub back: usize,
    /// How many of them were told that nothing is missing.
    pub complete: usize,
    /// How many were told that something is.
    pub not_recovered: usize,
    /// From the drop until they were in the room again.
    pub after: Latency,
}

/// The whole run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What the server speaks.
    pub dialect: Dialect,
    /// Connections wanted.
    pub connections: usize,
    /// Connections that were in the room when the talk began.
    pub connected: usize,
    /// Of these, how many were slow.
    pub slow: usize,
    /// From the first connection to the last welcome.
    pub ramp_seconds: f64,
    /// Measured time.
    pub seconds: f64,
    /// What was said.
    pub talk: Talk,
    /// Events that everybody gets, times connections that are not slow.
    pub deliveries_offered: u64,
    /// Events that came, on these connections.
    pub deliveries_done: u64,
    /// The same per second of measured time.
    pub deliveries_per_second: f64,
    /// Bytes of messages per delivery, STATE included.
    pub bytes_per_delivery: f64,
    /// Messages.
    pub latency: Latency,
    /// Acts.
    pub control_latency: Latency,
    /// Sums over all connections that are not slow.
    pub steady: Tally,
    /// Sums over the slow ones, which read on when the talk is over.
    pub slow_readers: Tally,
    /// Connections that did not get to the last event.
    pub behind: usize,
    /// CONTROL, on all connections but the moderators'.
    pub control: Control,
    /// Why connections ended, or did not come about.
    pub ends: BTreeMap<String, u64>,
    /// The server, when its processes were named.
    pub server: Option<Server>,
    /// CPU of this program per delivery of the measured time, in microseconds.
    pub client_cpu_us_per_delivery: f64,
    /// The drop, when there was one.
    pub reconnect: Option<Reconnect>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "| {name} | {value} |");
        row("chat", self.dialect.to_string())?;
        row("---", "---".to_owned())?;
        row(
            "connections",
            format!(
                "{} of {}, {} slow, after {:.1} s",
                self.connected, self.connections, self.slow, self.ramp_seconds
            ),
        )?;
        row("said", said(&self.talk))?;
        row(
            "deliveries",
            format!(
                "{} of {} ({:.0}/s, {:.0} bytes each)",
                self.deliveries_done,
                self.deliveries_offered,
                self.deliveries_per_second,
                self.bytes_per_delivery
            ),
        )?;
        row("latency", self.latency.to_string())?;
        if self.control_latency.samples > 0 {
            row("latency of CONTROL", self.control_latency.to_string())?;
        }
        row("told and untold", untold(&self.steady))?;
        if self.slow > 0 {
            row("told and untold, slow", untold(&self.slow_readers))?;
        }
        row("not at the last event", self.behind.to_string())?;
        let control = &self.control;
        row(
            "CONTROL",
            format!(
                "{} events, {} deliveries owed, {} lost, {} doubled, {} out of order",
                control.events, control.owed, control.lost, control.doubled, control.out_of_order
            ),
        )?;
        if let Some(server) = &self.server {
            row("server", server.to_string())?;
        }
        row(
            "this client",
            format!(
                "{:.2} us of CPU per delivery",
                self.client_cpu_us_per_delivery
            ),
        )?;
        if let Some(reconnect) = &self.reconnect {
            row("drop of all listeners", reconnect.to_string())?;
        }
        for (why, count) in &self.ends {
            row("ended", format!("{count} times: {why}"))?;
        }
        Ok(())
    }
}

fn said(talk: &Talk) -> String {
    let mut text = format!(
        "{} messages ({} accepted, {} unsent), {} acts ({} accepted)",
        talk.sent, talk.accepted, talk.unsent, talk.acts, talk.acts_accepted
    );
    for (reason, count) in &talk.refused {
        text.push_str(&format!(", {count} {reason}"));
    }
    text
}

fn untold(tally: &Tally) -> String {
    format!(
        "{} gaps of {} messages told; {} events lost, {} doubled, {} out of order, {} malformed; \
         {} not recovered",
        tally.gaps_told,
        tally.messages_told,
        tally.lost,
        tally.doubled,
        tally.out_of_order,
        tally.malformed,
        tally.not_recovered
    )
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, idle, after] = self.resident_bytes.map(|bytes| bytes as f64 / 1e6);
        write!(
            f,
            "{:.2} us of CPU per delivery ({:.1} s); {before:.0} MB empty, {idle:.0} idle, \
             {after:.0} at the end: {:.1} KiB per idle connection",
            self.cpu_us_per_delivery,
            self.cpu_seconds,
            self.idle_bytes_per_connection / 1024.0
        )
    }
}

impl fmt::Display for Reconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} back, {} complete, {} not recovered; {}",
            self.back, self.dropped, self.complete, self.not_recovered, self.after
        )
    }
}
