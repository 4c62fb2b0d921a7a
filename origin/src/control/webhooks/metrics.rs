//! Figures of webhooks.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};
use telemetry::metrics::{RegisterError, counter, counter_vec, gauge};

#[derive(Clone, Debug)]
pub(in crate::control) struct Metrics {
    /// `weir_webhook_attempts_total{outcome}`.
    pub(super) attempts: IntCounterVec,
    /// `weir_webhook_waiting`.
    pub(super) waiting: IntGauge,
    /// `weir_webhook_dropped_total`.
    pub(super) dropped: IntCounter,
    /// `weir_webhook_lost_total`.
    pub(in crate::control) lost: IntCounter,
}

impl Metrics {
    pub(in crate::control) fn new(registry: &Registry) -> Result<Self, RegisterError> {
        Ok(Self {
            attempts: counter_vec(
                registry,
                "weir_webhook_attempts_total",
                "Attempts to deliver, by what became of them (delivered, failed, given-up).",
                &["outcome"],
            )?,
            waiting: gauge(
                registry,
                "weir_webhook_waiting",
                "Deliveries that are still to be made, of all origins.",
            )?,
            dropped: counter(
                registry,
                "weir_webhook_dropped_total",
                "Old deliveries that were dropped because too many waited.",
            )?,
            lost: counter(
                registry,
                "weir_webhook_lost_total",
                "Events that could not be written down to be delivered.",
            )?,
        })
    }
}
