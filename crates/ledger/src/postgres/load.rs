//! What the rules need to know, read within the writer's transaction.

use database::postgres::{Failure, Session};
use tokio_postgres::types::ToSql;

use super::convert::{
    self, ACCOUNT, HEAD, HOLD, HOLDS, TRANSFER, TRANSFER_COLUMNS, TRANSFERS, get,
};
use crate::limits::EXPIRE_MAX;
use crate::op::Needs;
use crate::rows::{Known, Original, signed};
use crate::rules::Loaded;

const KNOWN: &str = "SELECT t.id, t.batch, b.digest, b.at_ms FROM ledger_transfers t \
    JOIN ledger_batches b ON b.seq = t.batch WHERE t.id = ANY($1)";

/// Waits until no other process writes, and keeps others from it until the commit.
pub(super) async fn load(session: &mut Session, needs: &Needs) -> Result<Loaded, Failure> {
    let head = session.query(&format!("{HEAD} FOR UPDATE"), &[]).await?;
    let missing = || Failure::lasting(database::Error::unavailable("ledger_head is empty"));
    let mut loaded = Loaded {
        head: convert::head(head.first().ok_or_else(missing)?)?,
        ..Loaded::default()
    };
    load_holds(session, needs, &mut loaded).await?;
    // Of holds that were named, or have expired, the account is needed, too.
    let mut accounts: Vec<&str> = needs.accounts.iter().map(|id| id.as_str()).collect();
    accounts.extend(loaded.holds.iter().map(|hold| hold.account.as_str()));
    let by_id =
        format!("SELECT {ACCOUNT} FROM ledger_accounts WHERE id = ANY($1) ORDER BY id FOR UPDATE");
    let by_id = session.prepare(&by_id).await?;
    let known = session.prepare(KNOWN).await?;
    let ids: Vec<&str> = needs.transfers.iter().map(|id| id.as_str()).collect();
    let client = session.client();
    let accounts: [&(dyn ToSql + Sync); 1] = [&accounts];
    let ids: [&(dyn ToSql + Sync); 1] = [&ids];
    let (accounts, known) =
        futures::try_join!(client.query(&by_id, &accounts), client.query(&known, &ids))
            .map_err(Failure::of)?;
    for row in &accounts {
        loaded.accounts.push(convert::account(row)?);
    }
    for row in &known {
        loaded.known.push(Known {
            id: convert::text(row, 0)?,
            batch: get(row, 1)?,
            digest: convert::digest(row, 2)?,
            at_ms: convert::time(row, 3)?,
        });
    }
    load_expired(session, needs, &mut loaded).await?;
    load_originals(session, needs, &mut loaded).await?;
    Ok(loaded)
}

/// The holds that are named, and those that expired of anybody's if all are wanted.
async fn load_holds(
    session: &mut Session,
    needs: &Needs,
    loaded: &mut Loaded,
) -> Result<(), Failure> {
    if !needs.holds.is_empty() {
        let ids: Vec<&str> = needs.holds.iter().map(|id| id.as_str()).collect();
        let named = format!("SELECT {HOLD} FROM {HOLDS} WHERE h.id = ANY($1)");
        for row in session.query(&named, &[&ids]).await? {
            loaded.holds.push(convert::hold(&row)?);
        }
    }
    if needs.all_expired {
        let until = needs.expired_by.signed();
        let over = format!(
            "SELECT {HOLD} FROM {HOLDS} WHERE h.state = 0 AND h.expires_ms <= $1 \
             ORDER BY h.expires_ms LIMIT $2"
        );
        let limit = signed(EXPIRE_MAX as u64);
        for row in session.query(&over, &[&until, &limit]).await? {
            loaded.holds.push(convert::hold(&row)?);
        }
    }
    Ok(())
}

/// The open holds of the accounts that have expired.
async fn load_expired(
    session: &mut Session,
    needs: &Needs,
    loaded: &mut Loaded,
) -> Result<(), Failure> {
    let with_holds = loaded.accounts.iter().filter(|row| row.holds > 0);
    let numbers: Vec<i64> = with_holds.map(|row| row.n).collect();
    if numbers.is_empty() {
        return Ok(());
    }
    let until = needs.expired_by.signed();
    let over = format!(
        "SELECT {HOLD} FROM {HOLDS} \
         WHERE h.account = ANY($1) AND h.state = 0 AND h.expires_ms <= $2"
    );
    for row in session.query(&over, &[&numbers, &until]).await? {
        loaded.holds.push(convert::hold(&row)?);
    }
    Ok(())
}

async fn load_originals(
    session: &mut Session,
    needs: &Needs,
    loaded: &mut Loaded,
) -> Result<(), Failure> {
    if needs.originals.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = needs.originals.iter().map(|id| id.as_str()).collect();
    let originals = format!(
        "SELECT {TRANSFER}, b.transfers, \
         EXISTS (SELECT 1 FROM ledger_transfers r WHERE r.reverses = t.seq) \
         FROM {TRANSFERS} JOIN ledger_batches b ON b.seq = t.batch WHERE t.id = ANY($1)"
    );
    for row in session.query(&originals, &[&ids]).await? {
        loaded.originals.push(Original {
            transfer: convert::transfer(&row)?,
            seq: get(&row, 8)?,
            batch: get(&row, 9)?,
            linked: get(&row, TRANSFER_COLUMNS)?,
            reversed: get(&row, TRANSFER_COLUMNS + 1)?,
        });
    }
    Ok(())
}
