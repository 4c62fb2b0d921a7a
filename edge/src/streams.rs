//! What each stream costs and how it plays: requests and body bytes to bill by, and what players report (CMCD).
//!
//! **Cardinality has a bound.** Only a stream that has answered somebody gets series of its own, and only
//! `metrics.streams_max` of them at once; what comes beyond is counted under [`OTHER`]. A stream that nobody asked
//! for in `metrics.stream_idle_seconds` loses its series, and its totals with them: they are in the time series
//! database by then, and if the stream comes back it begins at 0, as behind a restart.
//!
//! Costs of a request: one look into a table, and some atomic additions. Nothing is allocated but for a new stream.

mod quality;
mod sessions;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cmcd::Malformed;
use parking_lot::RwLock;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};
use telemetry::metrics::{self, RegisterError};

use quality::{Quality, QualityFamilies};

/// The label of all streams that have no series of their own. No stream can have this name.
pub const OTHER: &str = "(other)";

/// Labels of everything that is counted by stream.
const LABELS: [&str; 2] = ["tenant", "stream"];

/// Who was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Another edge, that has admitted its viewers itself.
    Tier,
    /// A viewer.
    Viewer,
}

impl Asker {
    const ALL: [Self; 2] = [Self::Tier, Self::Viewer];

    fn as_str(self) -> &'static str {
        match self {
            Self::Tier => "tier",
            Self::Viewer => "viewer",
        }
    }
}

/// Bounds, from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Streams that have series of their own.
    pub streams_max: usize,
    /// A stream that nobody asked for in so long loses them.
    pub idle: Duration,
}

/// An answer, for the books.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Whose stream it is.
    pub tenant: &'a str,
    /// Its name.
    pub stream: &'a str,
    /// Who asked.
    pub asker: Asker,
    /// Body bytes handed to the protocol.
    pub bytes: u64,
    /// The stream is there: its status is not that of an error.
    pub found: bool,
    /// What the player said of itself, if anything.
    pub report: Option<&'a cmcd::Report>,
}

/// The books. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Streams {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    limits: StreamLimits,
    began: Instant,
    requests: IntCounterVec,
    bytes: IntCounterVec,
    quality: QualityFamilies,
    series: IntGauge,
    removed: IntCounter,
    overflow: IntCounter,
    malformed: IntCounterVec,
    table: RwLock<Table>,
}

/// By tenant, then by stream: both are looked up as they stand in the request. Tenants are those of the
/// configuration.
#[derive(Debug, Default)]
struct Table {
    tenants: HashMap<Box<str>, HashMap<Box<str>, Arc<Series>>>,
    /// Without those of [`OTHER`].
    count: usize,
}

/// What is counted of one stream.
#[derive(Debug)]
struct Series {
    requests: [IntCounter; 2],
    bytes: [IntCounter; 2],
    quality: Quality,
    /// Milliseconds since `Inner::began`.
    used: AtomicU64,
}

impl Streams {
    /// Registers every metric.
    ///
    /// # Errors
    /// A name that is already taken: a bug.
    pub fn new(r: &Registry, limits: StreamLimits) -> Result<Self, RegisterError> {
        let [tenant, stream] = LABELS;
        let inner = Inner {
            limits,
            began: Instant::now(),
            requests: metrics::counter_vec(
                r,
                "edge_stream_requests_total",
                "Requests for a stream's objects that were answered, by who asked (viewer, tier).",
                &[tenant, stream, "asker"],
            )?,
            bytes: metrics::counter_vec(
                r,
                "edge_stream_body_bytes_total",
                "Body bytes of a stream's objects handed to HTTP, whole answers or not, by who asked.",
                &[tenant, stream, "asker"],
            )?,
            quality: QualityFamilies::new(r, &LABELS)?,
            series: metrics::gauge(
                r,
                "edge_stream_series",
                "Streams that have series of their own (metrics.streams_max at most).",
            )?,
            removed: metrics::counter(
                r,
                "edge_stream_series_removed_total",
                "Streams whose series were removed because nobody asked for them.",
            )?,
            overflow: metrics::counter(
                r,
                "edge_stream_overflow_total",
                "Answers of streams that are there, counted under (other) because metrics.streams_max was reached.",
            )?,
            malformed: metrics::counter_vec(
                r,
                "edge_cmcd_ignored_total",
                "CMCD that was left out: whole fields (encoding, syntax, too_long) and values of a wrong type (value).",
                &["reason"],
            )?,
            table: RwLock::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Counts an answer.
    pub fn count(&self, answer: &Answer<'_>, now: Instant) {
        let series = self.inner.series_of(answer);
        series.used.store(self.inner.millis(now), Ordering::Relaxed);
        let asker = answer.asker as usize;
        if let (Some(requests), Some(bytes)) = (series.requests.get(asker), series.bytes.get(asker))
        {
            requests.inc();
            bytes.inc_by(answer.bytes);
        }
        if let Some(report) = answer.report {
            if report.wrong > 0 {
                let wrong = self.inner.malformed.with_label_values(&["value"]);
                wrong.inc_by(u64::from(report.wrong));
            }
            series
                .quality
                .count(&self.inner.quality, report, self.inner.millis(now));
        }
    }

    /// Counts a field of CMCD that was left out.
    pub fn malformed(&self, malformed: Malformed) {
        let reason = [malformed.as_str()];
        self.inner.malformed.with_label_values(&reason).inc();
    }

    /// Brings what is not counted as it happens up to date, and removes what is idle. To be called every few
    /// seconds.
    pub fn settle(&self, now: Instant) {
        let millis = self.inner.millis(now);
        let idle = u64::try_from(self.inner.limits.idle.as_millis()).unwrap_or(u64::MAX);
        // Without the lock: it takes some microseconds for each.
        let all: Vec<Arc<Series>> = self.inner.table.read().all().map(Arc::clone).collect();
        for series in all {
            series.quality.settle(millis);
        }
        let mut table = self.inner.table.write();
        let mut gone = 0;
        for (tenant, streams) in &mut table.tenants {
            streams.retain(|stream, series| {
                // Whoever holds it is about to count something.
                let used = series.used.load(Ordering::Relaxed);
                let keep = Arc::strong_count(series) > 1
                    || millis.saturating_sub(used) < idle
                    || &**stream == OTHER;
                if !keep {
                    self.inner.remove(tenant, stream);
                    gone += 1;
                }
                keep
            });
        }
        table.count = table.count.saturating_sub(gone);
        self.inner.removed.inc_by(gone as u64);
        self.inner.show_count(table.count);
    }
}

impl Inner {
    fn millis(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.began);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn series_of(&self, answer: &Answer<'_>) -> Arc<Series> {
        let (tenant, stream) = (answer.tenant, answer.stream);
        if let Some(series) = self.table.read().find(tenant, stream) {
            return series;
        }
        let mut table = self.table.write();
        if let Some(series) = table.find(tenant, stream) {
            return series;
        }
        // Names that somebody made up get none.
        let own = answer.found && table.count < self.limits.streams_max;
        if own {
            table.count += 1;
            self.show_count(table.count);
            return self.add(&mut table, tenant, stream);
        }
        if answer.found {
            self.overflow.inc();
        }
        match table.find(tenant, OTHER) {
            Some(series) => series,
            None => self.add(&mut table, tenant, OTHER),
        }
    }

    fn add(&self, table: &mut Table, tenant: &str, stream: &str) -> Arc<Series> {
        let counters = |family: &IntCounterVec| {
            Asker::ALL.map(|asker| family.with_label_values(&[tenant, stream, asker.as_str()]))
        };
        let series = Arc::new(Series {
            requests: counters(&self.requests),
            bytes: counters(&self.bytes),
            quality: Quality::new(tenant, stream),
            used: AtomicU64::new(0),
        });
        let streams = table.tenants.entry(tenant.into()).or_default();
        streams.insert(stream.into(), Arc::clone(&series));
        series
    }

    fn remove(&self, tenant: &str, stream: &str) {
        for asker in Asker::ALL {
            let labels = [tenant, stream, asker.as_str()];
            // Fails only if they are not there.
            let _ = self.requests.remove_label_values(&labels);
            let _ = self.bytes.remove_label_values(&labels);
        }
        self.quality.remove(tenant, stream);
    }

    fn show_count(&self, count: usize) {
        self.series.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

impl Table {
    fn all(&self) -> impl Iterator<Item = &Arc<Series>> {
        self.tenants.values().flat_map(HashMap::values)
    }

    fn find(&self, tenant: &str, stream: &str) -> Option<Arc<Series>> {
        self.tenants.get(tenant)?.get(stream).map(Arc::clone)
    }
}

#[cfg(test)]
mod tests;
