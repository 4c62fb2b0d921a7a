//! Operations: what a store does in one transaction, in SQL that both databases understand.

use async_trait::async_trait;
use futures::future::BoxFuture;

use crate::error::Error;

/// A value of SQL: `bigint` (`INTEGER`), `text` and `bytea` (`BLOB`), or null. Schemas have no other
/// types.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A number.
    Int(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// Keys, hashes and names are among them.
impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Value")
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Blob(bytes.to_vec())
    }
}

/// Milliseconds: what is beyond 63 bits is as good as for ever.
impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, T::into)
    }
}

/// A row that was read. A value of another type than the one asked for is [`Error::Unavailable`]: the
/// store has not written it.
#[derive(Debug)]
pub struct Row(pub(crate) Vec<Value>);

impl Row {
    fn at(&self, column: usize) -> &Value {
        self.0.get(column).unwrap_or(&Value::Null)
    }

    /// A text.
    ///
    /// # Errors
    /// It is something else, or null.
    pub fn text(&self, column: usize) -> Result<&str, Error> {
        self.text_or_null(column)?
            .ok_or_else(|| Error::damaged("text"))
    }

    /// A text, or null.
    ///
    /// # Errors
    /// It is something else.
    pub fn text_or_null(&self, column: usize) -> Result<Option<&str>, Error> {
        match self.at(column) {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            _ => Err(Error::damaged("text")),
        }
    }

    /// A number that is not negative.
    ///
    /// # Errors
    /// It is negative, something else, or null.
    pub fn number(&self, column: usize) -> Result<u64, Error> {
        self.number_or_null(column)?
            .ok_or_else(|| Error::damaged("number"))
    }

    /// A number that is not negative, or null.
    ///
    /// # Errors
    /// It is negative, or something else.
    pub fn number_or_null(&self, column: usize) -> Result<Option<u64>, Error> {
        match self.at(column) {
            Value::Null => Ok(None),
            Value::Int(number) => {
                let number = u64::try_from(*number);
                number.map(Some).map_err(|_| Error::damaged("number"))
            }
            _ => Err(Error::damaged("number")),
        }
    }

    /// Bytes.
    ///
    /// # Errors
    /// It is something else, or null.
    pub fn blob(&self, column: usize) -> Result<&[u8], Error> {
        self.blob_or_null(column)?
            .ok_or_else(|| Error::damaged("bytes"))
    }

    /// Bytes, or null.
    ///
    /// # Errors
    /// It is something else.
    pub fn blob_or_null(&self, column: usize) -> Result<Option<&[u8]>, Error> {
        match self.at(column) {
            Value::Null => Ok(None),
            Value::Blob(bytes) => Ok(Some(bytes)),
            _ => Err(Error::damaged("bytes")),
        }
    }
}

/// A transaction. Arguments are `$1`, `$2`…; rows to be changed are locked by ` FOR UPDATE`, which
/// SQLite, with one writer, does not need. No other `$` and no other ` FOR UPDATE` may be in the SQL.
#[async_trait]
pub trait Transaction: Send {
    /// Runs a statement; answers its rows.
    async fn query(&mut self, sql: &'static str, arguments: &[Value]) -> Result<Vec<Row>, Error>;

    /// Runs a statement that answers nothing; how many rows it changed.
    async fn execute(&mut self, sql: &'static str, arguments: &[Value]) -> Result<u64, Error>;

    /// Runs a statement once for each of `all`, and answers the rows of each. In PostgreSQL all are
    /// sent before the first is answered: a way to the server and back, not one for each. None may
    /// rely on another having been done.
    async fn query_all(
        &mut self,
        sql: &'static str,
        all: &[Vec<Value>],
    ) -> Result<Vec<Vec<Row>>, Error>;

    /// As [`Self::query_all`], of a statement that answers nothing; how many rows it changed.
    async fn execute_all(&mut self, sql: &'static str, all: &[Vec<Value>]) -> Result<u64, Error>;
}

/// An operation: what it is called with, and what it does. It waits for nothing but its transaction,
/// and may be run again after a failure in passing. An error of it rolls back.
///
/// ```
/// # use database::{Error, Operation};
/// const RENAME: Operation<(u64, String), bool, Error> = |tx, (id, name)| {
///     Box::pin(async move {
///         let sql = "UPDATE example_people SET name = $2 WHERE id = $1";
///         Ok(tx.execute(sql, &[(*id).into(), name.as_str().into()]).await? > 0)
///     })
/// };
/// ```
pub type Operation<A, T, E> =
    for<'a> fn(&'a mut dyn Transaction, &'a A) -> BoxFuture<'a, Result<T, E>>;
