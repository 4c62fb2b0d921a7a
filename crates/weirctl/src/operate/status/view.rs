//! One filter in words and tables. Without I/O.

use filter_registry::wire::{
    FilterOverview, FilterReport, NodeOverview, Overview, VersionOverview, VersionState,
};
use wasm_filters::manifest::FilterName;

use super::calls;
use crate::operate::list::{changed, number};
use crate::output::{Cell, Style, Table, Tone, age, bytes, instant, millis};

/// Everything about one filter.
pub(super) fn filter(
    overview: &Overview,
    name: &FilterName,
    filter: &FilterOverview,
    style: Style,
) -> String {
    let mut text = format!("{name}  {}\n", wanted(filter));
    text.push_str(&format!("  changed {}\n\n", changed(overview, filter)));
    text.push_str(&versions(filter).render(style));
    let mut reports = overview.nodes.iter().peekable();
    if reports.peek().is_none() {
        text.push_str("\nno node reports to this registry\n");
        return text;
    }
    let mut nodes = Table::new(["NODE", "ROLE", "SEEN", "RUNS", "VERSIONS", "NOTE"]);
    for (node, seen) in reports {
        let report = seen.report.filters.get(name);
        nodes.row([
            node.to_string().into(),
            seen.report.role.clone().into(),
            format!("{} ago", age(seen.seen_unix_ms, overview.now_unix_ms)).into(),
            runs(filter, report),
            states(filter, report).into(),
            note(seen, report),
        ]);
    }
    text.push('\n');
    text.push_str(&nodes.render(style));
    for part in calls::render(overview, name, filter, style) {
        text.push('\n');
        text.push_str(&part);
    }
    text
}

/// What is to run, in one line.
fn wanted(filter: &FilterOverview) -> String {
    let desired = &filter.desired;
    let mut parts = Vec::new();
    if !desired.enabled {
        parts.push("disabled".to_owned());
    }
    parts.push(desired.active.map_or_else(
        || "nothing active".to_owned(),
        |id| format!("active {}", number(filter, id)),
    ));
    if let Some(canary) = &desired.canary {
        let version = number(filter, canary.version);
        parts.push(format!("canary {version} for {} %", canary.percent));
    }
    if let Some(id) = desired.shadow {
        parts.push(format!("shadow {}", number(filter, id)));
    }
    if let Some(id) = desired.previous {
        parts.push(format!("back to {}", number(filter, id)));
    }
    if let Some(bake) = &desired.bake {
        parts.push(format!("bake {}", millis(bake.ms)));
    }
    parts.join(", ")
}

fn versions(filter: &FilterOverview) -> Table {
    let mut table = Table::new([
        "VERSION",
        "LABEL",
        "ID",
        ">SIZE",
        "PUSHED",
        "BY",
        "KEY",
        "IS",
        ">READY ON",
        "REJECTED ON",
    ]);
    for version in &filter.versions {
        table.row([
            format!("v{}", version.number).into(),
            version.label.clone().into(),
            Cell::toned(Tone::Dim, version.id.short()),
            bytes(version.size).into(),
            instant(version.pushed_at_unix_ms).into(),
            version.pushed_by.clone().into(),
            version
                .key_id
                .clone()
                .unwrap_or_else(|| "-".to_owned())
                .into(),
            roles(version),
            version.ready_on.len().to_string().into(),
            rejections(version),
        ]);
    }
    table
}

fn roles(version: &VersionOverview) -> Cell {
    let roles = version.roles.join(",");
    let tone = if version.roles.iter().any(|role| role == "active") {
        Tone::Good
    } else {
        Tone::Plain
    };
    Cell::toned(
        tone,
        if roles.is_empty() {
            "-".to_owned()
        } else {
            roles
        },
    )
}

fn rejections(version: &VersionOverview) -> Cell {
    let rejected = version.rejected_on.iter();
    let rejected: Vec<_> = rejected
        .map(|(node, rejection)| format!("{node} at {}: {}", rejection.stage, rejection.reason))
        .collect();
    Cell::toned(Tone::Bad, rejected.join("; "))
}

/// What runs on a node, and whether that is what is wanted.
fn runs(filter: &FilterOverview, report: Option<&FilterReport>) -> Cell {
    let active = report.and_then(|report| report.active);
    let tone = if active == filter.desired.active {
        Tone::Good
    } else {
        Tone::Warn
    };
    Cell::toned(
        tone,
        active.map_or_else(|| "-".to_owned(), |id| number(filter, id)),
    )
}

/// The versions that a node has tried, newest first.
fn states(filter: &FilterOverview, report: Option<&FilterReport>) -> String {
    let Some(report) = report else {
        return "-".to_owned();
    };
    let known = filter.versions.iter().filter_map(|version| {
        let state = report.versions.get(&version.id)?;
        let word = match state {
            VersionState::Preparing => "preparing",
            VersionState::Ready => "ready",
            VersionState::Unavailable { .. } => "unavailable",
            VersionState::Rejected(_) => "rejected",
        };
        Some(format!("v{} {word}", version.number))
    });
    known.collect::<Vec<_>>().join(", ")
}

/// What somebody should know about a filter on a node.
fn note(seen: &NodeOverview, report: Option<&FilterReport>) -> Cell {
    let back = report.and_then(|report| report.rolled_back.as_ref());
    if let Some(back) = back {
        return Cell::toned(Tone::Bad, format!("went back by itself: {}", back.reason));
    }
    let unavailable = report.and_then(|report| {
        report.versions.values().find_map(|state| match state {
            VersionState::Unavailable { reason } => Some(reason.clone()),
            _ => None,
        })
    });
    if let Some(reason) = unavailable {
        return Cell::toned(Tone::Warn, reason);
    }
    Cell::toned(Tone::Dim, format!("generation {}", seen.report.generation))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn versions_and_nodes() {
        let overview = samples::overview();
        let name = "auth".parse().unwrap();
        let text = filter(&overview, &name, &overview.filters["auth"], Style::Plain);
        let short = |label: &str| samples::id(label).short();
        let expected = format!(
            "\
auth  active v3, canary v4 for 5 %, shadow v2, back to v2, bake 1.00 s
  changed 3 min ago, alice activated v4 for 5 %

VERSION  LABEL  ID                SIZE  PUSHED                    BY     KEY  IS               READY ON  REJECTED ON
v4       1.3.0  {}  55.2 KiB  2026-01-01T00:04:00.000Z  alice  ci   canary                  1  edge-2 at probe: configure: no keys
v3       1.2.0  {}  55.2 KiB  2026-01-01T00:03:00.000Z  alice  -    active                  1
v2       1.1.0  {}  55.2 KiB  2026-01-01T00:02:00.000Z  bob    -    shadow,previous         0

NODE    ROLE  SEEN     RUNS  VERSIONS            NOTE
edge-1  edge  2 s ago  v3    v4 ready, v3 ready  generation 9
edge-2  edge  3 s ago  v2    v4 rejected         went back by itself: 3 errors of 20 calls
",
            short("v4"),
            short("v3"),
            short("v2")
        );
        assert_eq!(text, expected, "\n{text}");
    }
}
