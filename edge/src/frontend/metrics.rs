//! What the front doors count.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};
use rustls::NamedGroup;
use telemetry::metrics::{self, RegisterError};

/// Connections, and what HTTP/3 refuses or breaks off.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// `edge_connections{protocol}`: open connections (h1, h2, h3).
    open: IntGaugeVec,
    /// `edge_connections_total{protocol}`.
    opened: IntCounterVec,
    /// `edge_tls_handshakes_failed_total{reason}`: over TCP (client_certificate, failed,
    /// too_slow, unknown_name).
    handshakes_failed: IntCounterVec,
    /// `edge_tls_handshakes_total{transport, group, resumed}`: over TCP and QUIC, by the group that
    /// keys were agreed on with (x25519mlkem768, x25519, secp256r1, secp384r1, other; none: a
    /// session of TLS 1.2 was resumed).
    handshakes: IntCounterVec,
    /// `edge_proxy_protocol_refused_total{reason}`: connections of balancers that were closed
    /// (closed, malformed, too_slow).
    proxied_refused: IntCounterVec,
    /// `edge_h3_early_connections_total`: connections whose 0-RTT data were taken.
    pub h3_early: IntCounter,
    /// `edge_h3_tickets_unknown_total`: with 0-RTT data, tickets that named no session: used before,
    /// too old, or another node's. Nothing of what came with them was answered early.
    pub h3_tickets_unknown: IntCounter,
    /// `edge_h3_requests_total`: requests handed to the pipeline.
    pub h3_requests: IntCounter,
    /// `edge_h3_requests_in_progress`: requests from their stream's opening to the client's last
    /// acknowledgement.
    pub h3_in_progress: IntGauge,
    /// `edge_h3_resets_total`: responses that ended with a RESET_STREAM instead of a FIN.
    pub h3_resets: IntCounter,
    /// `edge_h3_refused_total{reason}`: connections and requests refused before the pipeline.
    pub h3_refused: IntCounterVec,
}

/// Why HTTP/3 refused something, the label of [`Metrics::h3_refused`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusedReason {
    /// GOAWAY has been sent.
    Draining,
    /// The head is malformed.
    Malformed,
    /// A connection too many.
    TooManyConnections,
    /// A request too many on one connection.
    TooManyRequests,
    /// The head is too large.
    TooLarge,
    /// The head, or the handshake, did not come in time.
    TooSlow,
    /// The client has not shown that its address is its own: sent a Retry.
    Unvalidated,
}

impl RefusedReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::TooManyConnections => "too_many_connections",
            Self::TooManyRequests => "too_many_requests",
            Self::TooSlow => "too_slow",
            Self::Unvalidated => "unvalidated",
        }
    }
}

impl Metrics {
    pub(super) fn shook_hands(
        &self,
        transport: &'static str,
        group: Option<NamedGroup>,
        resumed: bool,
    ) {
        let resumed = if resumed { "yes" } else { "no" };
        let labels = [transport, group_label(group), resumed];
        self.handshakes.with_label_values(&labels).inc();
    }

    pub(super) fn handshake_failed(&self, reason: &'static str) {
        self.handshakes_failed.with_label_values(&[reason]).inc();
    }

    pub(super) fn proxied_refused(&self, reason: &'static str) {
        self.proxied_refused.with_label_values(&[reason]).inc();
    }

    /// Registers every metric.
    ///
    /// # Errors
    /// A name that is already taken: a bug.
    pub fn new(registry: &Registry) -> Result<Self, RegisterError> {
        let r = registry;
        Ok(Self {
            open: metrics::gauge_vec(
                r,
                "edge_connections",
                "Open connections of viewers, by protocol (h1, h2, h3).",
                &["protocol"],
            )?,
            opened: metrics::counter_vec(
                r,
                "edge_connections_total",
                "Connections of viewers, by protocol (h1, h2, h3).",
                &["protocol"],
            )?,
            handshakes_failed: metrics::counter_vec(
                r,
                "edge_tls_handshakes_failed_total",
                "TLS handshakes over TCP that failed, by reason.",
                &["reason"],
            )?,
            handshakes: metrics::counter_vec(
                r,
                "edge_tls_handshakes_total",
                "TLS handshakes, by transport (tcp, quic), group of the key exchange, and whether a session was resumed.",
                &["transport", "group", "resumed"],
            )?,
            proxied_refused: metrics::counter_vec(
                r,
                "edge_proxy_protocol_refused_total",
                "Connections of load balancers without a good header of the PROXY protocol, by reason.",
                &["reason"],
            )?,
            h3_early: metrics::counter(
                r,
                "edge_h3_early_connections_total",
                "HTTP/3 connections whose 0-RTT data were taken.",
            )?,
            h3_tickets_unknown: metrics::counter(
                r,
                "edge_h3_tickets_unknown_total",
                "Tickets of HTTP/3 that named no session: used before, too old, or another node's. Counted with tls.early_data.",
            )?,
            h3_requests: metrics::counter(
                r,
                "edge_h3_requests_total",
                "HTTP/3 requests handed to the pipeline.",
            )?,
            h3_in_progress: metrics::gauge(
                r,
                "edge_h3_requests_in_progress",
                "HTTP/3 requests whose response is not yet acknowledged.",
            )?,
            h3_resets: metrics::counter(
                r,
                "edge_h3_resets_total",
                "HTTP/3 responses that were reset instead of finished.",
            )?,
            h3_refused: metrics::counter_vec(
                r,
                "edge_h3_refused_total",
                "HTTP/3 connections and requests refused before the pipeline, by reason.",
                &["reason"],
            )?,
        })
    }

    /// Open connections of `protocol`: `h1`, `h2` or `h3`.
    #[must_use]
    pub fn connections(&self, protocol: &'static str) -> IntGauge {
        self.open.with_label_values(&[protocol])
    }

    /// Connections of `protocol` so far.
    #[must_use]
    pub fn connections_total(&self, protocol: &'static str) -> IntCounter {
        self.opened.with_label_values(&[protocol])
    }

    /// Handshakes over `transport` (`tcp`, `quic`) with the group `group` so far; sessions that were
    /// not resumed.
    #[must_use]
    pub fn handshakes_total(&self, transport: &'static str, group: &'static str) -> IntCounter {
        self.handshakes.with_label_values(&[transport, group, "no"])
    }

    /// Counts a connection until the guard is dropped.
    pub(super) fn connection(&self, protocol: &'static str) -> InProgress {
        self.connections_total(protocol).inc();
        InProgress::new(self.connections(protocol))
    }

    /// Counts an HTTP/3 request until the guard is dropped.
    pub(super) fn h3_request(&self) -> InProgress {
        InProgress::new(self.h3_in_progress.clone())
    }

    pub(super) fn refused(&self, reason: RefusedReason) {
        self.h3_refused.with_label_values(&[reason.as_str()]).inc();
    }

    pub(super) fn refused_by(&self, reason: RefusedReason, count: u64) {
        self.h3_refused
            .with_label_values(&[reason.as_str()])
            .inc_by(count);
    }
}

fn group_label(group: Option<NamedGroup>) -> &'static str {
    match group {
        Some(NamedGroup::X25519MLKEM768) => "x25519mlkem768",
        Some(NamedGroup::X25519) => "x25519",
        Some(NamedGroup::secp256r1) => "secp256r1",
        Some(NamedGroup::secp384r1) => "secp384r1",
        Some(_) => "other",
        None => "none",
    }
}

/// One more on a gauge, until dropped.
#[derive(Debug)]
pub(super) struct InProgress(IntGauge);

impl InProgress {
    fn new(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.dec();
    }
}
