//! How far each node is, from what the registry knows of it. Without I/O.

use std::fmt;
use std::time::Duration;

use filter_registry::wire::{FilterReport, NodeName, NodeOverview, Overview, VersionState};
use serde::Serialize;
use wasm_filters::manifest::{FilterName, VersionId};

use super::Nodes;
use crate::output::{Style, Tone, printable};

/// A node that was not heard of for so long is not waited for. Nodes report every few seconds.
const SILENT_AFTER_MS: u64 = 15_000;

/// What is waited for.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    /// The filter.
    pub(crate) name: FilterName,
    /// The version.
    pub(crate) version: VersionId,
    /// The catalogue's generation that asks for it.
    pub(crate) generation: u64,
    /// What it has to be.
    pub(crate) want: Want,
}

/// What a version has to be on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Compiled and probed.
    Ready,
    /// The one that runs.
    Active,
    /// Ready, and what the registry wants is in force: a canary, a shadow.
    InForce,
}

/// How far a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub(crate) enum Progress {
    /// On its way.
    Preparing,
    /// On its way, with an obstacle.
    Unavailable {
        /// Which.
        reason: String,
    },
    /// Ready, and not yet what is wanted.
    Ready,
    /// There.
    Done,
    /// Refused, or gone back.
    Failed {
        /// Why.
        reason: String,
    },
    /// Not heard of lately, and not waited for.
    Silent,
}

impl Progress {
    /// It may still get there.
    pub(super) fn is_open(&self) -> bool {
        matches!(
            self,
            Self::Preparing | Self::Unavailable { .. } | Self::Ready
        )
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::Active => "active",
            Self::InForce => "in force",
        })
    }
}

/// Every node that the registry knows.
pub(super) fn all(overview: &Overview, goal: &Goal) -> Nodes {
    let nodes = overview.nodes.iter();
    nodes
        .map(|(name, node)| (name.clone(), of(node, overview.now_unix_ms, goal)))
        .collect()
}

fn of(node: &NodeOverview, now_unix_ms: u64, goal: &Goal) -> Progress {
    if now_unix_ms.saturating_sub(node.seen_unix_ms) > SILENT_AFTER_MS {
        return Progress::Silent;
    }
    let empty = FilterReport::default();
    let filter = node.report.filters.get(&goal.name).unwrap_or(&empty);
    let gone_back = filter.rolled_back.as_ref().filter(|back| {
        goal.want == Want::Active
            && back.from == goal.version
            && back.since_generation == goal.generation
    });
    if let Some(back) = gone_back {
        let reason = format!("went back by itself: {}", back.reason);
        return Progress::Failed { reason };
    }
    let ready = match filter.versions.get(&goal.version) {
        None | Some(VersionState::Preparing) => return Progress::Preparing,
        Some(VersionState::Unavailable { reason }) => {
            return Progress::Unavailable {
                reason: reason.clone(),
            };
        }
        Some(VersionState::Rejected(rejection)) => {
            let reason = format!("rejected at {}: {}", rejection.stage, rejection.reason);
            return Progress::Failed { reason };
        }
        Some(VersionState::Ready) => Progress::Ready,
    };
    let acted = node.report.generation >= goal.generation;
    let there = match goal.want {
        Want::Ready => true,
        Want::Active => acted && filter.active == Some(goal.version),
        Want::InForce => acted,
    };
    if there { Progress::Done } else { ready }
}

/// For people, as it goes on.
pub(super) fn line(node: &NodeName, progress: &Progress, style: Style) -> String {
    let (tone, word, reason) = match progress {
        Progress::Preparing => (Tone::Plain, "preparing", ""),
        Progress::Unavailable { reason } => (Tone::Warn, "unavailable", reason.as_str()),
        Progress::Ready => (Tone::Plain, "ready", ""),
        Progress::Done => (Tone::Good, "done", ""),
        Progress::Failed { reason } => (Tone::Bad, "failed", reason.as_str()),
        Progress::Silent => (Tone::Warn, "silent", "not heard of lately; not waited for"),
    };
    let colon = if reason.is_empty() { "" } else { ": " };
    format!(
        "  {node}  {}{colon}{}",
        style.paint(tone, word),
        printable(reason)
    )
}

/// The end of the waiting.
pub(super) fn verdict(nodes: &Nodes, goal: &Goal, patience: Duration) -> Result<String, String> {
    let count = |wanted: fn(&Progress) -> bool| nodes.values().filter(|it| wanted(it)).count();
    let silent = count(|progress| matches!(progress, Progress::Silent));
    let asked = nodes.len() - silent;
    let failed = nodes.iter().find_map(|(node, progress)| match progress {
        Progress::Failed { reason } => Some(format!("{node} {reason}")),
        _ => None,
    });
    if let Some(reason) = failed {
        return Err(reason);
    }
    let done = count(|progress| matches!(progress, Progress::Done));
    if done < asked {
        let open = nodes.iter().filter(|(_, progress)| progress.is_open());
        let open: Vec<_> = open.map(|(node, _)| node.as_str()).collect();
        return Err(format!(
            "after {} s {} is not {} on {}",
            patience.as_secs(),
            goal.name,
            goal.want,
            open.join(", ")
        ));
    }
    Ok(match asked {
        0 => "no node reports to this registry".to_owned(),
        1 => format!("{} on 1 node", goal.want),
        _ => format!("{} on {asked} nodes", goal.want),
    })
}

#[cfg(test)]
mod tests {
    use filter_registry::catalogue::Rejection;
    use filter_registry::wire::{NodeReport, RolledBack};
    use wasm_filters::manifest::Digest;

    use super::*;

    const NOW: u64 = 1_000_000;

    fn id(text: &str) -> VersionId {
        VersionId::from(Digest::of(text.as_bytes()))
    }

    fn goal(want: Want) -> Goal {
        Goal {
            name: "auth".parse().unwrap(),
            version: id("new"),
            generation: 7,
            want,
        }
    }

    fn node(generation: u64, active: &str, state: VersionState) -> NodeOverview {
        let filter = FilterReport {
            active: Some(id(active)),
            versions: [(id("new"), state)].into(),
            ..FilterReport::default()
        };
        NodeOverview {
            seen_unix_ms: NOW - 1000,
            peer: None,
            report: NodeReport {
                generation,
                role: "edge".to_owned(),
                filters: [("auth".parse().unwrap(), filter)].into(),
            },
        }
    }

    #[test]
    fn active_is_what_a_node_says_of_this_generation() {
        let of = |generation, active| {
            let node = node(generation, active, VersionState::Ready);
            of(&node, NOW, &goal(Want::Active))
        };
        assert_eq!(of(6, "old"), Progress::Ready);
        assert_eq!(
            of(6, "new"),
            Progress::Ready,
            "active before is no answer to 7"
        );
        assert_eq!(of(7, "old"), Progress::Ready);
        assert_eq!(of(7, "new"), Progress::Done);
        assert_eq!(of(8, "new"), Progress::Done);
    }

    #[test]
    fn ready_and_in_force() {
        let early = node(6, "old", VersionState::Ready);
        assert_eq!(of(&early, NOW, &goal(Want::Ready)), Progress::Done);
        assert_eq!(of(&early, NOW, &goal(Want::InForce)), Progress::Ready);
        let later = node(7, "old", VersionState::Ready);
        assert_eq!(of(&later, NOW, &goal(Want::InForce)), Progress::Done);
        let busy = node(7, "old", VersionState::Preparing);
        assert_eq!(of(&busy, NOW, &goal(Want::Ready)), Progress::Preparing);
    }

    #[test]
    fn a_refusal_and_a_rollback_end_the_waiting() {
        let refused = node(
            7,
            "old",
            VersionState::Rejected(Rejection {
                stage: "probe".to_owned(),
                reason: "configure: no".to_owned(),
            }),
        );
        let reason = "rejected at probe: configure: no".to_owned();
        assert_eq!(
            of(&refused, NOW, &goal(Want::Ready)),
            Progress::Failed { reason }
        );

        let mut back = node(7, "old", VersionState::Ready);
        let filter = back.report.filters.get_mut("auth").unwrap();
        filter.rolled_back = Some(RolledBack {
            from: id("new"),
            to: Some(id("old")),
            reason: "3 errors of 20".to_owned(),
            since_generation: 7,
        });
        let reason = "went back by itself: 3 errors of 20".to_owned();
        let gone = of(&back, NOW, &goal(Want::Active));
        assert_eq!(gone, Progress::Failed { reason });
        let mut later = goal(Want::Active);
        later.generation = 8;
        assert_eq!(
            of(&back, NOW, &later),
            Progress::Ready,
            "that was another activation"
        );
    }

    #[test]
    fn a_silent_node_is_not_waited_for() {
        let mut silent = node(1, "old", VersionState::Preparing);
        silent.seen_unix_ms = NOW - SILENT_AFTER_MS - 1;
        assert_eq!(of(&silent, NOW, &goal(Want::Active)), Progress::Silent);
    }

    #[test]
    fn verdicts() {
        let verdict = |states: &[(&str, Progress)]| {
            let nodes = states.iter();
            let nodes = nodes.map(|(name, state)| (name.parse().unwrap(), state.clone()));
            verdict(
                &nodes.collect(),
                &goal(Want::Active),
                Duration::from_secs(30),
            )
        };
        assert_eq!(verdict(&[]).unwrap(), "no node reports to this registry");
        let done = ("edge-1", Progress::Done);
        assert_eq!(
            verdict(std::slice::from_ref(&done)).unwrap(),
            "active on 1 node"
        );
        let silent = ("edge-2", Progress::Silent);
        let three = [done.clone(), silent, ("edge-3", Progress::Done)];
        assert_eq!(verdict(&three).unwrap(), "active on 2 nodes");
        let late = verdict(&[done.clone(), ("edge-2", Progress::Preparing)]);
        assert_eq!(late.unwrap_err(), "after 30 s auth is not active on edge-2");
        let reason = "rejected at compile: x".to_owned();
        let failed = verdict(&[done, ("edge-2", Progress::Failed { reason })]);
        assert_eq!(failed.unwrap_err(), "edge-2 rejected at compile: x");
    }

    #[test]
    fn lines_for_people() {
        let node = "edge-1".parse().unwrap();
        let reason = "no\u{1b} disk".to_owned();
        let text = line(&node, &Progress::Unavailable { reason }, Style::Plain);
        assert_eq!(text, "  edge-1  unavailable: no\\u{1b} disk");
        assert_eq!(line(&node, &Progress::Done, Style::Plain), "  edge-1  done");
    }
}
