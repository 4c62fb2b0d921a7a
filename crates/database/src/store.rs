//! The database of a store, whichever it is.

use std::sync::Arc;

use crate::config::DatabaseSettings;
use crate::error::{Error, OpenError};
use crate::migrations::Schema;
use crate::postgres::{self, PostgresOptions};
use crate::sqlite::{self, SqliteOptions};
use crate::transaction::Operation;

/// Runs operations, each in a transaction. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database(Backend);

#[derive(Clone, Debug)]
enum Backend {
    Sqlite(sqlite::Transactions),
    Postgres(Arc<postgres::Transactions>),
}

impl Database {
    /// Opens one, and makes or migrates it.
    ///
    /// # Errors
    /// As [`Self::sqlite`] and [`Self::postgres`].
    pub async fn open(settings: DatabaseSettings, schema: &Schema) -> Result<Self, OpenError> {
        match settings {
            DatabaseSettings::Sqlite(options) => {
                // It blocks, and after a crash for as long as the recovery takes.
                let schema = *schema;
                let opening = tokio::task::spawn_blocking(move || Self::sqlite(options, &schema));
                let ended = |error: tokio::task::JoinError| OpenError::Io {
                    what: "open the database".to_owned(),
                    source: error.into(),
                };
                opening.await.map_err(ended)?
            }
            DatabaseSettings::Postgres(options) => Self::postgres(options, schema).await,
        }
    }

    /// Opens a file, and makes or migrates it. Blocks: milliseconds, or as long as a migration and
    /// the recovery after a crash take.
    ///
    /// # Errors
    /// Another process has it, a newer Weir wrote it, the options are out of range, or the disk
    /// fails.
    pub fn sqlite(options: SqliteOptions, schema: &Schema) -> Result<Self, OpenError> {
        let transactions = sqlite::Transactions::open(options, schema)?;
        Ok(Self(Backend::Sqlite(transactions)))
    }

    /// Opens a database of a server, and makes or migrates it.
    ///
    /// # Errors
    /// The server cannot be reached, a newer Weir wrote it, or the options are out of range.
    pub async fn postgres(options: PostgresOptions, schema: &Schema) -> Result<Self, OpenError> {
        let transactions = postgres::Transactions::open(options, schema).await?;
        Ok(Self(Backend::Postgres(Arc::new(transactions))))
    }

    /// Runs an operation in a transaction, all of which is on the disk when it is answered.
    ///
    /// # Errors
    /// The operation's own, or the database's: then nothing of it is there, unless
    /// [`Error::Unavailable`] says that this is unknown.
    pub async fn run<A, T, E>(&self, arguments: A, operation: Operation<A, T, E>) -> Result<T, E>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match &self.0 {
            Backend::Sqlite(transactions) => transactions.run(arguments, operation).await,
            Backend::Postgres(transactions) => transactions.run(arguments, operation).await,
        }
    }

    /// Waits for what runs, and lets go.
    pub async fn close(&self) {
        match &self.0 {
            Backend::Sqlite(transactions) => transactions.close().await,
            Backend::Postgres(transactions) => transactions.close().await,
        }
    }
}
