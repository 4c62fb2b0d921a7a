//! Accounts in PostgreSQL (13 or later), for more than one machine. It may be the ledger's
//! database: the tables have names of their own.

use database::Database;

use crate::error::OpenError;
use crate::store::{SCHEMA, Store};

pub use database::PostgresOptions;

/// Opens a store, and makes or migrates it.
///
/// # Errors
/// The server cannot be reached, a newer Weir wrote it, or the options are out of range.
pub async fn open(options: PostgresOptions) -> Result<Store, OpenError> {
    Ok(Store::new(Database::postgres(options, &SCHEMA).await?))
}
