//! Who may depend on whom (ARCHITECTURE.md, "Layers"). An ordinary test, so that a forbidden
//! edge fails where it is made.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Each crate of the workspace, lowest layer first, with the workspace crates it may depend on,
/// whatever the kind of the dependency.
const MAY_DEPEND_ON: [(&str, Layer, &[&str]); 29] = [
    ("cache-policy", Layer::Pure, &[]),
    ("cmaf", Layer::Pure, &[]),
    ("cmcd", Layer::Pure, &[]),
    ("content-coding", Layer::Pure, &[]),
    ("gifts", Layer::Pure, &["rooms"]),
    ("hls", Layer::Pure, &[]),
    ("limits", Layer::Pure, &[]),
    ("live-relay", Layer::Pure, &["hls"]),
    ("nut", Layer::Pure, &[]),
    ("playback-token", Layer::Pure, &[]),
    ("rooms", Layer::Pure, &[]),
    ("rtmp", Layer::Pure, &[]),
    ("settings", Layer::Settings, &[]),
    ("database", Layer::Shared, &["settings"]),
    ("telemetry", Layer::Shared, &["settings"]),
    ("transport", Layer::Shared, &[]),
    ("wasm-filters", Layer::Shared, &[]),
    (
        "filter-registry",
        Layer::Service,
        &["settings", "wasm-filters"],
    ),
    ("bus", Layer::Service, &["settings"]),
    ("chat-archive", Layer::Service, &["rooms", "settings"]),
    ("ledger", Layer::Service, &["database", "settings"]),
    ("accounts", Layer::Service, &["database", "settings"]),
    ("gift-records", Layer::Service, &["database"]),
    ("channels", Layer::Service, &["database"]),
    (
        "origin",
        Layer::Role,
        &[
            "accounts",
            "bus",
            "channels",
            "chat-archive",
            "cmaf",
            "content-coding",
            "database",
            "filter-registry",
            "gift-records",
            "gifts",
            "hls",
            "ledger",
            "live-relay",
            "nut",
            "playback-token",
            "rooms",
            "rtmp",
            "settings",
            "telemetry",
            "transport",
            "wasm-filters",
        ],
    ),
    (
        "edge",
        Layer::Role,
        &[
            "bus",
            "cache-policy",
            "cmcd",
            "content-coding",
            "filter-registry",
            "gifts",
            "hls",
            "limits",
            "live-relay",
            "playback-token",
            "rooms",
            "settings",
            "telemetry",
            "transport",
            "wasm-filters",
        ],
    ),
    (
        "weirctl",
        Layer::Tool,
        &[
            "filter-registry",
            "settings",
            "telemetry",
            "transport",
            "wasm-filters",
        ],
    ),
    (
        "loadtest",
        Layer::Tool,
        &["cmaf", "hls", "rooms", "rtmp", "telemetry", "transport"],
    ),
    (
        "tests",
        Layer::Tool,
        &[
            "bus",
            "cache-policy",
            "chat-archive",
            "cmaf",
            "database",
            "edge",
            "filter-registry",
            "hls",
            "loadtest",
            "nut",
            "origin",
            "playback-token",
            "rooms",
            "rtmp",
            "settings",
            "telemetry",
            "transport",
            "wasm-filters",
        ],
    ),
];

/// What a pure crate may not reach, directly or through others, outside its own tests.
const IMPURE: [&str; 12] = [
    "async-std",
    "h2",
    "h3",
    "hyper",
    "mio",
    "pingora-core",
    "quinn",
    "rand",
    "rustls",
    "smol",
    "socket2",
    "tokio",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    /// L0: no runtime, sockets, files, clock or randomness.
    Pure,
    /// L1, and what the rest of L1 may be configured by.
    Settings,
    /// L1.
    Shared,
    /// What roles have in common beyond one concern: built on the shared crates.
    Service,
    /// L2: the processes.
    Role,
    /// L3.
    Tool,
}

/// From each crate to those it depends on.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_dependency_goes_against_the_layers() -> anyhow::Result<()> {
    let metadata = metadata()?;
    let problems = forbidden_edges(&workspace_graph(&metadata));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

#[test]
fn the_workspace_has_no_cycle() -> anyhow::Result<()> {
    assert_eq!(cycle(&workspace_graph(&metadata()?)), None);
    Ok(())
}

#[test]
fn pure_crates_reach_nothing_impure() -> anyhow::Result<()> {
    let graph = normal_graph(&metadata()?)?;
    assert!(
        reachable(&graph, "transport").contains("mio"),
        "the graph is not whole"
    );
    let problems = impure_reach(&graph);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

#[test]
fn the_table_itself_points_downwards() {
    let layer_of: BTreeMap<&str, Layer> = MAY_DEPEND_ON
        .iter()
        .map(|(name, layer, _)| (*name, *layer))
        .collect();
    for (name, layer, allowed) in MAY_DEPEND_ON {
        for dependency in allowed {
            let below = layer_of.get(dependency).is_some_and(|other| {
                // What is pure may stand on what is pure: no cycle is another test's concern.
                *other < layer || (layer == Layer::Pure && *other == Layer::Pure)
            });
            // The tests stand above everything, the other tool included.
            assert!(below || name == "tests", "{name} -> {dependency}");
        }
    }
}

#[test]
fn a_forbidden_edge_is_found() {
    let problems = forbidden_edges(&graph(&[
        ("edge", &["hls", "origin"]),
        ("hls", &["telemetry"]),
        ("loadtest", &["edge"]),
        ("newcomer", &[]),
        ("origin", &["cmaf", "hls"]),
        ("telemetry", &[]),
    ]));
    assert_eq!(
        problems,
        [
            "edge may not depend on origin",
            "hls may not depend on telemetry",
            "loadtest may not depend on edge",
            "newcomer has no line in the layer table",
        ]
    );
}

#[test]
fn a_cycle_is_found() {
    let acyclic = graph(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])]);
    assert_eq!(cycle(&acyclic), None);
    let cyclic = graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]);
    assert_eq!(
        cycle(&cyclic),
        Some(BTreeSet::from(["b".to_owned(), "c".to_owned()]))
    );
}

#[test]
fn an_impure_dependency_is_found_through_others() {
    let problems = impure_reach(&graph(&[
        ("hls", &["thiserror"]),
        ("cmaf", &["mp4-box"]),
        ("mp4-box", &["tokio"]),
        ("telemetry", &["tokio"]),
        ("tokio", &["mio"]),
    ]));
    assert_eq!(problems, ["cmaf reaches mio", "cmaf reaches tokio"]);
}

fn forbidden_edges(graph: &Graph) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, dependencies) in graph {
        let line = MAY_DEPEND_ON.iter().find(|(listed, _, _)| listed == name);
        let Some((_, _, allowed)) = line else {
            problems.push(format!("{name} has no line in the layer table"));
            continue;
        };
        for dependency in dependencies {
            if !allowed.contains(&dependency.as_str()) {
                problems.push(format!("{name} may not depend on {dependency}"));
            }
        }
    }
    problems
}

/// Takes away crates that depend on nothing left, until none is left or a cycle remains (with
/// those that depend on it taken away likewise).
fn cycle(graph: &Graph) -> Option<BTreeSet<String>> {
    let mut left = graph.clone();
    loop {
        let names: BTreeSet<String> = left.keys().cloned().collect();
        let needed: BTreeSet<String> = left.values().flatten().cloned().collect();
        let before = left.len();
        left.retain(|name, dependencies| {
            needed.contains(name) && dependencies.iter().any(|other| names.contains(other))
        });
        if left.is_empty() {
            return None;
        }
        if left.len() == before {
            return Some(left.into_keys().collect());
        }
    }
}

fn impure_reach(graph: &Graph) -> Vec<String> {
    let mut problems = Vec::new();
    let pure = MAY_DEPEND_ON
        .iter()
        .filter(|(_, layer, _)| *layer == Layer::Pure);
    for (name, _, _) in pure {
        let reached = reachable(graph, name);
        let impure = IMPURE.iter().filter(|impure| reached.contains(**impure));
        problems.extend(impure.map(|impure| format!("{name} reaches {impure}")));
    }
    problems.sort_unstable();
    problems
}

fn reachable<'a>(graph: &'a Graph, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = vec![from];
    while let Some(name) = open.pop() {
        for dependency in graph.get(name).into_iter().flatten() {
            if reached.insert(dependency.as_str()) {
                open.push(dependency);
            }
        }
    }
    reached
}

fn graph(edges: &[(&str, &[&str])]) -> Graph {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    edges
        .iter()
        .map(|(from, to)| ((*from).to_owned(), names(to)))
        .collect()
}

/// Runs offline: whoever compiled this test has fetched what it needs.
fn metadata() -> anyhow::Result<Metadata> {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .other_options(vec![
            "--offline".to_owned(),
            "--filter-platform=x86_64-unknown-linux-gnu".to_owned(),
        ])
        .exec()
        .context("cargo metadata")
}

/// Dependencies of every kind between the crates of the workspace.
fn workspace_graph(metadata: &Metadata) -> Graph {
    let members = metadata.workspace_packages();
    let names: BTreeSet<&str> = members
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    members
        .iter()
        .map(|package| {
            let dependencies = package
                .dependencies
                .iter()
                .map(|dependency| dependency.name.as_str());
            let within = dependencies.filter(|name| names.contains(name));
            (
                package.name.to_string(),
                within.map(str::to_owned).collect(),
            )
        })
        .collect()
}

/// What is linked into each crate, third parties included. Versions of one crate are merged.
fn normal_graph(metadata: &Metadata) -> anyhow::Result<Graph> {
    let name_of: BTreeMap<_, _> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, package.name.as_str()))
        .collect();
    let mut graph = Graph::new();
    for node in &metadata.resolve.as_ref().context("no resolve graph")?.nodes {
        let from = name_of.get(&node.id).context("unknown package")?;
        let dependencies = graph.entry((*from).to_owned()).or_default();
        for dependency in &node.deps {
            let linked = dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal);
            if linked && let Some(name) = name_of.get(&dependency.pkg) {
                dependencies.insert((*name).to_owned());
            }
        }
    }
    Ok(graph)
}
