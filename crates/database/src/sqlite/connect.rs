//! Connections, the lock against a second process, and migrations.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::error::store;
use crate::error::{Error, OpenError};
use crate::migrations::{SQLITE, missing};

/// Statements of the writer, and some.
const STATEMENTS_CACHED: usize = 48;
/// Memory for pages of the writer, in KiB: the upper levels of the indexes of some million
/// transfers.
const CACHE_KIB: i64 = 64 * 1024;
/// What the log's file is cut down to when it begins anew.
const LOG_BYTES_KEPT: i64 = 64 << 20;
/// Memory for pages of each reader, in KiB.
const READER_CACHE_KIB: i64 = 4 * 1024;

/// Held as long as the process has the database.
pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let failed = |source| OpenError::Io {
        what: format!("lock {}", name.display()),
        source,
    };
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(false).write(true);
    let file = options.open(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            file: path.display().to_string(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// The connection that writes, its schema up to date.
pub(super) fn writer(path: &Path, timeout: Duration) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = open(path, flags, timeout, CACHE_KIB).map_err(OpenError::Store)?;
    prepare(&connection).map_err(store)?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// A connection that carries the log over. It has the same `synchronous`, which is the default.
pub(super) fn checkpointer(path: &Path, timeout: Duration) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    open(path, flags, timeout, READER_CACHE_KIB)
}

/// A connection that reads.
pub(super) fn reader(path: &Path, timeout: Duration) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags, timeout, READER_CACHE_KIB)?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(store)?;
    Ok(connection)
}

fn open(
    path: &Path,
    flags: OpenFlags,
    timeout: Duration,
    cache_kib: i64,
) -> Result<Connection, Error> {
    let connection = Connection::open_with_flags(path, flags).map_err(store)?;
    connection.busy_timeout(timeout).map_err(store)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    let set = |name, value: i64| connection.pragma_update(None, name, value).map_err(store);
    set("cache_size", -cache_kib)?;
    set("trusted_schema", 0)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Every commit is synced: what is answered survives a loss of power.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Another thread does it.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    Ok(())
}

fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(store)?;
    transaction
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS migrations \
             (version INTEGER PRIMARY KEY, digest BLOB NOT NULL) STRICT",
        )
        .map_err(store)?;
    let applied: Vec<(i64, Vec<u8>)> = transaction
        .prepare("SELECT version, digest FROM migrations ORDER BY version")
        .and_then(|mut statement| {
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
        .map_err(store)?;
    for migration in missing(SQLITE, &applied)? {
        transaction.execute_batch(migration.text).map_err(store)?;
        transaction
            .execute(
                "INSERT INTO migrations VALUES (?1, ?2)",
                params![migration.version, migration.digest()],
            )
            .map_err(store)?;
    }
    transaction.commit().map_err(store)?;
    Ok(())
}
