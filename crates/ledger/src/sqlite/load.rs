//! What the rules need to know, read within the writer's transaction.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::convert::{self, ACCOUNT, HEAD, HOLD, TRANSFER, TRANSFERS};
use crate::limits::EXPIRE_MAX;
use crate::op::Needs;
use crate::rows::{Known, Original};
use crate::rules::Loaded;
use crate::text::{AccountId, TransferId};

const KNOWN: &str = "SELECT t.batch, b.digest, b.at_ms FROM transfers t \
    JOIN batches b ON b.seq = t.batch WHERE t.id = ?1";

pub(super) fn load(connection: &Connection, needs: &Needs) -> rusqlite::Result<Loaded> {
    let mut loaded = Loaded {
        head: connection
            .prepare_cached(HEAD)?
            .query_row([], convert::head)?,
        ..Loaded::default()
    };
    load_accounts(connection, &needs.accounts, &mut loaded)?;
    let mut known = connection.prepare_cached(KNOWN)?;
    for id in &needs.transfers {
        let row = known.query_row([id.as_str()], |row| {
            Ok(Known {
                id: id.clone(),
                batch: row.get(0)?,
                digest: convert::digest(row, 1)?,
                at_ms: convert::time(row, 2)?,
            })
        });
        loaded.known.extend(row.optional()?);
    }
    for id in &needs.originals {
        loaded.originals.extend(original(connection, id)?);
    }
    load_holds(connection, needs, &mut loaded)?;
    Ok(loaded)
}

fn load_accounts<'a>(
    connection: &Connection,
    ids: impl IntoIterator<Item = &'a AccountId>,
    loaded: &mut Loaded,
) -> rusqlite::Result<()> {
    let sql = format!("SELECT {ACCOUNT} FROM accounts WHERE id = ?1");
    let mut accounts = connection.prepare_cached(&sql)?;
    for id in ids {
        let row = accounts.query_row([id.as_str()], convert::account);
        loaded.accounts.extend(row.optional()?);
    }
    Ok(())
}

fn original(connection: &Connection, id: &TransferId) -> rusqlite::Result<Option<Original>> {
    let sql = format!(
        "SELECT {TRANSFER}, t.seq, t.batch, b.transfers, \
         EXISTS (SELECT 1 FROM transfers r WHERE r.reverses = t.seq) \
         FROM {TRANSFERS} JOIN batches b ON b.seq = t.batch WHERE t.id = ?1"
    );
    let mut originals = connection.prepare_cached(&sql)?;
    let row = originals.query_row([id.as_str()], |row| {
        Ok(Original {
            transfer: convert::transfer(row)?,
            seq: row.get(8)?,
            batch: row.get(9)?,
            linked: row.get(10)?,
            reversed: row.get(11)?,
        })
    });
    row.optional()
}

/// The holds that are named, and the open ones of accounts that have expired.
fn load_holds(connection: &Connection, needs: &Needs, loaded: &mut Loaded) -> rusqlite::Result<()> {
    let by = |condition: &str| {
        format!("SELECT {HOLD} FROM holds h JOIN accounts a ON a.n = h.account WHERE {condition}")
    };
    let mut named = connection.prepare_cached(&by("h.id = ?1"))?;
    for id in &needs.holds {
        let hold = named.query_row([id.as_str()], convert::hold).optional()?;
        loaded.holds.extend(hold);
    }
    let until = needs.expired_by.signed();
    if needs.all_expired {
        let over = by("h.state = 0 AND h.expires_ms <= ?1 ORDER BY h.expires_ms LIMIT ?2");
        let mut over = connection.prepare_cached(&over)?;
        let holds = over.query_map(params![until, EXPIRE_MAX as i64], convert::hold)?;
        for hold in holds {
            loaded.holds.push(hold?);
        }
    }
    // Of holds that were named, or have expired, the account is needed, too.
    let held = loaded.holds.iter().map(|hold| hold.account.clone());
    let others: std::collections::BTreeSet<_> =
        held.filter(|id| !needs.accounts.contains(id)).collect();
    load_accounts(connection, &others, loaded)?;
    let over = by("h.account = ?1 AND h.state = 0 AND h.expires_ms <= ?2");
    let mut over = connection.prepare_cached(&over)?;
    for row in loaded.accounts.iter().filter(|row| row.holds > 0) {
        let holds = over.query_map(params![row.n, until], convert::hold)?;
        for hold in holds {
            loaded.holds.push(hold?);
        }
    }
    Ok(())
}
