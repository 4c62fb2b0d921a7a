//! What makes ledgers in each store, and breaks them.

use std::path::PathBuf;
use std::time::Duration;

use database::testing::Server;
use ledger::postgres::PostgresOptions;
use ledger::sqlite::SqliteOptions;
use ledger::{Ledger, OpenError};
use tempfile::TempDir;

/// How long calls may wait in tests that break something.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);

/// What differs from the defaults.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) queue_max: Option<usize>,
    pub(crate) group_max: Option<usize>,
    pub(crate) timeout: Option<Duration>,
}

pub(crate) trait Kit: Sized {
    /// Before the names of tables.
    const PREFIX: &'static str;

    fn new() -> Self;
    async fn open(&self, setup: Setup) -> Result<Ledger, OpenError>;
    /// Runs SQL behind the ledger's back; `{}` is [`Self::PREFIX`].
    fn tamper(&self, sql: &str);
    /// Nothing can be committed, and nothing says so.
    fn block(&mut self);
    fn unblock(&mut self);
}

pub(crate) struct SqliteKit {
    directory: TempDir,
    blocking: Option<rusqlite::Connection>,
}

impl SqliteKit {
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("ledger.db")
    }

    fn connect(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).expect("a connection")
    }
}

impl Kit for SqliteKit {
    const PREFIX: &'static str = "";

    fn new() -> Self {
        Self {
            directory: TempDir::new().expect("a directory"),
            blocking: None,
        }
    }

    async fn open(&self, setup: Setup) -> Result<Ledger, OpenError> {
        let mut options = SqliteOptions::new(self.path());
        options.queue_max = setup.queue_max.unwrap_or(options.queue_max);
        options.group_max = setup.group_max.unwrap_or(options.group_max);
        options.timeout = setup.timeout.unwrap_or(options.timeout);
        ledger::sqlite::open(options)
    }

    fn tamper(&self, sql: &str) {
        let sql = sql.replace("{}", Self::PREFIX);
        let connection = self.connect();
        connection
            .execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON")
            .expect("pragmas");
        for trigger in [
            "transfers_stay",
            "transfers_remain",
            "batches_stay",
            "batches_remain",
        ] {
            let drop = format!("DROP TRIGGER IF EXISTS {trigger}");
            connection.execute_batch(&drop).expect("no trigger");
        }
        connection.execute_batch(&sql).expect(&sql);
    }

    fn block(&mut self) {
        let connection = self.connect();
        connection.execute_batch("BEGIN IMMEDIATE").expect("a lock");
        self.blocking = Some(connection);
    }

    fn unblock(&mut self) {
        self.blocking = None;
    }
}

pub(crate) struct PostgresKit {
    pub(crate) server: Server,
}

impl Kit for PostgresKit {
    const PREFIX: &'static str = "ledger_";

    fn new() -> Self {
        Self {
            server: Server::start(),
        }
    }

    async fn open(&self, setup: Setup) -> Result<Ledger, OpenError> {
        ledger::postgres::open(postgres_options(&self.server.url(), setup)).await
    }

    fn tamper(&self, sql: &str) {
        let sql = sql.replace("{}", Self::PREFIX);
        // Neither triggers nor foreign keys.
        let drop = "ALTER TABLE ledger_accounts DROP CONSTRAINT IF EXISTS ledger_accounts_check";
        let sql = format!("{drop}; SET session_replication_role = replica; {sql}");
        self.server.sql(&sql);
    }

    fn block(&mut self) {
        self.server.freeze();
    }

    fn unblock(&mut self) {
        self.server.thaw();
    }
}

pub(crate) fn postgres_options(url: &str, setup: Setup) -> PostgresOptions {
    let mut options = PostgresOptions::new(url);
    options.queue_max = setup.queue_max.unwrap_or(options.queue_max);
    options.group_max = setup.group_max.unwrap_or(options.group_max);
    options.timeout = setup.timeout.unwrap_or(options.timeout);
    options
}
