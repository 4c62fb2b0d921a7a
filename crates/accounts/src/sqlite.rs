//! Accounts in one SQLite file, for one machine and one process.

use database::Database;

use crate::error::OpenError;
use crate::store::{SCHEMA, Store};

pub use database::SqliteOptions;

/// Opens a store, and makes or migrates it. Blocks for milliseconds.
///
/// # Errors
/// Another process has it, a newer Weir wrote it, the options are out of range, or the disk fails.
pub fn open(options: SqliteOptions) -> Result<Store, OpenError> {
    Ok(Store::new(Database::sqlite(options, &SCHEMA)?))
}
