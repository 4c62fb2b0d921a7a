//! The whole ledger, row by row, in one snapshot, a page at a time.

use database::postgres::{Failure, Session};
use tokio_postgres::Row as SqlRow;
use tokio_postgres::types::ToSql;

use super::convert::{
    self, ACCOUNT, BATCH, HEAD, HOLD, HOLDS, TRANSFER, TRANSFER_COLUMNS, TRANSFERS, get,
};
use crate::audit::{Row, Scan, ScannedOriginal, ScannedTransfer, Stop};

/// Rows of one page.
const PAGE: i64 = 2_000;

/// A statement, where it begins, and what its rows are.
type Table<'a> = (&'a str, Key, fn(&SqlRow) -> Result<Row, Failure>);

/// What may take its time after each page.
pub(super) trait Paged: Scan {
    fn flush(&mut self) -> impl Future<Output = Result<(), Stop>> + Send;
}

/// Gives all rows to `sink`, until it wants no more.
pub(super) async fn scan<S: Paged>(session: &mut Session, sink: &mut S) -> Result<(), Failure> {
    session
        .run("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .await?;
    let accounts =
        format!("SELECT {ACCOUNT} FROM ledger_accounts WHERE n > $1 ORDER BY n LIMIT $2");
    let holds = format!("SELECT {HOLD} FROM {HOLDS} WHERE h.id > $1 ORDER BY h.id LIMIT $2");
    let batches =
        format!("SELECT {BATCH} FROM ledger_batches WHERE seq > $1 ORDER BY seq LIMIT $2");
    let transfers = format!(
        "SELECT {TRANSFER}, b.first_transfer, b.first_transfer + b.transfers - 1, o.debit, \
         o.credit, o.amount, o.currency, o.reverses IS NOT NULL, o.batch, ob.transfers \
         FROM {TRANSFERS} LEFT JOIN ledger_batches b ON b.seq = t.batch \
         LEFT JOIN ledger_batches ob ON ob.seq = o.batch \
         WHERE t.seq > $1 ORDER BY t.seq LIMIT $2"
    );
    let messages = "SELECT seq, batch, topic, payload FROM ledger_outbox WHERE seq > $1 \
                    ORDER BY seq LIMIT $2";
    let tables: [Table<'_>; 5] = [
        (&accounts, Key::Number(0), account),
        (&holds, Key::Text(String::new()), hold),
        (&batches, Key::Number(0), batch),
        (&transfers, Key::Number(0), transfer),
        (messages, Key::Number(0), message),
    ];
    for row in session.query(HEAD, &[]).await? {
        if sink.row(Row::Head(convert::head(&row)?)).is_err() {
            return Ok(());
        }
    }
    for (sql, mut key, convert) in tables {
        loop {
            let rows = session.query(sql, &[key.argument(), &PAGE]).await?;
            for row in &rows {
                let row = convert(row)?;
                key = Key::of(&row);
                if sink.row(row).is_err() {
                    return Ok(());
                }
            }
            if sink.flush().await.is_err() {
                return Ok(());
            }
            if rows.is_empty() {
                break;
            }
        }
    }
    session.run("COMMIT").await
}

/// Where the next page begins.
enum Key {
    Number(i64),
    Text(String),
}

impl Key {
    fn of(row: &Row) -> Self {
        match row {
            Row::Head(_) => Self::Number(0),
            Row::Account(row) => Self::Number(row.n),
            Row::Hold { hold, .. } => Self::Text(hold.id.to_string()),
            Row::Batch(row) => Self::Number(row.seq),
            Row::Transfer(scanned) => Self::Number(scanned.row.seq),
            Row::Message(row) => Self::Number(row.seq),
        }
    }

    fn argument(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Number(number) => number,
            Self::Text(text) => text,
        }
    }
}

fn account(row: &SqlRow) -> Result<Row, Failure> {
    convert::account(row).map(Row::Account)
}

fn hold(row: &SqlRow) -> Result<Row, Failure> {
    let account = get(row, 10)?;
    let hold = convert::hold(row)?;
    Ok(Row::Hold { hold, account })
}

fn batch(row: &SqlRow) -> Result<Row, Failure> {
    convert::batch(row).map(Row::Batch)
}

fn message(row: &SqlRow) -> Result<Row, Failure> {
    convert::message(row).map(Row::Message)
}

fn transfer(row: &SqlRow) -> Result<Row, Failure> {
    let at = |column: usize| TRANSFER_COLUMNS + column;
    let first: Option<i64> = get(row, at(0))?;
    let last: Option<i64> = get(row, at(1))?;
    let batch: Option<i64> = get(row, at(7))?;
    let original = match batch {
        Some(batch) => Some(ScannedOriginal {
            debit: get(row, at(2))?,
            credit: get(row, at(3))?,
            amount: get(row, at(4))?,
            currency: i64::from(get::<i16>(row, at(5))?),
            is_reversal: get(row, at(6))?,
            batch,
            linked: get::<Option<i64>>(row, at(8))?.unwrap_or_default(),
        }),
        None => None,
    };
    let scanned = ScannedTransfer {
        row: convert::numbered(row)?,
        within: first.zip(last),
        original,
    };
    Ok(Row::Transfer(Box::new(scanned)))
}
