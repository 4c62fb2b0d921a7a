//! Records as rows.

use database::{Error, Row, Value};

use crate::book::Kept;
use crate::record::{GiftRecord, State};

/// A statement that selects records.
macro_rules! select {
    ($of:literal) => {
        concat!(
            "SELECT id, number, seq, at_ms, room, sender_id, sender_name, item, count, total, \
             points, earned, note, state, signals, plan, batch, refunded_ms FROM gift_records ",
            $of
        )
    };
}

macro_rules! insert {
    ($then:literal) => {
        concat!(
            "INSERT INTO gift_records (id, number, seq, at_ms, room, sender_id, sender_name, item, \
             count, total, points, earned, note, state, signals, plan, batch, refunded_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ",
            $then
        )
    };
}

pub(super) use select;

pub(super) const GIFT_IF_NEW: &str = insert!("ON CONFLICT (id) DO NOTHING");
pub(super) const GIFT: &str = insert!(
    "ON CONFLICT (id) DO UPDATE SET number = excluded.number, seq = excluded.seq, \
     at_ms = excluded.at_ms, room = excluded.room, sender_id = excluded.sender_id, \
     sender_name = excluded.sender_name, item = excluded.item, count = excluded.count, \
     total = excluded.total, points = excluded.points, earned = excluded.earned, \
     note = excluded.note, state = excluded.state, signals = excluded.signals, \
     plan = excluded.plan, batch = excluded.batch, refunded_ms = excluded.refunded_ms"
);

/// The arguments of [`GIFT`].
pub(super) fn gift_values(record: &GiftRecord, number: u64) -> Result<Vec<Value>, Error> {
    let signals = serde_json::to_string(&record.signals).map_err(Error::unavailable)?;
    Ok(vec![
        record.id.as_str().into(),
        number.into(),
        record.seq.into(),
        record.at_ms.into(),
        record.room.as_str().into(),
        record.sender_id.as_str().into(),
        record.sender_name.as_str().into(),
        record.item.as_str().into(),
        record.count.into(),
        record.total.into(),
        record.points.into(),
        record.earned.into(),
        record.note.as_deref().into(),
        record.state.code().into(),
        signals.as_str().into(),
        record.plan.as_deref().into(),
        record.batch.into(),
        record.refunded_at_ms.into(),
    ])
}

/// A row of `select!`.
pub(super) fn kept(row: &Row) -> Result<Kept, Error> {
    let text = |column| Ok::<_, Error>(row.text(column)?.to_owned());
    let optional = |column| Ok::<_, Error>(row.text_or_null(column)?.map(str::to_owned));
    let state = State::from_code(row.number(13)?);
    let signals = serde_json::from_str(row.text(14)?);
    let record = GiftRecord {
        id: text(0)?,
        seq: row.number_or_null(2)?,
        at_ms: row.number(3)?,
        room: text(4)?,
        sender_id: text(5)?,
        sender_name: text(6)?,
        item: text(7)?,
        count: row.number(8)?,
        total: row.number(9)?,
        points: row.number(10)?,
        earned: row.number(11)?,
        note: optional(12)?,
        state: state.ok_or_else(|| Error::damaged("state"))?,
        signals: signals.map_err(|_| Error::damaged("signals"))?,
        plan: optional(15)?,
        batch: row.number_or_null(16)?,
        refunded_at_ms: row.number_or_null(17)?,
    };
    let number = row.number(1)?;
    Ok(Kept { record, number })
}
