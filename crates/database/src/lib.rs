//! What Weir's stores are written on: SQLite for one machine, PostgreSQL for several.
//!
//! A store is a [`Schema`] (a migration per step, for each database) and *operations*: functions of a
//! [`Transaction`], written once in SQL that both databases understand. [`Database::run`] runs one in
//! a transaction. A store that wants more (the ledger groups its writes, and reads beside them) takes
//! [`sqlite`] and [`postgres`]: files and connections, opened, checked and migrated.
//!
//! It knows nothing of what is stored.
//!
//! **Answered is on the disk; after an error nothing is there, unless the error says that this is
//! unknown.**

pub mod config;
pub mod limits;
pub mod postgres;
pub mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;

mod error;
mod migrations;
mod store;
mod transaction;

pub use error::{Error, OpenError};
pub use migrations::{Migrations, Schema};
pub use postgres::PostgresOptions;
pub use sqlite::SqliteOptions;
pub use store::Database;
pub use transaction::{Operation, Row, Transaction, Value};
