//! PostgreSQL (13 or later), for more than one machine.
//!
//! TLS by `sslmode`, with certificates always checked; bounds on the server's side, too; connections
//! that were lost are made again.

mod backoff;
mod connect;
mod error;
mod migrate;
mod transactions;

use std::path::PathBuf;
use std::time::Duration;

use settings::Secret;

pub use backoff::backoff;
pub use connect::{Connector, Session};
pub use error::Failure;

use crate::limits::{CONNECTIONS_DEFAULT, TIMEOUT_MS_DEFAULT};

pub(crate) use transactions::Transactions;

/// How a database of a server is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresOptions {
    /// `postgres://USER:PASSWORD@HOST/DATABASE?sslmode=require`, or `key=value` words. Without
    /// `sslmode=require` a server that offers no TLS gets none. A certificate is always checked.
    pub url: Secret,
    /// PEM certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Connections, 1 to [`crate::limits::CONNECTIONS_LIMIT`].
    pub connections: usize,
    /// How long an operation may wait for its turn, and then for the server, each; up to
    /// [`crate::limits::TIMEOUT_MS_LIMIT`].
    pub timeout: Duration,
}

impl PostgresOptions {
    /// A database, with the defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url),
            ca_file: None,
            connections: CONNECTIONS_DEFAULT,
            timeout: Duration::from_millis(TIMEOUT_MS_DEFAULT),
        }
    }
}
