//! What the rules changed, written within the writer's transaction.

use rusqlite::{Connection, params};

use crate::rules::Book;

pub(super) fn write(connection: &Connection, book: &Book) -> rusqlite::Result<()> {
    write_accounts(connection, book)?;
    write_holds(connection, book)?;
    write_batches(connection, book)?;
    write_outbox(connection, book)?;
    let head = book.head();
    connection
        .prepare_cached(
            "UPDATE head SET accounts = ?1, batches = ?2, transfers = ?3, messages = ?4, \
             delivered = ?5 WHERE one = 1",
        )?
        .execute(params![
            head.accounts,
            head.batches,
            head.transfers,
            head.messages,
            head.delivered
        ])?;
    Ok(())
}

fn write_accounts(connection: &Connection, book: &Book) -> rusqlite::Result<()> {
    let mut insert = connection
        .prepare_cached("INSERT INTO accounts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for row in book.accounts_opened() {
        insert.execute(params![
            row.n,
            row.account.id.as_str(),
            row.account.currency.code(),
            row.account.overdraft,
            row.balance,
            row.held,
            row.holds,
            row.at_ms.signed(),
        ])?;
    }
    let mut update = connection
        .prepare_cached("UPDATE accounts SET balance = ?2, held = ?3, holds = ?4 WHERE n = ?1")?;
    for row in book.accounts_changed() {
        update.execute(params![row.n, row.balance, row.held, row.holds])?;
    }
    Ok(())
}

fn write_holds(connection: &Connection, book: &Book) -> rusqlite::Result<()> {
    let mut insert = connection
        .prepare_cached("INSERT INTO holds VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
    for (hold, account) in book.holds_placed() {
        insert.execute(params![
            hold.id.as_str(),
            account,
            hold.amount.signed(),
            crate::rows::signed(hold.posted),
            hold.expires_ms.signed(),
            hold.state.code(),
            hold.at_ms.signed(),
            hold.kind.as_str(),
            hold.reference.as_str(),
            hold.digest,
        ])?;
    }
    let mut update = connection
        .prepare_cached("UPDATE holds SET state = ?2, posted = ?3 WHERE id = ?1 AND state = 0")?;
    for hold in book.holds_closed() {
        let posted = crate::rows::signed(hold.posted);
        update.execute(params![hold.id.as_str(), hold.state.code(), posted])?;
    }
    Ok(())
}

fn write_batches(connection: &Connection, book: &Book) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT INTO batches VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for row in book.batches() {
        insert.execute(params![
            row.seq,
            row.first_transfer,
            row.transfers,
            row.first_message,
            row.messages,
            row.posts.as_ref().map(|id| id.as_str()),
            row.digest,
            row.at_ms.signed(),
        ])?;
    }
    let mut insert = connection
        .prepare_cached("INSERT INTO transfers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
    for row in book.transfers() {
        let transfer = &row.transfer;
        insert.execute(params![
            row.seq,
            transfer.id.as_str(),
            row.batch,
            row.debit,
            row.credit,
            transfer.amount.signed(),
            transfer.currency.code(),
            transfer.kind.as_str(),
            transfer.reference.as_str(),
            row.reverses,
        ])?;
    }
    Ok(())
}

fn write_outbox(connection: &Connection, book: &Book) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO outbox VALUES (?1, ?2, ?3, ?4)")?;
    for row in book.messages() {
        insert.execute(params![
            row.seq,
            row.batch,
            row.topic.as_str(),
            &row.payload[..]
        ])?;
    }
    if let Some(delivered) = book.delivered_up_to() {
        connection
            .prepare_cached("DELETE FROM outbox WHERE seq <= ?1")?
            .execute([delivered])?;
    }
    Ok(())
}
