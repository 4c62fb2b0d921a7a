//! The author's way, for real: a new project, built by cargo for WebAssembly, tested on the host of
//! the nodes, and pushed at each save. Slow the first time, when what it depends on is compiled.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{Ended, OPERATOR, World};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Longest until a line comes; a cold build lies in between.
const LINE_MAX: Duration = Duration::from_secs(240);

/// `weirctl` whose cargo keeps what it builds from test to test.
fn command(world: &World, arguments: &[&str]) -> Command {
    let registry = format!("http://{}", world.address);
    let mut command = crate::harness::command(world.directory.path());
    command
        .current_dir(world.directory.path())
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("filters"),
        )
        .args(["--registry", &registry, "--token", OPERATOR])
        .args(arguments);
    command
}

async fn run(world: &World, arguments: &[&str]) -> Ended {
    let output = command(world, arguments).output().await.unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A new chat filter. Its dependencies are those of the filters that ship, so that the test needs
/// no network where those were built.
async fn new_project(world: &World) -> PathBuf {
    let text = run(
        world,
        &[
            "filter", "new", "greeter", "--lang", "rust", "--hook", "chat",
        ],
    )
    .await
    .ok();
    assert!(text.contains("next: weirctl filter test greeter"), "{text}");
    let project = world.directory.path().join("greeter");
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wasm-filters/filters/Cargo.lock");
    std::fs::copy(lock, project.join("Cargo.lock")).unwrap();
    project
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from}: {text}");
    std::fs::write(file, text.replace(from, to)).unwrap();
}

/// Reads lines until one has `wanted` in it; returns all of them.
async fn until(lines: &mut Lines<BufReader<ChildStdout>>, wanted: &str) -> String {
    let mut seen = String::new();
    let read = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            seen.push_str(&line);
            seen.push('\n');
            if line.contains(wanted) {
                return true;
            }
        }
        false
    };
    let found = tokio::time::timeout(LINE_MAX, read).await;
    assert_eq!(found, Ok(true), "no {wanted:?} in: {seen}");
    seen
}

async fn active(world: &World) -> (u64, Value) {
    let overview = run(world, &["filter", "list", "--json"]).await.ok();
    let overview: Value = serde_json::from_str(&overview).unwrap();
    let filter = overview["filters"]["greeter"].clone();
    let versions = filter["versions"].as_array().unwrap();
    let active = versions
        .iter()
        .find(|version| version["id"] == filter["desired"]["active"]);
    let active = active.expect("something is active");
    (active["number"].as_u64().unwrap(), active["label"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn from_nothing_to_a_filter_that_follows_its_source() {
    let world = World::new().await;
    world.node().await;
    let project = new_project(&world).await;
    let text = run(&world, &["filter", "test", "greeter"]).await.ok();
    assert!(text.contains("pass  a short message"), "{text}");
    assert!(text.contains("pass  one character too many"), "{text}");
    assert!(text.contains("greeter: 3 passed"), "{text}");

    // Another expectation fails, in words, and without a build.
    replace(&project.join("cases/cases.json"), "too-long", "too-loud");
    let failed = run(&world, &["filter", "test", "greeter", "--no-build"]).await;
    assert_eq!(failed.code, 1, "{failed:?}");
    for line in [
        "FAIL  one character too many",
        "expected  \"too-loud\"",
        "got       \"too-long\"",
    ] {
        assert!(failed.stdout.contains(line), "{line}: {}", failed.stdout);
    }
    replace(&project.join("cases/cases.json"), "too-loud", "too-long");

    let mut child = watch(&world);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let text = until(&mut lines, "watching for changes").await;
    assert!(text.contains("greeter: 3 passed"), "{text}");
    assert!(text.contains("greeter is active on 1 node"), "{text}");
    let (first, label) = active(&world).await;
    assert!(label.as_str().unwrap().starts_with("0.1.0-dev."), "{label}");

    // A save that does not compile, and one that does not pass, leave what runs.
    let source = project.join("src/lib.rs");
    replace(&source, "\"too-long\"", "\"too-long");
    until(&mut lines, "what ran before goes on").await;
    until(&mut lines, "watching for changes").await;
    replace(&source, "\"too-long", "\"too-loud\"");
    let text = until(&mut lines, "what ran before goes on").await;
    assert!(text.contains("FAIL  one character too many"), "{text}");
    assert!(!text.contains("is active on"), "{text}");
    assert_eq!(active(&world).await.0, first);
    until(&mut lines, "watching for changes").await;

    let saved = Instant::now();
    replace(&source, "\"too-loud\"", "\"too-long\"");
    until(&mut lines, "is active on 1 node").await;
    let took = saved.elapsed();
    assert!(active(&world).await.0 > first);
    // What a save costs depends on the machine; the number is there to be looked at.
    println!("from a save to the swap: {took:?}");
    child.kill().await.unwrap();
}

fn watch(world: &World) -> Child {
    command(world, &["filter", "run", "greeter", "--watch"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}
