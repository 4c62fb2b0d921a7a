//! What is counted of live relays.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};
use telemetry::metrics::{self, RegisterError};

/// Figures of live relays. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// `edge_relay_subscriptions`.
    pub subscriptions: IntGauge,
    /// `edge_relay_children`.
    pub children: IntGauge,
    /// `edge_relay_bytes_total`: read from parents.
    pub bytes: IntCounter,
    requests: IntCounterVec,
    frames: IntCounterVec,
    ends: IntCounterVec,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// A name that is already taken: a bug.
    pub fn new(r: &Registry) -> Result<Self, RegisterError> {
        Ok(Self {
            subscriptions: metrics::gauge(
                r,
                "edge_relay_subscriptions",
                "Streams that parents hand on to this edge.",
            )?,
            children: metrics::gauge(
                r,
                "edge_relay_children",
                "Edges below that streams are handed on to, each counted once per stream.",
            )?,
            bytes: metrics::counter(r, "edge_relay_bytes_total", "Bytes that parents handed on.")?,
            requests: metrics::counter_vec(
                r,
                "edge_relay_requests_total",
                "Objects of live streams that were not in memory, by what became of them: answered, held or refused \
                 by what parents have told; parent: asked for.",
                &["outcome"],
            )?,
            frames: metrics::counter_vec(
                r,
                "edge_relay_frames_total",
                "What parents handed on: part, playlist, ping, end.",
                &["frame"],
            )?,
            ends: metrics::counter_vec(
                r,
                "edge_relay_ends_total",
                "Subscriptions that ended, by reason: changed (other renditions are wanted), idle, ended, gone, leaving, \
                 lost, malformed, refused (the parent has no relay, or no such stream), unanswered.",
                &["reason"],
            )?,
        })
    }

    pub(super) fn asked(&self, outcome: &str) {
        self.requests.with_label_values(&[outcome]).inc();
    }

    pub(super) fn frame(&self, frame: &str) {
        self.frames.with_label_values(&[frame]).inc();
    }

    pub(super) fn ended(&self, reason: &str) {
        self.ends.with_label_values(&[reason]).inc();
    }
}
