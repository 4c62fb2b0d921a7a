//! Records, leaderboards and earnings. Each is one statement: one state of all.

use database::{Error, Row, Transaction, Value};

use super::rows::{kept, select};
use super::{GiftRecords, count};
use crate::book::{ALL, ALL_DAYS, Kept};
use crate::day::Day;
use crate::limits::{DAYS_MAX, ENTRIES_MAX, PAGE_MAX};
use crate::record::{DaySum, Entry, GiftRecord, Leaderboard, Page, Period, State};

const GIFT: &str = select!("WHERE id = $1");
const GIFTS: &str = select!("WHERE number < $1 ORDER BY number DESC LIMIT $2");
const OF_ROOM: &str = select!("WHERE room = $3 AND number < $1 ORDER BY number DESC LIMIT $2");
const OF_STATE: &str = select!("WHERE state = $3 AND number < $1 ORDER BY number DESC LIMIT $2");
const OF_BOTH: &str =
    select!("WHERE room = $3 AND state = $4 AND number < $1 ORDER BY number DESC LIMIT $2");
/// The first row is the sum of all: it has at least the points of each, and its user is before
/// everybody.
const BOARD: &str = "SELECT p.user_id, p.points, n.name FROM gift_records_points p \
    LEFT JOIN gift_records_people n ON n.user_id = p.user_id \
    WHERE p.room = $1 AND p.day = $2 AND p.points > 0 ORDER BY p.points DESC, p.user_id LIMIT $3";
const DAYS: &str = "SELECT day, gifts, coins, diamonds FROM gift_records_days \
    WHERE room = $1 AND day >= $2 AND day <= $3 AND gifts > 0 ORDER BY day LIMIT $4";

impl GiftRecords {
    /// A gift.
    ///
    /// # Errors
    /// The database's.
    pub async fn gift(&self, id: &str) -> Result<Option<GiftRecord>, Error> {
        self.run(id.to_owned(), |tx, id| {
            Box::pin(async move {
                let rows = tx.query(GIFT, &[id.as_str().into()]).await?;
                let kept = rows.first().map(kept).transpose()?;
                Ok(kept.map(|kept| kept.record))
            })
        })
        .await
    }

    /// Gifts, the newest first: of a room, in a state, or all; at most [`PAGE_MAX`]. `before` is
    /// [`Page::next`] of the page before. None is missed or comes twice, but one whose state changes
    /// meanwhile: a held gift that is given becomes the newest.
    ///
    /// # Errors
    /// The database's.
    pub async fn gifts(
        &self,
        room: Option<&str>,
        state: Option<State>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page, Error> {
        let limit = limit.clamp(1, PAGE_MAX);
        let arguments = (room.map(str::to_owned), state, before, limit);
        self.run(arguments, |tx, (room, state, before, limit)| {
            Box::pin(page(tx, room.as_deref(), *state, *before, *limit))
        })
        .await
    }

    /// Who gave most, in a room or on the whole platform; at most [`ENTRIES_MAX`] of them.
    ///
    /// # Errors
    /// The database's.
    pub async fn leaderboard(
        &self,
        room: Option<&str>,
        period: Period,
        limit: usize,
    ) -> Result<Leaderboard, Error> {
        let room = room.unwrap_or(ALL).to_owned();
        let day = match period {
            Period::Day(day) => i64::try_from(day.number()).unwrap_or(i64::MAX),
            Period::All => ALL_DAYS,
        };
        let limit = limit.clamp(1, ENTRIES_MAX);
        self.run((room, day, limit), |tx, (room, day, limit)| {
            Box::pin(board(tx, room, *day, *limit))
        })
        .await
    }

    /// What a room earned on each of some days, both included: those on which it did, the oldest
    /// first, at most [`DAYS_MAX`].
    ///
    /// # Errors
    /// The database's.
    pub async fn earnings(&self, room: &str, from: Day, to: Day) -> Result<Vec<DaySum>, Error> {
        self.run((room.to_owned(), from, to), |tx, (room, from, to)| {
            Box::pin(async move {
                let values: [Value; 4] = [
                    room.as_str().into(),
                    from.number().into(),
                    to.number().into(),
                    count(DAYS_MAX).into(),
                ];
                let rows = tx.query(DAYS, &values).await?;
                rows.iter().map(day).collect()
            })
        })
        .await
    }
}

async fn page(
    tx: &mut dyn Transaction,
    room: Option<&str>,
    state: Option<State>,
    before: Option<u64>,
    limit: usize,
) -> Result<Page, Error> {
    let before = before.unwrap_or(u64::MAX);
    // One more tells whether there are more.
    let mut values: Vec<Value> = vec![before.into(), count(limit + 1).into()];
    values.extend(room.map(Value::from));
    values.extend(state.map(|state| Value::from(state.code())));
    let sql = match (room, state) {
        (None, None) => GIFTS,
        (Some(_), None) => OF_ROOM,
        (None, Some(_)) => OF_STATE,
        (Some(_), Some(_)) => OF_BOTH,
    };
    let rows = tx.query(sql, &values).await?;
    let mut found: Vec<Kept> = rows.iter().map(kept).collect::<Result<_, _>>()?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().map(|last| last.number);
    Ok(Page {
        next: last.filter(|_| more),
        gifts: found.into_iter().map(|kept| kept.record).collect(),
    })
}

async fn board(
    tx: &mut dyn Transaction,
    room: &str,
    day: i64,
    limit: usize,
) -> Result<Leaderboard, Error> {
    let values: [Value; 3] = [room.into(), Value::Int(day), count(limit + 1).into()];
    let rows = tx.query(BOARD, &values).await?;
    let mut rows = rows.iter();
    let Some(total) = rows.next() else {
        return Ok(Leaderboard::default());
    };
    let entry = |row: &Row| {
        Ok(Entry {
            user_id: row.text(0)?.to_owned(),
            points: row.number(1)?,
            name: row.text_or_null(2)?.unwrap_or_default().to_owned(),
        })
    };
    Ok(Leaderboard {
        total: total.number(1)?,
        entries: rows.map(entry).collect::<Result<_, Error>>()?,
    })
}

fn day(row: &Row) -> Result<DaySum, Error> {
    Ok(DaySum {
        day: Day::numbered(row.number(0)?),
        gifts: row.number(1)?,
        coins: row.number(2)?,
        diamonds: row.number(3)?,
    })
}
