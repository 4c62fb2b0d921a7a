//! The whole ledger, row by row, in one snapshot.

use rusqlite::{Connection, Row as SqlRow, Transaction};

use super::convert::{self, ACCOUNT, HEAD, HOLD, TRANSFER, TRANSFERS};
use crate::audit::{Row, Scan, ScannedOriginal, ScannedTransfer};
use crate::rows::{BatchRow, TransferRow};

/// Gives all rows to `sink`, or those until it wants no more.
pub(super) fn scan(connection: &mut Connection, sink: &mut dyn Scan) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let accounts = format!("SELECT {ACCOUNT} FROM accounts ORDER BY n");
    let holds =
        format!("SELECT {HOLD} FROM holds h JOIN accounts a ON a.n = h.account ORDER BY h.id");
    let batches = "SELECT seq, first_transfer, transfers, first_message, messages, posts, digest, \
                   at_ms FROM batches ORDER BY seq";
    let transfers = format!(
        "SELECT {TRANSFER}, t.seq, t.batch, t.debit, t.credit, t.reverses, b.first_transfer, \
         b.first_transfer + b.transfers - 1, o.debit, o.credit, o.amount, o.currency, \
         o.reverses IS NOT NULL, o.batch, ob.transfers FROM {TRANSFERS} \
         LEFT JOIN batches b ON b.seq = t.batch LEFT JOIN batches ob ON ob.seq = o.batch \
         ORDER BY t.seq"
    );
    let messages = "SELECT seq, batch, topic, payload FROM outbox ORDER BY seq";
    let all = each(&transaction, sink, HEAD, |row| {
        convert::head(row).map(Row::Head)
    })? && each(&transaction, sink, &accounts, |row| {
        convert::account(row).map(Row::Account)
    })? && each(&transaction, sink, &holds, |row| {
        let account = row.get(10)?;
        let hold = convert::hold(row)?;
        Ok(Row::Hold { hold, account })
    })? && each(&transaction, sink, batches, |row| {
        batch(row).map(Row::Batch)
    })? && each(&transaction, sink, &transfers, |row| {
        transfer(row).map(|scanned| Row::Transfer(Box::new(scanned)))
    })?;
    if all {
        each(&transaction, sink, messages, |row| {
            convert::message(row).map(Row::Message)
        })?;
    }
    Ok(())
}

/// Whether the sink wants more.
fn each(
    transaction: &Transaction<'_>,
    sink: &mut dyn Scan,
    sql: &str,
    convert: impl Fn(&SqlRow<'_>) -> rusqlite::Result<Row>,
) -> rusqlite::Result<bool> {
    let mut statement = transaction.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if sink.row(convert(row)?).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn batch(row: &SqlRow<'_>) -> rusqlite::Result<BatchRow> {
    let posts: Option<String> = row.get(5)?;
    Ok(BatchRow {
        seq: row.get(0)?,
        first_transfer: row.get(1)?,
        transfers: row.get(2)?,
        first_message: row.get(3)?,
        messages: row.get(4)?,
        posts: match posts {
            Some(_) => Some(convert::text(row, 5)?),
            None => None,
        },
        digest: convert::digest(row, 6)?,
        at_ms: convert::time(row, 7)?,
    })
}

fn transfer(row: &SqlRow<'_>) -> rusqlite::Result<ScannedTransfer> {
    let (first, last): (Option<i64>, Option<i64>) = (row.get(13)?, row.get(14)?);
    let batch: Option<i64> = row.get(20)?;
    let original = match batch {
        Some(batch) => Some(ScannedOriginal {
            debit: row.get(15)?,
            credit: row.get(16)?,
            amount: row.get(17)?,
            currency: row.get(18)?,
            is_reversal: row.get(19)?,
            batch,
            linked: row.get::<_, Option<i64>>(21)?.unwrap_or_default(),
        }),
        None => None,
    };
    Ok(ScannedTransfer {
        row: TransferRow {
            transfer: convert::transfer(row)?,
            seq: row.get(8)?,
            batch: row.get(9)?,
            debit: row.get(10)?,
            credit: row.get(11)?,
            reverses: row.get(12)?,
        },
        within: first.zip(last),
        original,
    })
}
