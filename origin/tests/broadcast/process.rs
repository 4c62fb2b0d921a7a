//! The program itself: its exit codes, and how it drains.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{KEY, PATIENCE, Publisher, child_with, configuration, eventually, kill};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_weir-origin"))
}

#[test]
fn a_bad_configuration_exits_64_and_names_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bad.toml");
    std::fs::write(&file, "[http]\n\nconnections_max = 0\n").unwrap();
    for more in [&["--check-config"][..], &[]] {
        let output = program()
            .arg("--config")
            .arg(&file)
            .args(more)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(64));
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(
            complaint.contains("bad.toml:3: http.connections_max: must be 1 to 1000000"),
            "{complaint}"
        );
    }
    let missing = program()
        .args(["--config", "/nonexistent.toml"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(64));
    assert_eq!(
        program()
            .arg("--no-such-flag")
            .output()
            .unwrap()
            .status
            .code(),
        Some(64)
    );
}

#[test]
fn the_default_configuration_is_printed_and_good() {
    let printed = program().arg("--print-default-config").output().unwrap();
    assert!(printed.status.success());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("default.toml");
    std::fs::write(&file, printed.stdout).unwrap();
    let checked = program()
        .arg("--config")
        .arg(file)
        .arg("--check-config")
        .status();
    assert!(checked.unwrap().success());
}

/// A running `weir-origin`; it is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test]
async fn a_drain_leaves_streams_to_the_next_process_and_no_child() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("origin.toml");
    let more = "[transcode]\npreset = \"ultrafast\"\n[log]\nformat = \"json\"\n";
    std::fs::write(&file, configuration(&[("152p", 152, 100)], more)).unwrap();
    let mut child = program()
        .current_dir(directory.path())
        .arg("--config")
        .arg(&file)
        .env("RUST_LOG", "info")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut running = Running(child);
    let listening = log.next().unwrap().unwrap();
    let listening: serde_json::Value = serde_json::from_str(&listening).unwrap();
    let rtmp = listening["rtmp"].as_str().unwrap();
    let _publisher = Publisher::start(&format!("rtmp://{rtmp}/live/{KEY}"), 30);
    let pid = running.0.id();
    let transcoder = eventually("a transcoder", async || child_with("scale=270:152", pid)).await;
    // Read on, so that the program never waits for its log.
    let log = tokio::task::spawn_blocking(move || log.map_while(Result::ok).collect::<Vec<_>>());

    kill("-TERM", pid);
    let status = eventually("exit", async || running.0.try_wait().unwrap()).await;
    assert!(status.success(), "{status}");
    let log = tokio::time::timeout(PATIENCE, log).await.unwrap().unwrap();
    for needle in [
        "draining",
        "the stream is left to the next process",
        "drained",
    ] {
        assert!(
            log.iter().any(|line| line.contains(needle)),
            "{needle} not in {log:?}"
        );
    }
    let gone =
        async || (!std::path::Path::new(&format!("/proc/{transcoder}")).exists()).then_some(());
    let gone = tokio::time::timeout(Duration::from_secs(5), eventually("end of ffmpeg", gone));
    gone.await.unwrap();
}
