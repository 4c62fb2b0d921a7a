//! What is kept of gifts beside their money, between the outbox and whoever asks.

use ::gifts::{Announcement, Order};
use gift_records::{Applied, Error, GiftRecord, State};
use serde_json::{Value, json};

use crate::problem::Problem;

/// An announcement, for the records. `batch` is the ledger's.
pub(super) fn applied(announcement: &Announcement, batch: u64) -> Applied {
    match announcement {
        Announcement::Given {
            gift,
            room,
            total,
            earned,
            at_ms,
            ..
        } => Applied::Given(GiftRecord {
            id: gift.id.clone(),
            seq: None,
            at_ms: *at_ms,
            room: room.clone(),
            sender_id: gift.sender.id.clone(),
            sender_name: gift.sender.name.clone(),
            item: gift.item.clone(),
            count: u64::from(gift.count),
            total: *total,
            points: gift.points,
            earned: *earned,
            note: gift.note.clone(),
            state: State::Given,
            signals: Vec::new(),
            plan: None,
            batch: Some(batch),
            refunded_at_ms: None,
        }),
        Announcement::Refunded { id, at_ms, .. } => Applied::Refunded {
            id: id.clone(),
            at_ms: *at_ms,
        },
    }
}

/// A gift whose money is reserved.
pub(super) fn held(order: &Order, signals: &[&'static str], now_ms: u64) -> GiftRecord {
    GiftRecord {
        id: order.id.clone(),
        seq: None,
        at_ms: now_ms,
        room: order.room.clone(),
        sender_id: order.sender.id.clone(),
        sender_name: order.sender.name.clone(),
        item: order.item.clone(),
        count: u64::from(order.count),
        total: order.plan.total,
        points: order.plan.total,
        earned: order.earned(),
        note: order.note.clone(),
        state: State::Held,
        signals: signals.iter().map(|&name| name.to_owned()).collect(),
        plan: serde_json::to_string(order).ok(),
        batch: None,
        refunded_at_ms: None,
    }
}

/// A record, as the API tells it.
pub(in crate::control) fn shown(record: &GiftRecord) -> Value {
    json!({
        "id": record.id,
        "seq": record.seq,
        "at_ms": record.at_ms,
        "room": record.room,
        "sender": { "id": record.sender_id, "name": record.sender_name },
        "item": record.item,
        "count": record.count,
        "total": record.total,
        "points": record.points,
        "earned": record.earned,
        "note": record.note,
        "state": record.state.as_str(),
        "signals": record.signals,
        "refunded_at_ms": record.refunded_at_ms,
    })
}

/// Records fail as their database does.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::of_store("the records of gifts", &error)
    }
}
