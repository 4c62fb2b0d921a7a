//! What ingest counts.

use prometheus::{IntCounterVec, IntGauge, Registry};
use telemetry::metrics::{RegisterError, counter_vec, gauge};

use super::CloseReason;

#[derive(Clone, Debug)]
pub(super) struct IngestMetrics {
    connections: IntGauge,
    closed: IntCounterVec,
}

/// An open connection in the gauge; dropping it takes it out.
#[derive(Debug)]
pub(super) struct Open(IntGauge);

impl IngestMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, RegisterError> {
        Ok(Self {
            connections: gauge(
                registry,
                "origin_ingest_connections",
                "Open RTMP and RTMPS connections.",
            )?,
            closed: counter_vec(
                registry,
                "origin_ingest_connections_closed_total",
                "RTMP and RTMPS connections ended, by reason.",
                &["reason"],
            )?,
        })
    }

    pub(super) fn opened(&self) -> Open {
        self.connections.inc();
        Open(self.connections.clone())
    }

    pub(super) fn closed(&self, reason: &CloseReason) {
        self.closed.with_label_values(&[reason.as_str()]).inc();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
