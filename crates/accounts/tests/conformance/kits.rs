//! What makes stores of each kind, and breaks them.

use std::path::PathBuf;
use std::time::Duration;

use accounts::postgres::PostgresOptions;
use accounts::sqlite::SqliteOptions;
use accounts::{OpenError, Store};
use tempfile::TempDir;

use crate::postgres::Server;

/// How long calls may wait in tests.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) trait Kit: Sized {
    fn new() -> Self;
    async fn open(&self) -> Result<Store, OpenError>;
    /// Runs SQL behind the store's back; answers the first column of the first row.
    fn sql(&self, sql: &str) -> String;
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
        self.directory.path().join("accounts.db")
    }

    fn connect(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.path()).expect("a connection");
        connection.busy_timeout(TIMEOUT).expect("a timeout");
        connection
    }
}

impl Kit for SqliteKit {
    fn new() -> Self {
        Self {
            directory: TempDir::new().expect("a directory"),
            blocking: None,
        }
    }

    async fn open(&self) -> Result<Store, OpenError> {
        let mut options = SqliteOptions::new(self.path());
        options.timeout = TIMEOUT;
        accounts::sqlite::open(options)
    }

    fn sql(&self, sql: &str) -> String {
        let connection = self.connect();
        let mut statement = connection.prepare(sql).expect(sql);
        let mut rows = statement.query([]).expect(sql);
        let value = rows
            .next()
            .expect(sql)
            .map(|row| row.get(0).expect("a value"));
        match value {
            Some(rusqlite::types::Value::Integer(number)) => number.to_string(),
            Some(rusqlite::types::Value::Text(text)) => text,
            _ => String::new(),
        }
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
    fn new() -> Self {
        Self {
            server: Server::start(),
        }
    }

    async fn open(&self) -> Result<Store, OpenError> {
        let mut options = PostgresOptions::new(self.server.url());
        options.timeout = TIMEOUT;
        accounts::postgres::open(options).await
    }

    fn sql(&self, sql: &str) -> String {
        self.server.sql(sql)
    }

    fn block(&mut self) {
        self.server.freeze();
    }

    fn unblock(&mut self) {
        self.server.thaw();
    }
}
