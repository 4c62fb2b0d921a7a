//! What a filter logs while a case runs.

use std::sync::{Arc, Mutex, PoisonError};

use wasm_filters::services::{Caller, LogEntry, LogSink};

/// Lines that are kept of a case.
const LINES_MAX: usize = 200;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// "info", or "stderr" for what it wrote there.
    pub(crate) level: &'static str,
    /// What.
    pub(crate) message: String,
}

/// The lines so far; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    lines: Arc<Mutex<Vec<Line>>>,
}

impl Lines {
    /// Takes them all.
    pub(crate) fn take(&self) -> Vec<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut lines)
    }

    fn add(&self, level: &'static str, message: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES_MAX {
            lines.push(Line { level, message });
        }
    }
}

impl LogSink for Lines {
    fn log(&self, entry: LogEntry<'_>) {
        let level = match entry.source.as_str() {
            "log" => entry.level.as_str(),
            other => other,
        };
        self.add(level, entry.message.to_owned());
    }

    fn dropped(&self, _: Caller<'_>, lines: u32) {
        let message = format!("{lines} more lines than limits.log_lines were dropped");
        self.add("warn", message);
    }
}
