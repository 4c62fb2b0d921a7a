//! SQLite: one file, for one machine and one process.
//!
//! WAL, `synchronous=FULL`, foreign keys, readable by its owner alone. A second process is refused
//! while a first one has the file (`FILE.lock`).

mod connect;
mod error;
mod transactions;

use std::path::PathBuf;
use std::time::Duration;

pub use connect::{Lock, connect, lock, open};
pub use error::{commit_failed, failed, is_constraint, is_lost_sync};

use crate::limits::TIMEOUT_MS_DEFAULT;

pub(crate) use transactions::Transactions;

/// How a file is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// The database; made, for its owner alone, if it is not there. Beside it are `-wal`, `-shm` and
    /// `.lock`.
    pub path: PathBuf,
    /// How long an operation may wait for its turn, and for locks of others, each; up to
    /// [`crate::limits::TIMEOUT_MS_LIMIT`].
    pub timeout: Duration,
}

impl SqliteOptions {
    /// A file, with the defaults.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            timeout: Duration::from_millis(TIMEOUT_MS_DEFAULT),
        }
    }
}
