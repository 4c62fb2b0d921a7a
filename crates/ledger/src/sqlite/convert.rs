//! Rows of SQLite and what they are to the ledger.

use bytes::Bytes;
use rusqlite::Row;
use rusqlite::types::{FromSql, Type};

use crate::account::{Hold, HoldState, NewAccount};
use crate::batch::{Digest, Transfer};
use crate::money::{Amount, Currency, Timestamp};
use crate::rows::{AccountRow, Head, MessageRow};

/// A value that the ledger never wrote.
#[derive(Debug, thiserror::Error)]
#[error("a value that the ledger never wrote")]
struct Foreign;

fn foreign(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Null, Box::new(Foreign))
}

/// A column, checked.
pub(super) fn checked<S: FromSql, T>(
    row: &Row<'_>,
    column: usize,
    check: impl FnOnce(S) -> Option<T>,
) -> rusqlite::Result<T> {
    check(row.get(column)?).ok_or_else(|| foreign(column))
}

/// A text, parsed.
pub(super) fn text<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|_| foreign(column))
}

pub(super) fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    row.get(column)
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_signed)
}

/// accounts, batches, transfers, messages, delivered
pub(super) const HEAD: &str =
    "SELECT accounts, batches, transfers, messages, delivered FROM head WHERE one = 1";

pub(super) fn head(row: &Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        accounts: row.get(0)?,
        batches: row.get(1)?,
        transfers: row.get(2)?,
        messages: row.get(3)?,
        delivered: row.get(4)?,
    })
}

/// The columns of [`account`].
pub(super) const ACCOUNT: &str = "n, id, currency, overdraft, balance, held, holds, at_ms";

pub(super) fn account(row: &Row<'_>) -> rusqlite::Result<AccountRow> {
    Ok(AccountRow {
        n: row.get(0)?,
        account: NewAccount {
            id: text(row, 1)?,
            currency: checked(row, 2, Currency::from_code)?,
            overdraft: row.get(3)?,
        },
        balance: row.get(4)?,
        held: row.get(5)?,
        holds: row.get(6)?,
        at_ms: time(row, 7)?,
    })
}

/// The columns of [`hold`], of `holds h JOIN accounts a`; the account's number is the last.
pub(super) const HOLD: &str = "h.id, a.id, h.amount, h.posted, h.expires_ms, h.state, h.at_ms, \
    h.kind, h.reference, h.digest, a.n";

pub(super) fn hold(row: &Row<'_>) -> rusqlite::Result<Hold> {
    Ok(Hold {
        id: text(row, 0)?,
        account: text(row, 1)?,
        amount: checked(row, 2, Amount::from_signed)?,
        posted: checked(row, 3, |posted: i64| u64::try_from(posted).ok())?,
        expires_ms: time(row, 4)?,
        state: checked(row, 5, HoldState::from_code)?,
        at_ms: time(row, 6)?,
        kind: text(row, 7)?,
        reference: text(row, 8)?,
        digest: digest(row, 9)?,
    })
}

/// The columns of [`transfer`], of `transfers t` with its accounts `d` and `c` and its original
/// `o`.
pub(super) const TRANSFER: &str =
    "t.id, d.id, c.id, t.amount, t.currency, t.kind, t.reference, o.id";

/// What [`TRANSFER`] is of.
pub(super) const TRANSFERS: &str = "transfers t JOIN accounts d ON d.n = t.debit \
    JOIN accounts c ON c.n = t.credit LEFT JOIN transfers o ON o.seq = t.reverses";

pub(super) fn transfer(row: &Row<'_>) -> rusqlite::Result<Transfer> {
    let reverses: Option<String> = row.get(7)?;
    let reverses = reverses.map(|id| id.parse().map_err(|_| foreign(7)));
    Ok(Transfer {
        id: text(row, 0)?,
        debit: text(row, 1)?,
        credit: text(row, 2)?,
        amount: checked(row, 3, Amount::from_signed)?,
        currency: checked(row, 4, Currency::from_code)?,
        kind: text(row, 5)?,
        reference: text(row, 6)?,
        reverses: reverses.transpose()?,
    })
}

/// seq, batch, topic, payload
pub(super) fn message(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    let payload: Vec<u8> = row.get(3)?;
    Ok(MessageRow {
        seq: row.get(0)?,
        batch: row.get(1)?,
        topic: text(row, 2)?,
        payload: Bytes::from(payload),
    })
}
