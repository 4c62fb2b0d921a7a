//! The origin's metrics: registered once, handed to whoever counts.

use std::time::Duration;

use content_coding::Coding;
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};
use telemetry::metrics::{
    RegisterError, counter_vec, float_gauge_vec, gauge, gauge_vec, histogram,
};

/// Upper bounds of the blocked reload latency, in seconds: half a frame to a stuck part.
const RELOAD_BUCKETS: [f64; 12] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.25, 0.5, 1.0,
];

/// What a request asked for: the `kind` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// A Media Initialization Section.
    Init,
    /// A Multivariant Playlist.
    Multivariant,
    /// Anything else.
    Other,
    /// A Part.
    Part,
    /// A Media Playlist.
    Playlist,
    /// A Segment.
    Segment,
    /// The list of streams.
    Streams,
}

impl RequestKind {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Multivariant => "multivariant",
            Self::Other => "other",
            Self::Part => "part",
            Self::Playlist => "playlist",
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
    compressions: IntCounterVec,
    reload_latency: Histogram,
    streams: IntGauge,
    per_stream: PerStream,
}

/// Labelled by stream. The names come from the configuration, so their number is bounded.
#[derive(Clone, Debug)]
struct PerStream {
    ingest_bytes: IntCounterVec,
    parts: IntCounterVec,
    packaging_events: IntCounterVec,
    restarts: IntCounterVec,
    lag: prometheus::GaugeVec,
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
}

/// The transcoder's share of [`StreamMetrics`].
#[derive(Clone, Debug)]
pub struct TranscodeMetrics {
    restarts: IntCounter,
    lag: prometheus::Gauge,
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
            streams: gauge(
                registry,
                "origin_streams",
                "Streams that are being published.",
            )?,
            per_stream: PerStream::register(registry)?,
        })
    }

    /// Counts an answered request.
    pub fn request(&self, kind: RequestKind, status: u16) {
        let status = status.to_string();
        self.requests
            .with_label_values(&[kind.as_str(), &status])
            .inc();
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

    /// Counts something that the packager noticed.
    pub fn packaging_event(&self, event: &str) {
        self.all
            .packaging_events
            .with_label_values(&[&self.stream, event])
            .inc();
    }

    /// The transcoder's share.
    pub fn transcode(&self) -> TranscodeMetrics {
        TranscodeMetrics {
            restarts: self.all.restarts.with_label_values(&[&self.stream]),
            lag: self.all.lag.with_label_values(&[&self.stream]),
        }
    }

    /// A publisher came.
    pub fn started(&self) {
        self.streams.inc();
    }

    /// The publisher has gone.
    pub fn ended(&self) {
        self.streams.dec();
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
}
