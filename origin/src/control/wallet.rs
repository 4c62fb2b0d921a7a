//! What people have: `/v1/wallet`.

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use ledger::{AccountId, Currency, Error, Posted, Store as _, Timestamp, Transfer};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Desk;
use super::caller::Person;
use super::problem::Problem;
use crate::clock::unix_ms;

/// Lines of a history that are given at once.
pub(super) const LINES: usize = 50;

/// `/v1/wallet`.
pub(super) fn router() -> Router<Desk> {
    Router::new()
        .route("/v1/wallet", get(balance))
        .route("/v1/wallet/history", get(history))
}

/// The account of somebody, or something, in a currency.
pub(super) fn account(currency: Currency, owner: &str) -> Result<AccountId, Problem> {
    let id = AccountId::new(&format!("{}:{owner}", currency.as_str()));
    id.map_err(|error| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad-owner",
            error.to_string(),
        )
    })
}

/// Now, for the ledger.
pub(super) fn now() -> Timestamp {
    Timestamp::from_millis(unix_ms())
}

/// What an owner has; nothing, if there never was anything.
pub(super) async fn funds(desk: &Desk, owner: &str) -> Result<Value, Problem> {
    let id = account(Currency::Coins, owner)?;
    let (balance, available, held) = match desk.ledger.balance(&id, now()).await {
        Ok(found) => (found.balance, found.available(), found.held),
        Err(Error::UnknownAccount { .. }) => (0, 0, 0),
        Err(error) => return Err(error.into()),
    };
    Ok(json!({
        "currency": Currency::Coins.as_str(),
        "balance": balance,
        "available": available,
        "held": held,
    }))
}

async fn balance(State(desk): State<Desk>, person: Person) -> Result<Json<Value>, Problem> {
    Ok(Json(funds(&desk, person.id.as_str()).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    pub(super) before: Option<u64>,
    pub(super) limit: Option<usize>,
}

async fn history(
    State(desk): State<Desk>,
    person: Person,
    Query(paging): Query<Paging>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(lines(&desk, person.id.as_str(), &paging).await?))
}

/// A page of what an owner paid and got in coins.
pub(super) async fn lines(desk: &Desk, owner: &str, paging: &Paging) -> Result<Value, Problem> {
    let id = account(Currency::Coins, owner)?;
    let limit = paging.limit.unwrap_or(LINES);
    let page = match desk.ledger.history(&id, paging.before, limit).await {
        Ok(page) => page,
        Err(Error::UnknownAccount { .. }) => return Ok(json!({ "items": [], "next": null })),
        Err(error) => return Err(error.into()),
    };
    let items: Vec<Value> = page.transfers.iter().map(|it| line(&id, it)).collect();
    Ok(json!({ "items": items, "next": page.next }))
}

fn line(of: &AccountId, posted: &Posted) -> Value {
    let transfer = &posted.transfer;
    let units = i64::try_from(transfer.amount.units()).unwrap_or(i64::MAX);
    let mut line = json!({
        "seq": posted.seq,
        "at_ms": posted.at_ms.millis(),
        "kind": transfer.kind.as_str(),
        "amount": if transfer.debit == *of { -units } else { units },
        "currency": transfer.currency.as_str(),
    });
    if let (Some(gift), Some(fields)) = (gift(transfer), line.as_object_mut()) {
        fields.insert("gift".to_owned(), gift);
    }
    line
}

/// What was given: `gift/{room}/{item}/{count}`, under `{id}/{number}` or `refund/{id}/{number}`.
fn gift(transfer: &Transfer) -> Option<Value> {
    let rest = transfer.reference.as_str().strip_prefix("gift/")?;
    let mut parts = rest.split('/');
    let (room, item, count) = (parts.next()?, parts.next()?, parts.next()?);
    let id = transfer.id.as_str().trim_start_matches("refund/");
    Some(json!({
        "id": id.rsplit_once('/').map_or(id, |(id, _)| id),
        "room": room,
        "item": item,
        "count": count.parse::<u64>().ok()?,
    }))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let conflict = |code| Self::new(StatusCode::CONFLICT, code, error.to_string());
        match &error {
            Error::Insufficient { .. } => {
                let detail = "there are not enough coins";
                Self::new(StatusCode::PAYMENT_REQUIRED, "insufficient", detail)
            }
            Error::Conflict { .. } => conflict("conflict"),
            Error::Hold { .. } => conflict("hold"),
            Error::Reversal { .. } => conflict("reversal"),
            Error::UnknownAccount { .. } => Self::unknown("unknown-account", detail),
            Error::Database(error) => Self::of_store("the ledger", error),
            _ => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", detail),
        }
    }
}
