use prometheus::{IntCounterVec, IntGaugeVec, Registry};
use telemetry::metrics::{self, RegisterError};

/// What certificates and keys count.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// `edge_tls_certificate_not_after_seconds{file}`: Unix time.
    not_after: IntGaugeVec,
    /// `edge_tls_reloads_total{what,outcome}`: outcome reloaded or refused.
    reloads: IntCounterVec,
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// A name that is already taken: a bug.
    pub fn new(registry: &Registry) -> Result<Self, RegisterError> {
        let r = registry;
        Ok(Self {
            not_after: metrics::gauge_vec(
                r,
                "edge_tls_certificate_not_after_seconds",
                "When a certificate in force expires, in Unix time, by its file.",
                &["file"],
            )?,
            reloads: metrics::counter_vec(
                r,
                "edge_tls_reloads_total",
                "Changed files of certificates and keys, by what they are and whether they were taken.",
                &["what", "outcome"],
            )?,
        })
    }

    pub(super) fn not_after(&self, file: &str, unix_seconds: u64) {
        let seconds = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
        self.not_after.with_label_values(&[file]).set(seconds);
    }

    pub(super) fn reload(&self, what: &str, outcome: &str) {
        if outcome != "unchanged" {
            self.reloads.with_label_values(&[what, outcome]).inc();
        }
    }
}
