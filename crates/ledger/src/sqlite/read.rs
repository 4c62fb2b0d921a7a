//! Reads. Each is one statement, or one transaction: it sees one state of the ledger.

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, Row, params};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::convert::{self, ACCOUNT, HOLD, TRANSFER, TRANSFERS};
use super::error::store;
use super::pool::Pool;
use super::scan::scan;
use crate::account::{Balance, Hold};
use crate::audit::{Audit, Progress, Report, Row as Scanned, Scan, Stop};
use crate::batch::Posted;
use crate::error::Error;
use crate::export::{Export, Exporting, Lines};
use crate::ledger::Reads;
use crate::money::Timestamp;
use crate::rows::unsigned;
use crate::store::Queued;
use crate::summary::{self, Summary, SummaryRow};
use crate::text::{AccountId, HoldId, TransferId};

#[derive(Debug)]
pub(super) struct SqliteReads {
    pool: Pool,
    ended: watch::Receiver<()>,
}

impl SqliteReads {
    pub(super) fn new(pool: Pool, ended: watch::Receiver<()>) -> Self {
        Self { pool, ended }
    }
}

/// Columns after [`TRANSFER`]: seq, batch, at_ms.
fn posted(row: &Row<'_>) -> rusqlite::Result<Posted> {
    Ok(Posted {
        transfer: convert::transfer(row)?,
        seq: unsigned(row.get(8)?),
        batch: unsigned(row.get(9)?),
        at_ms: convert::time(row, 10)?,
    })
}

#[async_trait]
impl Reads for SqliteReads {
    async fn balances(
        &self,
        accounts: &[AccountId],
        now: Timestamp,
    ) -> Result<Vec<Option<Balance>>, Error> {
        let accounts = accounts.to_vec();
        let read = move |connection: &mut rusqlite::Connection| {
            let transaction = connection.transaction()?;
            let sql = format!(
                "SELECT {ACCOUNT}, held - (SELECT coalesce(sum(amount), 0) FROM holds \
                 WHERE account = n AND state = 0 AND expires_ms <= ?2) \
                 FROM accounts WHERE id = ?1"
            );
            let mut statement = transaction.prepare_cached(&sql)?;
            let balances = accounts.iter().map(|id| {
                let row = statement.query_row(params![id.as_str(), now.signed()], |row| {
                    let held: i64 = row.get(8)?;
                    let account = convert::account(row)?;
                    Ok(Balance {
                        account: account.account,
                        balance: account.balance,
                        held: unsigned(held),
                    })
                });
                row.optional()
            });
            balances.collect::<rusqlite::Result<Vec<_>>>()
        };
        self.pool
            .read(move |connection| read(connection).map_err(store))
            .await
    }

    async fn hold(&self, hold: &HoldId) -> Result<Option<Hold>, Error> {
        let id = hold.clone();
        let read = move |connection: &mut rusqlite::Connection| {
            let sql = format!(
                "SELECT {HOLD} FROM holds h JOIN accounts a ON a.n = h.account WHERE h.id = ?1"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_row([id.as_str()], convert::hold).optional()
        };
        self.pool
            .read(move |connection| read(connection).map_err(store))
            .await
    }

    async fn history(
        &self,
        account: &AccountId,
        before: i64,
        limit: i64,
    ) -> Result<Option<Vec<Posted>>, Error> {
        let id = account.clone();
        let read = move |connection: &mut rusqlite::Connection| {
            let transaction = connection.transaction()?;
            let n: Option<i64> = transaction
                .prepare_cached("SELECT n FROM accounts WHERE id = ?1")?
                .query_row([id.as_str()], |row| row.get(0))
                .optional()?;
            let Some(n) = n else {
                return Ok(None);
            };
            // Each side from its own index, and the newest of both.
            let side = |column: &str| {
                format!(
                    "SELECT * FROM (SELECT seq FROM transfers WHERE {column} = ?1 AND seq < ?2 \
                     ORDER BY seq DESC LIMIT ?3)"
                )
            };
            let (debits, credits) = (side("debit"), side("credit"));
            let sql = format!(
                "SELECT {TRANSFER}, t.seq, t.batch, b.at_ms FROM {TRANSFERS} \
                 JOIN batches b ON b.seq = t.batch \
                 WHERE t.seq IN ({debits} UNION ALL {credits}) ORDER BY t.seq DESC LIMIT ?3"
            );
            let mut statement = transaction.prepare_cached(&sql)?;
            let rows = statement.query_map(params![n, before, limit], posted)?;
            rows.collect::<rusqlite::Result<Vec<_>>>().map(Some)
        };
        self.pool
            .read(move |connection| read(connection).map_err(store))
            .await
    }

    async fn linked(&self, transfer: &TransferId) -> Result<Vec<Posted>, Error> {
        let id = transfer.clone();
        let read = move |connection: &mut rusqlite::Connection| {
            let sql = format!(
                "SELECT {TRANSFER}, t.seq, t.batch, b.at_ms FROM transfers x \
                 JOIN batches b ON b.seq = x.batch \
                 JOIN {TRANSFERS} \
                 WHERE x.id = ?1 AND t.seq BETWEEN b.first_transfer \
                 AND b.first_transfer + b.transfers - 1 ORDER BY t.seq"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([id.as_str()], posted)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        self.pool
            .read(move |connection| read(connection).map_err(store))
            .await
    }

    async fn outbox_after(&self, seq: i64, limit: i64) -> Result<Vec<Queued>, Error> {
        let read = move |connection: &mut rusqlite::Connection| {
            let mut statement = connection.prepare_cached(
                "SELECT seq, batch, topic, payload FROM outbox WHERE seq > ?1 \
                 ORDER BY seq LIMIT ?2",
            )?;
            let rows =
                statement.query_map([seq, limit], |row| convert::message(row).map(Queued::from))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        self.pool
            .read(move |connection| read(connection).map_err(store))
            .await
    }

    async fn summary(&self) -> Result<Summary, Error> {
        let row = |row: &Row<'_>| -> rusqlite::Result<SummaryRow> {
            let currency: Option<i64> = row.get(2)?;
            let of = match currency {
                Some(currency) => Some((currency, row.get(3)?, row.get(4)?)),
                None => None,
            };
            Ok((row.get(0)?, row.get(1)?, of))
        };
        let read = move |connection: &mut rusqlite::Connection| {
            let sql = summary::statement("head", "accounts");
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([], row)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = self
            .pool
            .read(move |connection| read(connection).map_err(store))
            .await?;
        Ok(Summary::of(&rows))
    }

    async fn verify(&self, progress: Progress) -> Result<Report, Error> {
        let verify = |connection: &mut rusqlite::Connection| {
            let mut audit = Audit::telling(progress);
            scan(connection, &mut audit).map_err(store)?;
            Ok(audit.finish())
        };
        self.pool.read(verify).await
    }

    async fn export(&self) -> Result<Export, Error> {
        let (exporting, export) = Export::channel();
        let pool = self.pool.clone();
        let runtime = Handle::current();
        tokio::spawn(async move {
            let failed = exporting.clone();
            let read = pool.read(move |connection| {
                let mut sending = Sending {
                    runtime,
                    exporting,
                    lines: Lines::default(),
                };
                scan(connection, &mut sending).map_err(store)
            });
            if let Err(error) = read.await {
                failed.fail(error).await;
            }
        });
        Ok(export)
    }

    async fn close(&self) {
        // An error says that the thread has ended, which is what is waited for.
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
        self.pool.clear();
    }
}

/// Sends lines from a thread that blocks, and does not wait for ever: as long as it reads, the WAL
/// cannot begin anew.
struct Sending {
    runtime: Handle,
    exporting: Exporting,
    lines: Lines,
}

impl Scan for Sending {
    fn row(&mut self, row: Scanned) -> Result<(), Stop> {
        self.lines.row(row)?;
        for line in self.lines.0.drain(..) {
            self.runtime.block_on(self.exporting.line(line))?;
        }
        Ok(())
    }
}
