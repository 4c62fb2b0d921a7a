//! Figures of rooms by API.

use prometheus::{IntCounter, IntGauge, Registry};
use telemetry::metrics::{RegisterError, counter, gauge};

#[derive(Clone, Debug)]
pub(super) struct Metrics {
    /// `weir_rooms_known`.
    pub(super) known: IntGauge,
    /// `weir_rooms_closed_total`.
    pub(super) closed: IntCounter,
    /// `weir_idempotent_answers`.
    pub(super) answers: IntGauge,
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, RegisterError> {
        Ok(Self {
            known: gauge(
                registry,
                "weir_rooms_known",
                "Rooms, made by API or configured, open or stopped.",
            )?,
            closed: counter(
                registry,
                "weir_rooms_closed_total",
                "Times that a room was closed here, because it was stopped or deleted.",
            )?,
            answers: gauge(
                registry,
                "weir_idempotent_answers",
                "Answers that are remembered for requests that come again.",
            )?,
        })
    }
}
