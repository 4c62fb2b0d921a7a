//! Gifts: what filters planned is paid here, and told to rooms when it is.
//!
//! ```text
//! edge ─▶ POST /v1/rooms/{room}/gifts ─▶ pay (rules, ledger) ─▶ outbox ─▶ records, hub ─▶ every screen
//! ```
//!
//! **Nothing is shown that is not paid, and what is paid is shown**: the announcement is committed with the
//! money.

mod boards;
#[cfg(test)]
mod harness;
mod outbox;
mod pay;
pub(super) mod records;
pub(super) mod staff;

use ::gifts::Order;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;

use super::Desk;
use crate::caller::edges_themselves;
use crate::problem::Problem;

pub(super) use outbox::{Announced, dispatch};

use pay::{Paid, State as GiftState};

/// What edges ask.
pub(super) fn router() -> Router<Desk> {
    Router::new()
        .route(
            "/v1/rooms/{room}/gifts",
            post(give).layer(from_fn(edges_themselves)),
        )
        .merge(boards::router())
}

async fn give(
    State(desk): State<Desk>,
    Path(room): Path<String>,
    order: Result<Json<Order>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(order) = order?;
    if order.room != room {
        return Err(Problem::malformed("the gift is for another room"));
    }
    let paid = desk.pay(order).await;
    let outcome = match &paid {
        Ok(Paid { is_new: false, .. }) => "again",
        Ok(paid) => paid.state.as_str(),
        Err(problem) => problem.code(),
    };
    desk.metrics.gifts.with_label_values(&[outcome]).inc();
    let paid = paid?;
    let status = if paid.is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let body = json!({
        "id": paid.id,
        "state": paid.state.as_str(),
        "total": paid.total,
        "currency": "coin",
        "available": paid.available,
    });
    Ok((status, Json(body)).into_response())
}

impl GiftState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Held => "held",
        }
    }
}
