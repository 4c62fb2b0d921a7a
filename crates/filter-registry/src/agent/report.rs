//! What the agent says of the node: to the registry, and to whoever runs the node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wasm_filters::manifest::{FilterName, VersionId};

use crate::wire::LogLine;

/// Log lines of one filter in one report.
pub(super) const LINES_MAX: usize = 200;
/// Bytes of all messages in one report.
pub(super) const LINES_BYTES_MAX: usize = 1 << 20;

/// How far the node is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// Of the catalogue that is followed; 0 before there is one.
    pub generation: u64,
    /// Whether the registry's last answer was good.
    pub connected: bool,
    /// Why it was not.
    pub problem: Option<String>,
    /// Whether there is a catalogue, and every version that it wants active is ready or cannot
    /// become so at the moment.
    pub settled: bool,
    /// By name.
    pub filters: BTreeMap<FilterName, FilterStatus>,
}

/// How far one filter is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterStatus {
    /// In a word.
    pub state: FilterState,
    /// What runs.
    pub active: Option<VersionId>,
    /// What is wanted.
    pub wanted: Option<VersionId>,
}

/// How far a filter is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilterState {
    /// What is wanted runs.
    Running,
    /// An older version runs; the one that is wanted is not ready.
    Behind,
    /// The node went back by itself.
    RolledBack,
    /// Something is wanted, and nothing runs.
    Missing,
    /// Nothing is wanted yet.
    Idle,
    /// Switched off.
    Disabled,
}

impl FilterState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Running,
        Self::Behind,
        Self::RolledBack,
        Self::Missing,
        Self::Idle,
        Self::Disabled,
    ];

    /// As in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Behind => "behind",
            Self::RolledBack => "rolled-back",
            Self::Missing => "missing",
            Self::Idle => "idle",
            Self::Disabled => "disabled",
        }
    }
}

/// The first lines that fit into a report; the others come with the next.
pub(super) fn fitting(lines: Vec<LogLine>, bytes_left: &mut usize) -> Vec<LogLine> {
    let mut fitting = Vec::new();
    for line in lines.into_iter().take(LINES_MAX) {
        let Some(left) = bytes_left.checked_sub(line.message.len()) else {
            break;
        };
        *bytes_left = left;
        fitting.push(line);
    }
    fitting
}
