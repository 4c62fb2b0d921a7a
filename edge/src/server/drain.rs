//! Draining: the end of a process that serves nobody any more.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use prometheus::IntGauge;
use telemetry::Health;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

use crate::frontend::Grace;
use crate::reload::Reloader;
use crate::rooms::Rooms;
use crate::upgrade::giving::Upgrader;
use crate::upgrade::notify;

/// Between two looks at whether a draining edge is idle.
const TICK: Duration = Duration::from_millis(50);
/// A draining edge leaves when it has been idle for this long: an answer that is done for the
/// pipeline may still be on its way through an HTTP/2 connection's buffer.
const IDLE_FOR: Duration = Duration::from_millis(500);
/// For the access log to be written at the end.
const LOG_FLUSH: Duration = Duration::from_secs(1);

/// Waits for a signal, or for another process to take over; after that ends the process as soon as nobody is being served.
///
/// pingora stops listening and says goodbye on every connection, but then sleeps the whole grace
/// period however idle it is.
pub(super) struct Drain {
    pub(super) health: Health,
    pub(super) in_progress: IntGauge,
    /// Counts until the client has acknowledged the last byte, which `in_progress` does not.
    pub(super) h3_in_progress: IntGauge,
    /// Open connections of each protocol.
    pub(super) connections: [IntGauge; 3],
    pub(super) grace: Grace,
    pub(super) reloader: Reloader,
    pub(super) runtime: Handle,
    pub(super) upgrader: Upgrader,
    pub(super) pid_file: Option<PathBuf>,
}

#[async_trait::async_trait]
impl ShutdownSignalWatch for Drain {
    async fn recv(&self) -> ShutdownSignal {
        let (mut terminate, mut interrupt) = match (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
        ) {
            (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "signals cannot be watched");
                return std::future::pending().await;
            }
        };
        let mut upgraded = false;
        tokio::select! {
            _ = terminate.recv() => {}
            () = self.upgrader.upgraded() => upgraded = true,
            _ = interrupt.recv() => {
                tracing::info!("interrupted: stopping at once");
                return ShutdownSignal::FastShutdown;
            }
        }
        self.upgrader.close();
        self.health.start_draining();
        let grace = self.grace.get();
        tracing::info!(
            in_progress = self.in_progress.get(),
            grace_seconds = grace.as_secs(),
            upgraded,
            "draining"
        );
        let in_progress = self.in_progress.clone();
        let served = self.served(upgraded);
        let deadline = Instant::now() + grace;
        let rooms = self.reloader.lasting().rooms.clone();
        let edge = self.reloader.live().current();
        let (json_log, traces) = (edge.json_log.clone(), edge.traces.clone());
        edge.relay.drain();
        if let Some(rooms) = &rooms {
            rooms.drain();
        }
        let pid_file = self.pid_file.clone();
        self.runtime.spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            let mut idle_since = None;
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                }
                let now = Instant::now();
                let connected = rooms.as_ref().map_or(0, Rooms::connections);
                if served() > 0 || connected > 0 {
                    idle_since = None;
                } else if now.duration_since(*idle_since.get_or_insert(now)) >= IDLE_FOR {
                    break;
                }
                if now >= deadline {
                    break;
                }
            }
            if let Some(log) = json_log
                && !log.flush(LOG_FLUSH).await
            {
                tracing::warn!("the access log is not written to its end");
            }
            traces.flush().await;
            notify::ended(pid_file.as_deref());
            tracing::info!(left = in_progress.get(), "drained");
            std::process::exit(0);
        });
        ShutdownSignal::GracefulTerminate
    }
}

impl Drain {
    /// Counts who is being served.
    fn served(&self, upgraded: bool) -> impl Fn() -> i64 + Send + 'static {
        let mut gauges = vec![self.in_progress.clone(), self.h3_in_progress.clone()];
        // Nobody waits for this process when another one serves: it stays to its last connection, whose
        // client may be slow to read what was written.
        if upgraded {
            gauges.extend(self.connections.iter().cloned());
        }
        move || gauges.iter().map(IntGauge::get).sum()
    }
}
