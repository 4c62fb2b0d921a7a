//! Operations in SQLite: one connection, one operation at a time. Each takes well under a
//! millisecond, those that write and one sync of the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use parking_lot::Mutex;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};
use tokio::sync::Semaphore;

use super::SqliteOptions;
use super::connect::{self, Lock};
use super::error::{commit_failed, failed, is_lost_sync};
use crate::config::check_timeout;
use crate::error::{Error, OpenError};
use crate::limits::WAITING_MAX;
use crate::migrations::Schema;
use crate::transaction::{Operation, Row, Transaction, Value};

/// Dropped in this order: the lock when the database is closed.
#[derive(Debug)]
struct Open {
    connection: Connection,
    _lock: Lock,
}

#[derive(Clone, Debug)]
pub(crate) struct Transactions {
    schema: &'static str,
    open: Arc<Mutex<Option<Open>>>,
    /// A sync failed: what this process reads cannot be trusted from then on, the file can.
    lost_sync: Arc<AtomicBool>,
    line: Arc<Semaphore>,
    turn: Arc<Semaphore>,
    timeout: Duration,
}

impl Transactions {
    pub(crate) fn open(options: SqliteOptions, schema: &Schema) -> Result<Self, OpenError> {
        let SqliteOptions { path, timeout } = options;
        check_timeout(timeout)?;
        let lock = connect::lock(&path)?;
        let connection = connect::open(&path, timeout, schema)?;
        // What is erased is overwritten.
        let secure = connection.pragma_update(None, "secure_delete", true);
        secure.map_err(failed)?;
        let open = Open {
            connection,
            _lock: lock,
        };
        Ok(Self {
            schema: schema.name,
            open: Arc::new(Mutex::new(Some(open))),
            lost_sync: Arc::default(),
            line: Arc::new(Semaphore::new(1 + WAITING_MAX)),
            turn: Arc::new(Semaphore::new(1)),
            timeout,
        })
    }

    pub(crate) async fn run<A, T, E>(
        &self,
        arguments: A,
        operation: Operation<A, T, E>,
    ) -> Result<T, E>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let line = Arc::clone(&self.line).try_acquire_owned();
        let line = line.map_err(|_| Error::Busy)?;
        let turn = Arc::clone(&self.turn).acquire_owned();
        let turn = tokio::time::timeout(self.timeout, turn).await;
        let turn = turn.ok().and_then(Result::ok).ok_or(Error::Busy)?;
        let store = self.clone();
        let running = tokio::task::spawn_blocking(move || {
            let _kept = (line, turn);
            store.transact(&arguments, operation)
        });
        running.await.map_err(Error::unavailable)?
    }

    pub(crate) async fn close(&self) {
        let turn = self.turn.acquire().await;
        self.open.lock().take();
        drop(turn);
    }

    fn transact<A, T, E: From<Error>>(
        &self,
        arguments: &A,
        operation: Operation<A, T, E>,
    ) -> Result<T, E> {
        if self.lost_sync.load(Ordering::Acquire) {
            let reason = "a sync of the disk failed; restart to see what is on it";
            return Err(Error::unavailable(reason).into());
        }
        let mut open = self.open.lock();
        let open = open.as_mut();
        let open = open.ok_or_else(|| Error::unavailable("the database is closed"))?;
        let begun = open.connection.execute_batch("BEGIN IMMEDIATE");
        begun.map_err(failed)?;
        let mut running = Running {
            connection: &mut open.connection,
            failure: None,
        };
        // Nothing that a SQLite transaction does waits, so the first poll is the last.
        let done = operation(&mut running, arguments).now_or_never();
        // Whatever the operation made of it, as in PostgreSQL.
        if let Some(error) = running.failure.take() {
            return Err(error.into());
        }
        let answer = done.ok_or_else(|| Error::unavailable("an operation waited"))??;
        let committed = running.connection.execute_batch("COMMIT");
        committed.map_err(|error| {
            if is_lost_sync(&error) {
                let schema = self.schema;
                tracing::error!("the disk failed to sync {schema}: closed until restarted");
                self.lost_sync.store(true, Ordering::Release);
            }
            commit_failed(error)
        })?;
        Ok(answer)
    }
}

/// A transaction, rolled back when dropped before its commit. Not rusqlite's, which may not be sent
/// to other threads.
struct Running<'a> {
    connection: &'a mut Connection,
    /// What the database said, if it was not the operation that failed.
    failure: Option<Error>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.connection.is_autocommit() {
            // If it fails, the next BEGIN says so.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}

impl Running<'_> {
    fn failed(&mut self, error: rusqlite::Error) -> Error {
        let error = failed(error);
        self.failure = Some(error.clone());
        error
    }

    fn rows(&self, sql: &str, arguments: &[Value]) -> rusqlite::Result<Vec<Row>> {
        let mut statement = self.connection.prepare_cached(&dialect(sql))?;
        let columns = statement.column_count();
        let rows = statement.query_map(rusqlite::params_from_iter(arguments), |row| {
            let values = (0..columns).map(|column| Ok(value(row.get_ref(column)?)));
            Ok(Row(values.collect::<rusqlite::Result<_>>()?))
        })?;
        rows.collect()
    }

    fn change(&self, sql: &str, arguments: &[Value]) -> rusqlite::Result<usize> {
        let mut statement = self.connection.prepare_cached(&dialect(sql))?;
        statement.execute(rusqlite::params_from_iter(arguments))
    }
}

#[async_trait]
impl Transaction for Running<'_> {
    async fn query(&mut self, sql: &'static str, arguments: &[Value]) -> Result<Vec<Row>, Error> {
        let rows = self.rows(sql, arguments);
        rows.map_err(|error| self.failed(error))
    }

    async fn execute(&mut self, sql: &'static str, arguments: &[Value]) -> Result<u64, Error> {
        let changed = self.change(sql, arguments);
        let changed = changed.map_err(|error| self.failed(error))?;
        u64::try_from(changed).map_err(Error::unavailable)
    }

    async fn query_all(
        &mut self,
        sql: &'static str,
        all: &[Vec<Value>],
    ) -> Result<Vec<Vec<Row>>, Error> {
        let rows = all.iter().map(|arguments| self.rows(sql, arguments));
        let rows: rusqlite::Result<_> = rows.collect();
        rows.map_err(|error| self.failed(error))
    }

    async fn execute_all(&mut self, sql: &'static str, all: &[Vec<Value>]) -> Result<u64, Error> {
        let mut changed = 0;
        for arguments in all {
            changed += self.execute(sql, arguments).await?;
        }
        Ok(changed)
    }
}

/// Numbered arguments are `?1` in SQLite; the only writer needs no locks of rows.
fn dialect(sql: &str) -> String {
    sql.replace('$', "?").replace(" FOR UPDATE", "")
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        // Schemas, which are strict, have no reals.
        ValueRef::Null | ValueRef::Real(_) => Value::Null,
    }
}
