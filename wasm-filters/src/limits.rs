//! What an instance may take and a call may use, counted.
//!
//! Reaching a limit ends the call with a [`LimitHit`]; `call` turns it into a [`TrapKind`](crate::call::TrapKind).

use std::time::Instant;

use wasmtime::ResourceLimiter;

use crate::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};
use crate::manifest::Limits;

/// Handles (streams, pollables) that an instance may hold at once.
pub(crate) const HANDLES_MAX: usize = 256;

/// Bytes that a guest passes to the host at once, beyond a value for `kv` or the result: keys, log lines.
const HOSTCALL_EXTRA_BYTES: usize = 8 << 10;

/// A limit was reached. The error that the guest's call ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LimitHit {
    #[error("used its {0} ms of processor time")]
    Cpu(u32),
    #[error("was not done within its {0} ms")]
    Deadline(u32),
    #[error("wanted {wanted} bytes of memory; {max} is the most")]
    Memory { wanted: usize, max: usize },
    #[error("wanted {wanted} table elements; {max} is the most")]
    Table { wanted: usize, max: usize },
    #[error("called the host more than {0} times")]
    HostCalls(u32),
}

/// Most bytes that a guest may pass to the host at once: its result, or an argument of an import.
pub(crate) fn hostcall_bytes_max(limits: &Limits, value_bytes: u64) -> usize {
    usize::try_from(limits.result_bytes.max(value_bytes))
        .unwrap_or(usize::MAX)
        .saturating_add(HOSTCALL_EXTRA_BYTES)
}

/// Memory and tables of one instance, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Holdings {
    memory_bytes_max: usize,
    table_elements_max: usize,
    memory_bytes: usize,
    table_elements: usize,
}

impl Holdings {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes_max: usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX),
            table_elements_max: limits.table_elements as usize,
            memory_bytes: 0,
            table_elements: 0,
        }
    }

    /// Linear memory that the instance has, in bytes. It never shrinks.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Whether the instance has grown to more than half of what it may.
    pub(crate) fn is_swollen(&self) -> bool {
        self.memory_bytes > self.memory_bytes_max / 2
    }
}

// An error, unlike `Ok(false)`, traps: a guest that is told "no" by `memory.grow` aborts somewhere else, and the
// operator would read of an `unreachable`.
impl ResourceLimiter for Holdings {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // The limit is on all memories together.
        let wanted = self
            .memory_bytes
            .saturating_sub(current)
            .saturating_add(desired);
        if wanted > self.memory_bytes_max {
            return Err(LimitHit::Memory {
                wanted,
                max: self.memory_bytes_max,
            }
            .into());
        }
        self.memory_bytes = wanted;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self
            .table_elements
            .saturating_sub(current)
            .saturating_add(desired);
        if wanted > self.table_elements_max {
            return Err(LimitHit::Table {
                wanted,
                max: self.table_elements_max,
            }
            .into());
        }
        self.table_elements = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }
}

/// What one call may still use.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    deadline: Instant,
    deadline_ms: u32,
    cpu_ms: u32,
    ticks: u32,
    host_calls_max: u32,
    host_calls: u32,
    log_lines: u32,
    log_lines_dropped: u32,
}

impl Budget {
    /// A call that has to answer by `deadline`, which is at most `limits.deadline_ms` from now.
    pub(crate) fn new(limits: &Limits, deadline: Instant, deadline_ms: u32) -> Self {
        Self {
            deadline,
            deadline_ms,
            cpu_ms: limits.cpu_ms,
            ticks: 0,
            host_calls_max: limits.host_calls,
            host_calls: 0,
            log_lines: limits.log_lines,
            log_lines_dropped: 0,
        }
    }

    /// The guest was found running at a tick.
    ///
    /// Each tick that finds it running counts as a millisecond. A guest that the kernel or the runtime put aside does
    /// not run, and is found by at most one.
    pub(crate) fn tick(&mut self, now: Instant) -> Result<(), LimitHit> {
        self.ticks = self.ticks.saturating_add(1);
        // The first tick comes anywhere in the first millisecond: the budget is never cut short.
        if self.ticks > self.cpu_ms {
            return Err(LimitHit::Cpu(self.cpu_ms));
        }
        if now >= self.deadline {
            return Err(LimitHit::Deadline(self.deadline_ms));
        }
        Ok(())
    }

    /// The guest calls the host.
    pub(crate) fn host_call(&mut self) -> Result<(), LimitHit> {
        if self.host_calls >= self.host_calls_max {
            return Err(LimitHit::HostCalls(self.host_calls_max));
        }
        self.host_calls += 1;
        Ok(())
    }

    /// Whether one more line may be logged.
    pub(crate) fn log_line(&mut self) -> bool {
        match self.log_lines.checked_sub(1) {
            Some(left) => {
                self.log_lines = left;
                true
            }
            None => {
                self.log_lines_dropped = self.log_lines_dropped.saturating_add(1);
                false
            }
        }
    }

    pub(crate) fn log_lines_dropped(&self) -> u32 {
        self.log_lines_dropped
    }

    pub(crate) fn ticks(&self) -> u32 {
        self.ticks
    }
}

#[cfg(test)]
mod tests;
