//! The edge's own figures. The frontend's (connections, resets) live with the frontend.

mod stages;

use content_coding::Coding;
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};
use telemetry::metrics::{self, RegisterError};

pub use stages::Stages;

/// Upper bounds of the latency buckets, in seconds: from a memory hit to a held reload.
const LATENCY_BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Everything the pipeline and the upstream side count.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// `edge_requests_total{protocol,kind,status,cache}`.
    pub requests: IntCounterVec,
    /// `edge_response_body_bytes_total{protocol}`.
    pub body_bytes: IntCounterVec,
    /// `edge_requests_in_progress`.
    pub in_progress: IntGauge,
    /// `edge_waiters`: requests that wait for a flight to bring a head or more body.
    pub waiters: IntGauge,
    /// `edge_response_head_seconds`: request read to response head written.
    pub head_seconds: Histogram,
    /// `edge_stage_seconds{stage}`.
    pub stages: Stages,
    /// `edge_upstream_requests_total{parent,outcome}`.
    pub upstream_requests: IntCounterVec,
    /// `edge_upstream_connections_total{parent,reused}`.
    pub upstream_connections: IntCounterVec,
    /// `edge_upstream_head_seconds`: parent asked to parent's head read.
    pub upstream_head_seconds: Histogram,
    /// `edge_parent_up{parent}`.
    parent_up: IntGaugeVec,
    /// `edge_parent_falls_total{parent,reason}`.
    parent_falls: IntCounterVec,
    /// `edge_parent_probes_total{parent,outcome}`.
    parent_probes: IntCounterVec,
    /// `edge_fill_bytes_total`: body bytes read from parents.
    pub fill_bytes: IntCounter,
    /// `edge_broken_fills_total{reason}`: fills that ended before the whole object was there.
    pub broken_fills: IntCounterVec,
    /// `edge_flights_rejected_total`: lookups turned away because `cache.flights_max` was reached.
    pub flights_rejected: IntCounter,
    /// `edge_playlist_compressions_total{coding}`.
    compressions: IntCounterVec,
    /// `edge_flights`: objects in flight.
    pub flights: IntGauge,
    /// `edge_cache_memory_bytes`.
    pub memory_bytes: IntGauge,
    /// `edge_cache_memory_objects`.
    pub memory_objects: IntGauge,
    /// `edge_sites_bytes`.
    pub sites_bytes: IntGauge,
    /// `edge_sites_resources`.
    pub sites_resources: IntGauge,
    /// `edge_sites_flights`.
    pub sites_flights: IntGauge,
    /// `edge_sites_passed_total{reason}`: requests that were asked for one client alone.
    pub sites_passed: IntCounterVec,
    /// `edge_auth_refused_total{reason}`: by the code of the refusal, as far as it is a known one.
    pub auth_refused: IntCounterVec,
    /// `edge_early_requests_total{outcome}`: of requests that came before a handshake was complete:
    /// served, waited (for it), too_early (answered 425).
    early: IntCounterVec,
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// A name that is already taken: a bug.
    #[expect(clippy::too_many_lines, reason = "a table, one entry per metric")]
    pub fn new(registry: &Registry) -> Result<Self, RegisterError> {
        let r = registry;
        Ok(Self {
            requests: metrics::counter_vec(
                r,
                "edge_requests_total",
                "Requests answered, by protocol (h1, h2, h3), kind of object, status and cache outcome.",
                &["protocol", "kind", "status", "cache"],
            )?,
            body_bytes: metrics::counter_vec(
                r,
                "edge_response_body_bytes_total",
                "Body bytes sent to viewers.",
                &["protocol"],
            )?,
            in_progress: metrics::gauge(
                r,
                "edge_requests_in_progress",
                "Requests being answered.",
            )?,
            waiters: metrics::gauge(
                r,
                "edge_waiters",
                "Requests waiting for an object that is being fetched.",
            )?,
            head_seconds: metrics::histogram(
                r,
                "edge_response_head_seconds",
                "From a request read to the head of its response written.",
                LATENCY_BUCKETS,
            )?,
            stages: Stages::new(r)?,
            upstream_requests: metrics::counter_vec(
                r,
                "edge_upstream_requests_total",
                "Requests sent to parents, by parent and outcome (a status, or why there was none).",
                &["parent", "outcome"],
            )?,
            upstream_connections: metrics::counter_vec(
                r,
                "edge_upstream_connections_total",
                "Turns on connections to parents, by whether the connection was reused.",
                &["parent", "reused"],
            )?,
            upstream_head_seconds: metrics::histogram(
                r,
                "edge_upstream_head_seconds",
                "From a parent asked to the head of its answer read.",
                LATENCY_BUCKETS,
            )?,
            parent_up: metrics::gauge_vec(
                r,
                "edge_parent_up",
                "1 while a parent answers, 0 from its fall on until it answers again.",
                &["parent"],
            )?,
            parent_falls: metrics::counter_vec(
                r,
                "edge_parent_falls_total",
                "Falls of parents, by reason: unreachable, closed, silent, gateway (502 and 504), lifeless.",
                &["parent", "reason"],
            )?,
            parent_probes: metrics::counter_vec(
                r,
                "edge_parent_probes_total",
                "Looks whether a parent is alive, by outcome: answered, missed.",
                &["parent", "outcome"],
            )?,
            fill_bytes: metrics::counter(
                r,
                "edge_fill_bytes_total",
                "Body bytes read from parents.",
            )?,
            broken_fills: metrics::counter_vec(
                r,
                "edge_broken_fills_total",
                "Fills that ended before the whole object was there.",
                &["reason"],
            )?,
            flights_rejected: metrics::counter(
                r,
                "edge_flights_rejected_total",
                "Requests refused because cache.flights_max objects were in flight.",
            )?,
            compressions: metrics::counter_vec(
                r,
                "edge_playlist_compressions_total",
                "Playlists compressed: each object once in each coding that is asked for.",
                &["coding"],
            )?,
            flights: metrics::gauge(r, "edge_flights", "Objects being fetched from parents.")?,
            memory_bytes: metrics::gauge(
                r,
                "edge_cache_memory_bytes",
                "Bytes of whole objects in memory.",
            )?,
            memory_objects: metrics::gauge(
                r,
                "edge_cache_memory_objects",
                "Whole objects in memory.",
            )?,
            sites_bytes: metrics::gauge(
                r,
                "edge_sites_bytes",
                "Bytes of responses of sites in memory.",
            )?,
            sites_resources: metrics::gauge(
                r,
                "edge_sites_resources",
                "URLs of sites with responses in memory.",
            )?,
            sites_flights: metrics::gauge(
                r,
                "edge_sites_flights",
                "Resources of sites being fetched.",
            )?,
            sites_passed: metrics::counter_vec(
                r,
                "edge_sites_passed_total",
                "Requests for sites that parents were asked for one client alone, by reason (RFC 9211: fwd).",
                &["reason"],
            )?,
            early: metrics::counter_vec(
                r,
                "edge_early_requests_total",
                "Requests that came before their client's handshake was complete, by outcome (served, waited, too_early).",
                &["outcome"],
            )?,
            auth_refused: metrics::counter_vec(
                r,
                "edge_auth_refused_total",
                "Requests for objects that were not admitted, by the code of the refusal (unknown codes: filter).",
                &["reason"],
            )?,
        })
    }

    /// Counts a request that came before its client's handshake was complete.
    pub(crate) fn early(&self, outcome: &'static str) {
        self.early.with_label_values(&[outcome]).inc();
    }

    /// Whether a parent is up.
    pub fn parent_up(&self, parent: &str, up: bool) {
        let gauge = self.parent_up.with_label_values(&[parent]);
        gauge.set(i64::from(up));
    }

    /// Takes a parent out that is none any more.
    pub fn parent_gone(&self, parent: &str) {
        // An error means that it was not there.
        let _ = self.parent_up.remove_label_values(&[parent]);
    }

    /// Counts the fall of a parent.
    pub fn parent_falls(&self, parent: &str, reason: &str) {
        let labels = [parent, reason];
        self.parent_falls.with_label_values(&labels).inc();
    }

    /// Counts a look at a parent.
    pub fn parent_probed(&self, parent: &str, outcome: &str) {
        let labels = [parent, outcome];
        self.parent_probes.with_label_values(&labels).inc();
    }

    /// Counts a playlist that was compressed.
    pub fn compressed(&self, coding: Coding) {
        let coding = coding.as_str();
        self.compressions.with_label_values(&[coding]).inc();
    }
}
