//! What both databases have in common: a transaction of a few statements.
//!
//! The operations (`store`) are written once, in SQL that both understand; a database runs one of
//! them in a transaction, again if that failed in passing.

use async_trait::async_trait;
use futures::future::BoxFuture;

use crate::error::Error;
use crate::random::{self, Digest};

/// A value of SQL: the types that the schema has.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
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

impl From<&Digest> for Value {
    fn from(digest: &Digest) -> Self {
        Self::Blob(digest.to_vec())
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

/// A row that was read.
#[derive(Debug)]
pub(crate) struct Row(pub(crate) Vec<Value>);

impl Row {
    fn at(&self, column: usize) -> &Value {
        self.0.get(column).unwrap_or(&Value::Null)
    }

    pub(crate) fn text(&self, column: usize) -> Result<&str, Error> {
        self.text_or_null(column)?
            .ok_or_else(|| Error::damaged("text"))
    }

    pub(crate) fn text_or_null(&self, column: usize) -> Result<Option<&str>, Error> {
        match self.at(column) {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            _ => Err(Error::damaged("text")),
        }
    }

    pub(crate) fn number(&self, column: usize) -> Result<u64, Error> {
        self.number_or_null(column)?
            .ok_or_else(|| Error::damaged("number"))
    }

    pub(crate) fn number_or_null(&self, column: usize) -> Result<Option<u64>, Error> {
        match self.at(column) {
            Value::Null => Ok(None),
            Value::Int(number) => {
                let number = u64::try_from(*number);
                number.map(Some).map_err(|_| Error::damaged("number"))
            }
            _ => Err(Error::damaged("number")),
        }
    }

    pub(crate) fn blob(&self, column: usize) -> Result<&[u8], Error> {
        match self.at(column) {
            Value::Blob(bytes) => Ok(bytes),
            _ => Err(Error::damaged("bytes")),
        }
    }

    pub(crate) fn digest(&self, column: usize) -> Result<Digest, Error> {
        Ok(random::array(self.blob(column)?))
    }

    pub(crate) fn digest_or_null(&self, column: usize) -> Result<Option<Digest>, Error> {
        match self.at(column) {
            Value::Null => Ok(None),
            _ => self.digest(column).map(Some),
        }
    }
}

/// A transaction. Arguments are `$1`, `$2`…; rows to be changed are locked by `FOR UPDATE`, which
/// SQLite, with one writer, does not need.
#[async_trait]
pub(crate) trait Transaction: Send {
    /// Runs a statement; answers its rows.
    async fn query(&mut self, sql: &'static str, arguments: &[Value]) -> Result<Vec<Row>, Error>;

    /// Runs a statement that answers nothing; how many rows it changed.
    async fn execute(&mut self, sql: &'static str, arguments: &[Value]) -> Result<u64, Error>;
}

/// An operation: what it is called with, and what it does. It may be run again.
pub(crate) type Operation<A, T> =
    for<'a> fn(&'a mut dyn Transaction, &'a A) -> BoxFuture<'a, Result<T, Error>>;

/// What keeps accounts: it runs an operation in a transaction, all of which is on the disk when it
/// is answered, or nothing after an error (but see [`Error::Unavailable`]).
pub(crate) trait Database {
    async fn run<A, T>(&self, arguments: A, operation: Operation<A, T>) -> Result<T, Error>
    where
        A: Send + Sync + 'static,
        T: Send + 'static;

    /// Waits for what runs, and lets go.
    async fn close(&self);
}
