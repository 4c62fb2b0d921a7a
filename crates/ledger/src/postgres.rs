//! A ledger in PostgreSQL (13 or later), for more than one machine.
//!
//! Each process has one task that writes: it takes what waits, up to a bound, and commits all of it
//! in one transaction with a statement per table. Processes take turns: whoever writes holds the
//! lock of one row (`ledger_head`) from its first statement to its commit, so numbers have no gaps,
//! an outbox is never seen out of order, and deadlocks cannot be. Every gift touches the house's
//! accounts anyway, so nothing is lost by that; what a turn costs is spread over its group.
//!
//! A lost connection is made again; a commit whose outcome it took along is looked up.

mod convert;
mod load;
mod read;
mod scan;
mod task;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use database::OpenError;
use database::postgres::Connector;
use settings::Secret;

use crate::ledger::Ledger;
use crate::limits::{GROUP_DEFAULT, QUEUE_DEFAULT, READERS_DEFAULT, TIMEOUT_MS_DEFAULT};
use crate::migrations::SCHEMA;
use crate::writer::Writer;

/// How a PostgreSQL ledger is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresOptions {
    /// `postgres://USER:PASSWORD@HOST/DATABASE?sslmode=require`, or `key=value` words. Without
    /// `sslmode=require` a server that offers no TLS gets none. A certificate is always checked.
    pub url: Secret,
    /// PEM certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Writes that may wait, 1 to [`crate::limits::QUEUE_LIMIT`].
    pub queue_max: usize,
    /// Writes of one commit, 1 to [`crate::limits::GROUP_LIMIT`].
    pub group_max: usize,
    /// Connections that read, 1 to [`crate::limits::READERS_LIMIT`]. One more writes.
    pub readers: usize,
    /// How long a call may wait for its turn, and then for the server, each; up to
    /// [`crate::limits::TIMEOUT_MS_LIMIT`].
    pub timeout: Duration,
}

impl PostgresOptions {
    /// A database, with the defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url),
            ca_file: None,
            queue_max: QUEUE_DEFAULT,
            group_max: GROUP_DEFAULT,
            readers: READERS_DEFAULT,
            timeout: Duration::from_millis(TIMEOUT_MS_DEFAULT),
        }
    }
}

/// Opens a ledger, and makes or migrates it.
///
/// # Errors
/// The server cannot be reached, a newer Weir wrote it, or the options are out of range.
pub async fn open(options: PostgresOptions) -> Result<Ledger, OpenError> {
    let PostgresOptions {
        url,
        ca_file,
        queue_max,
        group_max,
        readers,
        timeout,
    } = options;
    crate::config::check(queue_max, group_max, readers, timeout)?;
    let connector = Connector::open(&url, ca_file.as_deref(), timeout, &SCHEMA).await?;
    let (writer, requests) = Writer::new(queue_max, timeout);
    let ended = task::start(connector.clone(), timeout, requests, group_max);
    let reads = read::PostgresReads::new(connector, readers, timeout, ended);
    Ok(Ledger::new(writer, Arc::new(reads)))
}
