//! Nodes in tables. Without I/O.

use serde_json::Value;

use super::{Answer, Known, NodeStatus, Registry};
use crate::output::{Cell, Style, Table, Tone, age, bytes, count, percent, printable};

/// A node that was not heard of for so long is marked: nodes report every few seconds.
const SILENT_AFTER_MS: u64 = 15_000;

/// The nodes that answered, those that did not, and those that the registry heard of.
pub(super) fn render(known: &Known, style: Style) -> String {
    let mut table = Table::new([
        "NODE",
        "VERSION",
        "STATE",
        ">UP",
        ">REQUESTS",
        ">STREAMS",
        ">CACHED",
        ">HITS",
        "FILTERS",
    ]);
    let mut text = String::new();
    let mut filters = Table::new(["NODE", "FILTER", ">CALLS", ">FAILED", "STATE"]);
    for (url, answer) in &known.nodes {
        match answer {
            Answer::Status(status) => {
                table.row(row(status));
                add_filters(&mut filters, status);
            }
            Answer::Failed(reason) => {
                let reason = printable(reason);
                let line = format!("{}  {reason}\n", printable(url));
                text.push_str(&style.paint(Tone::Bad, &line));
            }
        }
    }
    let mut parts = Vec::new();
    if !table.is_empty() {
        parts.push(table.render(style));
    }
    if !filters.is_empty() {
        parts.push(filters.render(style));
    }
    if !text.is_empty() {
        parts.push(text);
    }
    if let Some(registry) = &known.registry {
        parts.push(heard(registry, style));
    }
    parts.join("\n")
}

fn row(status: &NodeStatus) -> [Cell; 9] {
    let (tone, state) = match (status.ready, status.draining) {
        (_, true) => (Tone::Warn, "draining"),
        (true, false) => (Tone::Good, "ready"),
        (false, false) => (Tone::Bad, "not ready"),
    };
    let cache = status.cache.as_ref();
    let cached = cache.map(|cache| format!("{} in {}", bytes(cache.bytes), count(cache.objects)));
    let outcomes = cache.and_then(|cache| cache.outcomes);
    let hits = outcomes.map(|outcomes| percent(outcomes.hits, outcomes.all()));
    let none = || "-".to_owned();
    let filters = status.host.get("filters").and_then(Value::as_object);
    [
        status.node.clone().into(),
        status.version.clone().into(),
        Cell::toned(tone, state),
        age(0, status.uptime_seconds.saturating_mul(1000)).into(),
        count(u64::try_from(status.requests_in_progress).unwrap_or(0)).into(),
        status.streams.map_or_else(none, count).into(),
        cached.unwrap_or_else(none).into(),
        hits.unwrap_or_else(none).into(),
        filters
            .map_or_else(none, |filters| filters.len().to_string())
            .into(),
    ]
}

/// A line for each filter of the node, from its host's status.
fn add_filters(table: &mut Table, status: &NodeStatus) {
    let Some(filters) = status.host.get("filters").and_then(Value::as_object) else {
        return;
    };
    for (name, filter) in filters {
        let versions = list(filter, "versions");
        let hooks = || versions.iter().flat_map(|version| list(version, "hooks"));
        let calls: u64 = hooks().map(|hook| number(hook, "calls")).sum();
        let failures = hooks().filter_map(|hook| hook.get("failures")?.as_object());
        let failed: u64 = failures
            .flat_map(|kinds| kinds.values())
            .filter_map(Value::as_u64)
            .sum();
        let enabled = filter
            .get("enabled")
            .and_then(Value::as_bool)
            .unwrap_or(true);
        let taken_back = !list(filter, "taken_back").is_empty();
        let open = versions.iter().any(|version| {
            version
                .get("breaker")
                .and_then(Value::as_str)
                .is_some_and(|state| state != "closed")
        });
        let (tone, state) = match (enabled, taken_back, open) {
            (false, ..) => (Tone::Warn, "disabled"),
            (_, true, _) => (Tone::Bad, "went back by itself"),
            (_, _, true) => (Tone::Bad, "breaker open"),
            _ => (Tone::Good, "in service"),
        };
        table.row([
            status.node.clone().into(),
            name.clone().into(),
            count(calls).into(),
            Cell::toned(
                if failed > 0 { Tone::Bad } else { Tone::Plain },
                count(failed),
            ),
            Cell::toned(tone, state),
        ]);
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// What the registry knows.
fn heard(registry: &Registry, style: Style) -> String {
    let columns = [
        "REPORTED BY",
        "ROLE",
        "SEEN",
        "FROM",
        ">GENERATION",
        ">FILTERS",
    ];
    let mut table = Table::new(columns);
    for (name, node) in &registry.nodes {
        let silent = registry.now_unix_ms.saturating_sub(node.seen_unix_ms) > SILENT_AFTER_MS;
        let tone = if silent { Tone::Warn } else { Tone::Plain };
        let seen = format!("{} ago", age(node.seen_unix_ms, registry.now_unix_ms));
        table.row([
            name.to_string().into(),
            node.report.role.clone().into(),
            Cell::toned(tone, seen),
            node.peer.clone().unwrap_or_else(|| "-".to_owned()).into(),
            node.report.generation.to_string().into(),
            node.report.filters.len().to_string().into(),
        ]);
    }
    if table.is_empty() {
        return "no node reports to the registry\n".to_owned();
    }
    table.render(style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::status::samples;

    #[test]
    fn nodes_in_tables() {
        let edge = r#"{"node": "edge-1", "version": "0.1.0", "ready": true, "draining": false,
            "uptime_seconds": 7260, "requests_in_progress": 1204,
            "cache": {"bytes": 1048576, "objects": 210,
                      "outcomes": {"hits": 990, "collapsed": 0, "misses": 10}},
            "filters": {"enabled": true, "agent": null},
            "host": {"generation": 4, "filters": {
                "auth": {"enabled": true, "taken_back": [], "versions": [
                    {"breaker": "closed", "hooks": [{"calls": 1200, "failures": {"deadline": 2}}]}]},
                "geo-block": {"enabled": false, "versions": []}}}}"#;
        let origin = r#"{"node": "origin", "version": "0.1.0", "ready": false, "draining": true,
            "uptime_seconds": 60, "requests_in_progress": 3, "streams": 2, "newer": 1}"#;
        let status = |text| Answer::Status(Box::new(serde_json::from_str(text).unwrap()));
        let overview = samples::overview();
        let known = Known {
            nodes: [
                ("http://e:9443/".to_owned(), status(edge)),
                ("http://o:9080/".to_owned(), status(origin)),
                (
                    "http://x:1/".to_owned(),
                    Answer::Failed("cannot be reached".to_owned()),
                ),
            ]
            .into(),
            registry: Some(Registry {
                now_unix_ms: overview.now_unix_ms,
                nodes: overview.nodes,
            }),
        };
        let expected = "\
NODE    VERSION  STATE       UP  REQUESTS  STREAMS          CACHED    HITS  FILTERS
edge-1  0.1.0    ready      2 h     1 204        -  1.0 MiB in 210  99.0 %  2
origin  0.1.0    draining  60 s         3        2               -       -  -

NODE    FILTER     CALLS  FAILED  STATE
edge-1  auth       1 200       2  in service
edge-1  geo-block      0       0  disabled

http://x:1/  cannot be reached

REPORTED BY  ROLE  SEEN     FROM            GENERATION  FILTERS
edge-1       edge  2 s ago  10.0.0.2:50000           9        1
edge-2       edge  3 s ago  10.0.0.2:50000           9        1
";
        let text = render(&known, Style::Plain);
        assert_eq!(text, expected, "\n{text}");
    }
}
