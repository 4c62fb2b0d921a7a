//! What the rules changed, written within the writer's transaction: a statement per table, however
//! many rows there are, and all of them sent before the first answer is waited for.

use database::Error;
use database::postgres::{Failure, Session};
use futures::future::{BoxFuture, try_join_all};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use crate::rows::signed;
use crate::rules::Book;

/// A statement, its arguments, and how many rows it is to change.
struct Change<'a> {
    sql: &'static str,
    arguments: Vec<Box<dyn ToSql + Sync + Send + 'a>>,
    rows: Option<usize>,
}

/// A column of all rows.
fn column<'a, R, T>(rows: &[R], value: impl Fn(&R) -> T) -> Box<dyn ToSql + Sync + Send + 'a>
where
    T: ToSql + Sync + Send + 'a,
{
    Box::new(rows.iter().map(value).collect::<Vec<T>>())
}

pub(super) async fn write(session: &mut Session, book: &Book) -> Result<(), Failure> {
    let mut changes = Vec::new();
    changes.extend(accounts_opened(book));
    changes.extend(accounts_changed(book));
    changes.extend(holds_placed(book));
    changes.extend(holds_closed(book));
    changes.extend(batches(book));
    changes.extend(transfers(book));
    changes.extend(messages(book));
    changes.push(head(book));
    if let Some(delivered) = book.delivered_up_to() {
        changes.push(Change {
            sql: "DELETE FROM ledger_outbox WHERE seq <= $1",
            arguments: vec![Box::new(delivered)],
            rows: None,
        });
    }
    let mut statements = Vec::with_capacity(changes.len());
    for change in &changes {
        statements.push(session.prepare(change.sql).await?);
    }
    // In this order: the server checks at each that the rows it names are there.
    let client = session.client();
    let sent = statements.iter().zip(&changes);
    let sent = sent.map(|(statement, change)| execute(client, statement, change));
    try_join_all(sent).await?;
    Ok(())
}

fn execute<'a>(
    client: &'a Client,
    statement: &'a Statement,
    change: &'a Change<'_>,
) -> BoxFuture<'a, Result<(), Failure>> {
    Box::pin(async move {
        let arguments = change.arguments.iter();
        let arguments: Vec<&(dyn ToSql + Sync)> = arguments
            .map(|argument| argument.as_ref() as &(dyn ToSql + Sync))
            .collect();
        let changed = client.execute(statement, &arguments).await;
        let changed = changed.map_err(Failure::of)?;
        match change.rows {
            Some(rows) if rows as u64 != changed => Err(Failure::lasting(Error::unavailable(
                "the database did not change what was loaded from it",
            ))),
            _ => Ok(()),
        }
    })
}

fn accounts_opened(book: &Book) -> Option<Change<'_>> {
    let rows: Vec<_> = book.accounts_opened().collect();
    (!rows.is_empty()).then(|| Change {
        sql: "INSERT INTO ledger_accounts SELECT * FROM unnest($1::bigint[], $2::text[], \
              $3::smallint[], $4::boolean[], $5::bigint[], $6::bigint[], $7::bigint[], \
              $8::bigint[])",
        arguments: vec![
            column(&rows, |row| row.n),
            column(&rows, |row| row.account.id.as_str()),
            column(&rows, |row| row.account.currency.code()),
            column(&rows, |row| row.account.overdraft),
            column(&rows, |row| row.balance),
            column(&rows, |row| row.held),
            column(&rows, |row| row.holds),
            column(&rows, |row| row.at_ms.signed()),
        ],
        rows: Some(rows.len()),
    })
}

fn accounts_changed(book: &Book) -> Option<Change<'_>> {
    let rows: Vec<_> = book.accounts_changed().collect();
    (!rows.is_empty()).then(|| Change {
        sql: "UPDATE ledger_accounts AS a SET balance = new.balance, held = new.held, \
              holds = new.holds FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], \
              $4::bigint[]) AS new (n, balance, held, holds) WHERE a.n = new.n",
        arguments: vec![
            column(&rows, |row| row.n),
            column(&rows, |row| row.balance),
            column(&rows, |row| row.held),
            column(&rows, |row| row.holds),
        ],
        rows: Some(rows.len()),
    })
}

fn holds_placed(book: &Book) -> Option<Change<'_>> {
    let rows: Vec<_> = book.holds_placed().collect();
    (!rows.is_empty()).then(|| Change {
        sql: "INSERT INTO ledger_holds SELECT * FROM unnest($1::text[], $2::bigint[], \
              $3::bigint[], $4::bigint[], $5::bigint[], $6::smallint[], $7::bigint[], \
              $8::text[], $9::text[], $10::bytea[])",
        arguments: vec![
            column(&rows, |(hold, _)| hold.id.as_str()),
            column(&rows, |(_, account)| *account),
            column(&rows, |(hold, _)| hold.amount.signed()),
            column(&rows, |(hold, _)| signed(hold.posted)),
            column(&rows, |(hold, _)| hold.expires_ms.signed()),
            column(&rows, |(hold, _)| hold.state.code()),
            column(&rows, |(hold, _)| hold.at_ms.signed()),
            column(&rows, |(hold, _)| hold.kind.as_str()),
            column(&rows, |(hold, _)| hold.reference.as_str()),
            column(&rows, |(hold, _)| &hold.digest[..]),
        ],
        rows: Some(rows.len()),
    })
}

fn holds_closed(book: &Book) -> Option<Change<'_>> {
    let rows: Vec<_> = book.holds_closed().collect();
    (!rows.is_empty()).then(|| Change {
        sql: "UPDATE ledger_holds AS h SET state = new.state, posted = new.posted \
              FROM unnest($1::text[], $2::smallint[], $3::bigint[]) AS new (id, state, posted) \
              WHERE h.id = new.id AND h.state = 0",
        arguments: vec![
            column(&rows, |hold| hold.id.as_str()),
            column(&rows, |hold| hold.state.code()),
            column(&rows, |hold| signed(hold.posted)),
        ],
        rows: Some(rows.len()),
    })
}

fn batches(book: &Book) -> Option<Change<'_>> {
    let rows: Vec<_> = book.batches().iter().collect();
    (!rows.is_empty()).then(|| Change {
        sql: "INSERT INTO ledger_batches SELECT * FROM unnest($1::bigint[], $2::bigint[], \
              $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bytea[], $8::bigint[])",
        arguments: vec![
            column(&rows, |row| row.seq),
            column(&rows, |row| row.first_transfer),
            column(&rows, |row| row.transfers),
            column(&rows, |row| row.first_message),
            column(&rows, |row| row.messages),
            column(&rows, |row| row.posts.as_ref().map(|id| id.as_str())),
            column(&rows, |row| &row.digest[..]),
            column(&rows, |row| row.at_ms.signed()),
        ],
        rows: Some(rows.len()),
    })
}

fn transfers(book: &Book) -> Option<Change<'_>> {
    let rows: Vec<_> = book.transfers().iter().collect();
    (!rows.is_empty()).then(|| Change {
        sql: "INSERT INTO ledger_transfers SELECT * FROM unnest($1::bigint[], $2::text[], \
              $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::smallint[], \
              $8::text[], $9::text[], $10::bigint[])",
        arguments: vec![
            column(&rows, |row| row.seq),
            column(&rows, |row| row.transfer.id.as_str()),
            column(&rows, |row| row.batch),
            column(&rows, |row| row.debit),
            column(&rows, |row| row.credit),
            column(&rows, |row| row.transfer.amount.signed()),
            column(&rows, |row| row.transfer.currency.code()),
            column(&rows, |row| row.transfer.kind.as_str()),
            column(&rows, |row| row.transfer.reference.as_str()),
            column(&rows, |row| row.reverses),
        ],
        rows: Some(rows.len()),
    })
}

fn messages(book: &Book) -> Option<Change<'_>> {
    let rows: Vec<_> = book.messages().iter().collect();
    (!rows.is_empty()).then(|| Change {
        sql: "INSERT INTO ledger_outbox SELECT * FROM unnest($1::bigint[], $2::bigint[], \
              $3::text[], $4::bytea[])",
        arguments: vec![
            column(&rows, |row| row.seq),
            column(&rows, |row| row.batch),
            column(&rows, |row| row.topic.as_str()),
            column(&rows, |row| &row.payload[..]),
        ],
        rows: Some(rows.len()),
    })
}

fn head(book: &Book) -> Change<'_> {
    let head = book.head();
    Change {
        sql: "UPDATE ledger_head SET accounts = $1, batches = $2, transfers = $3, messages = $4, \
              delivered = $5 WHERE one = 1",
        arguments: vec![
            Box::new(head.accounts),
            Box::new(head.batches),
            Box::new(head.transfers),
            Box::new(head.messages),
            Box::new(head.delivered),
        ],
        rows: Some(1),
    }
}
