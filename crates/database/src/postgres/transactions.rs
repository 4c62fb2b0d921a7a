//! Operations in PostgreSQL: each locks the rows that it changes, in an order of which its store takes
//! care, and is run again after a failure in passing. A lost COMMIT is told as unknown.

use std::error::Error as StdError;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join_all;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::PostgresOptions;
use super::backoff::backoff;
use super::connect::{Connector, Session};
use super::error::Failure;
use crate::config::check_timeout;
use crate::error::{Error, OpenError};
use crate::limits::{CONNECTIONS_LIMIT, WAITING_MAX};
use crate::migrations::Schema;
use crate::transaction::{Operation, Row, Transaction, Value};

/// Attempts for one operation: all idle connections may have died. Time bounds them, too.
const ATTEMPTS_MAX: u32 = 20;

#[derive(Debug)]
pub(crate) struct Transactions {
    connector: Connector,
    connections: usize,
    line: Semaphore,
    slots: Semaphore,
    idle: Mutex<Vec<Session>>,
    timeout: Duration,
}

/// Why an attempt came to nothing.
enum Stop<E> {
    /// The operation itself says no.
    Refused(E),
    Failed(Failure),
}

impl<E> From<Failure> for Stop<E> {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Transactions {
    pub(crate) async fn open(options: PostgresOptions, schema: &Schema) -> Result<Self, OpenError> {
        let PostgresOptions {
            url,
            ca_file,
            connections,
            timeout,
        } = options;
        check_timeout(timeout)?;
        if !(1..=CONNECTIONS_LIMIT).contains(&connections) {
            return Err(OpenError::Options("there have to be 1 to 64 connections"));
        }
        Ok(Self {
            connector: Connector::open(&url, ca_file.as_deref(), timeout, schema).await?,
            connections,
            line: Semaphore::new(connections + WAITING_MAX),
            slots: Semaphore::new(connections),
            idle: Mutex::default(),
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
                Ok(Err(Stop::Refused(error))) => return Err(error),
                Ok(Err(Stop::Failed(failure))) => failure,
                Err(_) => Failure::lasting(Error::unavailable("PostgreSQL takes too long")),
            };
            if committing {
                // It may have been done. The next attempt would meet its own result.
                let reason = failure.error.to_string();
                let unknown = true;
                return Err(Error::Unavailable { reason, unknown }.into());
            }
            failures += 1;
            let pause = backoff(failures);
            let late = Instant::now() + pause >= deadline;
            if late || !failure.retry || failures >= ATTEMPTS_MAX {
                return Err(failure.error.into());
            }
            tokio::time::sleep(pause).await;
        }
    }

    pub(crate) async fn close(&self) {
        let all = u32::try_from(self.connections).unwrap_or(u32::MAX);
        let turns = self.slots.acquire_many(all).await;
        self.slots.close();
        self.idle.lock().clear();
        drop(turns);
    }

    /// One transaction. A session that failed is dropped, which rolls back.
    async fn attempt<A, T, E>(
        &self,
        arguments: &A,
        operation: Operation<A, T, E>,
        committing: &mut bool,
    ) -> Result<T, Stop<E>> {
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
        let outcome = operation(&mut running, arguments).await;
        // Whatever the operation made of it: the server would answer a COMMIT by rolling back.
        if let Some(failure) = running.failure.take() {
            return Err(failure.into());
        }
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => {
                // The connection is as good as before.
                running.session.run("ROLLBACK").await?;
                self.idle.lock().push(running.session);
                return Err(Stop::Refused(error));
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

    async fn query_all(
        &mut self,
        sql: &'static str,
        all: &[Vec<Value>],
    ) -> Result<Vec<Vec<Row>>, Error> {
        let answers = match self.session.query_all(sql, all).await {
            Ok(answers) => answers,
            Err(failure) => return Err(self.failed(failure)),
        };
        let rows = answers.iter().map(|rows| rows.iter().map(row).collect());
        rows.collect()
    }

    async fn execute_all(&mut self, sql: &'static str, all: &[Vec<Value>]) -> Result<u64, Error> {
        let changed = self.session.execute_all(sql, all).await;
        changed.map_err(|failure| self.failed(failure))
    }
}

impl Session {
    async fn query_all(
        &mut self,
        sql: &str,
        all: &[Vec<Value>],
    ) -> Result<Vec<Vec<tokio_postgres::Row>>, Failure> {
        let statement = &self.prepare(sql).await?;
        let client = self.client();
        let sent = all.iter().map(|values| async move {
            let arguments: Vec<_> = values.iter().map(argument).collect();
            client.query(statement, &arguments).await
        });
        try_join_all(sent).await.map_err(Failure::of)
    }

    async fn execute_all(&mut self, sql: &str, all: &[Vec<Value>]) -> Result<u64, Failure> {
        let statement = &self.prepare(sql).await?;
        let client = self.client();
        let sent = all.iter().map(|values| async move {
            let arguments: Vec<_> = values.iter().map(argument).collect();
            client.execute(statement, &arguments).await
        });
        let changed = try_join_all(sent).await.map_err(Failure::of)?;
        Ok(changed.iter().sum())
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
