//! Calls of a version's hooks, each within its limits.
//!
//! Here a call ends with an answer, a filter's own error, or a trap with its kind. What a node does about an error (its
//! failure policy, the breaker, another version) is not decided here.

mod dynamic;
mod run;
mod trap;
mod typed;

use std::time::Instant;

use crate::contract::types::{Attr, FilterError};

pub use run::WAITING_PER_INSTANCE_MAX;
pub use trap::{FRAME_BYTES_MAX, MESSAGE_BYTES_MAX, TrapKind};

/// For whom, when and until when a filter is called: what becomes the contract's `context`.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// Unique to the request; the same in the node's log.
    pub request_id: String,
    /// Whose request it is. Instances and `kv` are never shared between tenants.
    pub tenant: String,
    /// Empty where there is none.
    pub room: String,
    /// Unix time in milliseconds: all that the guest learns of the time.
    pub now_ms: u64,
    /// When the answer is needed, at the latest. The manifest's `limits.deadline_ms` may end the call earlier.
    pub deadline: Instant,
    /// The effects of the call are recorded, never applied.
    pub shadow: bool,
    /// Open slots of the contract.
    pub attrs: Vec<Attr>,
}

/// A call without an answer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The guest was stopped. Its instance is gone.
    #[error("{}: {message}", kind.as_str())]
    Trap {
        /// By what.
        kind: TrapKind,
        /// For the operator; at most [`MESSAGE_BYTES_MAX`] bytes. A panic's message is in it.
        message: String,
        /// Functions that ran, innermost first; at most [`BACKTRACE_FRAMES_MAX`](crate::engine::BACKTRACE_FRAMES_MAX).
        backtrace: Vec<String>,
    },
    /// The filter itself could not decide.
    #[error("the filter's error: {0:?}")]
    Filter(FilterError),
    /// `configure` refused the manifest's `config`.
    #[error("configure: {0}")]
    Config(String),
    /// All of the version's instances, or the whole pool, were taken until the deadline.
    #[error("no instance was free in time")]
    Busy,
    /// The guest answered more than it may.
    #[error("{is} {what}; {max} is the most")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many there were.
        is: u64,
        /// How many there may be.
        max: u64,
    },
    /// The version has no such function.
    #[error("the filter has no function {function} of {interface}")]
    NoFunction {
        /// An interface of the contract.
        interface: String,
        /// The function.
        function: String,
    },
}

impl CallError {
    /// For metrics: one of a fixed set of words.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Trap { kind, .. } => kind.as_str(),
            Self::Filter(_) => "filter_error",
            Self::Config(_) => "config",
            Self::Busy => "busy",
            Self::Limit { .. } => "limit",
            Self::NoFunction { .. } => "no_function",
        }
    }
}
