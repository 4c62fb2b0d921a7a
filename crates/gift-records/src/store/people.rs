//! What is kept of a person: exported, and forgotten.

use database::{Error, Transaction, Value};

use super::rows::{kept, select};
use super::{GiftRecords, count, head};
use crate::day::Day;
use crate::limits::STRIDE;
use crate::record::{GiftRecord, Spent};

/// Answers the user if they were forgotten.
pub(super) const FORGOTTEN: &str =
    "SELECT user_id FROM gift_records_people WHERE user_id = $1 AND name IS NULL";
const FORGET: &str = "INSERT INTO gift_records_people (user_id, name) VALUES ($1, NULL) \
    ON CONFLICT (user_id) DO UPDATE SET name = NULL";
const BLANK: &str = "UPDATE gift_records SET sender_name = '', note = NULL, plan = NULL, \
    state = CASE state WHEN 1 THEN 2 ELSE state END WHERE id IN (SELECT id FROM gift_records \
    WHERE sender_id = $1 AND (sender_name <> '' OR note IS NOT NULL OR plan IS NOT NULL \
    OR state = 1) LIMIT $2)";
const EXPORT: &str = select!(
    "WHERE sender_id = $1 AND (at_ms, id) > ($2, $3) ORDER BY sender_id, at_ms, id LIMIT $4"
);
const SPENT: &str = "SELECT count(*), CAST(coalesce(sum(total), 0) AS bigint) FROM gift_records \
    WHERE sender_id = $1 AND at_ms >= $2 AND at_ms < $3 AND state IN (0, 1)";

impl GiftRecords {
    /// Coins that somebody spent on the gifts of a day, held ones included. What was refunded or
    /// rejected does not count.
    ///
    /// # Errors
    /// The database's.
    pub async fn spent(&self, user: &str, day: Day) -> Result<u64, Error> {
        let until = day.next().start_ms();
        let spent = self.spent_between(user, day.start_ms(), until).await?;
        Ok(spent.coins)
    }

    /// What somebody gave since a time, and later, counted as by [`Self::spent`].
    ///
    /// # Errors
    /// The database's.
    pub async fn spent_since(&self, user: &str, since_ms: u64) -> Result<Spent, Error> {
        self.spent_between(user, since_ms, u64::MAX).await
    }

    async fn spent_between(&self, user: &str, from: u64, until: u64) -> Result<Spent, Error> {
        self.run((user.to_owned(), from, until), |tx, (user, from, until)| {
            Box::pin(async move {
                let values: [Value; 3] = [user.as_str().into(), (*from).into(), (*until).into()];
                let rows = tx.query(SPENT, &values).await?;
                let row = rows.first().ok_or_else(|| Error::damaged("sum"))?;
                Ok(Spent {
                    gifts: row.number(0)?,
                    coins: row.number(1)?,
                })
            })
        })
        .await
    }

    /// All that somebody gave or wanted to give, the oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn export(&self, user: &str) -> Result<Vec<GiftRecord>, Error> {
        let mut records: Vec<GiftRecord> = Vec::new();
        loop {
            let last = records.last();
            let after = last.map_or((0, String::new()), |last| (last.at_ms, last.id.clone()));
            let page = self
                .run((user.to_owned(), after), |tx, (user, (at_ms, id))| {
                    Box::pin(export(tx, user, *at_ms, id))
                })
                .await?;
            let full = page.len() == STRIDE;
            records.extend(page);
            if !full {
                return Ok(records);
            }
        }
    }

    /// Forgets the names, the notes and the plans of somebody, for ever: of what is applied later,
    /// too. What they gave, and the sums, stay under their id. What is still held is rejected, as
    /// there is no plan left by which to give it.
    ///
    /// # Errors
    /// The database's: then call it again.
    pub async fn forget(&self, user: &str) -> Result<(), Error> {
        loop {
            let blanked = self
                .run(user.to_owned(), |tx, user| Box::pin(forget(tx, user)))
                .await?;
            if blanked < count(STRIDE) {
                return Ok(());
            }
        }
    }
}

pub(super) async fn is_forgotten(tx: &mut dyn Transaction, user: &str) -> Result<bool, Error> {
    let rows = tx.query(FORGOTTEN, &[user.into()]).await?;
    Ok(!rows.is_empty())
}

async fn forget(tx: &mut dyn Transaction, user: &str) -> Result<u64, Error> {
    head(tx).await?;
    tx.execute(FORGET, &[user.into()]).await?;
    tx.execute(BLANK, &[user.into(), count(STRIDE).into()])
        .await
}

async fn export(
    tx: &mut dyn Transaction,
    user: &str,
    at_ms: u64,
    id: &str,
) -> Result<Vec<GiftRecord>, Error> {
    let values: [Value; 4] = [user.into(), at_ms.into(), id.into(), count(STRIDE).into()];
    let rows = tx.query(EXPORT, &values).await?;
    rows.iter().map(|row| Ok(kept(row)?.record)).collect()
}
