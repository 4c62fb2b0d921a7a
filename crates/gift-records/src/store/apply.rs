//! A group of messages: what they name is loaded, the book counts, what changed is written.

use std::collections::{BTreeMap, BTreeSet};

use database::{Error, Transaction, Value};

use super::goals::{GOAL, counted};
use super::people::FORGOTTEN;
use super::rows::{GIFT, gift_values, kept, select};
use super::{head, set_head};
use crate::book::{Book, Place, Sums};
use crate::record::{Applied, Outcome};

const BY_ID: &str = select!("WHERE id = $1");
const NAME: &str = "INSERT INTO gift_records_people (user_id, name) VALUES ($1, $2) \
    ON CONFLICT (user_id) DO UPDATE SET name = excluded.name";
const ADD_POINTS: &str = "INSERT INTO gift_records_points (room, day, user_id, points) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (room, day, user_id) \
    DO UPDATE SET points = gift_records_points.points + excluded.points";
const SUBTRACT_POINTS: &str = "UPDATE gift_records_points SET points = points - $4 \
    WHERE room = $1 AND day = $2 AND user_id = $3";
const ADD_DAY: &str = "INSERT INTO gift_records_days (room, day, gifts, coins, diamonds) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (room, day) \
    DO UPDATE SET gifts = gift_records_days.gifts + excluded.gifts, \
    coins = gift_records_days.coins + excluded.coins, \
    diamonds = gift_records_days.diamonds + excluded.diamonds";
const SUBTRACT_DAY: &str = "UPDATE gift_records_days SET gifts = gifts - $3, \
    coins = coins - $4, diamonds = diamonds - $5 WHERE room = $1 AND day = $2";
const SET_GOAL: &str =
    "UPDATE gift_records_goals SET progress = $2, reached_ms = $3 WHERE room = $1";

/// Messages and their numbers.
type Group = Vec<(u64, Applied)>;

pub(super) async fn apply(tx: &mut dyn Transaction, group: &Group) -> Result<Outcome, Error> {
    let mut book = load(tx, group).await?;
    let before = book.head;
    for (seq, message) in group {
        book.apply(*seq, message.clone());
    }
    if book.head != before {
        write(tx, &book).await?;
    }
    Ok(book.finish())
}

async fn load(tx: &mut dyn Transaction, group: &Group) -> Result<Book, Error> {
    let head = head(tx).await?;
    let fresh = group.iter().filter(|(seq, _)| *seq > head.cursor);
    let (mut ids, mut senders, mut rooms) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (_, message) in fresh {
        match message {
            Applied::Given(record) => {
                ids.insert(record.id.as_str());
                senders.insert(record.sender_id.as_str());
                rooms.insert(record.room.clone());
            }
            Applied::Refunded { id, .. } => {
                ids.insert(id.as_str());
            }
        }
    }
    let mut gifts = BTreeMap::new();
    for row in tx.query_all(BY_ID, &each(ids)).await?.iter().flatten() {
        let kept = kept(row)?;
        rooms.insert(kept.record.room.clone());
        gifts.insert(kept.record.id.clone(), kept);
    }
    let mut forgotten = BTreeSet::new();
    for row in tx
        .query_all(FORGOTTEN, &each(senders))
        .await?
        .iter()
        .flatten()
    {
        forgotten.insert(row.text(0)?.to_owned());
    }
    let mut goals = BTreeMap::new();
    let rooms = each(rooms.iter().map(String::as_str));
    for row in tx.query_all(GOAL, &rooms).await?.iter().flatten() {
        goals.insert(row.text(0)?.to_owned(), counted(row)?);
    }
    Ok(Book::new(head, gifts, forgotten, goals))
}

/// The only argument of a statement, for each.
fn each<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Vec<Value>> {
    let texts = texts.into_iter();
    texts.map(|text| vec![text.into()]).collect()
}

async fn write(tx: &mut dyn Transaction, book: &Book) -> Result<(), Error> {
    let gifts = book
        .changed_gifts()
        .map(|kept| gift_values(&kept.record, kept.number));
    let gifts = gifts.collect::<Result<Vec<_>, _>>()?;
    let names = book.names.iter();
    let names = names.map(|(user, name)| vec![user.as_str().into(), name.as_str().into()]);
    let goals = book
        .changed_goals()
        .map(|(room, goal)| vec![room.into(), goal.progress.into(), goal.reached_at_ms.into()]);
    // What is added first: nothing goes below zero.
    let changes: [(&'static str, Vec<Vec<Value>>); 7] = [
        (GIFT, gifts),
        (NAME, names.collect()),
        (ADD_POINTS, points(&book.added)),
        (SUBTRACT_POINTS, points(&book.subtracted)),
        (ADD_DAY, days(&book.added)),
        (SUBTRACT_DAY, days(&book.subtracted)),
        (SET_GOAL, goals.collect()),
    ];
    for (sql, rows) in changes {
        if !rows.is_empty() {
            tx.execute_all(sql, &rows).await?;
        }
    }
    set_head(tx, book.head).await
}

fn points(sums: &Sums) -> Vec<Vec<Value>> {
    let values = |(place, points): (&Place, &u64)| {
        vec![
            place.room.as_str().into(),
            Value::Int(place.day),
            place.user.as_str().into(),
            (*points).into(),
        ]
    };
    sums.points.iter().map(values).collect()
}

fn days(sums: &Sums) -> Vec<Vec<Value>> {
    let values = sums.days.iter().map(|((room, day), sum)| {
        vec![
            room.as_str().into(),
            day.number().into(),
            sum.gifts.into(),
            sum.coins.into(),
            sum.diamonds.into(),
        ]
    });
    values.collect()
}
