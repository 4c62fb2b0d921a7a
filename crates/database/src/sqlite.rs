//! Accounts in one SQLite file, for one machine and one process.
//!
//! WAL, `synchronous=FULL`, foreign keys; one connection, one operation at a time. Each takes well
//! under a millisecond, those that write and one sync of the disk: some hundreds a second, where
//! passwords allow some tens.
//!
//! A second process is refused while a first one has the file (`FILE.lock`).

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use parking_lot::Mutex;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, TransactionBehavior, ffi, params};
use tokio::sync::Semaphore;

use crate::db::{Database, Operation, Row, Transaction, Value};
use crate::error::{Error, OpenError};
use crate::limits::{STORE_WAITING_MAX, TIMEOUT_MS_DEFAULT};
use crate::migrations::{SQLITE, missing};
use crate::store::Store;

/// All statements of this crate.
const STATEMENTS_CACHED: usize = 64;
/// Names, hashes and signing keys are in it.
const MODE: u32 = 0o600;

/// How accounts in SQLite are opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// The database; made, for its owner alone, if it is not there. Beside it are `-wal`, `-shm` and
    /// `.lock`.
    pub path: PathBuf,
    /// How long an operation may wait for its turn, and for locks of others, each; up to
    /// [`crate::limits::TIMEOUT_MS_LIMIT`].
    pub timeout: Duration,
}

impl SqliteOptions {
    /// A file, with the defaults.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            timeout: Duration::from_millis(TIMEOUT_MS_DEFAULT),
        }
    }
}

/// Opens a store, and makes or migrates it. Blocks for milliseconds.
///
/// # Errors
/// Another process has it, a newer Weir wrote it, the options are out of range, or the disk fails.
pub fn open(options: SqliteOptions) -> Result<Store, OpenError> {
    let SqliteOptions { path, timeout } = options;
    crate::config::check(timeout)?;
    let lock = lock(&path)?;
    let connection = connect(&path, timeout)?;
    let open = Open {
        connection,
        _lock: lock,
    };
    Ok(Store::sqlite(Sqlite {
        open: Arc::new(Mutex::new(Some(open))),
        lost_sync: Arc::default(),
        line: Arc::new(Semaphore::new(1 + STORE_WAITING_MAX)),
        turn: Arc::new(Semaphore::new(1)),
        timeout,
    }))
}

/// Dropped in this order: the lock when the database is closed.
#[derive(Debug)]
struct Open {
    connection: Connection,
    _lock: File,
}

#[derive(Clone, Debug)]
pub(crate) struct Sqlite {
    open: Arc<Mutex<Option<Open>>>,
    /// A sync failed: what this process reads cannot be trusted from then on, the file can.
    lost_sync: Arc<AtomicBool>,
    line: Arc<Semaphore>,
    turn: Arc<Semaphore>,
    timeout: Duration,
}

impl Database for Sqlite {
    async fn run<A, T>(&self, arguments: A, operation: Operation<A, T>) -> Result<T, Error>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let line = Arc::clone(&self.line).try_acquire_owned();
        let line = line.map_err(|_| Error::Busy)?;
        let turn = Arc::clone(&self.turn).acquire_owned();
        let turn = tokio::time::timeout(self.timeout, turn).await;
        let turn = turn.ok().and_then(Result::ok).ok_or(Error::Busy)?;
        let store = self.clone();
        let running = tokio::task::spawn_blocking(move || {
            let _kept = (line, turn);
            store.transact(&arguments, operation)
        });
        running.await.map_err(Error::unavailable)?
    }

    async fn close(&self) {
        let turn = self.turn.acquire().await;
        self.open.lock().take();
        drop(turn);
    }
}

impl Sqlite {
    fn transact<A, T>(&self, arguments: &A, operation: Operation<A, T>) -> Result<T, Error> {
        if self.lost_sync.load(Ordering::Acquire) {
            let reason = "a sync of the disk failed; restart to see what is on it";
            return Err(Error::unavailable(reason));
        }
        let mut open = self.open.lock();
        let open = open.as_mut();
        let open = open.ok_or_else(|| Error::unavailable("the store is closed"))?;
        let begun = open.connection.execute_batch("BEGIN IMMEDIATE");
        begun.map_err(|error| store(&error, false))?;
        let mut running = Running(&mut open.connection);
        // Nothing that a SQLite transaction does waits, so the first poll is the last.
        let done = operation(&mut running, arguments).now_or_never();
        let answer = done.ok_or_else(|| Error::unavailable("an operation waited"))??;
        let committed = running.0.execute_batch("COMMIT");
        committed.map_err(|error| {
            if is_lost_sync(&error) {
                tracing::error!("the disk failed to sync the accounts: closed until restarted");
                self.lost_sync.store(true, Ordering::Release);
            }
            store(&error, true)
        })?;
        Ok(answer)
    }
}

/// A transaction, rolled back when dropped before its commit. Not rusqlite's, which may not be sent
/// to other threads.
struct Running<'a>(&'a mut Connection);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // If it fails, the next BEGIN says so.
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

impl Running<'_> {
    fn rows(&self, sql: &str, arguments: &[Value]) -> rusqlite::Result<Vec<Row>> {
        let mut statement = self.0.prepare_cached(&dialect(sql))?;
        let columns = statement.column_count();
        let rows = statement.query_map(rusqlite::params_from_iter(arguments), |row| {
            let values = (0..columns).map(|column| Ok(value(row.get_ref(column)?)));
            Ok(Row(values.collect::<rusqlite::Result<_>>()?))
        })?;
        rows.collect()
    }

    fn change(&self, sql: &str, arguments: &[Value]) -> rusqlite::Result<usize> {
        let mut statement = self.0.prepare_cached(&dialect(sql))?;
        statement.execute(rusqlite::params_from_iter(arguments))
    }
}

#[async_trait]
impl Transaction for Running<'_> {
    async fn query(&mut self, sql: &'static str, arguments: &[Value]) -> Result<Vec<Row>, Error> {
        self.rows(sql, arguments)
            .map_err(|error| store(&error, false))
    }

    async fn execute(&mut self, sql: &'static str, arguments: &[Value]) -> Result<u64, Error> {
        let changed = self.change(sql, arguments);
        let changed = changed.map_err(|error| store(&error, false))?;
        u64::try_from(changed).map_err(Error::unavailable)
    }
}

/// Numbered arguments are `?1` in SQLite; the only writer needs no locks of rows.
fn dialect(sql: &str) -> String {
    sql.replace('$', "?").replace(" FOR UPDATE", "")
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        // The schema, which is strict, has no reals.
        ValueRef::Null | ValueRef::Real(_) => Value::Null,
    }
}

/// Held as long as the process has the database.
fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let failed = |source| OpenError::Io {
        what: format!("lock {}", name.display()),
        source,
    };
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(false).write(true).mode(MODE);
    let file = options.open(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            file: path.display().to_string(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn connect(path: &Path, timeout: Duration) -> Result<Connection, OpenError> {
    let failed = |source| OpenError::Io {
        what: format!("open {}", path.display()),
        source,
    };
    // Made here, because SQLite would make it for everybody; its log gets the same mode.
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(false).write(true).mode(MODE);
    let file = options.open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others may read the file of accounts");
    }
    let open = || -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(timeout)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        connection.pragma_update(None, "trusted_schema", 0)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Every commit is synced: what is answered survives a loss of power.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // What is erased is overwritten.
        connection.pragma_update(None, "secure_delete", true)?;
        Ok(connection)
    };
    let mut connection = open().map_err(opening)?;
    migrate(&mut connection)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(opening)?;
    transaction
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS accounts_migrations \
             (version INTEGER PRIMARY KEY, digest BLOB NOT NULL) STRICT",
        )
        .map_err(opening)?;
    let applied: Vec<(i64, Vec<u8>)> = transaction
        .prepare("SELECT version, digest FROM accounts_migrations ORDER BY version")
        .and_then(|mut statement| {
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
        .map_err(opening)?;
    for migration in missing(SQLITE, &applied)? {
        transaction.execute_batch(migration.text).map_err(opening)?;
        transaction
            .execute(
                "INSERT INTO accounts_migrations VALUES (?1, ?2)",
                params![migration.version, migration.digest()],
            )
            .map_err(opening)?;
    }
    transaction.commit().map_err(opening)?;
    Ok(())
}

fn opening(error: rusqlite::Error) -> OpenError {
    OpenError::Store(store(&error, false))
}

/// What an error is to the caller. `committing`: it may be on the disk nevertheless.
fn store(error: &rusqlite::Error, committing: bool) -> Error {
    let reason = error.to_string();
    let out_of_space = extended(error) == Some(ffi::SQLITE_IOERR_SHMSIZE);
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::ReadOnly) => Error::Full { reason },
        _ if out_of_space => Error::Full { reason },
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

fn is_lost_sync(error: &rusqlite::Error) -> bool {
    let lost = [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC];
    extended(error).is_some_and(|code| lost.contains(&code))
}
