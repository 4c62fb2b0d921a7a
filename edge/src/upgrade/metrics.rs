//! What is counted of upgrades.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};
use telemetry::metrics::{self, RegisterError};
use transport::quic::takeover::Switch;

/// Figures of upgrades. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    upgrades: IntCounterVec,
    generation: IntGauge,
    forwarded: IntCounter,
    dropped: IntCounter,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// A name that is already taken: a bug.
    pub fn new(r: &Registry) -> Result<Self, RegisterError> {
        Ok(Self {
            upgrades: metrics::counter_vec(
                r,
                "edge_upgrades_total",
                "Upgrades in place, by result: taken_over (this process took over from another), failed (another could not take over from this one).",
                &["result"],
            )?,
            generation: metrics::gauge(
                r,
                "edge_process_generation",
                "Upgrades in place since the first process.",
            )?,
            forwarded: metrics::counter(
                r,
                "edge_quic_forwarded_total",
                "Datagrams handed on to an older process that drains.",
            )?,
            dropped: metrics::counter(
                r,
                "edge_quic_forward_dropped_total",
                "Datagrams for an older process that were dropped: it is gone, or takes none.",
            )?,
        })
    }

    /// This process is of that generation; any but the first took over.
    pub fn started(&self, generation: u64) {
        self.generation
            .set(i64::try_from(generation).unwrap_or(i64::MAX));
        if generation > 0 {
            self.upgrades.with_label_values(&["taken_over"]).inc();
        }
    }

    pub(super) fn failed(&self) {
        self.upgrades.with_label_values(&["failed"]).inc();
    }

    /// Takes over what the switch counts.
    pub fn read(&self, switch: &Switch) {
        let (forwarded, dropped) = switch.counts();
        let more = |now: u64, counter: &IntCounter| now.saturating_sub(counter.get());
        self.forwarded.inc_by(more(forwarded, &self.forwarded));
        self.dropped.inc_by(more(dropped, &self.dropped));
    }
}
