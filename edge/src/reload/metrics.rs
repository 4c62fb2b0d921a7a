//! What is counted of configurations.

use prometheus::{IntCounterVec, IntGauge, Registry};
use telemetry::metrics::{self, RegisterError};

/// Figures of configurations. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    reloads: IntCounterVec,
    pub(super) generation: IntGauge,
    pub(super) loaded: IntGauge,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// A name that is already taken: a bug.
    pub fn new(r: &Registry) -> Result<Self, RegisterError> {
        Ok(Self {
            reloads: metrics::counter_vec(
                r,
                "edge_config_reloads_total",
                "Times that the configuration was read again, by result: applied, unchanged, invalid, needs_upgrade, unusable.",
                &["result"],
            )?,
            generation: metrics::gauge(
                r,
                "edge_config_generation",
                "The configuration in force, counted from 1 at the start of the process.",
            )?,
            loaded: metrics::gauge(
                r,
                "edge_config_loaded_timestamp_seconds",
                "When the configuration in force was loaded, in Unix time.",
            )?,
        })
    }

    pub(super) fn reloaded(&self, result: &str) {
        self.reloads.with_label_values(&[result]).inc();
    }
}
