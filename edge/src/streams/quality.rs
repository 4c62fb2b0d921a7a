//! What players report of one stream.
//!
//! The series begin with the first report: a stream whose players say nothing has none.

use std::sync::OnceLock;

use cmcd::Report;
use parking_lot::Mutex;
use prometheus::{
    Counter, CounterVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry,
};
use telemetry::metrics::{self, RegisterError};

use super::sessions::Sessions;

/// Seconds in the buffer: a part, a few of them, a segment, more.
const BUFFER_BUCKETS: &[f64] = &[0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0];
/// Seconds behind the origin.
const LATENCY_BUCKETS: &[f64] = &[0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 60.0];
/// Seconds to the first picture.
const START_BUCKETS: &[f64] = &[0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];
/// Bits per second: the rungs of a ladder, and what networks do.
const RATE_BUCKETS: &[f64] = &[
    250e3, 500e3, 1e6, 2e6, 3e6, 5e6, 8e6, 12e6, 20e6, 50e6, 100e6,
];

/// The families, by stream.
#[derive(Debug)]
pub(super) struct QualityFamilies {
    reports: IntCounterVec,
    stalls: IntCounterVec,
    stalled: CounterVec,
    startups: IntCounterVec,
    sessions: IntGaugeVec,
    buffer: HistogramVec,
    latency: HistogramVec,
    start_delay: HistogramVec,
    bitrate: HistogramVec,
    throughput: HistogramVec,
}

impl QualityFamilies {
    pub(super) fn new(r: &Registry, labels: &[&str]) -> Result<Self, RegisterError> {
        let counter = |name, help| metrics::counter_vec(r, name, help, labels);
        let histogram =
            |name, help, buckets| metrics::histogram_vec(r, name, help, labels, buckets);
        let stalled = Opts::new(
            "edge_cmcd_stalled_seconds_total",
            "Time for which buffers were empty, as far as players say it (bsd, version 2).",
        );
        Ok(Self {
            reports: counter("edge_cmcd_reports_total", "Requests that carried CMCD.")?,
            stalls: counter(
                "edge_cmcd_stalls_total",
                "Requests that said that the player's buffer had run empty (bs).",
            )?,
            stalled: metrics::register(r, CounterVec::new(stalled, labels)?)?,
            startups: counter(
                "edge_cmcd_startup_requests_total",
                "Requests made with an empty buffer: a start, a seek or after a stall (su).",
            )?,
            sessions: metrics::gauge_vec(
                r,
                "edge_cmcd_sessions",
                "Different sessions (sid) of the last 30 to 60 s; above some hundred within about 5 %.",
                labels,
            )?,
            buffer: histogram(
                "edge_cmcd_buffer_seconds",
                "Media in the player's buffer (bl).",
                BUFFER_BUCKETS,
            )?,
            latency: histogram(
                "edge_cmcd_live_latency_seconds",
                "How far behind the origin the player shows (ltc, version 2).",
                LATENCY_BUCKETS,
            )?,
            start_delay: histogram(
                "edge_cmcd_start_delay_seconds",
                "From play to the first picture (msd, version 2); once a session.",
                START_BUCKETS,
            )?,
            bitrate: histogram(
                "edge_cmcd_bitrate_bits_per_second",
                "Bitrate of what the player asked for (br).",
                RATE_BUCKETS,
            )?,
            throughput: histogram(
                "edge_cmcd_throughput_bits_per_second",
                "Throughput as the player measured it (mtp).",
                RATE_BUCKETS,
            )?,
        })
    }

    pub(super) fn remove(&self, tenant: &str, stream: &str) {
        let labels = [tenant, stream];
        // Fails only for what is not there.
        let _ = self.reports.remove_label_values(&labels);
        let _ = self.stalls.remove_label_values(&labels);
        let _ = self.stalled.remove_label_values(&labels);
        let _ = self.startups.remove_label_values(&labels);
        let _ = self.sessions.remove_label_values(&labels);
        let _ = self.buffer.remove_label_values(&labels);
        let _ = self.latency.remove_label_values(&labels);
        let _ = self.start_delay.remove_label_values(&labels);
        let _ = self.bitrate.remove_label_values(&labels);
        let _ = self.throughput.remove_label_values(&labels);
    }

    fn begin(&self, tenant: &str, stream: &str) -> Shown {
        let labels = [tenant, stream];
        Shown {
            reports: self.reports.with_label_values(&labels),
            stalls: self.stalls.with_label_values(&labels),
            stalled: self.stalled.with_label_values(&labels),
            startups: self.startups.with_label_values(&labels),
            sessions: self.sessions.with_label_values(&labels),
            buffer: self.buffer.with_label_values(&labels),
            latency: self.latency.with_label_values(&labels),
            start_delay: self.start_delay.with_label_values(&labels),
            bitrate: self.bitrate.with_label_values(&labels),
            throughput: self.throughput.with_label_values(&labels),
            seen: Mutex::default(),
        }
    }
}

/// What one stream's players report.
#[derive(Debug)]
pub(super) struct Quality {
    tenant: Box<str>,
    stream: Box<str>,
    shown: OnceLock<Shown>,
}

#[derive(Debug)]
struct Shown {
    reports: IntCounter,
    stalls: IntCounter,
    stalled: Counter,
    startups: IntCounter,
    sessions: IntGauge,
    buffer: Histogram,
    latency: Histogram,
    start_delay: Histogram,
    bitrate: Histogram,
    throughput: Histogram,
    seen: Mutex<Sessions>,
}

impl Quality {
    pub(super) fn new(tenant: &str, stream: &str) -> Self {
        Self {
            tenant: tenant.into(),
            stream: stream.into(),
            shown: OnceLock::new(),
        }
    }

    /// Counts a report; `millis` as in [`Sessions`].
    pub(super) fn count(&self, families: &QualityFamilies, report: &Report, millis: u64) {
        let begin = || families.begin(&self.tenant, &self.stream);
        let shown = self.shown.get_or_init(begin);
        shown.reports.inc();
        shown.stalls.inc_by(u64::from(report.starved));
        shown.startups.inc_by(u64::from(report.startup));
        if let Some(stalled) = report.starved_ms {
            shown.stalled.inc_by(f64::from(stalled) / 1e3);
        }
        for (histogram, value, unit) in [
            (&shown.buffer, report.buffer_ms, 1e-3),
            (&shown.latency, report.latency_ms, 1e-3),
            (&shown.start_delay, report.start_delay_ms, 1e-3),
            (&shown.bitrate, report.bitrate_kbps, 1e3),
            (&shown.throughput, report.throughput_kbps, 1e3),
        ] {
            if let Some(value) = value {
                histogram.observe(f64::from(value) * unit);
            }
        }
        if let Some(session) = report.session {
            shown.seen.lock().see(session, millis);
        }
    }

    /// Brings the count of sessions up to date.
    pub(super) fn settle(&self, millis: u64) {
        if let Some(shown) = self.shown.get() {
            let sessions = shown.seen.lock().count(millis);
            shown.sessions.set(i64::from(sessions));
        }
    }
}
