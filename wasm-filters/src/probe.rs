//! Tries a version before anybody is served by it: configures it, asks what it is, and makes the
//! calls that came with it.
//!
//! Nothing of a probe is kept: it has a `kv` of its own, and its metrics are dropped.

pub mod json;
mod sample;
mod subset;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::Serialize;

use crate::call::{CallContext, CallError, TrapKind};
use crate::kv::KvStore;
use crate::manifest::{SAMPLE_NOW_MS, SampleCall};
use crate::services::{Discard, Services};
use crate::version::{LoadError, LoadedVersion};
use json::JsonError;

pub use sample::{Ran, Sequence, run_sample};
pub use subset::{DIFFERENCES_MAX, Difference, differences};

/// Most bytes of a name or version that a filter gives itself.
pub const LABEL_BYTES_MAX: usize = 64;
/// Most bytes of its description of itself.
pub const DESCRIPTION_BYTES_MAX: usize = 1024;

/// How often a call is made that missed its deadline without having used its processor time: a node
/// under load must not refuse a version for that.
const TRIES_MAX: u32 = 3;

/// Longest a call of a probe takes; the manifest's limits are shorter.
const CALL_MAX: Duration = Duration::from_secs(10);

/// What a good probe found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProbeReport {
    /// How the filter calls itself. It may be another name than its manifest's: one component can
    /// serve under several.
    pub name: String,
    /// The version that it calls itself.
    pub version: String,
    /// What it says it does.
    pub description: String,
    /// From nothing to a configured instance, in microseconds.
    pub start_us: u64,
    /// Linear memory of the largest instance there was, in bytes.
    pub memory_bytes: u64,
    /// Samples that were run, all of them good.
    pub samples: usize,
}

/// Why a version is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// It cannot be linked, after all.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It refuses its configuration, or fails over it.
    #[error("configure: {}", plain(.0))]
    Configure(CallError),
    /// It cannot say what it is.
    #[error("describe: {}", plain(.0))]
    Describe(CallError),
    /// It says too much about itself, or nothing.
    #[error("describe: {field} has {bytes} bytes; it must have {min} to {max}")]
    Description {
        /// Of `filter-info`.
        field: &'static str,
        /// How many it has.
        bytes: usize,
        /// How many it must have.
        min: usize,
        /// How many it may have.
        max: usize,
    },
    /// A sample's input is none.
    #[error("sample {name:?}: input {error}")]
    Input {
        /// The sample's name.
        name: String,
        /// Where, and what is wrong.
        error: JsonError,
    },
    /// A sample names an argument that the function does not take.
    #[error("sample {name:?}: {call} takes no {argument:?}, but {}", .takes.join(", "))]
    Argument {
        /// The sample's name.
        name: String,
        /// The function.
        call: &'static str,
        /// What it does not take.
        argument: String,
        /// What it takes.
        takes: Vec<String>,
    },
    /// A sample asks for commands of a call that has none.
    #[error("sample {name:?}: the answer to {} has no commands", .call.as_str())]
    NoCommands {
        /// The sample's name.
        name: String,
        /// The function.
        call: SampleCall,
    },
    /// A sample's call had no answer.
    #[error("sample {name:?}: {call}: {}", plain(.error))]
    Call {
        /// The sample's name.
        name: String,
        /// The function.
        call: &'static str,
        /// How it ended.
        error: CallError,
    },
    /// A sample had another answer.
    #[error("sample {name:?}: another answer than expected: {}", list(.differences))]
    Answer {
        /// The sample's name.
        name: String,
        /// Where, and what.
        differences: Vec<Difference>,
    },
}

impl ProbeError {
    /// The functions that ran when the guest was stopped, innermost first; empty when it was not.
    #[must_use]
    pub fn backtrace(&self) -> &[String] {
        match self {
            Self::Configure(CallError::Trap { backtrace, .. })
            | Self::Describe(CallError::Trap { backtrace, .. })
            | Self::Call {
                error: CallError::Trap { backtrace, .. },
                ..
            } => backtrace,
            _ => &[],
        }
    }
}

/// An error of a call, without saying twice that it is of `configure`.
fn plain(error: &CallError) -> String {
    match error {
        CallError::Config(reason) => reason.clone(),
        other => other.to_string(),
    }
}

fn list(differences: &[Difference]) -> String {
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

/// Tries a version: `configure`, `describe`, then each sample of its manifest.
///
/// # Errors
///
/// The first thing that it does not do as it should.
pub async fn probe(version: &Arc<LoadedVersion>) -> Result<ProbeReport, ProbeError> {
    let trial = trial(version)?;
    let ctx = || context(SAMPLE_NOW_MS);
    let started = Instant::now();
    patiently(|| async { trial.configure(&ctx()).await }.boxed())
        .await
        .map_err(ProbeError::Configure)?;
    let start_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let described = patiently(|| async { trial.describe(&ctx()).await }.boxed()).await;
    let info = described.map_err(|error| match error {
        // A fresh instance may start another way than the one before.
        CallError::Config(_) => ProbeError::Configure(error),
        error => ProbeError::Describe(error),
    })?;
    bound("name", &info.name, 1, LABEL_BYTES_MAX)?;
    bound("version", &info.version, 1, LABEL_BYTES_MAX)?;
    bound("description", &info.description, 0, DESCRIPTION_BYTES_MAX)?;
    for sample in &version.manifest().samples {
        run_sample(version, sample).await?;
    }
    Ok(ProbeReport {
        name: info.name,
        version: info.version,
        description: info.description,
        start_us,
        memory_bytes: trial.usage().memory_bytes_max as u64,
        samples: version.manifest().samples.len(),
    })
}

/// The same version with nothing of the node behind it that a trial could leave a trace in. Keys are
/// the node's: without them an auth filter could not be tried.
fn trial(version: &LoadedVersion) -> Result<Arc<LoadedVersion>, LoadError> {
    let services = Services {
        kv: Arc::new(KvStore::for_one(&version.manifest().kv)),
        metrics: Arc::new(Discard),
        ..version.services().clone()
    };
    let document = Arc::clone(version.document());
    LoadedVersion::load(
        &version.engine,
        document,
        version.pre.component().clone(),
        services,
    )
}

fn context(now_ms: u64) -> CallContext {
    CallContext {
        request_id: "probe".to_owned(),
        tenant: String::new(),
        room: String::new(),
        now_ms,
        deadline: Instant::now() + CALL_MAX,
        shadow: false,
        attrs: Vec::new(),
    }
}

/// Makes a call again when there was no time for it. Boxed, because the compiler does not see that
/// the future of an async closure is `Send` for every lifetime.
async fn patiently<'a, A>(
    call: impl Fn() -> BoxFuture<'a, Result<A, CallError>>,
) -> Result<A, CallError> {
    for _ in 1..TRIES_MAX {
        match call().await {
            Err(
                CallError::Trap {
                    kind: TrapKind::Deadline,
                    ..
                }
                | CallError::Busy,
            ) => {}
            ended => return ended,
        }
    }
    call().await
}

fn bound(field: &'static str, text: &str, min: usize, max: usize) -> Result<(), ProbeError> {
    let bytes = text.len();
    if (min..=max).contains(&bytes) {
        return Ok(());
    }
    Err(ProbeError::Description {
        field,
        bytes,
        min,
        max,
    })
}
