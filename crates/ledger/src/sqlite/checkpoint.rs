//! The thread that carries what is in the write-ahead log over into the database file.
//!
//! SQLite would do so within every thousandth page of commits, which is within every commit of a
//! large group, and sync twice more. Here commits go on meanwhile. A log that is written to all the
//! time never becomes empty, though, so that it could begin anew: when it is long, the writer is
//! told to carry over the little that came since, itself, between two commits.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use database::OpenError;
use rusqlite::Connection;

use super::connect;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// Frames (pages) from which on the log is to begin anew.
const LOG_FRAMES_LONG: i64 = 16 * 1024;

/// How writer and checkpointer know of each other.
#[derive(Debug)]
pub(super) struct Log {
    /// Something was committed since the last look.
    written: AtomicBool,
    /// The writer is to carry over the rest.
    long: AtomicBool,
}

impl Log {
    /// The writer committed. Between commits, at times, it does what the other thread cannot.
    pub(super) fn committed(&self, connection: &Connection) {
        self.written.store(true, Ordering::Relaxed);
        if self.long.swap(false, Ordering::Relaxed) {
            checkpoint(connection);
        }
    }
}

/// Ends with the sender.
pub(super) fn start(
    path: PathBuf,
    timeout: Duration,
) -> Result<(Arc<Log>, SyncSender<()>), OpenError> {
    let log = Arc::new(Log {
        written: AtomicBool::new(true),
        long: AtomicBool::new(false),
    });
    let shared = Arc::clone(&log);
    let connection = connect::checkpointer(&path, timeout)?;
    let (running, ended) = sync_channel(1);
    std::thread::Builder::new()
        .name("ledger-log".to_owned())
        .spawn(move || run(&connection, &shared, &ended))
        .map_err(|source| OpenError::Io {
            what: "start the ledger's thread".to_owned(),
            source,
        })?;
    Ok((log, running))
}

fn run(connection: &Connection, log: &Log, ended: &Receiver<()>) {
    while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        if log.written.swap(false, Ordering::Relaxed)
            && checkpoint(connection).is_some_and(|frames| frames > LOG_FRAMES_LONG)
        {
            log.long.store(true, Ordering::Relaxed);
        }
    }
}

/// Carries over what no reader stands in the way of; answers how long the log is, in frames.
fn checkpoint(connection: &Connection) -> Option<i64> {
    let frames = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1));
    match frames {
        Ok(frames) => Some(frames),
        Err(error) => {
            // Nothing is lost: it stays in the log, and is tried again after the next commit.
            tracing::warn!(%error, "the ledger's log is not carried over");
            None
        }
    }
}
