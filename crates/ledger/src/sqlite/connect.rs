//! Connections: one writes, one carries the log over, others read.

use std::path::Path;
use std::time::Duration;

use database::OpenError;
use database::sqlite::{connect, failed, open};
use rusqlite::Connection;

use crate::migrations::SCHEMA;

/// Memory for pages of the writer, in KiB: the upper levels of the indexes of some million
/// transfers.
const CACHE_KIB: i64 = 64 * 1024;
/// What the log's file is cut down to when it begins anew.
const LOG_BYTES_KEPT: i64 = 64 << 20;
/// Memory for pages of each reader, in KiB.
const READER_CACHE_KIB: i64 = 4 * 1024;

/// The connection that writes, its schema up to date.
pub(super) fn writer(path: &Path, timeout: Duration) -> Result<Connection, OpenError> {
    let connection = open(path, timeout, &SCHEMA)?;
    cache(&connection, CACHE_KIB)?;
    let set = |name, value: i64| connection.pragma_update(None, name, value).map_err(failed);
    // Another thread does it.
    set("wal_autocheckpoint", 0)?;
    set("journal_size_limit", LOG_BYTES_KEPT)?;
    Ok(connection)
}

/// A connection that carries the log over. It has the same `synchronous`, which is the default.
pub(super) fn checkpointer(path: &Path, timeout: Duration) -> Result<Connection, database::Error> {
    let connection = connect(path, timeout)?;
    cache(&connection, READER_CACHE_KIB)?;
    Ok(connection)
}

/// A connection that reads.
pub(super) fn reader(path: &Path, timeout: Duration) -> Result<Connection, database::Error> {
    let connection = connect(path, timeout)?;
    cache(&connection, READER_CACHE_KIB)?;
    let only = connection.pragma_update(None, "query_only", true);
    only.map_err(failed)?;
    Ok(connection)
}

fn cache(connection: &Connection, kib: i64) -> Result<(), database::Error> {
    let set = connection.pragma_update(None, "cache_size", -kib);
    set.map_err(failed)
}
