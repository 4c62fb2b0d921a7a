//! The ledger, for staff: `/v1/admin/ledger`. Reads only.
//!
//! An audit reads everything, for minutes when there is much. It runs on a task of its own: whoever
//! asked may go away, it goes on, and `GET /ledger/verify` tells what it found. One runs at a time, and
//! so does one export: each keeps one of the ledger's readers from its beginning to its end.

mod audits;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use futures::{FutureExt as _, stream};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use ledger::{AccountId, Balance, Error, Export, Posted, Store as _, Summary, TransferId};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

pub(super) use audits::Audits;
use audits::{Finding, State as Told};

use super::Desk;
use super::wallet::{LINES, Paging, now};
use crate::caller::Actor;
use crate::problem::Problem;

/// Lines of an export are sent together, up to so many bytes, as far as they are there.
const CHUNK_BYTES: usize = 32 << 10;

/// Below `/v1/admin`.
pub(super) fn router() -> Router<Desk> {
    Router::new()
        .route("/ledger/summary", get(summary))
        .route("/ledger/verify", get(told).post(verify))
        .route("/ledger/accounts/{id}", get(account))
        .route("/ledger/accounts/{id}/history", get(history))
        // The ids of a gift's transfers have a slash.
        .route("/ledger/transfers/{*id}", get(transfers))
        .route("/ledger/export", get(export))
}

type PathText = Result<Path<String>, PathRejection>;

async fn summary(State(desk): State<Desk>) -> Result<Json<Summary>, Problem> {
    Ok(Json(desk.ledger.summary().await?))
}

async fn verify(State(desk): State<Desk>, actor: Actor) -> Result<Json<Finding>, Problem> {
    let finding = desk.audits.verify(desk.ledger.clone(), &actor)?;
    let finding = finding.await.map_err(|error| {
        tracing::error!(%error, "an audit of the ledger ended");
        Problem::unavailable("unavailable", "the audit did not come to its end")
    })?;
    Ok(Json(finding?))
}

async fn told(State(desk): State<Desk>) -> Json<Told> {
    Json(desk.audits.state())
}

/// What an account has.
#[derive(Debug, Serialize)]
struct Sheet {
    #[serde(flatten)]
    balance: Balance,
    /// What can be spent.
    available: i64,
}

async fn account(State(desk): State<Desk>, id: PathText) -> Result<Json<Sheet>, Problem> {
    let balance = desk.ledger.balance(&account_id(id)?, now()).await?;
    Ok(Json(Sheet {
        available: balance.available(),
        balance,
    }))
}

/// Transfers, the newest first.
#[derive(Debug, Serialize)]
struct Lines {
    items: Vec<Posted>,
    /// The next `before`.
    next: Option<u64>,
}

async fn history(
    State(desk): State<Desk>,
    id: PathText,
    paging: Result<Query<Paging>, QueryRejection>,
) -> Result<Json<Lines>, Problem> {
    let (id, Query(paging)) = (account_id(id)?, paging?);
    let limit = paging.limit.unwrap_or(LINES);
    let page = desk.ledger.history(&id, paging.before, limit).await?;
    Ok(Json(Lines {
        items: page.transfers,
        next: page.next,
    }))
}

/// A transfer, and those that were committed with it.
#[derive(Debug, Serialize)]
struct Linked {
    transfers: Vec<Posted>,
}

async fn transfers(State(desk): State<Desk>, id: PathText) -> Result<Json<Linked>, Problem> {
    let Path(id) = id?;
    let id = TransferId::new(&id).map_err(bad_id)?;
    let transfers = desk.ledger.linked(&id).await?;
    if transfers.is_empty() {
        let detail = format!("there is no transfer {id}");
        return Err(Problem::unknown("unknown-transfer", detail));
    }
    Ok(Json(Linked { transfers }))
}

/// The whole ledger as JSON lines. An export that breaks ends the connection in the middle, so that
/// nobody takes it for a whole one.
async fn export(State(desk): State<Desk>, actor: Actor) -> Result<Response, Problem> {
    let place = desk.audits.exporting()?;
    let mut export = desk.ledger.export().await?;
    // What hinders an export is mostly known with its first line.
    let first = export.next().await.transpose()?;
    tracing::info!(actor = actor.0, "the ledger is exported");
    let sending = Sending {
        first: first.map(Ok),
        export,
        _place: place,
    };
    let body = stream::unfold(sending, async |mut sending| {
        let chunk = sending.chunk().await?;
        Some((chunk, sending))
    });
    let kind = [(CONTENT_TYPE, "application/jsonl")];
    Ok((kind, Body::from_stream(body)).into_response())
}

/// An export on its way.
struct Sending {
    /// Read before the answer began.
    first: Option<Result<String, Error>>,
    export: Export,
    _place: OwnedSemaphorePermit,
}

impl Sending {
    /// The next lines that are there; waits for one.
    async fn chunk(&mut self) -> Option<Result<Bytes, Error>> {
        let mut line = match self.first.take() {
            Some(first) => first,
            None => self.export.next().await?,
        };
        let mut chunk = String::new();
        loop {
            match line {
                Ok(line) => chunk.push_str(&line),
                Err(error) => {
                    tracing::error!(%error, "an export of the ledger broke off");
                    return Some(Err(error));
                }
            }
            chunk.push('\n');
            if chunk.len() >= CHUNK_BYTES {
                break;
            }
            match self.export.next().now_or_never() {
                Some(Some(next)) => line = next,
                // The end comes again when it is asked for.
                Some(None) | None => break,
            }
        }
        Some(Ok(chunk.into()))
    }
}

fn account_id(id: PathText) -> Result<AccountId, Problem> {
    let Path(id) = id?;
    AccountId::new(&id).map_err(bad_id)
}

fn bad_id(error: ledger::Invalid) -> Problem {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Problem::new(status, "bad-id", error.to_string())
}
