//! The dashboards of config/deploy/grafana ask for nothing that is not there: every metric and every label in them is
//! in what a running origin and edge export.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use loadtest::client::Protocol;
use serde_json::Value;
use tests::edge::Edge;
use tests::origin::{Origin, PUBLISH_KEY, STREAM};
use tests::playlist;
use tests::publisher::Publisher;
use tests::wait;

/// Labels that Prometheus adds itself.
const SCRAPED: [&str; 2] = ["instance", "job"];
/// Words of PromQL that are no metrics; functions are known by their parenthesis.
const WORDS: [&str; 5] = ["or", "and", "unless", "offset", "bool"];
/// Words in front of a list of labels; the first two follow an aggregation.
const GROUPINGS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];
/// What players say; it brings every series of CMCD.
const CMCD: [(&str, &str); 3] = [
    ("cmcd-request", "bl=(1000),mtp=(8000),ltc=1500,su"),
    ("cmcd-object", "br=(700)"),
    ("cmcd-session", "sid=\"one\",msd=400,v=2"),
];
const MOVED_WITHIN: Duration = Duration::from_secs(60);

/// From each metric to the labels of its series.
type Exported = BTreeMap<String, BTreeSet<String>>;

#[tokio::test]
async fn every_metric_and_label_of_a_dashboard_is_exported() -> anyhow::Result<()> {
    let origin = Origin::start().await?;
    let leaf = Edge::start("leaf", &[origin.http_url()]).await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let client = leaf.client(Protocol::H2).await?;
    let playlist = playlist::playing(&client, "360p").await?;
    let path = format!("/live/{STREAM}/360p/index.m3u8");
    for path in [path.clone(), format!("/live/{STREAM}/index.m3u8")] {
        assert_eq!(client.fetch(&path, &CMCD).await?.status, 200);
    }
    // A blocked reload.
    playlist::fetch(&client, "360p", &playlist::next_reload(&playlist)).await?;

    let files = dashboards()?;
    assert!(files.len() >= 2, "{files:?}");
    let mut asked = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file)?;
        let board: Value =
            serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        let before = asked.len();
        collect(&board, &mut asked)?;
        assert!(
            asked.len() > before + 20,
            "{} asks for little",
            file.display()
        );
    }
    // Some figures come with the first look of a second or two.
    wait::until("everything is exported", MOVED_WITHIN, async || {
        let mut exported = Exported::new();
        for node in [&*leaf, &*origin] {
            read(&node.admin("/metrics").await?.text(), &mut exported);
        }
        let missing: Vec<String> = asked
            .iter()
            .filter_map(|query| query.missing(&exported))
            .collect();
        ensure!(missing.is_empty(), "{}", missing.join("\n"));
        Ok(Some(()))
    })
    .await
}

/// A metric of an expression, and the labels that are asked of it.
#[derive(Debug, PartialEq)]
struct Query {
    metric: String,
    labels: BTreeSet<String>,
    /// Where it stands, for whoever reads a failure.
    text: String,
}

impl Query {
    fn missing(&self, exported: &Exported) -> Option<String> {
        let Some(has) = exported.get(&self.metric) else {
            return Some(format!("no metric {}: {}", self.metric, self.text));
        };
        let strange = self
            .labels
            .iter()
            .find(|label| !has.contains(*label) && !SCRAPED.contains(&label.as_str()));
        strange.map(|label| format!("{} has no label {label}: {}", self.metric, self.text))
    }
}

fn dashboards() -> anyhow::Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/deploy/grafana/dashboards");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        files.push(entry?.path());
    }
    Ok(files)
}

/// Every `expr` with its legend, and every `label_values(metric, label)`.
fn collect(value: &Value, found: &mut Vec<Query>) -> anyhow::Result<()> {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(expression)) = object.get("expr") {
                let mut queries = queries(expression)?;
                let legend = object.get("legendFormat").and_then(Value::as_str);
                let legend = legend_labels(legend.unwrap_or_default());
                for query in &mut queries {
                    query.labels.extend(legend.iter().cloned());
                }
                found.extend(queries);
            }
            if let Some(Value::String(definition)) = object.get("definition") {
                let inner = definition
                    .strip_prefix("label_values(")
                    .and_then(|rest| rest.strip_suffix(')'))
                    .and_then(|inner| inner.split_once(", "));
                let (metric, label) = inner.with_context(|| definition.clone())?;
                found.push(Query {
                    metric: metric.to_owned(),
                    labels: BTreeSet::from([label.to_owned()]),
                    text: definition.clone(),
                });
            }
            object.values().try_for_each(|value| collect(value, found))
        }
        Value::Array(array) => array.iter().try_for_each(|value| collect(value, found)),
        _ => Ok(()),
    }
}

/// `{{label}}` in a legend.
fn legend_labels(legend: &str) -> BTreeSet<String> {
    let parts = legend.split("{{").skip(1);
    parts
        .filter_map(|part| part.split_once("}}"))
        .map(|(label, _)| label.trim().to_owned())
        .collect()
}

/// The metrics of a PromQL expression. Labels of groupings are asked of all of them.
fn queries(expression: &str) -> anyhow::Result<Vec<Query>> {
    let mut queries: Vec<Query> = Vec::new();
    let mut grouped = BTreeSet::new();
    let mut rest = expression;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    while let Some(first) = rest.chars().next() {
        if first == '[' {
            rest = rest.split_once(']').context("a range without an end")?.1;
        } else if first.is_ascii_digit() {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
        } else if is_name(first) {
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            rest = behind.trim_start();
            if GROUPINGS.contains(&name) {
                let list = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
                let (list, behind) = list.with_context(|| format!("{name} without a list"))?;
                grouped.extend(list.split(',').map(|label| label.trim().to_owned()));
                rest = behind;
            } else if !rest.starts_with('(') && !WORDS.contains(&name) && !is_aggregation(rest) {
                let mut labels = BTreeSet::new();
                if let Some(selector) = rest.strip_prefix('{') {
                    let (selector, behind) = selector.split_once('}').context("no }")?;
                    rest = behind;
                    for matcher in selector.split(',').filter(|text| !text.is_empty()) {
                        let end = matcher.find(['=', '!']).context("a matcher")?;
                        labels.insert(matcher[..end].trim().to_owned());
                    }
                }
                queries.push(Query {
                    metric: name.to_owned(),
                    labels,
                    text: expression.to_owned(),
                });
            }
        } else if first == '"' || first == '{' {
            bail!("this test does not read {expression}");
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    ensure!(!queries.is_empty(), "no metric in {expression}");
    for query in &mut queries {
        query.labels.extend(grouped.iter().cloned());
    }
    Ok(queries)
}

/// Whether a list of labels follows, so that the word before was `sum`, `max` or one of their kind.
fn is_aggregation(rest: &str) -> bool {
    GROUPINGS.iter().take(2).any(|word| {
        rest.strip_prefix(word)
            .is_some_and(|list| list.trim_start().starts_with('('))
    })
}

/// Names and labels of Prometheus' text format.
fn read(exposition: &str, exported: &mut Exported) {
    for line in exposition.lines().filter(|line| !line.starts_with('#')) {
        let end = line.find(['{', ' ']).unwrap_or(line.len());
        let labels = exported.entry(line[..end].to_owned()).or_default();
        let Some((_, rest)) = line.split_once('{') else {
            continue;
        };
        let mut inner = rest.rsplit_once('}').map_or("", |(inner, _)| inner);
        // No value of ours has a quote in it.
        while let Some((label, behind)) = inner.split_once("=\"") {
            labels.insert(label.trim_start_matches(',').to_owned());
            inner = behind.split_once('"').map_or("", |(_, behind)| behind);
        }
    }
}

#[test]
fn expressions_and_expositions_are_read() -> anyhow::Result<()> {
    let set = |labels: &[&str]| labels.iter().map(|&label| label.to_owned()).collect();
    let read_out: Vec<(String, BTreeSet<String>)> = queries(
        "8 * sum by (a, le) (rate(x_total{b=~\"$b\",c!=\"d\"}[5m])) / sum(y) or vector(0) > 1e3",
    )?
    .into_iter()
    .map(|query| (query.metric, query.labels))
    .collect();
    let expected: [(String, BTreeSet<String>); 2] = [
        ("x_total".to_owned(), set(&["a", "le", "b", "c"])),
        ("y".to_owned(), set(&["a", "le"])),
    ];
    assert_eq!(read_out, expected);
    let mut exported = Exported::new();
    read(
        "# HELP x_total X.\nx_total{b=\"1\",c=\"2,e\"} 5\ny 1\n",
        &mut exported,
    );
    assert_eq!(exported.get("x_total"), Some(&set(&["b", "c"])));
    let missing = |metric: &str, label: &str| {
        let query = Query {
            metric: metric.to_owned(),
            labels: set(&[label]),
            text: String::new(),
        };
        query.missing(&exported).is_some()
    };
    assert!(!missing("x_total", "b") && !missing("y", "instance"));
    assert!(missing("x_total", "a") && missing("z", "b") && missing("y", "b"));
    assert_eq!(legend_labels("{{a}} p50 {{ b }}"), set(&["a", "b"]));
    Ok(())
}
