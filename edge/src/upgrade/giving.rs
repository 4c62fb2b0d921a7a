//! The old process's side: starting the new one, and handing over.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::signal::unix::Signal;
use tokio::sync::{Notify, watch};
use transport::quic::takeover::{ROUTES_MAX, Switch, way};

use super::channel::Channel;
use super::{
    ENVIRONMENT, FromNew, FromOld, LINGER, LISTENING_WITHIN, Metrics, Offer, PROTOCOL, READY_WITHIN,
};

/// The sockets of this process, to be handed over. Dropped, the ports close as soon as nobody else
/// listens.
#[derive(Debug)]
pub struct Sockets {
    /// With their addresses as configured.
    pub tcp: Vec<(String, TcpListener)>,
    /// The same.
    pub udp: (String, UdpSocket),
    /// The same.
    pub admin: (String, TcpListener),
    /// Turns the UDP port over.
    pub switch: Arc<Switch>,
}

/// How to start this program again.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

/// Why the new process did not take over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// This process does not listen any more.
    #[error("this process drains")]
    Draining,
    /// It ended.
    #[error("it ended, {0}: its log says why")]
    Ended(String),
    /// It says something else.
    #[error("it does not understand what it was offered: is it the same program?")]
    Misunderstood,
    /// Sockets or the program.
    #[error("{0}")]
    System(#[from] io::Error),
    /// It takes too long.
    #[error("it was not ready in time")]
    TooSlow,
    /// Too many older processes.
    #[error("{ROUTES_MAX} older processes still drain")]
    TooMany,
}

/// Upgrades this process. Clones share it.
#[derive(Clone, Debug)]
pub struct Upgrader {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    program: Program,
    generation: u64,
    /// `None`: handed over, or drained.
    sockets: Mutex<Option<Sockets>>,
    accepting: watch::Sender<bool>,
    upgraded: Notify,
    metrics: Metrics,
}

impl Program {
    /// The one that runs: where it was started from, so that links are followed anew and a path in
    /// `PATH` is looked up anew.
    #[must_use]
    pub fn running() -> Self {
        let mut arguments = std::env::args_os();
        let path = PathBuf::from(arguments.next().unwrap_or_default());
        let path = match std::env::current_dir() {
            Ok(here) if path.components().count() > 1 => here.join(path),
            _ => path,
        };
        Self {
            path,
            arguments: arguments.collect(),
        }
    }

    fn start(&self, channel: UnixStream) -> io::Result<Child> {
        // The command, and with it our copy of the channel's far end, is gone with this line.
        Command::new(&self.path)
            .args(&self.arguments)
            .env(ENVIRONMENT, "1")
            .stdin(OwnedFd::from(channel))
            .spawn()
    }
}

impl Upgrader {
    /// Of a process of this generation with these sockets.
    pub fn new(program: Program, generation: u64, sockets: Sockets, metrics: Metrics) -> Self {
        metrics.started(generation);
        Self {
            inner: Arc::new(Inner {
                program,
                generation,
                sockets: Mutex::new(Some(sockets)),
                accepting: watch::Sender::new(true),
                upgraded: Notify::new(),
                metrics,
            }),
        }
    }

    /// Upgrades since the first process.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.inner.generation
    }

    /// Whether new connections are taken: false once another process takes them.
    #[must_use]
    pub fn accepting(&self) -> watch::Receiver<bool> {
        self.inner.accepting.subscribe()
    }

    /// Returns when another process has taken over, and this one is to drain.
    pub async fn upgraded(&self) {
        self.inner.upgraded.notified().await;
    }

    /// This process drains by itself: there is nothing to hand over any more.
    pub fn close(&self) {
        // Whoever is upgrading has the lock: the new process ends with this one then.
        if let Some(mut sockets) = self.inner.sockets.try_lock() {
            *sockets = None;
        }
    }

    /// Upgrades at each signal, until another process has taken over.
    pub async fn follow(self, mut signals: Signal) {
        while signals.recv().await.is_some() {
            let inner = Arc::clone(&self.inner);
            tracing::info!(program = %inner.program.path.display(), "upgrading in place");
            let upgrade = tokio::task::spawn_blocking(move || inner.upgrade()).await;
            let outcome = upgrade.unwrap_or_else(|error| {
                Err(UpgradeError::System(io::Error::other(error.to_string())))
            });
            match outcome {
                Ok(pid) => {
                    tracing::info!(pid, "the new process serves; this one takes nothing new");
                    self.inner.accepting.send_replace(false);
                    tokio::time::sleep(LINGER).await;
                    self.inner.upgraded.notify_one();
                    return;
                }
                Err(error) => {
                    self.inner.metrics.failed();
                    tracing::error!(%error, "the new process did not take over: this one goes on");
                }
            }
        }
    }
}

impl Inner {
    /// The id of the process that serves now.
    fn upgrade(&self) -> Result<u32, UpgradeError> {
        let mut sockets = self.sockets.lock();
        let given = sockets.as_ref().ok_or(UpgradeError::Draining)?;
        let (ours, theirs) = UnixStream::pair()?;
        let mut child = self.program.start(theirs)?;
        let mut channel = Channel::new(ours);
        match self.hand_over(given, &mut channel) {
            Ok(()) => {
                let pid = child.id();
                *sockets = None;
                Ok(pid)
            }
            Err(error) => {
                given.switch.take_back();
                // It may have ended by itself, and then says why best.
                let ended = child.try_wait().ok().flatten();
                let _ = child.kill();
                let status = child.wait();
                Err(match (error, ended.or_else(|| status.ok())) {
                    (UpgradeError::System(error), Some(status)) if is_gone(&error) => {
                        UpgradeError::Ended(status.to_string())
                    }
                    (error, _) => error,
                })
            }
        }
    }

    fn hand_over(&self, given: &Sockets, channel: &mut Channel) -> Result<(), UpgradeError> {
        let switch = &given.switch;
        let older = switch.routes();
        if older.len() >= ROUTES_MAX {
            return Err(UpgradeError::TooMany);
        }
        let (to_this, inbox) = way()?;
        let offer = Offer {
            protocol: PROTOCOL,
            generation: self.generation + 1,
            key: switch.ids().key(),
            tcp: given.tcp.iter().map(|(it, _)| it.clone()).collect(),
            udp: given.udp.0.clone(),
            admin: given.admin.0.clone(),
            routes: older
                .iter()
                .map(|route| route.generation)
                .chain([switch.ids().generation()])
                .collect(),
        };
        let mut descriptors: Vec<BorrowedFd<'_>> =
            given.tcp.iter().map(|(_, socket)| socket.as_fd()).collect();
        descriptors.extend([given.udp.1.as_fd(), given.admin.1.as_fd()]);
        descriptors.extend(older.iter().map(|route| route.way.as_fd()));
        descriptors.push(to_this.as_fd());
        channel.send(&offer, &descriptors)?;
        drop(to_this);
        let (said, _) = channel.receive(READY_WITHIN).map_err(too_slow)?;
        let FromNew::Ready { takes_udp } = said else {
            return Err(UpgradeError::Misunderstood);
        };
        if takes_udp {
            switch.hand_over(inbox)?;
        }
        channel.send(&FromOld::Go, &[])?;
        match channel.receive(LISTENING_WITHIN).map_err(too_slow)?.0 {
            FromNew::Listening => Ok(()),
            FromNew::Ready { .. } => Err(UpgradeError::Misunderstood),
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | BrokenPipe | ConnectionReset)
}

fn too_slow(error: io::Error) -> UpgradeError {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => UpgradeError::TooSlow,
        ErrorKind::InvalidData => UpgradeError::Misunderstood,
        _ => UpgradeError::System(error),
    }
}
