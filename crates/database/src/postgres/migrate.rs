//! Migrations, one process at a time.

use super::connect::{Connector, Session};
use super::error::Failure;
use crate::error::OpenError;
use crate::migrations::Schema;

/// Any number, the same in every Weir: the key of the lock under which schemas change.
const LOCK: i64 = 0x7765_6972_7363_6865;

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::Store(failure.error)
    }
}

pub(super) async fn migrate(connector: &Connector, schema: &Schema) -> Result<(), OpenError> {
    let table = schema.postgres.table;
    let mut session = connector.connect().await?;
    session.run("BEGIN").await?;
    session
        .query("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    session
        .run(&format!(
            "CREATE TABLE IF NOT EXISTS {table} \
             (version bigint PRIMARY KEY, digest bytea NOT NULL)"
        ))
        .await?;
    let applied = applied(&mut session, table).await?;
    for step in schema.postgres.missing(schema.name, &applied)? {
        session.run(step.text).await?;
        session
            .execute(
                &format!("INSERT INTO {table} VALUES ($1, $2)"),
                &[&step.version, &step.digest],
            )
            .await?;
    }
    session.run("COMMIT").await?;
    let fsync = session.query("SHOW fsync", &[]).await?;
    if fsync.iter().any(|row| row.try_get(0).ok() == Some("off")) {
        let schema = schema.name;
        tracing::warn!("PostgreSQL runs with fsync = off: a loss of power damages {schema}");
    }
    Ok(())
}

async fn applied(session: &mut Session, table: &str) -> Result<Vec<(i64, Vec<u8>)>, Failure> {
    let sql = format!("SELECT version, digest FROM {table} ORDER BY version");
    let rows = session.query(&sql, &[]).await?;
    rows.iter()
        .map(|row| {
            let version = row.try_get(0).map_err(Failure::of)?;
            Ok((version, row.try_get(1).map_err(Failure::of)?))
        })
        .collect()
}
