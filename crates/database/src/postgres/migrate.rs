//! Migrations, one process at a time.

use super::connect::{Connector, Purpose, Session};
use super::convert::get;
use super::error::Failure;
use crate::error::OpenError;
use crate::migrations::{POSTGRES, missing};

/// Any number, the same in every Weir: the key of the lock under which the schema changes.
const LOCK: i64 = 0x7765_6972_6c65_6467;

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::Store(failure.error)
    }
}

pub(super) async fn migrate(connector: &Connector) -> Result<(), OpenError> {
    let mut session = connector.connect(Purpose::Write).await?;
    session.run("BEGIN").await?;
    session
        .query("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    session
        .run(
            "CREATE TABLE IF NOT EXISTS ledger_migrations \
             (version bigint PRIMARY KEY, digest bytea NOT NULL)",
        )
        .await?;
    let applied = applied(&mut session).await?;
    for migration in missing(POSTGRES, &applied)? {
        session.run(migration.text).await?;
        session
            .query(
                "INSERT INTO ledger_migrations VALUES ($1, $2)",
                &[&migration.version, &migration.digest()],
            )
            .await?;
    }
    session.run("COMMIT").await?;
    let fsync = session.query("SHOW fsync", &[]).await?;
    if fsync.iter().any(|row| get(row, 0).ok() == Some("off")) {
        tracing::warn!("PostgreSQL runs with fsync = off: a loss of power loses money");
    }
    Ok(())
}

async fn applied(session: &mut Session) -> Result<Vec<(i64, Vec<u8>)>, Failure> {
    let rows = session
        .query(
            "SELECT version, digest FROM ledger_migrations ORDER BY version",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((get(row, 0)?, get(row, 1)?)))
        .collect()
}
