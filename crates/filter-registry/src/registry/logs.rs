//! The latest log lines of each filter, as nodes reported them. In memory only.

use std::collections::{BTreeMap, VecDeque};

use wasm_filters::manifest::FilterName;

use crate::wire::{LogLine, LogPage, NodeLogLine, NodeName, cut};

/// Lines kept of one filter.
pub(super) const LINES_MAX: usize = 1000;
/// Longest message in bytes: the contract's bound.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Longest level in bytes.
const LEVEL_BYTES_MAX: usize = 16;

/// Rings of log lines; there is one for each filter of the catalogue at most.
#[derive(Debug, Default)]
pub(super) struct Logs {
    last_position: u64,
    rings: BTreeMap<FilterName, VecDeque<NodeLogLine>>,
}

impl Logs {
    /// Adds a node's lines. Those of a report whose answer got lost come twice, and are kept once.
    pub(super) fn add(&mut self, name: &FilterName, node: &NodeName, lines: Vec<LogLine>) {
        if lines.is_empty() {
            return;
        }
        let ring = self.rings.entry(name.clone()).or_default();
        let last = ring.iter().rev().find(|kept| kept.node == *node);
        // A node that starts again counts from the beginning, at a later time.
        let seen = last.map_or((0, 0), |last| (last.line.seq, last.line.at_unix_ms));
        for mut line in lines {
            if line.seq <= seen.0 && line.at_unix_ms <= seen.1 {
                continue;
            }
            line.message
                .truncate(cut(&line.message, MESSAGE_BYTES_MAX).len());
            line.level.truncate(cut(&line.level, LEVEL_BYTES_MAX).len());
            self.last_position += 1;
            ring.push_back(NodeLogLine {
                position: self.last_position,
                node: node.clone(),
                line,
            });
            if ring.len() > LINES_MAX {
                ring.pop_front();
            }
        }
    }

    /// The lines after a position.
    pub(super) fn page(&self, name: &FilterName, after: u64) -> LogPage {
        let ring = self.rings.get(name).into_iter().flatten();
        let lines: Vec<NodeLogLine> = ring.filter(|line| line.position > after).cloned().collect();
        let next = lines.last().map_or(after, |line| line.position);
        LogPage { lines, next }
    }
}
