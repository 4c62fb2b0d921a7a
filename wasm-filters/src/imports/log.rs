//! `log`: lines for the filter's author and the node's operator.

use crate::contract::log;
use crate::services::{LogEntry, LogLevel, LogSource};
use crate::state::State;

/// A longer message is cut.
pub const MESSAGE_BYTES_MAX: usize = 4 << 10;

impl log::Host for State {
    /// Counted by `limits.log_lines`, not by `limits.host_calls`: a filter that says too much is still a good one.
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Trace => LogLevel::Trace,
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        self.log_line(level, LogSource::Log, &message);
        Ok(())
    }
}

impl State {
    /// Logs a line, unless the call has logged enough.
    pub(crate) fn log_line(&mut self, level: LogLevel, source: LogSource, message: &str) {
        if self.budget.log_line() {
            let end = message.floor_char_boundary(MESSAGE_BYTES_MAX);
            self.shared.services.log.log(LogEntry {
                caller: self.caller(),
                request_id: &self.context.request_id,
                now_ms: self.context.now_ms,
                level,
                source,
                message: message.get(..end).unwrap_or(message),
            });
        }
    }
}
