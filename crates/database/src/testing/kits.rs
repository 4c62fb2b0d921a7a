//! A database of either kind, made for one test, and ways to break it.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

use super::Server;
use crate::config::DatabaseSettings;
use crate::postgres::PostgresOptions;
use crate::sqlite::SqliteOptions;

/// What a suite that runs against both is written for.
pub trait Kit: Sized {
    /// A new one, with nothing in it.
    fn new() -> Self;

    /// To open it.
    fn settings(&self, timeout: Duration) -> DatabaseSettings;

    /// Runs SQL behind the store's back; answers the first column of the first row, as text.
    fn sql(&self, sql: &str) -> String;

    /// Nothing can be committed, and nothing says so.
    fn block(&mut self);

    /// After [`Self::block`].
    fn unblock(&mut self);
}

/// A file.
#[derive(Debug)]
pub struct SqliteKit {
    directory: TempDir,
    blocking: Option<Connection>,
}

impl SqliteKit {
    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }

    fn connect(&self) -> Connection {
        let connection = Connection::open(self.path()).expect("a connection");
        let timeout = connection.busy_timeout(Duration::from_secs(5));
        timeout.expect("a timeout");
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

    fn settings(&self, timeout: Duration) -> DatabaseSettings {
        let path = self.path();
        DatabaseSettings::Sqlite(SqliteOptions { path, timeout })
    }

    fn sql(&self, sql: &str) -> String {
        let connection = self.connect();
        let mut statement = connection.prepare(sql).expect(sql);
        let mut rows = statement.query([]).expect(sql);
        let row = rows.next().expect(sql);
        match row.map(|row| row.get(0).expect("a value")) {
            Some(Value::Integer(number)) => number.to_string(),
            Some(Value::Text(text)) => text,
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

/// A server.
#[derive(Debug)]
pub struct PostgresKit {
    /// To be killed, and the like.
    pub server: Server,
}

impl Kit for PostgresKit {
    fn new() -> Self {
        Self {
            server: Server::start(),
        }
    }

    fn settings(&self, timeout: Duration) -> DatabaseSettings {
        let mut options = PostgresOptions::new(self.server.url());
        options.timeout = timeout;
        DatabaseSettings::Postgres(options)
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
