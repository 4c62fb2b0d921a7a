//! Rows of PostgreSQL and what they are to the ledger.

use bytes::Bytes;
use database::Error;
use database::postgres::Failure;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::account::{Hold, HoldState, NewAccount};
use crate::batch::{Digest, Posted, Transfer};
use crate::money::{Amount, Currency, Timestamp};
use crate::rows::{AccountRow, BatchRow, Head, MessageRow, TransferRow, unsigned};

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Failure> {
    row.try_get(column).map_err(Failure::of)
}

/// A value that the ledger never wrote.
fn foreign<T>(value: Option<T>) -> Result<T, Failure> {
    let error = || Error::unavailable("the database has a value that the ledger never wrote");
    value.ok_or_else(|| Failure::lasting(error()))
}

pub(super) fn text<T: std::str::FromStr>(row: &Row, column: usize) -> Result<T, Failure> {
    foreign(get::<&str>(row, column)?.parse().ok())
}

fn optional_text<T: std::str::FromStr>(row: &Row, column: usize) -> Result<Option<T>, Failure> {
    let text: Option<&str> = get(row, column)?;
    text.map(|text| foreign(text.parse().ok())).transpose()
}

fn small<T>(row: &Row, column: usize, check: fn(i64) -> Option<T>) -> Result<T, Failure> {
    foreign(check(i64::from(get::<i16>(row, column)?)))
}

pub(super) fn digest(row: &Row, column: usize) -> Result<Digest, Failure> {
    foreign(get::<&[u8]>(row, column)?.try_into().ok())
}

pub(super) fn time(row: &Row, column: usize) -> Result<Timestamp, Failure> {
    get(row, column).map(Timestamp::from_signed)
}

fn amount(row: &Row, column: usize) -> Result<Amount, Failure> {
    foreign(Amount::from_signed(get(row, column)?))
}

/// The columns of [`head`].
pub(super) const HEAD: &str =
    "SELECT accounts, batches, transfers, messages, delivered FROM ledger_head WHERE one = 1";

pub(super) fn head(row: &Row) -> Result<Head, Failure> {
    Ok(Head {
        accounts: get(row, 0)?,
        batches: get(row, 1)?,
        transfers: get(row, 2)?,
        messages: get(row, 3)?,
        delivered: get(row, 4)?,
    })
}

/// The columns of [`account`].
pub(super) const ACCOUNT: &str = "n, id, currency, overdraft, balance, held, holds, at_ms";

pub(super) fn account(row: &Row) -> Result<AccountRow, Failure> {
    Ok(AccountRow {
        n: get(row, 0)?,
        account: NewAccount {
            id: text(row, 1)?,
            currency: small(row, 2, Currency::from_code)?,
            overdraft: get(row, 3)?,
        },
        balance: get(row, 4)?,
        held: get(row, 5)?,
        holds: get(row, 6)?,
        at_ms: time(row, 7)?,
    })
}

/// The columns of [`hold`]; the account's number is the last.
pub(super) const HOLD: &str = "h.id, a.id, h.amount, h.posted, h.expires_ms, h.state, h.at_ms, \
    h.kind, h.reference, h.digest, a.n";

/// What [`HOLD`] is of.
pub(super) const HOLDS: &str = "ledger_holds h JOIN ledger_accounts a ON a.n = h.account";

pub(super) fn hold(row: &Row) -> Result<Hold, Failure> {
    Ok(Hold {
        id: text(row, 0)?,
        account: text(row, 1)?,
        amount: amount(row, 2)?,
        posted: unsigned(get(row, 3)?),
        expires_ms: time(row, 4)?,
        state: small(row, 5, HoldState::from_code)?,
        at_ms: time(row, 6)?,
        kind: text(row, 7)?,
        reference: text(row, 8)?,
        digest: digest(row, 9)?,
    })
}

/// The columns of [`transfer`], and of [`numbered`].
pub(super) const TRANSFER: &str = "t.id, d.id, c.id, t.amount, t.currency, t.kind, t.reference, \
    o.id, t.seq, t.batch, t.debit, t.credit, t.reverses";

/// Columns of [`TRANSFER`].
pub(super) const TRANSFER_COLUMNS: usize = 13;

/// What [`TRANSFER`] is of.
pub(super) const TRANSFERS: &str = "ledger_transfers t \
    JOIN ledger_accounts d ON d.n = t.debit JOIN ledger_accounts c ON c.n = t.credit \
    LEFT JOIN ledger_transfers o ON o.seq = t.reverses";

pub(super) fn transfer(row: &Row) -> Result<Transfer, Failure> {
    Ok(Transfer {
        id: text(row, 0)?,
        debit: text(row, 1)?,
        credit: text(row, 2)?,
        amount: amount(row, 3)?,
        currency: small(row, 4, Currency::from_code)?,
        kind: text(row, 5)?,
        reference: text(row, 6)?,
        reverses: optional_text(row, 7)?,
    })
}

pub(super) fn numbered(row: &Row) -> Result<TransferRow, Failure> {
    Ok(TransferRow {
        transfer: transfer(row)?,
        seq: get(row, 8)?,
        batch: get(row, 9)?,
        debit: get(row, 10)?,
        credit: get(row, 11)?,
        reverses: get(row, 12)?,
    })
}

/// [`TRANSFER`], and the batch's `at_ms`.
pub(super) fn posted(row: &Row) -> Result<Posted, Failure> {
    Ok(Posted {
        transfer: transfer(row)?,
        seq: unsigned(get(row, 8)?),
        batch: unsigned(get(row, 9)?),
        at_ms: time(row, TRANSFER_COLUMNS)?,
    })
}

/// The columns of [`batch`].
pub(super) const BATCH: &str =
    "seq, first_transfer, transfers, first_message, messages, posts, digest, at_ms";

pub(super) fn batch(row: &Row) -> Result<BatchRow, Failure> {
    Ok(BatchRow {
        seq: get(row, 0)?,
        first_transfer: get(row, 1)?,
        transfers: get(row, 2)?,
        first_message: get(row, 3)?,
        messages: get(row, 4)?,
        posts: optional_text(row, 5)?,
        digest: digest(row, 6)?,
        at_ms: time(row, 7)?,
    })
}

/// seq, batch, topic, payload
pub(super) fn message(row: &Row) -> Result<MessageRow, Failure> {
    Ok(MessageRow {
        seq: get(row, 0)?,
        batch: get(row, 1)?,
        topic: text(row, 2)?,
        payload: Bytes::copy_from_slice(get(row, 3)?),
    })
}
