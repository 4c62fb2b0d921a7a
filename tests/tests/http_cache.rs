//! `http-cache-tests` (<https://cache-tests.fyi>) against a site of an edge whose parent is the
//! suite's own server, judged as its site does.
//!
//! What is not passed stands in `tests/http-cache/README.md` with its reason: no more, no less.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use loadtest::process::Process;
use serde::Deserialize;
use tests::edge::Edge;
use tests::node::{self, Settings};
use toml::{Table, Value};

/// What issue 7 asks for; more is passed (see the README).
const REQUIRED_MIN: usize = 140;
const OPTIMAL_MIN: usize = 75;
/// The suite pauses for three seconds where it waits, and runs a hundred tests at a time.
const WITHIN: Duration = Duration::from_secs(180);
const LISTENS_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug, Deserialize)]
struct Judged {
    kind: String,
    outcome: String,
    why: String,
}

type Results = BTreeMap<String, Judged>;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("http-cache")
}

/// The suite's server: it prints nothing that is needed, and writes its pid where it runs.
async fn server(port: u16) -> anyhow::Result<Process> {
    let suite = directory().join("node_modules/http-cache-tests");
    ensure!(
        suite.exists(),
        "no http-cache-tests: npm ci in tests/http-cache (make test does)"
    );
    let run = node::directory("suite")?;
    let mut command = Command::new("node");
    command
        .arg(suite.join("server/server.mjs"))
        .env("npm_config_protocol", "http")
        .env("npm_config_port", port.to_string())
        .env("npm_config_pidfile", run.join("pid"))
        .current_dir(&run);
    let mut process = Process::spawn("http-cache-tests", &mut command, &run.join("log"))?;
    process
        .listening(&format!("127.0.0.1:{port}"), LISTENS_WITHIN)
        .await?;
    Ok(process)
}

/// A site for every host whose parent listens on `port`.
fn site(port: u16) -> Settings {
    let url = Value::from(format!("http://127.0.0.1:{port}"));
    let mut site = Table::new();
    site.insert("hosts".to_owned(), vec![Value::from("127.0.0.1")].into());
    site.insert("urls".to_owned(), vec![url].into());
    // The suite ends one of its answers by closing a connection that it has kept for five seconds.
    site.insert("body_timeout_ms".to_owned(), 10_000.into());
    Settings::default().set_root("sites", vec![Value::Table(site)])
}

async fn judge(base: &str) -> anyhow::Result<Results> {
    let mut command = tokio::process::Command::new("node");
    command
        .arg("judge.mjs")
        .arg(base)
        .current_dir(directory())
        .kill_on_drop(true);
    let output = tokio::time::timeout(WITHIN, command.output()).await??;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "judge.mjs: {}: {stderr}",
        output.status
    );
    // The suite prints its own remarks before.
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().last().context("judge.mjs prints nothing")?;
    Ok(serde_json::from_str(line)?)
}

/// The ids in the README's table of what is not passed.
fn documented() -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(directory().join("README.md"))?;
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    Ok(rows
        .filter_map(|row| row.split_once('`'))
        .map(|(id, _)| id.to_owned())
        .collect())
}

fn passed(results: &Results, kind: &str) -> (usize, usize) {
    let of_kind = || results.values().filter(|judged| judged.kind == kind);
    let passed = of_kind().filter(|judged| judged.outcome == "pass").count();
    (passed, of_kind().count())
}

#[tokio::test]
async fn the_suite_passes_but_for_what_is_explained() -> anyhow::Result<()> {
    let port = node::free_port()?;
    let _server = server(port).await?;
    // Nobody listens there: hosts of no site go to these parents.
    let edge = Edge::start_with("edge", &["http://127.0.0.1:1".to_owned()], &site(port)).await?;
    let documented = documented()?;
    let mut results = judge(&edge.http_url()).await?;
    // What should have been stored for two seconds was asked for later, on a busy machine: nothing was tested.
    let not_held = |(id, judged): &(&String, &Judged)| {
        judged.kind != "check" && judged.outcome == "setup" && !documented.contains(id)
    };
    let again: Vec<_> = results
        .iter()
        .filter(not_held)
        .map(|(id, _)| id.clone())
        .collect();
    if !again.is_empty() {
        println!("not set up, and held again: {again:?}");
        let mut second = judge(&edge.http_url()).await?;
        results.extend(again.iter().filter_map(|id| second.remove_entry(id)));
    }

    let (required, required_all) = passed(&results, "required");
    let (optimal, optimal_all) = passed(&results, "optimal");
    println!("required {required} of {required_all}, optimal {optimal} of {optimal_all}");
    let counts = |judged: &Judged| judged.kind != "check";
    let failing: BTreeMap<&String, &Judged> = results
        .iter()
        .filter(|(_, judged)| counts(judged) && judged.outcome != "pass")
        .collect();
    for (id, judged) in &failing {
        println!("{} {id}: {} {}", judged.kind, judged.outcome, judged.why);
    }
    let yes = results
        .iter()
        .filter(|(_, judged)| !counts(judged) && judged.outcome == "pass");
    println!(
        "checks answered yes: {}",
        yes.map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(" ")
    );

    ensure!(
        required >= REQUIRED_MIN && optimal >= OPTIMAL_MIN,
        "fewer than issue 7 asks for"
    );
    let unexplained: Vec<_> = failing
        .iter()
        .filter(|(id, _)| !documented.contains(id))
        .collect();
    ensure!(
        unexplained.is_empty(),
        "not in tests/http-cache/README.md: {unexplained:#?}"
    );
    let outdated: Vec<_> = documented
        .iter()
        .filter(|id| !failing.contains_key(id))
        .collect();
    ensure!(
        outdated.is_empty(),
        "passed, but listed in tests/http-cache/README.md: {outdated:?}"
    );
    Ok(())
}
