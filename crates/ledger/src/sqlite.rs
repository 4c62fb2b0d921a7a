//! A ledger in one SQLite file, for one machine and one process.
//!
//! WAL, `synchronous=FULL`, foreign keys. One thread writes: it takes what waits, up to a bound,
//! lets the rules decide, and commits all of it with one sync of the disk. Others read, on
//! connections of their own, and never wait for it.
//!
//! A second process is refused while a first one has the file (`FILE.lock`).

mod checkpoint;
mod connect;
mod convert;
mod error;
mod load;
mod pool;
mod read;
mod scan;
mod thread;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use database::OpenError;
use database::sqlite::lock;

use crate::ledger::Ledger;
use crate::limits::{GROUP_DEFAULT, QUEUE_DEFAULT, READERS_DEFAULT, TIMEOUT_MS_DEFAULT};
use crate::writer::Writer;

/// How a SQLite ledger is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// The database; made if it is not there. Beside it are `-wal`, `-shm` and `.lock`.
    pub path: PathBuf,
    /// Writes that may wait, 1 to [`crate::limits::QUEUE_LIMIT`].
    pub queue_max: usize,
    /// Writes of one commit, 1 to [`crate::limits::GROUP_LIMIT`].
    pub group_max: usize,
    /// Connections that read, 1 to [`crate::limits::READERS_LIMIT`].
    pub readers: usize,
    /// How long a call may wait for its turn, and for locks of others; up to [`crate::limits::TIMEOUT_MS_LIMIT`].
    pub timeout: Duration,
}

impl SqliteOptions {
    /// A file, with the defaults.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            queue_max: QUEUE_DEFAULT,
            group_max: GROUP_DEFAULT,
            readers: READERS_DEFAULT,
            timeout: Duration::from_millis(TIMEOUT_MS_DEFAULT),
        }
    }
}

/// Opens a ledger, and makes or migrates it. Blocks: milliseconds, or as long as a migration and
/// the recovery after a crash take.
///
/// # Errors
/// Another process has it, a newer Weir wrote it, the options are out of range, or the disk fails.
pub fn open(options: SqliteOptions) -> Result<Ledger, OpenError> {
    let SqliteOptions {
        path,
        queue_max,
        group_max,
        readers,
        timeout,
    } = options;
    crate::config::check(queue_max, group_max, readers, timeout)?;
    let lock = lock(&path)?;
    let connection = connect::writer(&path, timeout)?;
    let log = checkpoint::start(path.clone(), timeout)?;
    let pool = pool::Pool::new(path, readers, timeout);
    let (writer, requests) = Writer::new(queue_max, timeout);
    let ended = thread::start(connection, lock, log, requests, group_max)?;
    let reads = read::SqliteReads::new(pool, ended);
    Ok(Ledger::new(writer, Arc::new(reads)))
}
