//! Reads, on a bounded number of connections, with a bounded line before them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use database::postgres::{Connector, Failure, Session, backoff};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::convert::{self, ACCOUNT, HOLD, HOLDS, TRANSFER, TRANSFERS, get};
use super::scan::{Paged, scan};
use crate::account::{Balance, Hold};
use crate::audit::{Audit, Progress, Report, Row as Scanned, Scan, Stop};
use crate::batch::Posted;
use crate::error::Error;
use crate::export::{Export, Exporting, Lines};
use crate::ledger::Reads;
use crate::limits::READS_WAITING_MAX;
use crate::money::Timestamp;
use crate::rows::unsigned;
use crate::store::Queued;
use crate::summary::{self, Summary, SummaryRow};
use crate::text::{AccountId, HoldId, TransferId};

/// Attempts for one read: an idle connection may have died, and so may all of them.
const ATTEMPTS_MAX: u32 = 10;

#[derive(Debug)]
pub(super) struct PostgresReads {
    connector: Connector,
    timeout: Duration,
    line: Arc<Semaphore>,
    slots: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Session>>>,
    ended: watch::Receiver<()>,
}

/// A connection's place.
type Slot = (OwnedSemaphorePermit, OwnedSemaphorePermit);

impl PostgresReads {
    pub(super) fn new(
        connector: Connector,
        readers: usize,
        timeout: Duration,
        ended: watch::Receiver<()>,
    ) -> Self {
        Self {
            connector,
            timeout,
            line: Arc::new(Semaphore::new(readers + READS_WAITING_MAX)),
            slots: Arc::new(Semaphore::new(readers)),
            idle: Arc::default(),
            ended,
        }
    }

    async fn slot(&self) -> Result<Slot, Error> {
        let line = Arc::clone(&self.line).try_acquire_owned();
        let line = line.map_err(|_| database::Error::Busy)?;
        let slot = Arc::clone(&self.slots).acquire_owned();
        let slot = tokio::time::timeout(self.timeout, slot).await;
        let slot = slot
            .ok()
            .and_then(Result::ok)
            .ok_or(database::Error::Busy)?;
        Ok((line, slot))
    }

    /// One statement: one state of the ledger.
    async fn query(&self, sql: &str, arguments: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        let _slot = self.slot().await?;
        let reading = async {
            let mut failures = 0;
            loop {
                let failure = match self.attempt(sql, arguments).await {
                    Ok(rows) => return Ok(rows),
                    Err(failure) => failure,
                };
                failures += 1;
                if !failure.retry || failures >= ATTEMPTS_MAX {
                    return Err(failure.error.into());
                }
                tokio::time::sleep(backoff(failures)).await;
            }
        };
        let late = |_| Error::unavailable("PostgreSQL takes too long");
        let read = tokio::time::timeout(self.timeout, reading).await;
        read.map_err(late)?
    }

    async fn attempt(
        &self,
        sql: &str,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let idle = self.idle.lock().pop();
        let mut session = match idle {
            Some(session) => session,
            None => self.connector.connect().await?,
        };
        let rows = session.query(sql, arguments).await?;
        // One that failed is dropped.
        self.idle.lock().push(session);
        Ok(rows)
    }
}

fn all<T>(rows: &[Row], convert: fn(&Row) -> Result<T, Failure>) -> Result<Vec<T>, Error> {
    let rows = rows.iter().map(convert);
    rows.collect::<Result<_, _>>()
        .map_err(|failure: Failure| failure.error.into())
}

fn balance(row: &Row) -> Result<Balance, Failure> {
    let account = convert::account(row)?;
    Ok(Balance {
        account: account.account,
        balance: account.balance,
        held: unsigned(get(row, 8)?),
    })
}

fn summed(row: &Row) -> Result<SummaryRow, Failure> {
    let currency: Option<i64> = get(row, 2)?;
    let of = match currency {
        Some(currency) => Some((currency, get(row, 3)?, get(row, 4)?)),
        None => None,
    };
    Ok((get(row, 0)?, get(row, 1)?, of))
}

fn queued(row: &Row) -> Result<Queued, Failure> {
    convert::message(row).map(Queued::from)
}

#[async_trait]
impl Reads for PostgresReads {
    async fn balances(
        &self,
        accounts: &[AccountId],
        now: Timestamp,
    ) -> Result<Vec<Option<Balance>>, Error> {
        let ids: Vec<&str> = accounts.iter().map(|id| id.as_str()).collect();
        let sql = format!(
            "SELECT {ACCOUNT}, held - (SELECT coalesce(sum(h.amount), 0)::bigint \
             FROM ledger_holds h WHERE h.account = n AND h.state = 0 AND h.expires_ms <= $2) \
             FROM ledger_accounts WHERE id = ANY($1)"
        );
        let rows = self.query(&sql, &[&ids, &now.signed()]).await?;
        let found = all(&rows, balance)?;
        let of = |id: &AccountId| found.iter().find(|balance| balance.account.id == *id);
        Ok(accounts.iter().map(|id| of(id).cloned()).collect())
    }

    async fn hold(&self, hold: &HoldId) -> Result<Option<Hold>, Error> {
        let sql = format!("SELECT {HOLD} FROM {HOLDS} WHERE h.id = $1");
        let rows = self.query(&sql, &[&hold.as_str()]).await?;
        Ok(all(&rows, convert::hold)?.pop())
    }

    async fn history(
        &self,
        account: &AccountId,
        before: i64,
        limit: i64,
    ) -> Result<Option<Vec<Posted>>, Error> {
        let n = "SELECT n FROM ledger_accounts WHERE id = $1";
        let rows = self.query(n, &[&account.as_str()]).await?;
        let Some(n) = all(&rows, |row| get::<i64>(row, 0))?.pop() else {
            return Ok(None);
        };
        // Each side from its own index, and the newest of both.
        let side = |column: &str| {
            format!(
                "(SELECT seq FROM ledger_transfers WHERE {column} = $1 AND seq < $2 \
                 ORDER BY seq DESC LIMIT $3)"
            )
        };
        let (debits, credits) = (side("debit"), side("credit"));
        let sql = format!(
            "SELECT {TRANSFER}, b.at_ms FROM {TRANSFERS} \
             JOIN ledger_batches b ON b.seq = t.batch \
             WHERE t.seq IN ({debits} UNION ALL {credits}) ORDER BY t.seq DESC LIMIT $3"
        );
        let rows = self.query(&sql, &[&n, &before, &limit]).await?;
        all(&rows, convert::posted).map(Some)
    }

    async fn linked(&self, transfer: &TransferId) -> Result<Vec<Posted>, Error> {
        let sql = format!(
            "SELECT {TRANSFER}, b.at_ms FROM ledger_transfers x \
             JOIN ledger_batches b ON b.seq = x.batch JOIN ({TRANSFERS}) \
             ON t.seq BETWEEN b.first_transfer AND b.first_transfer + b.transfers - 1 \
             WHERE x.id = $1 ORDER BY t.seq"
        );
        let rows = self.query(&sql, &[&transfer.as_str()]).await?;
        all(&rows, convert::posted)
    }

    async fn outbox_after(&self, seq: i64, limit: i64) -> Result<Vec<Queued>, Error> {
        let sql = "SELECT seq, batch, topic, payload FROM ledger_outbox WHERE seq > $1 \
                   ORDER BY seq LIMIT $2";
        let rows = self.query(sql, &[&seq, &limit]).await?;
        all(&rows, queued)
    }

    async fn summary(&self) -> Result<Summary, Error> {
        let sql = summary::statement("ledger_head", "ledger_accounts");
        let rows = self.query(&sql, &[]).await?;
        Ok(Summary::of(&all(&rows, summed)?))
    }

    async fn verify(&self, progress: Progress) -> Result<Report, Error> {
        let _slot = self.slot().await?;
        let session = self.connector.connect().await;
        let mut session = session.map_err(|failure| Error::from(failure.error))?;
        let mut audit = Audit::telling(progress);
        let scanned = scan(&mut session, &mut audit).await;
        scanned.map_err(|failure| Error::from(failure.error))?;
        Ok(audit.finish())
    }

    async fn export(&self) -> Result<Export, Error> {
        let slot = self.slot().await?;
        let session = self.connector.connect().await;
        let mut session = session.map_err(|failure| Error::from(failure.error))?;
        let (exporting, export) = Export::channel();
        tokio::spawn(async move {
            let _kept = slot;
            let mut sending = Sending {
                exporting: exporting.clone(),
                lines: Lines::default(),
            };
            if let Err(failure) = scan(&mut session, &mut sending).await {
                exporting.fail(failure.error.into()).await;
            }
        });
        Ok(export)
    }

    async fn close(&self) {
        // An error says that the task has ended, which is what is waited for.
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
        self.idle.lock().clear();
    }
}

/// Sends lines, and does not wait for ever: as long as the snapshot is open, the server keeps old
/// versions of rows.
struct Sending {
    exporting: Exporting,
    lines: Lines,
}

impl Scan for Sending {
    fn row(&mut self, row: Scanned) -> Result<(), Stop> {
        self.lines.row(row)
    }
}

impl Paged for Sending {
    async fn flush(&mut self) -> Result<(), Stop> {
        for line in self.lines.0.drain(..) {
            self.exporting.line(line).await?;
        }
        Ok(())
    }
}

impl Paged for Audit {
    async fn flush(&mut self) -> Result<(), Stop> {
        Ok(())
    }
}
