//! What SQLite's errors are to a store.

use rusqlite::{ErrorCode, ffi};

use crate::error::Error;

/// For `map_err`. Nothing was committed.
pub fn failed(error: rusqlite::Error) -> Error {
    translate(&error, false)
}

/// Of the commit itself: a failed sync may have left it on the disk.
pub fn commit_failed(error: rusqlite::Error) -> Error {
    translate(&error, true)
}

fn translate(error: &rusqlite::Error, committing: bool) -> Error {
    let reason = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::ReadOnly) => Error::Full { reason },
        _ if is_out_of_space(error) => Error::Full { reason },
        Some(ErrorCode::SystemIoFailure) => Error::Unavailable {
            reason,
            unknown: committing,
        },
        _ => Error::unavailable(reason),
    }
}

fn extended(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}

/// The shared memory of the WAL needs room, too.
fn is_out_of_space(error: &rusqlite::Error) -> bool {
    extended(error) == Some(ffi::SQLITE_IOERR_SHMSIZE)
}

/// A sync failed: the kernel may have thrown away what was written, and say at the next sync that
/// all is well. Only opening the file again, which reads what is there, tells.
pub fn is_lost_sync(error: &rusqlite::Error) -> bool {
    matches!(
        extended(error),
        Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
    )
}

/// A constraint was broken: of several changes that were tried together, the others need not fail
/// with the one.
pub fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn errors_are_told_apart() {
        for code in [
            ffi::SQLITE_FULL,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_READONLY_DBMOVED,
            ffi::SQLITE_IOERR_SHMSIZE,
        ] {
            assert_eq!(failed(failure(code)).status(), 507, "{code}");
        }
        for (code, unknown) in [
            (ffi::SQLITE_IOERR_FSYNC, true),
            (ffi::SQLITE_BUSY, false),
            (ffi::SQLITE_CORRUPT, false),
        ] {
            let error = commit_failed(failure(code));
            assert!(
                matches!(error, Error::Unavailable { unknown: found, .. } if found == unknown),
                "{code}: {error:?}"
            );
        }
        assert!(is_lost_sync(&failure(ffi::SQLITE_IOERR_FSYNC)));
        assert!(!is_lost_sync(&failure(ffi::SQLITE_IOERR_WRITE)));
        assert!(is_constraint(&failure(ffi::SQLITE_CONSTRAINT_UNIQUE)));
    }
}
