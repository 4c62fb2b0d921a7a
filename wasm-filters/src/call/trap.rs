//! Why a guest was stopped.

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::CallError;
use crate::limits::LimitHit;

/// Most bytes of a [`CallError`]'s message.
pub const MESSAGE_BYTES_MAX: usize = 2 << 10;

/// Most bytes of a frame in a backtrace. Generic Rust functions have long names.
pub const FRAME_BYTES_MAX: usize = 256;

/// By what a guest was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrapKind {
    /// `limits.cpu_ms`.
    Cpu,
    /// `limits.deadline_ms`, or the deadline of the request.
    Deadline,
    /// `limits.memory_bytes`.
    Memory,
    /// Recursion beyond [`GUEST_STACK_BYTES_MAX`](crate::engine::GUEST_STACK_BYTES_MAX).
    Stack,
    /// A panic, an abort, an assertion.
    Unreachable,
    /// `limits.host_calls`.
    HostCalls,
    /// `limits.table_elements`.
    Table,
    /// `limits.result_bytes`, or an argument to the host of more than that.
    Result,
    /// A panic in the host. A bug of ours, whatever the guest did.
    Host,
    /// Something else: memory out of bounds, a division by zero, `exit`.
    Other,
}

impl TrapKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Cpu,
        Self::Deadline,
        Self::Memory,
        Self::Stack,
        Self::Unreachable,
        Self::HostCalls,
        Self::Table,
        Self::Result,
        Self::Host,
        Self::Other,
    ];

    /// As in a metric or a log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::Unreachable => "unreachable",
            Self::HostCalls => "host_calls",
            Self::Table => "table",
            Self::Result => "result",
            Self::Host => "host",
            Self::Other => "other",
        }
    }
}

impl From<LimitHit> for TrapKind {
    fn from(hit: LimitHit) -> Self {
        match hit {
            LimitHit::Cpu(_) => Self::Cpu,
            LimitHit::Deadline(_) => Self::Deadline,
            LimitHit::Memory { .. } => Self::Memory,
            LimitHit::Table { .. } => Self::Table,
            LimitHit::HostCalls(_) => Self::HostCalls,
        }
    }
}

/// What wasmtime says when a guest passes more than its hostcall fuel; it has no type for it.
const HOSTCALL_FUEL_TEXT: &str = "fuel allocated for hostcalls has been exhausted";

/// Turns wasmtime's error into ours. `stderr` is what the guest wrote there during the call.
pub(super) fn classify(error: &wasmtime::Error, stderr: &str) -> CallError {
    if error.is::<PoolConcurrencyLimitError>() {
        return CallError::Busy;
    }
    let (kind, message) = if let Some(hit) = error.downcast_ref::<LimitHit>() {
        (TrapKind::from(*hit), hit.to_string())
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        let kind = match trap {
            Trap::StackOverflow => TrapKind::Stack,
            Trap::UnreachableCodeReached => TrapKind::Unreachable,
            _ => TrapKind::Other,
        };
        (kind, trap.to_string())
    } else if let Some(exit) = error.downcast_ref::<I32Exit>() {
        (TrapKind::Other, format!("called exit({})", exit.0))
    } else {
        let message = error.root_cause().to_string();
        let kind = if message.contains(HOSTCALL_FUEL_TEXT) {
            TrapKind::Result
        } else {
            TrapKind::Other
        };
        (kind, message)
    };
    trap(kind, &message, stderr, error.downcast_ref())
}

/// A trap with all that is known of it.
pub(super) fn trap(
    kind: TrapKind,
    message: &str,
    stderr: &str,
    backtrace: Option<&WasmBacktrace>,
) -> CallError {
    let stderr = stderr.trim();
    let mut text = message.to_owned();
    if !stderr.is_empty() {
        text.push_str("; it wrote: ");
        // The end: that is where a panic is.
        let from = stderr.len().saturating_sub(MESSAGE_BYTES_MAX / 2);
        let from = stderr.ceil_char_boundary(from);
        text.push_str(stderr.get(from..).unwrap_or(stderr));
    }
    text.truncate(text.floor_char_boundary(MESSAGE_BYTES_MAX));
    CallError::Trap {
        kind,
        message: text,
        backtrace: backtrace.map(frames).unwrap_or_default(),
    }
}

/// The frames as wasmtime prints them, which demangles the names.
fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    backtrace
        .to_string()
        .lines()
        .skip(1)
        .map(|line| {
            let mut line = line.trim().to_owned();
            line.truncate(line.floor_char_boundary(FRAME_BYTES_MAX));
            line
        })
        .collect()
}

#[cfg(test)]
mod tests;
