//! What of the node a filter reaches through its imports, beside its own instance.

use std::fmt;
use std::sync::Arc;

use crate::keys::KeyRing;
use crate::kv::KvStore;
use crate::manifest::{FilterName, VersionId};

/// Parts of the node behind the imports. Clones are cheap and share.
#[derive(Clone)]
pub struct Services {
    /// Behind `kv`.
    pub kv: Arc<KvStore>,
    /// Behind `crypto`.
    pub keys: Arc<KeyRing>,
    /// Takes what filters log, and what they write to standard output and error.
    pub log: Arc<dyn LogSink>,
    /// Takes what filters count and measure.
    pub metrics: Arc<dyn MetricSink>,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}

/// On whose behalf a service is used.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The filter.
    pub filter: &'a FilterName,
    /// Its version.
    pub version: VersionId,
    /// The call's `context.tenant`.
    pub tenant: &'a str,
    /// Whether the call's effects are recorded and never applied.
    pub shadow: bool,
}

/// How serious a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Finest.
    Trace,
    /// For an author.
    Debug,
    /// For an operator.
    Info,
    /// Something that should not be.
    Warn,
    /// Something failed.
    Error,
}

impl LogLevel {
    /// As in a log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// How a line reached the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogSource {
    /// Through the contract's `log`.
    Log,
    /// Standard output.
    Stdout,
    /// Standard error, where panics are reported.
    Stderr,
}

impl LogSource {
    /// As in a log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One line of a filter's.
#[derive(Clone, Copy, Debug)]
pub struct LogEntry<'a> {
    /// Whose.
    pub caller: Caller<'a>,
    /// The call's `context.request-id`.
    pub request_id: &'a str,
    /// The call's `context.now-ms`.
    pub now_ms: u64,
    /// How serious.
    pub level: LogLevel,
    /// How it came.
    pub source: LogSource,
    /// At most [`MESSAGE_BYTES_MAX`](crate::imports::MESSAGE_BYTES_MAX) bytes; may hold control characters.
    pub message: &'a str,
}

/// Takes log lines. Called in the middle of a guest's call: it must not block.
pub trait LogSink: Send + Sync {
    /// One line, within the manifest's `limits.log_lines`.
    fn log(&self, entry: LogEntry<'_>);
    /// Lines of a call that were over the limit.
    fn dropped(&self, caller: Caller<'_>, lines: u32);
}

/// Takes metrics. Called in the middle of a guest's call: it must not block. It bounds the number of series.
pub trait MetricSink: Send + Sync {
    /// Adds to a counter.
    fn count(&self, caller: Caller<'_>, name: &str, delta: u64);
    /// Sets a gauge.
    fn gauge(&self, caller: Caller<'_>, name: &str, value: f64);
    /// Takes a sample of a distribution.
    fn observe(&self, caller: Caller<'_>, name: &str, value: f64);
    /// A sample whose name is none.
    fn refused(&self, caller: Caller<'_>);
}

/// Drops everything: for tools and tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl LogSink for Discard {
    fn log(&self, _: LogEntry<'_>) {}
    fn dropped(&self, _: Caller<'_>, _: u32) {}
}

impl MetricSink for Discard {
    fn count(&self, _: Caller<'_>, _: &str, _: u64) {}
    fn gauge(&self, _: Caller<'_>, _: &str, _: f64) {}
    fn observe(&self, _: Caller<'_>, _: &str, _: f64) {}
    fn refused(&self, _: Caller<'_>) {}
}
