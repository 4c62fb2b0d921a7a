//! Accounts in PostgreSQL (13 or later), for more than one machine. It may be the ledger's
//! database: the tables have names of their own.
//!
//! An operation locks the row of its user (or of the keys) first, and no other: no deadlocks. A lost
//! connection is made again; a lost COMMIT is told as unknown.

mod backoff;
mod connect;
mod error;
mod migrate;

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use settings::Secret;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::db::{Database, Operation, Row, Transaction, Value};
use crate::error::{Error, Fault, Invalid, OpenError};
use crate::limits::{
    CONNECTIONS_DEFAULT, CONNECTIONS_LIMIT, STORE_WAITING_MAX, TIMEOUT_MS_DEFAULT,
};
use crate::store::Store;
use connect::{Connector, Session};
use error::Failure;

/// Attempts for one operation: all idle connections may have died. Time bounds them, too.
const ATTEMPTS_MAX: u32 = 20;

/// How accounts in PostgreSQL are opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresOptions {
    /// `postgres://USER:PASSWORD@HOST/DATABASE?sslmode=require`, or `key=value` words. Without
    /// `sslmode=require` a server that offers no TLS gets none. A certificate is always checked.
    pub url: Secret,
    /// PEM certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Connections, 1 to [`CONNECTIONS_LIMIT`].
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

/// Opens a store, and makes or migrates it.
///
/// # Errors
/// The server cannot be reached, a newer Weir wrote it, or the options are out of range.
pub async fn open(options: PostgresOptions) -> Result<Store, OpenError> {
    let PostgresOptions {
        url,
        ca_file,
        connections,
        timeout,
    } = options;
    crate::config::check(timeout)?;
    if !(1..=CONNECTIONS_LIMIT).contains(&connections) {
        return Err(Invalid::Options("there have to be 1 to 64 connections").into());
    }
    let connector = Connector::new(url.expose(), ca_file.as_deref(), timeout)?;
    migrate::migrate(&connector).await?;
    Ok(Store::postgres(Postgres {
        connector,
        connections,
        line: Arc::new(Semaphore::new(connections + STORE_WAITING_MAX)),
        slots: Arc::new(Semaphore::new(connections)),
        idle: Arc::default(),
        timeout,
    }))
}

#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    connector: Connector,
    connections: usize,
    line: Arc<Semaphore>,
    slots: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Session>>>,
    timeout: Duration,
}

impl Database for Postgres {
    async fn run<A, T>(&self, arguments: A, operation: Operation<A, T>) -> Result<T, Error>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let _line = self.line.try_acquire().map_err(|_| Error::Busy)?;
        let slot = tokio::time::timeout(self.timeout, self.slots.acquire()).await;
        let _slot = slot.ok().and_then(Result::ok).ok_or(Error::Busy)?;
        let deadline = Instant::now() + self.timeout;
        let mut failures = 0;
        loop {
            let mut committing = false;
            let attempt = self.attempt(&arguments, operation, &mut committing);
            let failure = match tokio::time::timeout_at(deadline, attempt).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::lasting(Error::unavailable("PostgreSQL takes too long")),
            };
            if committing {
                // It may have been done. The next attempt would meet its own result.
                return Err(Error::Unavailable {
                    reason: failure.error.to_string(),
                    unknown: true,
                });
            }
            failures += 1;
            let pause = backoff::delay(failures);
            let late = Instant::now() + pause >= deadline;
            if late || !failure.retry || failures >= ATTEMPTS_MAX {
                return Err(failure.error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn close(&self) {
        let all = u32::try_from(self.connections).unwrap_or(u32::MAX);
        let turns = self.slots.acquire_many(all).await;
        self.slots.close();
        self.idle.lock().clear();
        drop(turns);
    }
}

impl Postgres {
    /// One transaction. A session that failed is dropped, which rolls back.
    async fn attempt<A, T>(
        &self,
        arguments: &A,
        operation: Operation<A, T>,
        committing: &mut bool,
    ) -> Result<T, Failure> {
        let idle = self.idle.lock().pop();
        let session = match idle {
            Some(session) => session,
            None => self.connector.connect().await?,
        };
        let mut running = Running {
            session,
            failure: None,
        };
        running
            .session
            .run("BEGIN ISOLATION LEVEL READ COMMITTED")
            .await?;
        let answer = match operation(&mut running, arguments).await {
            Ok(answer) => answer,
            Err(error) => {
                let Some(failure) = running.failure.take() else {
                    // The operation itself says no: the connection is as good as before.
                    running.session.run("ROLLBACK").await?;
                    self.idle.lock().push(running.session);
                    return Err(Failure::lasting(error));
                };
                return Err(failure);
            }
        };
        *committing = true;
        running.session.run("COMMIT").await?;
        *committing = false;
        self.idle.lock().push(running.session);
        Ok(answer)
    }
}

struct Running {
    session: Session,
    /// What the database said, if it was not the operation that failed.
    failure: Option<Failure>,
}

impl Running {
    fn failed(&mut self, failure: Failure) -> Error {
        debug_assert_eq!(failure.error.fault(), Fault::Store);
        let error = failure.error.clone();
        self.failure = Some(failure);
        error
    }
}

#[async_trait]
impl Transaction for Running {
    async fn query(&mut self, sql: &'static str, arguments: &[Value]) -> Result<Vec<Row>, Error> {
        let arguments: Vec<_> = arguments.iter().map(argument).collect();
        let rows = match self.session.query(sql, &arguments).await {
            Ok(rows) => rows,
            Err(failure) => return Err(self.failed(failure)),
        };
        rows.iter().map(row).collect()
    }

    async fn execute(&mut self, sql: &'static str, arguments: &[Value]) -> Result<u64, Error> {
        let arguments: Vec<_> = arguments.iter().map(argument).collect();
        let changed = self.session.execute(sql, &arguments).await;
        changed.map_err(|failure| self.failed(failure))
    }
}

fn argument(value: &Value) -> &(dyn ToSql + Sync) {
    value
}

fn row(row: &tokio_postgres::Row) -> Result<Row, Error> {
    let columns = row.columns().iter().enumerate();
    let values = columns.map(|(index, column)| {
        let value = match *column.type_() {
            Type::INT8 => row
                .try_get(index)
                .map(|value: Option<i64>| value.map(Value::Int)),
            Type::TEXT => row
                .try_get(index)
                .map(|value: Option<String>| value.map(Value::Text)),
            Type::BYTEA => row
                .try_get(index)
                .map(|value: Option<Vec<u8>>| value.map(Value::Blob)),
            _ => return Err(Error::damaged("column")),
        };
        let value = value.map_err(Error::unavailable)?;
        Ok(value.unwrap_or(Value::Null))
    });
    values.collect::<Result<_, _>>().map(Row)
}

impl ToSql for Value {
    fn to_sql(
        &self,
        of: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) => number.to_sql_checked(of, out),
            Self::Text(text) => text.to_sql_checked(of, out),
            Self::Blob(bytes) => bytes.to_sql_checked(of, out),
        }
    }

    fn accepts(of: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA].contains(of)
    }

    to_sql_checked!();
}
