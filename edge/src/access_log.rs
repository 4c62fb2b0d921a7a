//! The access log: one JSON object per line for each request that is sampled, and for each that failed.
//!
//! `docs/seeing.md` names the fields; they are stable. **Nothing waits for it:** lines go into a bounded queue that a
//! thread of its own empties, and one that finds no room is dropped and counted. **Secrets stay out:** of a URL it has
//! the path alone, of the fields the host and the user agent alone.

mod record;
mod sample;
mod writer;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, IntCounterVec, Registry};
use telemetry::metrics::{self, RegisterError};

pub use record::{Head, Record, path_of};
pub use sample::{Share, is_request_id, made_id};
use writer::Writer;

/// The field that carries a request's id from tier to tier.
pub const REQUEST_ID: &str = "x-request-id";

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A file that is appended to, and opened anew when it was moved away.
    File(PathBuf),
    /// Standard output.
    Stdout,
}

/// What of a viewer's address is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAddress {
    /// All of it.
    Full,
    /// Nothing.
    None,
    /// The first 24 bits of an IPv4 address, the first 48 of an IPv6 one.
    #[default]
    Truncated,
}

impl ClientAddress {
    /// What is written of `address`.
    #[must_use]
    pub fn of(self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical();
        match (self, address) {
            (Self::None, _) => None,
            (Self::Full, _) => Some(address),
            (Self::Truncated, IpAddr::V4(v4)) => {
                Some(IpAddr::V4((v4.to_bits() & (u32::MAX << 8)).into()))
            }
            (Self::Truncated, IpAddr::V6(v6)) => {
                Some(IpAddr::V6((v6.to_bits() & (u128::MAX << 80)).into()))
            }
        }
    }
}

/// From the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLogSettings {
    /// Where lines go.
    pub output: Output,
    /// How many of the successes are written.
    pub sample: Share,
    /// What of viewers' addresses is.
    pub client: ClientAddress,
    /// Lines that wait to be written, at most.
    pub queue_max: usize,
}

/// What happened to lines.
#[derive(Clone, Debug)]
struct Counts {
    written: IntCounter,
    dropped: IntCounterVec,
}

/// The log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AccessLog {
    node: Arc<str>,
    sample: Share,
    client: ClientAddress,
    writer: Arc<Writer>,
}

impl AccessLog {
    /// Opens the output and starts the thread that writes to it. `node` is this edge's name.
    ///
    /// # Errors
    /// The file cannot be opened, or the thread not started.
    pub fn start(
        settings: &AccessLogSettings,
        node: &str,
        metrics: &AccessLogMetrics,
    ) -> std::io::Result<Self> {
        let counts = metrics.0.clone();
        Ok(Self {
            node: node.into(),
            sample: settings.sample,
            client: settings.client,
            writer: Arc::new(Writer::start(&settings.output, settings.queue_max, counts)?),
        })
    }

    /// The log with another sample, or another way to write addresses, into the same output.
    #[must_use]
    pub fn with(&self, settings: &AccessLogSettings) -> Self {
        Self {
            node: Arc::clone(&self.node),
            sample: settings.sample,
            client: settings.client,
            writer: Arc::clone(&self.writer),
        }
    }

    /// Whether a request is written: a failure always, a success if its id is in the sample. The same id is in the
    /// sample of every tier with the same share, and in that of every tier with a larger one.
    #[must_use]
    pub fn wants(&self, failed: bool, request_id: &str) -> bool {
        failed || self.sample.has(request_id)
    }

    /// This edge's name.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// What is written of a viewer's address.
    #[must_use]
    pub fn client(&self, address: IpAddr) -> Option<IpAddr> {
        self.client.of(address)
    }

    /// Hands a line to the writer, without waiting.
    pub fn write(&self, record: &Record<'_>) {
        self.writer.write(record.line());
    }

    /// Waits until what was handed over is written, `within` at most; whether it was.
    pub async fn flush(&self, within: Duration) -> bool {
        self.writer.flush(within).await
    }
}

/// Registered figures of the log.
#[derive(Debug)]
pub struct AccessLogMetrics(Counts);

impl AccessLogMetrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// A name that is already taken: a bug.
    pub fn new(r: &Registry) -> Result<Self, RegisterError> {
        Ok(Self(Counts {
            written: metrics::counter(
                r,
                "edge_access_log_lines_total",
                "Lines of the access log that were written.",
            )?,
            dropped: metrics::counter_vec(
                r,
                "edge_access_log_dropped_total",
                "Lines of the access log that were not: no room in the queue (queue), a failed write (write).",
                &["reason"],
            )?,
        }))
    }
}

#[cfg(test)]
mod tests;
