//! The operations, each one transaction, the same for both databases.
//!
//! What changes rooms, webhooks or the queue locks the one row of `channels_head` first; who publishes
//! locks a room and then a key of it.

mod deliveries;
mod forget;
mod keys;
mod rooms;
mod webhooks;

use database::config::DatabaseSettings;
use database::{Database, Migrations, OpenError, Operation, Row, Schema, Transaction};

use crate::error::Error;

const HEAD: &str = "SELECT waiting, dropped FROM channels_head FOR UPDATE";
const FEWER: &str = "UPDATE channels_head SET waiting = $1";
const COUNT_CHANGE: &str = "UPDATE channels_head SET version = version + 1";

/// The tables, and how they came to be.
const SCHEMA: Schema = Schema {
    name: "channels",
    sqlite: Migrations {
        table: "channels_migrations",
        steps: &[
            include_str!("../migrations/sqlite/0001_channels.sql"),
            include_str!("../migrations/sqlite/0002_stops.sql"),
            include_str!("../migrations/sqlite/0003_who_stopped.sql"),
            include_str!("../migrations/sqlite/0004_senders.sql"),
            include_str!("../migrations/sqlite/0005_cuts.sql"),
            include_str!("../migrations/sqlite/0006_rules.sql"),
        ],
    },
    postgres: Migrations {
        table: "channels_migrations",
        steps: &[
            include_str!("../migrations/postgres/0001_channels.sql"),
            include_str!("../migrations/postgres/0002_stops.sql"),
            include_str!("../migrations/postgres/0003_who_stopped.sql"),
            include_str!("../migrations/postgres/0004_senders.sql"),
            include_str!("../migrations/postgres/0005_cuts.sql"),
            include_str!("../migrations/postgres/0006_rules.sql"),
        ],
    },
};

/// Rooms, keys, webhooks and their queue. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Channels(Database);

/// The one row that is locked, as it was.
struct Head {
    waiting: u64,
    dropped: u64,
}

impl Channels {
    /// Opens a store, and makes or migrates it.
    ///
    /// # Errors
    /// Another process has the file, the server cannot be reached, a newer Weir wrote it, or the
    /// options are out of range.
    pub async fn open(settings: DatabaseSettings) -> Result<Self, OpenError> {
        Ok(Self(Database::open(settings, &SCHEMA).await?))
    }

    /// Waits for what runs, and lets go.
    pub async fn close(&self) {
        self.0.close().await;
    }

    async fn run<A, T>(&self, arguments: A, operation: Operation<A, T, Error>) -> Result<T, Error>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.0.run(arguments, operation).await
    }
}

/// Locks the head.
async fn head(tx: &mut dyn Transaction) -> Result<Head, Error> {
    let rows = tx.query(HEAD, &[]).await?;
    let row = first(&rows)?;
    Ok(Head {
        waiting: row.number(0)?,
        dropped: row.number(1)?,
    })
}

/// The rows of a count, which are one.
fn first(rows: &[Row]) -> Result<&Row, Error> {
    rows.first()
        .ok_or_else(|| database::Error::damaged("row").into())
}

async fn count(
    tx: &mut dyn Transaction,
    sql: &'static str,
    arguments: &[database::Value],
) -> Result<u64, Error> {
    Ok(first(&tx.query(sql, arguments).await?)?.number(0)?)
}

fn owned(row: &Row, column: usize) -> Result<Option<String>, Error> {
    Ok(row.text_or_null(column)?.map(str::to_owned))
}
