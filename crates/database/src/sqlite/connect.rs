//! Connections, the lock against a second process, and migrations.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::error::failed;
use crate::error::{Error, OpenError};
use crate::migrations::Schema;

/// All statements of a store.
const STATEMENTS_CACHED: usize = 64;
/// Money, names, hashes and keys are in such files.
const MODE: u32 = 0o600;

/// A file that no other process opens, as long as this lives.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock is held until it is closed")] File);

/// Takes the database at a path for this process.
///
/// # Errors
/// Another process has it, or the disk fails.
pub fn lock(path: &Path) -> Result<Lock, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let failed = |source| OpenError::Io {
        what: format!("lock {}", name.display()),
        source,
    };
    let file = private(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            file: path.display().to_string(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// A file for its owner alone, made if it is not there.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(MODE);
    options.open(path)
}

/// Opens the database of a store, made and migrated; every commit on this connection is synced.
/// Blocks.
///
/// # Errors
/// A newer Weir wrote it, or the disk fails.
pub fn open(path: &Path, timeout: Duration, schema: &Schema) -> Result<Connection, OpenError> {
    let io = |source| OpenError::Io {
        what: format!("open {}", path.display()),
        source,
    };
    // Made here, because SQLite would make it for everybody; its log gets the same mode.
    let file = private(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others may read the file of {}", schema.name);
    }
    let mut connection = connect(path, timeout)?;
    prepare(&connection).map_err(failed)?;
    migrate(&mut connection, schema)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Every commit is synced: what is answered survives a loss of power.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)
}

/// One more connection to a database that [`open`] has made.
///
/// # Errors
/// The disk fails.
pub fn connect(path: &Path, timeout: Duration) -> Result<Connection, Error> {
    let connect = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(timeout)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        connection.pragma_update(None, "trusted_schema", 0)?;
        Ok(connection)
    };
    connect().map_err(failed)
}

fn migrate(connection: &mut Connection, schema: &Schema) -> Result<(), OpenError> {
    let table = schema.sqlite.table;
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    transaction
        .execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS {table} \
             (version INTEGER PRIMARY KEY, digest BLOB NOT NULL) STRICT"
        ))
        .map_err(failed)?;
    let applied: Vec<(i64, Vec<u8>)> = transaction
        .prepare(&format!(
            "SELECT version, digest FROM {table} ORDER BY version"
        ))
        .and_then(|mut statement| {
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
        .map_err(failed)?;
    for step in schema.sqlite.missing(schema.name, &applied)? {
        transaction.execute_batch(step.text).map_err(failed)?;
        transaction
            .execute(
                &format!("INSERT INTO {table} VALUES (?1, ?2)"),
                params![step.version, step.digest],
            )
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)?;
    Ok(())
}
