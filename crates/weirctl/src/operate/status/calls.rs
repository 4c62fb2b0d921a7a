//! What nodes counted of a filter: calls, decisions, failures, and how a shadow compares.
//!
//! Nodes may be of another release than this program: what is missing counts as nothing.

use std::collections::BTreeMap;

use filter_registry::wire::{FilterOverview, Overview};
use serde::Deserialize;
use wasm_filters::manifest::{FilterName, VersionId};

use crate::operate::list::number;
use crate::output::{Cell, Style, Table, Tone, bytes, count, duration_us, instant, printable};

/// Differences between a shadow and the active version that are shown of each node; all of them
/// are in the JSON.
const DIFFERENCES_MAX: usize = 5;

/// `wasm_filters::host::FilterStatus`, as far as it is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stats {
    versions: Vec<VersionStats>,
}

#[derive(Debug, Deserialize)]
struct VersionStats {
    id: VersionId,
    #[serde(default)]
    shadow: bool,
    #[serde(default)]
    breaker: String,
    #[serde(default)]
    memory_bytes_max: u64,
    #[serde(default)]
    hooks: Vec<HookStats>,
    #[serde(default)]
    last_failure: Option<LastFailure>,
    #[serde(default)]
    comparison: Option<Comparison>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HookStats {
    hook: String,
    calls: u64,
    reused: u64,
    decisions: BTreeMap<String, u64>,
    failures: BTreeMap<String, u64>,
    p50_us: f64,
    p99_us: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LastFailure {
    hook: String,
    kind: String,
    message: String,
    backtrace: Vec<String>,
    request_id: String,
    at_unix_ms: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Comparison {
    equal: u64,
    different: u64,
    failed: u64,
    skipped: u64,
    differences: Vec<Difference>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Difference {
    hook: String,
    request_id: String,
    live: Option<String>,
    shadow: String,
}

/// Tables and texts, as many as there is something to say; each ends its lines.
pub(super) fn render(
    overview: &Overview,
    name: &FilterName,
    filter: &FilterOverview,
    style: Style,
) -> Vec<String> {
    let nodes: Vec<_> = overview
        .nodes
        .iter()
        .filter_map(|(node, seen)| {
            let report = seen.report.filters.get(name)?;
            let stats = Stats::deserialize(&report.stats).ok()?;
            Some((node.as_str(), stats))
        })
        .collect();
    let mut table = Table::new([
        "CALLS OF", "HOOK", "NODE", ">CALLS", ">AGAIN", ">FAILED", ">P50", ">P99", ">MEMORY",
        "BREAKER", "DECIDED",
    ]);
    let mut comparisons = Vec::new();
    let mut failures = Vec::new();
    for (node, stats) in &nodes {
        for version in &stats.versions {
            let label = number(filter, version.id);
            for hook in &version.hooks {
                table.row(row(node, &label, version, hook));
            }
            if let Some(comparison) = &version.comparison {
                comparisons.push(compared(node, &label, comparison, style));
            }
            if let Some(failure) = &version.last_failure {
                failures.push(failed(node, &label, failure, style));
            }
        }
    }
    let table = (!table.is_empty()).then(|| table.render(style));
    table
        .into_iter()
        .chain(comparisons)
        .chain(failures)
        .collect()
}

fn row(node: &str, label: &str, version: &VersionStats, hook: &HookStats) -> [Cell; 11] {
    let failed: u64 = hook.failures.values().sum();
    let tone = if failed > 0 { Tone::Bad } else { Tone::Plain };
    let what = if version.shadow {
        format!("{label} (shadow)")
    } else {
        label.to_owned()
    };
    let breaker_tone = if version.breaker == "closed" {
        Tone::Plain
    } else {
        Tone::Bad
    };
    let took = |us: f64| {
        if hook.calls == 0 {
            "-".to_owned()
        } else {
            duration_us(us)
        }
    };
    let counted = |counts: &BTreeMap<String, u64>| {
        let counts = counts
            .iter()
            .map(|(what, n)| format!("{what} {}", count(*n)));
        counts.collect::<Vec<_>>().join(", ")
    };
    let mut decided = counted(&hook.decisions);
    if failed > 0 {
        decided = format!("{decided}; failed: {}", counted(&hook.failures));
    }
    [
        what.into(),
        hook.hook.clone().into(),
        node.into(),
        count(hook.calls).into(),
        count(hook.reused).into(),
        Cell::toned(tone, count(failed)),
        took(hook.p50_us).into(),
        took(hook.p99_us).into(),
        bytes(version.memory_bytes_max).into(),
        Cell::toned(breaker_tone, version.breaker.clone()),
        decided.trim_start_matches("; ").into(),
    ]
}

fn compared(node: &str, label: &str, comparison: &Comparison, style: Style) -> String {
    let Comparison {
        equal,
        different,
        failed,
        skipped,
        differences,
    } = comparison;
    let tone = if *different + *failed > 0 {
        Tone::Warn
    } else {
        Tone::Good
    };
    let figures = format!(
        "{} equal, {} different, {} failed, {} skipped",
        count(*equal),
        count(*different),
        count(*failed),
        count(*skipped)
    );
    let mut text = format!(
        "shadow {label} on {node}: {}\n",
        style.paint(tone, &figures)
    );
    for difference in differences.iter().rev().take(DIFFERENCES_MAX) {
        text.push_str(&format!(
            "  {} {}\n    live    {}\n    shadow  {}\n",
            printable(&difference.hook),
            printable(&difference.request_id),
            printable(difference.live.as_deref().unwrap_or("no answer")),
            printable(&difference.shadow)
        ));
    }
    text
}

fn failed(node: &str, label: &str, failure: &LastFailure, style: Style) -> String {
    let kind = style.paint(Tone::Bad, &printable(&failure.kind));
    let mut text = format!(
        "last failure of {label} on {node}: {kind} at {} ({}, request {})\n  {}\n",
        instant(failure.at_unix_ms),
        printable(&failure.hook),
        printable(&failure.request_id),
        printable(&failure.message)
    );
    for frame in &failure.backtrace {
        text.push_str(&format!("    {}\n", printable(frame)));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples;
    use super::*;

    #[test]
    fn what_nodes_counted() {
        let mut overview = samples::overview();
        let node = overview.nodes.values_mut().next().unwrap();
        node.report.filters.get_mut("auth").unwrap().stats = json!({
            "enabled": true, "activation": 9,
            "versions": [
                {"id": samples::id("v3"), "label": "1.2.0", "shadow": false, "breaker": "closed",
                 "memory_bytes_max": 1_114_112, "later": "unknown to us",
                 "hooks": [{"hook": "auth", "calls": 1_204_331, "reused": 20_000_000,
                            "decisions": {"allow": 1_204_000, "deny": 328}, "failures": {"deadline": 3},
                            "p50_us": 17, "p99_us": 1250}],
                 "last_failure": {"hook": "auth", "kind": "deadline", "message": "stopped after 50 ms",
                                  "backtrace": ["auth::jwt::verify", "auth::authorize"],
                                  "request_id": "r-1", "at_unix_ms": 1_767_225_600_000_u64}},
                {"id": samples::id("v2"), "shadow": true, "breaker": "closed", "memory_bytes_max": 65_536,
                 "hooks": [{"hook": "auth", "calls": 0}],
                 "comparison": {"equal": 10, "different": 1, "failed": 0, "skipped": 0,
                                "differences": [{"hook": "auth", "request_id": "r-2", "at_unix_ms": 1,
                                                 "live": "Allow", "shadow": "Deny"}]}},
            ],
        });
        let name = "auth".parse().unwrap();
        let text = render(&overview, &name, &overview.filters["auth"], Style::Plain).join("\n");
        let expected = "\
CALLS OF     HOOK  NODE        CALLS       AGAIN  FAILED      P50      P99    MEMORY  BREAKER  DECIDED
v3           auth  edge-1  1 204 331  20 000 000       3  17.0 us  1.25 ms   1.1 MiB  closed   allow 1 204 000, deny 328; failed: deadline 3
v2 (shadow)  auth  edge-1          0           0       0        -        -  64.0 KiB  closed
";
        let more = "
shadow v2 on edge-1: 10 equal, 1 different, 0 failed, 0 skipped
  auth r-2
    live    Allow
    shadow  Deny

last failure of v3 on edge-1: deadline at 2026-01-01T00:00:00.000Z (auth, request r-1)
  stopped after 50 ms
    auth::jwt::verify
    auth::authorize
";
        assert_eq!(text, format!("{expected}{more}"), "\n{text}");
    }

    #[test]
    fn a_node_without_figures_says_nothing() {
        let overview = samples::overview();
        let name = "auth".parse().unwrap();
        let parts = render(&overview, &name, &overview.filters["auth"], Style::Plain);
        assert!(parts.is_empty(), "{parts:?}");
    }
}
