//! Migrations, one process at a time.

use super::connect::{Connector, Session};
use super::error::Failure;
use crate::error::{Error, OpenError};
use crate::migrations::{POSTGRES, missing};

/// Any number, the same in every Weir: the key of the lock under which the schema changes.
const LOCK: i64 = 0x7765_6972_6163_6374;

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::Store(failure.error)
    }
}

pub(super) async fn migrate(connector: &Connector) -> Result<(), OpenError> {
    let mut session = connector.connect().await?;
    session.run("BEGIN").await?;
    session
        .query("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    session
        .run(
            "CREATE TABLE IF NOT EXISTS accounts_migrations \
             (version bigint PRIMARY KEY, digest bytea NOT NULL)",
        )
        .await?;
    let applied = applied(&mut session).await?;
    for migration in missing(POSTGRES, &applied)? {
        session.run(migration.text).await?;
        session
            .execute(
                "INSERT INTO accounts_migrations VALUES ($1, $2)",
                &[&migration.version, &migration.digest()],
            )
            .await?;
    }
    session.run("COMMIT").await?;
    Ok(())
}

async fn applied(session: &mut Session) -> Result<Vec<(i64, Vec<u8>)>, Failure> {
    let rows = session
        .query(
            "SELECT version, digest FROM accounts_migrations ORDER BY version",
            &[],
        )
        .await?;
    let unusual = |error| Failure::lasting(Error::unavailable(error));
    rows.iter()
        .map(|row| {
            let version = row.try_get(0).map_err(unusual)?;
            Ok((version, row.try_get(1).map_err(unusual)?))
        })
        .collect()
}
