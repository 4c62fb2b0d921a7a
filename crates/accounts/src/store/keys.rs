//! Signing keys. They are in the store because all origins have to have the same ones: with files,
//! each rotation would be a copy by hand.

use database::{Row, Transaction, Value};

use super::Store;
use crate::error::Error;
use crate::keys::{Rotation, StoredKey, rotate};

const LOCK: &str = "SELECT one FROM accounts_head FOR UPDATE";
const KEYS: &str = "SELECT signs_from_ms, pkcs8 FROM accounts_keys ORDER BY signs_from_ms";
const INSERT: &str = "INSERT INTO accounts_keys (signs_from_ms, pkcs8) VALUES ($1, $2)";
const DELETE: &str = "DELETE FROM accounts_keys WHERE signs_from_ms = $1";

impl Store {
    pub(crate) async fn keys(&self) -> Result<Vec<StoredKey>, Error> {
        self.run((), |tx, ()| Box::pin(keys(tx))).await
    }

    /// The keys; the first one is made if there is none.
    pub(crate) async fn keys_or_first(&self, now_ms: u64) -> Result<Vec<StoredKey>, Error> {
        self.run(now_ms, |tx, now_ms| {
            Box::pin(async move {
                tx.query(LOCK, &[]).await?;
                let keys = keys(tx).await?;
                if !keys.is_empty() {
                    return Ok(keys);
                }
                let first = StoredKey::generate(*now_ms)?;
                insert(tx, &first).await?;
                Ok(vec![first])
            })
        })
        .await
    }

    /// Rotates, and answers what there is then.
    pub(crate) async fn rotate_keys(
        &self,
        rotation: Rotation,
        lifetime_ms: u64,
        now_ms: u64,
    ) -> Result<Vec<StoredKey>, Error> {
        self.run((rotation, lifetime_ms, now_ms), |tx, arguments| {
            Box::pin(async move {
                let (rotation, lifetime_ms, now_ms) = *arguments;
                tx.query(LOCK, &[]).await?;
                let present = keys(tx).await?;
                let from: Vec<u64> = present.iter().map(|key| key.signs_from_ms).collect();
                let change = rotate(&from, rotation, lifetime_ms, now_ms);
                for from in change.removed {
                    tx.execute(DELETE, &[from.into()]).await?;
                }
                if let Some(from) = change.added {
                    insert(tx, &StoredKey::generate(from)?).await?;
                }
                keys(tx).await
            })
        })
        .await
    }
}

async fn keys(tx: &mut dyn Transaction) -> Result<Vec<StoredKey>, Error> {
    let rows = tx.query(KEYS, &[]).await?;
    let key = |row: &Row| {
        Ok(StoredKey {
            signs_from_ms: row.number(0)?,
            pkcs8: row.blob(1)?.to_vec(),
        })
    };
    rows.iter().map(key).collect()
}

async fn insert(tx: &mut dyn Transaction, key: &StoredKey) -> Result<(), Error> {
    let pkcs8 = Value::Blob(key.pkcs8.clone());
    tx.execute(INSERT, &[key.signs_from_ms.into(), pkcs8])
        .await?;
    Ok(())
}
