//! What staff do with gifts: `/v1/admin/gifts`.

use ::gifts::{Announcement, Order, Rules};
use axum::extract::{Path, Query, State as Held};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use gift_records::{GiftRecord, State};
use http::StatusCode;
use ledger::{Batch, Error, HoldProblem, Kind, Message, Reference, Store as _, TransferId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pay::{batch, hold_id, invalid, transfer_id};
use super::records::shown;
use crate::caller::Actor;
use crate::clock::unix_ms;
use crate::control::Desk;
use crate::control::people::detached;
use crate::control::wallet::now;
use crate::problem::{Checked, Problem};

/// Records that are given at once, unless it is said how many.
const RECORDS: usize = 50;
/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 500;

/// Below `/v1/admin`.
pub(in crate::control) fn router() -> Router<Desk> {
    Router::new()
        .route("/gifts", get(list))
        .route("/gifts/{id}", get(look))
        .route("/gifts/{id}/approve", post(approve))
        .route("/gifts/{id}/reject", post(reject))
        .route("/gifts/{id}/refund", post(refund))
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StateName {
    Given,
    Held,
    Rejected,
    Refunded,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    room: Option<String>,
    state: Option<StateName>,
    before: Option<u64>,
    limit: Option<usize>,
}

async fn list(
    Held(desk): Held<Desk>,
    Checked(Query(search)): Checked<Query<Search>>,
) -> Result<Json<Value>, Problem> {
    let state = search.state.map(|state| match state {
        StateName::Given => State::Given,
        StateName::Held => State::Held,
        StateName::Rejected => State::Rejected,
        StateName::Refunded => State::Refunded,
    });
    let limit = search.limit.unwrap_or(RECORDS);
    let page = desk
        .records
        .gifts(search.room.as_deref(), state, search.before, limit)
        .await?;
    let items: Vec<Value> = page.gifts.iter().map(shown).collect();
    Ok(Json(json!({ "items": items, "next": page.next })))
}

async fn look(Held(desk): Held<Desk>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let record = desk.record(&id).await?;
    let linked = desk.ledger.linked(&transfer_id(&id, 0)?).await?;
    let mut shown = shown(&record);
    if let Some(fields) = shown.as_object_mut() {
        let transfers = serde_json::to_value(&linked).unwrap_or_default();
        fields.insert("transfers".to_owned(), transfers);
    }
    Ok(Json(shown))
}

/// Pays what was held. Again is the same.
async fn approve(
    Held(desk): Held<Desk>,
    Actor(actor): Actor,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    // What is done is written down, though whoever asked may go away in between.
    detached(async move { desk.approve(&actor, &id).await }).await
}

/// Gives back what was held. Again is the same.
async fn reject(
    Held(desk): Held<Desk>,
    Actor(actor): Actor,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    detached(async move { desk.reject(&actor, &id).await }).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refund {
    reason: String,
}

/// Takes back what was paid, by transfers that mirror it. Again is the same.
async fn refund(
    Held(desk): Held<Desk>,
    Actor(actor): Actor,
    Path(id): Path<String>,
    Checked(Json(refund)): Checked<Json<Refund>>,
) -> Result<StatusCode, Problem> {
    if refund.reason.len() > REASON_BYTES_MAX {
        let detail = "a reason has at most 500 bytes";
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Problem::new(status, "out-of-range", detail));
    }
    detached(async move { desk.refund(&actor, &id, &refund.reason).await }).await
}

/// Gives back what was held for longer than is allowed. Of very many, those that are left are for the
/// next time.
pub(in crate::control) async fn give_back_overdue(desk: &Desk) -> Result<(), Problem> {
    desk.ledger.expire(now()).await?;
    let hold_ms = u64::try_from(desk.settings.gifts.hold.as_millis()).unwrap_or(u64::MAX);
    let overdue_ms = unix_ms().saturating_sub(hold_ms);
    let mut before = None;
    loop {
        let page = desk
            .records
            .gifts(None, Some(State::Held), before, RECORDS)
            .await?;
        for gift in page.gifts.iter().filter(|gift| gift.at_ms < overdue_ms) {
            desk.give_back(&gift.id).await?;
        }
        before = page.next;
        if before.is_none() {
            return Ok(());
        }
    }
}

impl Desk {
    async fn record(&self, id: &str) -> Result<GiftRecord, Problem> {
        self.records.gift(id).await?.ok_or_else(unknown)
    }

    async fn approve(&self, actor: &str, id: &str) -> Result<StatusCode, Problem> {
        let record = self.record(id).await?;
        match record.state {
            State::Held => {}
            State::Given => {
                // It may have been paid by the same tap elsewhere, and not from what is reserved.
                self.release(id).await;
                return Ok(StatusCode::NO_CONTENT);
            }
            State::Rejected | State::Refunded => return Err(over()),
        }
        let plan = record.plan.as_deref().unwrap_or_default();
        let order: Order = serde_json::from_str(plan).map_err(|_| over())?;
        let rules = Rules {
            issued_percent_max: self.settings.gifts.issued_percent_max,
        };
        let moves = order
            .moves(rules)
            .map_err(|error| Problem::new(StatusCode::CONFLICT, "bad-plan", error.to_string()))?;
        let now_ms = unix_ms();
        let batch = batch(&order, &moves, now_ms)?.posting(hold_id(id)?);
        match self.commit(batch, &order.sender.id, now_ms).await {
            Ok(()) => {}
            // Another one of the staff was faster, or that tap.
            Err(Error::Conflict { .. }) => self.release(id).await,
            Err(Error::Hold {
                problem: HoldProblem::Posted,
                ..
            }) => {}
            Err(Error::Hold {
                problem: HoldProblem::Unknown,
                ..
            }) => return Err(not_reserved()),
            // The time of the hold is over.
            Err(Error::Hold { .. }) => return Err(over()),
            Err(error) => return Err(error.into()),
        }
        self.announced.notify_one();
        self.log_gift(actor, "gift-approved", &record, json!({}))
            .await;
        Ok(StatusCode::NO_CONTENT)
    }

    async fn reject(&self, actor: &str, id: &str) -> Result<StatusCode, Problem> {
        let record = self.record(id).await?;
        match record.state {
            State::Held => {}
            State::Rejected => return Ok(StatusCode::NO_CONTENT),
            State::Given | State::Refunded => return Err(over()),
        }
        self.give_back(id).await?;
        self.log_gift(actor, "gift-rejected", &record, json!({}))
            .await;
        Ok(StatusCode::NO_CONTENT)
    }

    async fn refund(&self, actor: &str, id: &str, reason: &str) -> Result<StatusCode, Problem> {
        let record = self.record(id).await?;
        match record.state {
            State::Given => {}
            State::Refunded => return Ok(StatusCode::NO_CONTENT),
            State::Held | State::Rejected => return Err(over()),
        }
        let original = self.ledger.linked(&transfer_id(id, 0)?).await?;
        let Some(first) = original.first() else {
            return Err(unknown());
        };
        let reference: Reference = first.transfer.reference.clone();
        let reversal = TransferId::new(&format!("refund/{id}")).map_err(invalid)?;
        let kind = Kind::new("refund").map_err(invalid)?;
        let batch = Batch::reversing(&original, &reversal, &kind, &reference).map_err(invalid)?;
        let announcement = Announcement::Refunded {
            id: id.to_owned(),
            room: record.room.clone(),
            at_ms: unix_ms(),
        };
        let message = Message {
            topic: Reference::new(&format!("room:{}", record.room)).map_err(invalid)?,
            payload: Bytes::from(serde_json::to_vec(&announcement).unwrap_or_default()),
        };
        let batch = batch.with_messages(vec![message]).map_err(invalid)?;
        match self.ledger.commit(batch, now()).await {
            // The same was asked for before: its time, at least, was another.
            Ok(_) | Err(Error::Conflict { .. }) => {}
            Err(Error::Insufficient { .. }) => {
                let detail = "the room does not have any more what it earned by this gift";
                return Err(Problem::new(StatusCode::CONFLICT, "spent", detail));
            }
            Err(error) => return Err(error.into()),
        }
        self.announced.notify_one();
        let details = json!({ "reason": reason });
        self.log_gift(actor, "gift-refunded", &record, details)
            .await;
        Ok(StatusCode::NO_CONTENT)
    }

    /// Gives back what was held, whether the ledger still holds it, or does not hold it yet.
    pub(in crate::control) async fn give_back(&self, id: &str) -> Result<(), Problem> {
        let was_there = self.void(id).await?;
        self.records.reject_held(id).await?;
        // Who reserves coins after this finds the record rejected; who did it meanwhile may not have.
        if !was_there {
            self.void(id).await?;
        }
        Ok(())
    }

    /// Nothing is reserved for a gift any more. Whether the ledger knew that something was.
    async fn void(&self, id: &str) -> Result<bool, Problem> {
        match self.ledger.void(hold_id(id)?, now()).await {
            Ok(_) => Ok(true),
            Err(Error::Hold { problem, .. }) => match problem {
                HoldProblem::Unknown => Ok(false),
                HoldProblem::Expired | HoldProblem::Voided => Ok(true),
                _ => Err(over()),
            },
            Err(error) => Err(error.into()),
        }
    }

    async fn log_gift(&self, actor: &str, act: &str, gift: &GiftRecord, mut details: Value) {
        if let Some(fields) = details.as_object_mut() {
            fields.insert("gift".to_owned(), gift.id.as_str().into());
            fields.insert("room".to_owned(), gift.room.as_str().into());
            fields.insert("total".to_owned(), gift.total.into());
        }
        self.log_about(actor, act, &gift.sender_id, details).await;
    }
}

fn unknown() -> Problem {
    Problem::unknown("unknown-gift", "there is no such gift")
}

fn over() -> Problem {
    let detail = "this gift was settled in another way before";
    Problem::new(StatusCode::CONFLICT, "settled", detail)
}

fn not_reserved() -> Problem {
    let detail =
        "the coins of this gift are not reserved: the giver may give it again, or it is rejected";
    Problem::new(StatusCode::CONFLICT, "not-reserved", detail)
}

#[cfg(test)]
mod tests;
