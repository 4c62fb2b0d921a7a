//! The origin's metrics: registered once, handed to whoever counts.

use std::time::Duration;

use content_coding::Coding;
use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
};
use telemetry::metrics::{
    RegisterError, counter_vec, float_gauge_vec, gauge, gauge_vec, histogram, histogram_vec,
};

use crate::health::{Healths, StreamHealth};

/// Upper bounds of the blocked reload latency, in seconds: half a frame to a stuck part.
const RELOAD_BUCKETS: [f64; 12] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.25, 0.5, 1.0,
];

/// Upper bounds of a part's way into the window, in seconds: its own work, a frame, a PART-TARGET, more.
const PART_BUCKETS: [f64; 16] = [
    0.000_25, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.2, 0.35, 0.5,
    1.0, 2.0,
];

/// Upper bounds of the transcode delay, in seconds: less than a frame to a child far behind.
const DELAY_BUCKETS: [f64; 12] = [
    0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.25, 1.0, 4.0,
];

/// What a request asked for: the `kind` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// Pictures to seek by.
    Image,
    /// A Media Initialization Section.
    Init,
    /// A Multivariant Playlist.
    Multivariant,
    /// Anything else.
    Other,
    /// A Part.
    Part,
    /// A Media Playlist, or one of I-frames or images.
    Playlist,
    /// A live relay to an edge.
    Relay,
    /// A Segment.
    Segment,
    /// The list of streams.
    Streams,
}

impl RequestKind {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Init => "init",
            Self::Multivariant => "multivariant",
            Self::Other => "other",
            Self::Part => "part",
            Self::Playlist => "playlist",
            Self::Relay => "relay",
            Self::Segment => "segment",
            Self::Streams => "streams",
        }
    }
}

/// All of the origin's metrics. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: IntCounterVec,
    /// Requests held at the moment.
    pub held_requests: IntGauge,
    /// HTTP connections at the moment.
    pub http_connections: IntGauge,
    /// Live relays to edges at the moment.
    pub relays: IntGauge,
    relayed_bytes: IntCounterVec,
    relay_ends: IntCounterVec,
    compressions: IntCounterVec,
    reload_latency: Histogram,
    part_latency: HistogramVec,
    streams: IntGauge,
    jobs: JobMetrics,
    per_stream: PerStream,
    /// How every stream is.
    pub health: Healths,
}

/// Labelled by stream. The names come from the configuration, so their number is bounded.
#[derive(Clone, Debug)]
struct PerStream {
    ingest_bytes: IntCounterVec,
    parts: IntCounterVec,
    packaging_events: IntCounterVec,
    restarts: IntCounterVec,
    lag: prometheus::GaugeVec,
    rung_lag: prometheus::GaugeVec,
    rung_speed: prometheus::GaugeVec,
    rung_delay: HistogramVec,
    rungs_shed: IntGaugeVec,
    ladder_changes: IntCounterVec,
    window_bytes: IntGaugeVec,
}

/// One stream's share of [`Metrics`].
#[derive(Clone, Debug)]
pub struct StreamMetrics {
    stream: String,
    all: PerStream,
    streams: IntGauge,
    /// Media bytes that the publisher sent.
    pub ingest_bytes: IntCounter,
    /// Media bytes in the window.
    pub window_bytes: IntGauge,
    /// How it is.
    pub health: StreamHealth,
    part_since_last: Histogram,
    part_since_next: Histogram,
}

/// The transcoder's share of [`StreamMetrics`].
#[derive(Clone, Debug)]
pub struct TranscodeMetrics {
    stream: String,
    all: PerStream,
    health: StreamHealth,
    restarts: IntCounter,
    lag: prometheus::Gauge,
}

/// One encoded rung's share of [`TranscodeMetrics`].
#[derive(Clone, Debug)]
pub struct RungMetrics {
    lag: prometheus::Gauge,
    speed: prometheus::Gauge,
    delay: Histogram,
}

/// What is counted of the node's transcode jobs. Clones share it.
#[derive(Clone, Debug)]
pub struct JobMetrics {
    running: IntGauge,
    max: IntGauge,
    refused: IntCounterVec,
}

impl Metrics {
    /// Registers everything.
    pub fn register(registry: &Registry) -> Result<Self, RegisterError> {
        Ok(Self {
            requests: counter_vec(
                registry,
                "origin_http_requests_total",
                "HTTP requests answered, by what was asked for and the status.",
                &["kind", "status"],
            )?,
            held_requests: gauge(
                registry,
                "origin_http_held_requests",
                "Requests held until their playlist or part is there.",
            )?,
            http_connections: gauge(
                registry,
                "origin_http_connections",
                "Open HTTP connections of edges and players.",
            )?,
            relays: gauge(
                registry,
                "origin_relays",
                "Live relays to edges: one for each edge and stream.",
            )?,
            relayed_bytes: counter_vec(
                registry,
                "origin_relayed_bytes_total",
                "Bytes handed to live relays, by frame: part, playlist.",
                &["frame"],
            )?,
            relay_ends: counter_vec(
                registry,
                "origin_relay_ends_total",
                "Live relays that ended, by reason: ended, gone, leaving, slow, closed.",
                &["reason"],
            )?,
            compressions: counter_vec(
                registry,
                "origin_playlist_compressions_total",
                "Playlists compressed: each version once in each coding that is asked for.",
                &["coding"],
            )?,
            reload_latency: histogram(
                registry,
                "origin_blocked_reload_latency_seconds",
                "From a part's last source frame to the answer of a reload that waited for it.",
                &RELOAD_BUCKETS,
            )?,
            part_latency: histogram_vec(
                registry,
                "origin_part_latency_seconds",
                "Until a part can be fetched: since its last source frame arrived (last_frame), and since the \
                 frame after it did, which closes it (next_frame).",
                &["since"],
                &PART_BUCKETS,
            )?,
            streams: gauge(
                registry,
                "origin_streams",
                "Streams that are being published.",
            )?,
            jobs: JobMetrics::register(registry)?,
            per_stream: PerStream::register(registry)?,
            health: Healths::register(registry)?,
        })
    }

    /// The node's transcode jobs.
    pub fn jobs(&self) -> JobMetrics {
        self.jobs.clone()
    }

    /// Counts an answered request.
    pub fn request(&self, kind: RequestKind, status: u16) {
        let status = status.to_string();
        self.requests
            .with_label_values(&[kind.as_str(), &status])
            .inc();
    }

    /// Counts what was handed to a live relay.
    pub fn relayed(&self, frame: &str, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.relayed_bytes.with_label_values(&[frame]).inc_by(bytes);
    }

    /// Counts the end of a live relay.
    pub fn relay_ended(&self, reason: &str) {
        self.relay_ends.with_label_values(&[reason]).inc();
    }

    /// Counts a playlist that was compressed.
    pub fn compressed(&self, coding: Coding) {
        let coding = coding.as_str();
        self.compressions.with_label_values(&[coding]).inc();
    }

    /// Observes how long after its last source frame a part reached a waiting player.
    pub fn reload_latency(&self, latency: Duration) {
        self.reload_latency.observe(latency.as_secs_f64());
    }

    /// One stream's metrics.
    pub fn stream(&self, stream: &str) -> StreamMetrics {
        let all = self.per_stream.clone();
        StreamMetrics {
            stream: stream.to_owned(),
            streams: self.streams.clone(),
            health: self.health.stream(stream),
            part_since_last: self.part_latency.with_label_values(&["last_frame"]),
            part_since_next: self.part_latency.with_label_values(&["next_frame"]),
            ingest_bytes: all.ingest_bytes.with_label_values(&[stream]),
            window_bytes: all.window_bytes.with_label_values(&[stream]),
            all,
        }
    }
}

impl PerStream {
    fn register(registry: &Registry) -> Result<Self, RegisterError> {
        Ok(Self {
            ingest_bytes: counter_vec(
                registry,
                "origin_ingest_bytes_total",
                "Media bytes that publishers sent.",
                &["stream"],
            )?,
            parts: counter_vec(
                registry,
                "origin_parts_packaged_total",
                "Parts packaged.",
                &["stream", "rendition"],
            )?,
            packaging_events: counter_vec(
                registry,
                "origin_packaging_events_total",
                "What the packager noticed: samples dropped, segments without keyframe, jumps.",
                &["stream", "event"],
            )?,
            restarts: counter_vec(
                registry,
                "origin_transcode_restarts_total",
                "Restarts of ffmpeg.",
                &["stream"],
            )?,
            lag: float_gauge_vec(
                registry,
                "origin_transcode_lag_seconds",
                "Source time between what ffmpeg was given and what its slowest output gave back.",
                &["stream"],
            )?,
            rung_lag: float_gauge_vec(
                registry,
                "origin_transcode_rung_lag_seconds",
                "Source time between what ffmpeg was given and what a rung's output gave back.",
                &["stream", "rendition"],
            )?,
            rung_speed: float_gauge_vec(
                registry,
                "origin_transcode_rung_speed",
                "Media seconds that a rung's encoder made per second; 0: the rung is not made.",
                &["stream", "rendition"],
            )?,
            rung_delay: histogram_vec(
                registry,
                "origin_transcode_delay_seconds",
                "From a source frame given to ffmpeg to the rung's frame back from it.",
                &["stream", "rendition"],
                &DELAY_BUCKETS,
            )?,
            rungs_shed: gauge_vec(
                registry,
                "origin_transcode_rungs_shed",
                "Rungs that are left out because ffmpeg cannot keep up.",
                &["stream"],
            )?,
            ladder_changes: counter_vec(
                registry,
                "origin_transcode_ladder_changes_total",
                "Rungs left out (shed) or made again (restored) for the load.",
                &["stream", "change"],
            )?,
            window_bytes: gauge_vec(
                registry,
                "origin_window_bytes",
                "Media bytes held in the live window.",
                &["stream"],
            )?,
        })
    }
}

impl StreamMetrics {
    /// Counts a part.
    pub fn part(&self, rendition: &str) {
        self.all
            .parts
            .with_label_values(&[&self.stream, rendition])
            .inc();
    }

    /// Observes that a part can be fetched, so long after its last source frame arrived, and after the next
    /// one did. A part that was closed for want of a next frame has none.
    pub fn part_fetchable(&self, since_last: Duration, since_next: Option<Duration>) {
        self.part_since_last.observe(since_last.as_secs_f64());
        if let Some(since_next) = since_next {
            self.part_since_next.observe(since_next.as_secs_f64());
        }
    }

    /// Counts something that the packager noticed.
    pub fn packaging_event(&self, event: &str) {
        self.all
            .packaging_events
            .with_label_values(&[&self.stream, event])
            .inc();
    }

    /// The share of a transcoder that begins: with all rungs, whatever the one before had left out.
    pub fn transcode(&self) -> TranscodeMetrics {
        let transcode = TranscodeMetrics {
            stream: self.stream.clone(),
            all: self.all.clone(),
            health: self.health.clone(),
            restarts: self.all.restarts.with_label_values(&[&self.stream]),
            lag: self.all.lag.with_label_values(&[&self.stream]),
        };
        transcode.shed_gauge().set(0);
        transcode
    }

    /// A publisher came.
    pub fn started(&self) {
        self.streams.inc();
    }

    /// The publisher has gone.
    pub fn ended(&self) {
        self.streams.dec();
        self.health.unpackaged();
        self.transcode().lag(Duration::ZERO);
    }
}

impl TranscodeMetrics {
    /// Counts a restart.
    pub fn restarted(&self) {
        self.restarts.inc();
    }

    /// How far ffmpeg is behind.
    pub fn lag(&self, lag: Duration) {
        self.lag.set(lag.as_secs_f64());
    }

    /// One more rung is left out, that makes so many.
    pub fn shed(&self, rungs: usize) {
        self.changed("shed", rungs);
    }

    /// One rung less is left out, that leaves so many.
    pub fn restored(&self, rungs: usize) {
        self.changed("restored", rungs);
    }

    /// An encoded rung's share.
    pub fn rung(&self, rendition: &str) -> RungMetrics {
        let labels = [self.stream.as_str(), rendition];
        RungMetrics {
            lag: self.all.rung_lag.with_label_values(&labels),
            speed: self.all.rung_speed.with_label_values(&labels),
            delay: self.all.rung_delay.with_label_values(&labels),
        }
    }

    fn changed(&self, change: &str, shed: usize) {
        let labels = [self.stream.as_str(), change];
        self.all.ladder_changes.with_label_values(&labels).inc();
        self.shed_gauge()
            .set(i64::try_from(shed).unwrap_or(i64::MAX));
        self.health.shed(shed);
    }

    fn shed_gauge(&self) -> IntGauge {
        self.all.rungs_shed.with_label_values(&[&self.stream])
    }
}

impl RungMetrics {
    /// How far the rung is behind.
    pub fn lag(&self, lag: Duration) {
        self.lag.set(lag.as_secs_f64());
    }

    /// Media seconds made per second.
    pub fn speed(&self, speed: f64) {
        self.speed.set(speed);
    }

    /// A frame came back so long after it was given.
    pub fn delay(&self, delay: Duration) {
        self.delay.observe(delay.as_secs_f64());
    }

    /// What [`Self::lag`] was told last, in seconds.
    pub fn lag_now(&self) -> f64 {
        self.lag.get()
    }

    /// What [`Self::speed`] was told last.
    pub fn speed_now(&self) -> f64 {
        self.speed.get()
    }
}

impl JobMetrics {
    fn register(registry: &Registry) -> Result<Self, RegisterError> {
        Ok(Self {
            running: gauge(
                registry,
                "origin_transcode_jobs",
                "Streams whose ladder is being made.",
            )?,
            max: gauge(
                registry,
                "origin_transcode_jobs_max",
                "Streams whose ladder may be made at once.",
            )?,
            refused: counter_vec(
                registry,
                "origin_transcode_jobs_refused_total",
                "Streams that found no free job: passed through alone, or refused.",
                &["outcome"],
            )?,
        })
    }

    /// So many there may be.
    pub fn max(&self, max: usize) {
        self.max.set(i64::try_from(max).unwrap_or(i64::MAX));
    }

    /// One began.
    pub fn began(&self) {
        self.running.inc();
    }

    /// One ended.
    pub fn ended(&self) {
        self.running.dec();
    }

    /// A stream found no free job; does it play all the same?
    pub fn refused(&self, plays: bool) {
        let outcome = if plays { "passthrough" } else { "refused" };
        self.refused.with_label_values(&[outcome]).inc();
    }

    /// How many there are now.
    pub fn running(&self) -> i64 {
        self.running.get()
    }
}

#[cfg(test)]
mod tests {
    use prometheus::core::Collector;

    use super::*;

    #[test]
    fn everything_registers_once() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        metrics.request(RequestKind::Part, 200);
        metrics.stream("demo").part("720p");
        assert_eq!(metrics.requests.collect().len(), 1);
        assert!(Metrics::register(&registry).is_err());
    }

    #[test]
    fn another_transcoder_has_all_rungs() {
        let stream = Metrics::register(&Registry::new()).unwrap().stream("demo");
        let before = stream.transcode();
        before.shed(2);
        assert_eq!(before.shed_gauge().get(), 2);
        assert_eq!(stream.transcode().shed_gauge().get(), 0);
    }
}
