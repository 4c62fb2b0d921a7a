//! The last lines of every filter, for people.
//!
//! They also go to the node's own log at debug, where an operator who asks for them finds them with
//! everything else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use serde::Serialize;

use crate::manifest::{FilterName, VersionId};
use crate::services::{Caller, LogEntry, LogSink};

/// Lines that are kept of a filter.
pub const LINES_MAX: usize = 1000;
/// Most bytes of a line that are kept.
pub const LINE_BYTES_MAX: usize = 1024;
/// Filters whose lines are kept. More than a node runs; the lines of others are counted and dropped.
pub const FILTERS_MAX: usize = 1024;

/// A line of a filter's, or about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// Counts the lines of the filter, from 1. A gap: lines that were pushed out.
    pub number: u64,
    /// Unix time in milliseconds, as the filter was told.
    pub at_unix_ms: u64,
    /// `trace` to `error`.
    pub level: &'static str,
    /// `log`, `stdout`, `stderr`, or `host` for what the node says about the filter.
    pub source: &'static str,
    /// Which version.
    pub version: VersionId,
    /// Whether it was a shadow call.
    pub shadow: bool,
    /// The request.
    pub request_id: String,
    /// Without control characters.
    pub message: String,
}

/// The lines of one filter.
#[derive(Debug, Default)]
struct Ring {
    lines: Mutex<Lines>,
    /// Lines over the limit of a call.
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Lines {
    last: u64,
    lines: VecDeque<LogLine>,
}

/// The lines of all filters.
#[derive(Debug, Default)]
pub struct LogRings {
    filters: RwLock<BTreeMap<FilterName, Arc<Ring>>>,
    /// Lines of filters for which there was no room.
    homeless: AtomicU64,
}

/// A line that has no number yet.
#[derive(Debug)]
pub(crate) struct NewLine<'a> {
    pub(crate) filter: &'a FilterName,
    pub(crate) version: VersionId,
    pub(crate) shadow: bool,
    pub(crate) at_unix_ms: u64,
    pub(crate) level: &'static str,
    pub(crate) source: &'static str,
    pub(crate) request_id: &'a str,
    pub(crate) message: &'a str,
}

impl LogRings {
    /// Lines of a filter with a number above `after`, oldest first.
    #[must_use]
    pub fn lines(&self, filter: &FilterName, after: u64) -> Vec<LogLine> {
        let Some(ring) = self.filters.read().get(filter).map(Arc::clone) else {
            return Vec::new();
        };
        let lines = ring.lines.lock();
        let new = lines.lines.iter().filter(|line| line.number > after);
        new.cloned().collect()
    }

    /// Lines of a filter that were over the limit of a call.
    #[must_use]
    pub fn dropped(&self, filter: &FilterName) -> u64 {
        let filters = self.filters.read();
        filters
            .get(filter)
            .map_or(0, |ring| ring.dropped.load(Ordering::Relaxed))
    }

    /// Lines of filters beyond [`FILTERS_MAX`].
    #[must_use]
    pub fn homeless(&self) -> u64 {
        self.homeless.load(Ordering::Relaxed)
    }

    pub(crate) fn push(&self, line: &NewLine<'_>) {
        tracing::debug!(
            target: "weir::filter",
            filter = %line.filter,
            version = %line.version,
            shadow = line.shadow,
            request_id = line.request_id,
            level = line.level,
            source = line.source,
            "{}",
            line.message
        );
        let Some(ring) = self.ring(line.filter) else {
            self.homeless.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let message = clean(line.message);
        let mut lines = ring.lines.lock();
        lines.last += 1;
        let line = LogLine {
            number: lines.last,
            at_unix_ms: line.at_unix_ms,
            level: line.level,
            source: line.source,
            version: line.version,
            shadow: line.shadow,
            request_id: line.request_id.to_owned(),
            message,
        };
        if lines.lines.len() == LINES_MAX {
            lines.lines.pop_front();
        }
        lines.lines.push_back(line);
    }

    /// The ring of a filter; its lines outlive its versions, so that the last words of one that was
    /// taken back can be read.
    fn ring(&self, filter: &FilterName) -> Option<Arc<Ring>> {
        if let Some(ring) = self.filters.read().get(filter) {
            return Some(Arc::clone(ring));
        }
        let mut filters = self.filters.write();
        if filters.len() >= FILTERS_MAX && !filters.contains_key(filter) {
            return None;
        }
        Some(Arc::clone(filters.entry(filter.clone()).or_default()))
    }
}

/// Cut, and without control characters, which could play tricks on a terminal.
fn clean(message: &str) -> String {
    let mut text = message.to_owned();
    text.truncate(text.floor_char_boundary(LINE_BYTES_MAX));
    if text.chars().any(char::is_control) {
        return text
            .chars()
            .map(|character| {
                if character.is_control() {
                    ' '
                } else {
                    character
                }
            })
            .collect();
    }
    text
}

impl LogSink for LogRings {
    fn log(&self, entry: LogEntry<'_>) {
        self.push(&NewLine {
            filter: entry.caller.filter,
            version: entry.caller.version,
            shadow: entry.caller.shadow,
            at_unix_ms: entry.now_ms,
            level: entry.level.as_str(),
            source: entry.source.as_str(),
            request_id: entry.request_id,
            message: entry.message,
        });
    }

    fn dropped(&self, caller: Caller<'_>, lines: u32) {
        if let Some(ring) = self.ring(caller.filter) {
            ring.dropped.fetch_add(u64::from(lines), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Digest;
    use crate::services::{LogLevel, LogSource};

    fn log(rings: &LogRings, filter: &FilterName, message: &str) {
        let caller = Caller {
            filter,
            version: Digest::of(b"v").into(),
            tenant: "default",
            shadow: false,
        };
        rings.log(LogEntry {
            caller,
            request_id: "r1",
            now_ms: 5,
            level: LogLevel::Warn,
            source: LogSource::Log,
            message,
        });
    }

    #[test]
    fn the_newest_lines_are_kept_and_numbered() {
        let rings = LogRings::default();
        let filter: FilterName = "auth".parse().unwrap();
        for line in 1..=LINES_MAX + 5 {
            log(&rings, &filter, &format!("line {line}"));
        }
        let lines = rings.lines(&filter, 0);
        assert_eq!((lines.len(), lines[0].number), (LINES_MAX, 6));
        let new = rings.lines(&filter, 1003);
        assert_eq!(new.len(), 2);
        assert_eq!(
            (new[1].message.as_str(), new[1].level),
            ("line 1005", "warn")
        );
        assert_eq!(rings.lines(&"other".parse().unwrap(), 0), []);
    }

    #[test]
    fn lines_are_cut_and_cannot_play_tricks() {
        let rings = LogRings::default();
        let filter: FilterName = "auth".parse().unwrap();
        log(
            &rings,
            &filter,
            &format!("a\x1b[2Jb\n{}", "\u{e9}".repeat(2000)),
        );
        let message = &rings.lines(&filter, 0)[0].message;
        assert!(message.starts_with("a [2Jb \u{e9}"));
        assert!(message.len() <= LINE_BYTES_MAX);
    }

    #[test]
    fn filters_without_end_take_no_room_without_end() {
        let rings = LogRings::default();
        for filter in 0..FILTERS_MAX + 3 {
            log(&rings, &format!("f{filter}").parse().unwrap(), "x");
        }
        assert_eq!(rings.homeless(), 3);
    }
}
