//! One Weir process under test: its configuration, its directory, its life.

use std::net::{Ipv6Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use loadtest::client::{Client, Fetched, Protocol, Trust};
use loadtest::process::Process;
use toml::Value;

use crate::{metrics, wait};

/// How long a process may take to be ready. Generous: the machine may be compiling.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Ports are taken from here: below the kernel's ephemeral range, so that no outgoing connection
/// takes one between its choice and its use.
const PORTS: std::ops::Range<u16> = 20_000..31_000;

/// More than one test's processes listen on.
const PORTS_PER_PROCESS: u32 = 16;

/// A configuration that is built key by key.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    root: toml::Table,
}

impl Settings {
    /// Sets `section.key`.
    #[must_use]
    pub fn set(mut self, section: &str, key: &str, value: impl Into<Value>) -> Self {
        let table = self
            .root
            .entry(section)
            .or_insert_with(|| Value::Table(toml::Table::new()));
        if let Value::Table(table) = table {
            table.insert(key.to_owned(), value.into());
        }
        self
    }

    /// Sets a top-level key, for example an array of tables.
    #[must_use]
    pub fn set_root(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.root.insert(key.to_owned(), value.into());
        self
    }

    /// The settings with those of `others` laid over them, section by section.
    #[must_use]
    pub fn overlaid(mut self, others: &Self) -> Self {
        for (key, value) in &others.root {
            match (self.root.get_mut(key), value) {
                (Some(Value::Table(mine)), Value::Table(theirs)) => {
                    mine.extend(theirs.clone());
                }
                _ => {
                    self.root.insert(key.clone(), value.clone());
                }
            }
        }
        self
    }
}

/// A Weir binary that runs, or ran, with its own directory and configuration.
#[derive(Debug)]
pub struct Node {
    binary: &'static str,
    directory: PathBuf,
    admin_port: u16,
    process: Option<Process>,
    starts: u32,
}

impl Node {
    /// Writes the configuration, starts the process and waits until it is ready.
    pub async fn start(
        binary: &'static str,
        directory: PathBuf,
        settings: &Settings,
        admin_port: u16,
    ) -> anyhow::Result<Self> {
        std::fs::write(
            directory.join("config.toml"),
            toml::to_string(&settings.root)?,
        )?;
        let mut node = Self {
            binary,
            directory,
            admin_port,
            process: None,
            starts: 0,
        };
        node.start_again().await?;
        Ok(node)
    }

    /// Starts the process once more, on the same ports and in the same directory.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        ensure!(self.process.is_none(), "{} runs already", self.binary);
        self.starts += 1;
        let log = self.directory.join(format!("log.{}", self.starts));
        let mut command = Command::new(binary(self.binary)?);
        command
            .arg("--config")
            .arg(self.directory.join("config.toml"))
            .current_dir(&self.directory)
            .env("RUST_LOG", log_filter());
        self.process = Some(Process::spawn(self.binary, &mut command, &log)?);
        self.ready().await
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let what = format!("{} is ready", self.binary);
        wait::until(&what, READY_WITHIN, async || {
            if !self.process_mut()?.is_running() {
                // Not worth waiting for; the log says why.
                return Ok(Some(false));
            }
            let answer = self.admin("/readyz").await?;
            Ok((answer.status == 200).then_some(true))
        })
        .await
        .and_then(|running| {
            ensure!(running, "{} ended:\n{}", self.binary, self.log());
            Ok(())
        })
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("it does not run")?;
        process.kill()
    }

    /// Waits for the process to end by itself.
    pub async fn exited(&mut self, within: Duration) -> anyhow::Result<std::process::ExitStatus> {
        let status = self.process_mut()?.exited(within).await?;
        self.process = None;
        Ok(status)
    }

    /// The process.
    pub fn process(&self) -> anyhow::Result<&Process> {
        self.process.as_ref().context("it does not run")
    }

    /// The process, for waiting on it.
    pub fn process_mut(&mut self) -> anyhow::Result<&mut Process> {
        self.process.as_mut().context("it does not run")
    }

    /// What the process has logged since its last start.
    pub fn log(&self) -> String {
        let log = self.directory.join(format!("log.{}", self.starts));
        std::fs::read_to_string(log).unwrap_or_default()
    }

    /// The process's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// `http://127.0.0.1:PORT` of the admin listener.
    pub fn admin_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.admin_port)
    }

    /// Asks the admin listener.
    pub async fn admin(&self, path: &str) -> anyhow::Result<Fetched> {
        let client = Client::connect(&self.admin_url(), Protocol::H1, &Trust::Insecure).await?;
        Ok(client.fetch(path, &[]).await?)
    }

    /// The sum of a metric's samples that carry `labels`.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> anyhow::Result<f64> {
        let answer = self.admin("/metrics").await?;
        ensure!(answer.status == 200, "/metrics answers {}", answer.status);
        Ok(metrics::sum(&answer.text(), name, labels))
    }
}

/// A fresh directory for one process of the running test. Kept after the test, for its logs.
pub fn directory(label: &str) -> anyhow::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let test = std::thread::current()
        .name()
        .unwrap_or("test")
        .replace("::", "-");
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory = target_directory()?
        .join("test-runs")
        .join(format!("{test}-{label}-{count}"));
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// A port that nothing listens on, neither TCP nor UDP, and that no other call gets.
pub fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = PORTS.end - PORTS.start;
    // Tests side by side are processes with neighbouring ids: their ports lie apart.
    let start = std::process::id().wrapping_mul(PORTS_PER_PROCESS) % u32::from(span);
    let start = u16::try_from(start)?;
    for _ in 0..span {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (start.wrapping_add(step)) % span;
        let address = (Ipv6Addr::UNSPECIFIED, port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port in {PORTS:?}")
}

/// The path of one of the workspace's binaries, next to the running test's.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let path = target_directory()?.join(name);
    ensure!(
        path.exists(),
        "{} is not built; `make test` builds it, or cargo build --bins",
        path.display()
    );
    Ok(path)
}

/// `target/debug`, or wherever the running test was built. `WEIR_BIN_DIR` overrides it.
fn target_directory() -> anyhow::Result<PathBuf> {
    if let Some(directory) = std::env::var_os("WEIR_BIN_DIR") {
        return Ok(directory.into());
    }
    let test = std::env::current_exe()?;
    // target/debug/deps/herd-0123456789abcdef
    let directory = test
        .parent()
        .and_then(Path::parent)
        .context("a test outside of a target directory")?;
    Ok(directory.to_owned())
}

fn log_filter() -> String {
    std::env::var("WEIR_TEST_LOG").unwrap_or_else(|_| String::from("info"))
}
