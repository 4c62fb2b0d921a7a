//! `[access_log]` and `[metrics]`: what operators see of requests and streams.

use std::time::Duration;

use serde::Deserialize;
use settings::{Invalid, KeyPath};

use crate::access_log::{AccessLogSettings, ClientAddress, Output, Share};
use crate::streams::StreamLimits;

/// Lines that may wait at most, whatever the file says: a gigabyte of them.
const QUEUE_MAX: usize = 1_000_000;
/// Streams with series of their own at most: each may have some ninety.
const STREAMS_MAX: usize = 10_000;
/// From a minute to a week.
const IDLE_SECONDS: std::ops::RangeInclusive<u64> = 60..=604_800;

/// `[access_log]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLogConfig {
    /// Empty: none; `stdout`; or a file.
    pub output: String,
    /// Which part of the successes is written; failures always are.
    pub sample: f64,
    /// `truncated`, `full` or `none`.
    pub client: ClientAddress,
    /// Lines that wait to be written.
    pub queue_max: usize,
}

impl Default for AccessLogConfig {
    fn default() -> Self {
        Self {
            output: String::new(),
            sample: 1.0,
            client: ClientAddress::Truncated,
            queue_max: 10_000,
        }
    }
}

impl AccessLogConfig {
    pub(super) fn resolve(self) -> Result<Option<AccessLogSettings>, Invalid> {
        let at = |key| KeyPath::new("access_log").key(key);
        let Some(sample) = Share::new(self.sample) else {
            return Err(Invalid::new(at("sample"), "has to be from 0 to 1"));
        };
        if !(1..=QUEUE_MAX).contains(&self.queue_max) {
            let reason = format!("has to be from 1 to {QUEUE_MAX}");
            return Err(Invalid::new(at("queue_max"), reason));
        }
        let output = match self.output.as_str() {
            "" => return Ok(None),
            "stdout" => Output::Stdout,
            path => Output::File(path.into()),
        };
        Ok(Some(AccessLogSettings {
            output,
            sample,
            client: self.client,
            queue_max: self.queue_max,
        }))
    }
}

/// `[metrics]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Streams that are counted by name.
    pub streams_max: usize,
    /// A stream that nobody asked for in so long is not any more.
    pub stream_idle_seconds: u64,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            streams_max: 200,
            stream_idle_seconds: 3_600,
        }
    }
}

impl MetricsConfig {
    pub(super) fn resolve(&self) -> Result<StreamLimits, Invalid> {
        let at = |key| KeyPath::new("metrics").key(key);
        if self.streams_max > STREAMS_MAX {
            let reason = format!("has to be from 0 to {STREAMS_MAX}");
            return Err(Invalid::new(at("streams_max"), reason));
        }
        if !IDLE_SECONDS.contains(&self.stream_idle_seconds) {
            let (least, most) = (IDLE_SECONDS.start(), IDLE_SECONDS.end());
            let reason = format!("has to be from {least} to {most}");
            return Err(Invalid::new(at("stream_idle_seconds"), reason));
        }
        Ok(StreamLimits {
            streams_max: self.streams_max,
            idle: Duration::from_secs(self.stream_idle_seconds),
        })
    }
}
