//! Goals of rooms.

use database::{Error, Row, Transaction, Value};

use super::{GiftRecords, head};
use crate::book::Counted;
use crate::record::Goal;

/// The columns of [`counted`].
pub(super) const GOAL: &str = "SELECT room, title, target, progress, since_seq, set_ms, reached_ms \
    FROM gift_records_goals WHERE room = $1";
const SET: &str = "INSERT INTO gift_records_goals \
    (room, title, target, progress, since_seq, set_ms, reached_ms) \
    VALUES ($1, $2, $3, 0, $4, $5, NULL) ON CONFLICT (room) DO UPDATE SET \
    title = excluded.title, target = excluded.target, progress = 0, \
    since_seq = excluded.since_seq, set_ms = excluded.set_ms, reached_ms = NULL";
const CLEAR: &str = "DELETE FROM gift_records_goals WHERE room = $1";

impl GiftRecords {
    /// Sets the goal of a room, in the place of what there was: gifts count that are applied from now
    /// on, and refunds of those.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_goal(
        &self,
        room: &str,
        title: &str,
        target: u64,
        now_ms: u64,
    ) -> Result<Goal, Error> {
        let goal = Goal {
            title: title.to_owned(),
            target: target.min(i64::MAX.unsigned_abs()),
            progress: 0,
            set_at_ms: now_ms,
            reached_at_ms: None,
        };
        self.run((room.to_owned(), goal), |tx, (room, goal)| {
            Box::pin(set(tx, room, goal))
        })
        .await
    }

    /// The goal of a room.
    ///
    /// # Errors
    /// The database's.
    pub async fn goal(&self, room: &str) -> Result<Option<Goal>, Error> {
        self.run(room.to_owned(), |tx, room| {
            Box::pin(async move {
                let rows = tx.query(GOAL, &[room.as_str().into()]).await?;
                let counted = rows.first().map(counted).transpose()?;
                Ok(counted.map(|counted| counted.goal))
            })
        })
        .await
    }

    /// Takes the goal of a room away; whether there was one.
    ///
    /// # Errors
    /// The database's.
    pub async fn clear_goal(&self, room: &str) -> Result<bool, Error> {
        self.run(room.to_owned(), |tx, room| {
            Box::pin(async move {
                head(tx).await?;
                Ok(tx.execute(CLEAR, &[room.as_str().into()]).await? > 0)
            })
        })
        .await
    }
}

async fn set(tx: &mut dyn Transaction, room: &str, goal: &Goal) -> Result<Goal, Error> {
    let head = head(tx).await?;
    let values: [Value; 5] = [
        room.into(),
        goal.title.as_str().into(),
        goal.target.into(),
        head.cursor.into(),
        goal.set_at_ms.into(),
    ];
    tx.execute(SET, &values).await?;
    Ok(goal.clone())
}

pub(super) fn counted(row: &Row) -> Result<Counted, Error> {
    let goal = Goal {
        title: row.text(1)?.to_owned(),
        target: row.number(2)?,
        progress: row.number(3)?,
        set_at_ms: row.number(5)?,
        reached_at_ms: row.number_or_null(6)?,
    };
    let since_seq = row.number(4)?;
    Ok(Counted { goal, since_seq })
}
