//! The operations, each one transaction, the same for both databases.
//!
//! Whoever writes locks the row of `gift_records_head` first: writers come one after the other, as
//! messages do, and there are no deadlocks.

mod apply;
mod goals;
mod people;
mod read;
mod rows;

use database::config::DatabaseSettings;
use database::{Database, Error, OpenError, Operation, Transaction, Value};

use crate::book::Head;
use crate::day::Day;
use crate::limits::{GROUP_MAX, SWEEP_STRIDE};
use crate::record::{Applied, GiftRecord, Outcome, State};
use crate::schema::SCHEMA;
use rows::{GIFT_IF_NEW, gift_values};

const HEAD: &str =
    "SELECT cursor, number, swept_day FROM gift_records_head WHERE one = 1 FOR UPDATE";
const SET_HEAD: &str =
    "UPDATE gift_records_head SET cursor = $1, number = $2, swept_day = $3 WHERE one = 1";
const CURSOR: &str = "SELECT cursor FROM gift_records_head WHERE one = 1";
const REJECT: &str = "UPDATE gift_records SET state = 2, plan = NULL WHERE id = $1 AND state = 1";
const SWEEP: &str = "DELETE FROM gift_records_points WHERE (room, day, user_id) IN \
    (SELECT room, day, user_id FROM gift_records_points WHERE day >= 0 AND day < $1 LIMIT $2)";

/// The records. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GiftRecords(Database);

impl GiftRecords {
    /// Opens them, and makes or migrates what is not there.
    ///
    /// # Errors
    /// The file is another process's, the server cannot be reached, a newer Weir wrote it, the options
    /// are out of range, or the disk fails.
    pub async fn open(settings: DatabaseSettings) -> Result<Self, OpenError> {
        Ok(Self(Database::open(settings, &SCHEMA).await?))
    }

    /// Waits for what runs, and lets go.
    pub async fn close(&self) {
        self.0.close().await;
    }

    async fn run<A, T>(&self, arguments: A, operation: Operation<A, T, Error>) -> Result<T, Error>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.0.run(arguments, operation).await
    }

    /// As [`Self::apply_all`], of one message.
    ///
    /// # Errors
    /// The database's.
    pub async fn apply(&self, seq: u64, message: Applied) -> Result<Outcome, Error> {
        self.apply_all(vec![(seq, message)]).await
    }

    /// Applies outbox messages, each of them once: one whose number is not beyond the last that was
    /// applied changes nothing. They come in the order of their numbers, which may have gaps.
    ///
    /// [`GROUP_MAX`] are one transaction; after an error some of more may have been applied, which
    /// applying all again finds out.
    ///
    /// # Errors
    /// The database's. After a lost COMMIT apply them again; goals that they reached are then told
    /// nobody, but stand in [`Self::goal`].
    pub async fn apply_all(&self, messages: Vec<(u64, Applied)>) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let mut messages = messages.into_iter();
        loop {
            let group: Vec<_> = messages.by_ref().take(GROUP_MAX).collect();
            if group.is_empty() {
                return Ok(outcome);
            }
            let Outcome { applied, reached } = self
                .run(group, |tx, group| Box::pin(apply::apply(tx, group)))
                .await?;
            outcome.applied += applied;
            outcome.reached.extend(reached);
        }
    }

    /// The number of the last message that was applied; 0 before the first.
    ///
    /// # Errors
    /// The database's.
    pub async fn cursor(&self) -> Result<u64, Error> {
        self.run((), |tx, ()| {
            Box::pin(async move {
                let rows = tx.query(CURSOR, &[]).await?;
                let row = rows.first().ok_or_else(|| Error::damaged("head"))?;
                row.number(0)
            })
        })
        .await
    }

    /// Keeps a gift whose money is reserved. If its id is known nothing changes; whether it was new.
    ///
    /// # Errors
    /// The database's.
    pub async fn hold(&self, record: GiftRecord) -> Result<bool, Error> {
        self.run(record.bounded(), |tx, record| Box::pin(hold(tx, record)))
            .await
    }

    /// A held gift is not given. Whether there was one; what was given stays given.
    ///
    /// # Errors
    /// The database's.
    pub async fn reject_held(&self, id: &str) -> Result<bool, Error> {
        self.run(id.to_owned(), |tx, id| {
            Box::pin(async move {
                head(tx).await?;
                Ok(tx.execute(REJECT, &[id.as_str().into()]).await? > 0)
            })
        })
        .await
    }

    /// Removes the daily leaderboards of the days before a time; how many rows. What is given or
    /// refunded later, but of such a day, is not counted on them.
    ///
    /// # Errors
    /// The database's: then call it again.
    pub async fn sweep(&self, before_ms: u64) -> Result<u64, Error> {
        let mut swept = 0;
        loop {
            let removed = self
                .run(Day::of(before_ms), |tx, before| {
                    Box::pin(sweep(tx, *before))
                })
                .await?;
            swept += removed;
            if removed < count(SWEEP_STRIDE) {
                return Ok(swept);
            }
        }
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Locks the head.
async fn head(tx: &mut dyn Transaction) -> Result<Head, Error> {
    let rows = tx.query(HEAD, &[]).await?;
    let row = rows.first().ok_or_else(|| Error::damaged("head"))?;
    Ok(Head {
        cursor: row.number(0)?,
        number: row.number(1)?,
        swept: Day::numbered(row.number(2)?),
    })
}

async fn set_head(tx: &mut dyn Transaction, head: Head) -> Result<(), Error> {
    let values: [Value; 3] = [
        head.cursor.into(),
        head.number.into(),
        head.swept.number().into(),
    ];
    tx.execute(SET_HEAD, &values).await?;
    Ok(())
}

async fn hold(tx: &mut dyn Transaction, record: &GiftRecord) -> Result<bool, Error> {
    let mut head = head(tx).await?;
    let mut record = record.clone();
    record.state = State::Held;
    record.seq = None;
    record.refunded_at_ms = None;
    if people::is_forgotten(tx, &record.sender_id).await? {
        record.sender_name.clear();
        record.note = None;
    }
    head.number += 1;
    let inserted = tx
        .execute(GIFT_IF_NEW, &gift_values(&record, head.number)?)
        .await?;
    if inserted > 0 {
        set_head(tx, head).await?;
    }
    Ok(inserted > 0)
}

async fn sweep(tx: &mut dyn Transaction, before: Day) -> Result<u64, Error> {
    let mut head = head(tx).await?;
    if head.swept < before {
        head.swept = before;
        set_head(tx, head).await?;
    }
    let values: [Value; 2] = [before.number().into(), count(SWEEP_STRIDE).into()];
    tx.execute(SWEEP, &values).await
}
