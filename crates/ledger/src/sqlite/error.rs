//! What SQLite's errors are to the ledger.

use crate::error::Error;

pub(super) use database::sqlite::{is_constraint, is_lost_sync};

/// For `map_err`. Nothing was committed.
pub(super) fn store(error: rusqlite::Error) -> Error {
    database::sqlite::failed(error).into()
}

/// Of the commit itself: a failed sync may have left it on the disk.
pub(super) fn committing(error: rusqlite::Error) -> Error {
    database::sqlite::commit_failed(error).into()
}
