//! Child processes that a benchmark or a test owns: started with a log file, stopped by id.
//!
//! Blocking on purpose, so that `Drop` can stop the child; nothing here waits for long.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How often a condition on a child is looked at again.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The signals that benchmarks and tests send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: finish what is in flight, then end.
    Terminate,
    /// SIGKILL: the machine lost its power.
    Kill,
    /// SIGHUP: read the configuration again.
    Hangup,
    /// SIGUSR2: upgrade in place.
    Upgrade,
    /// SIGSTOP: still there, but silent.
    Stop,
    /// SIGCONT: goes on.
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
            Self::Hangup => "HUP",
            Self::Upgrade => "USR2",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// A running child process. Dropping it stops it and waits for its end.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    last_signal: Signal,
}

impl Process {
    /// Starts `command` with stdout and stderr going to `log`.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let file = File::create(log).with_context(|| format!("log file {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting {name}: {command:?}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
            last_signal: Signal::Kill,
        })
    }

    /// Makes dropping the child send SIGTERM, for masters that must take their workers along.
    #[must_use]
    pub fn terminated_on_drop(mut self) -> Self {
        self.last_signal = Signal::Terminate;
        self
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the child has written so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Whether the child has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        send(self.pid(), signal)
    }

    /// SIGKILL, and waits until the process is gone.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits for the child to end by itself.
    pub async fn exited(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(
                Instant::now() < deadline,
                "{} still runs after {within:?}",
                self.name
            );
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits until something accepts TCP connections at `address`; fails early when the child ends.
    pub async fn listening(&mut self, address: &str, within: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        while tokio::net::TcpStream::connect(address).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("{} ended with {status}:\n{}", self.name, self.log());
            }
            ensure!(
                Instant::now() < deadline,
                "{} does not listen on {address} after {within:?}:\n{}",
                self.name,
                self.log()
            );
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.is_running() {
            return;
        }
        let stopped = match self.last_signal {
            Signal::Kill => self.child.kill().is_ok(),
            signal => self.signal(signal).is_ok(),
        };
        if stopped {
            let _ = self.child.wait();
        }
    }
}

/// Lets this process, and those it starts from now on, have so many files open. Raises the hard
/// limit where that is too low, which only root may.
pub fn allow_files(count: usize) -> anyhow::Result<()> {
    let wanted = u64::try_from(count)?;
    let limit = getrlimit(Resource::Nofile);
    // None is no limit.
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let limit = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum.map(|maximum| maximum.max(wanted)),
    };
    setrlimit(Resource::Nofile, limit).with_context(|| format!("allowing {count} open files"))
}

/// Sends a signal to a process that this one, or its child, has started.
pub fn send(pid: u32, signal: Signal) -> anyhow::Result<()> {
    let status = Command::new("kill")
        .args(["-s", signal.name(), &pid.to_string()])
        .stdin(Stdio::null())
        .status()
        .context("running kill")?;
    ensure!(
        status.success(),
        "kill -s {} {pid}: {status}",
        signal.name()
    );
    Ok(())
}
