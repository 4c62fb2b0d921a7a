//! What operators do with rooms, on the admin listener: look, moderate, read the log, name people.

use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bus::RoomName;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use rooms::schema::{Act, Body, Moderation, Outcome, Publish};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::audit::Line;
use super::guests::{Opens, guest_id};
use super::hub::{Input, Sight};
use super::names::NameError;
use super::person::Forgotten;
use super::{ANSWER_WITHIN, Hubs};
use crate::caller::{Actor, Door, ROLES, staff_only};
use crate::clock::unix_ms;
use crate::problem::Problem;

/// The longest request, in bytes.
const REQUEST_BYTES_MAX: usize = 32 << 10;
/// Lines of the log that are given at once.
const LINES_MAX: usize = 1_000;
/// The longest life of an identity that an operator may ask for.
const LIFETIME_SECONDS_MAX: u64 = 366 * 24 * 3600;

/// `/v1/rooms`.
pub(super) fn router(hubs: Hubs) -> Router {
    let door = Door::Operator(hubs.shared.settings.operator_token.clone());
    Router::new()
        .route("/v1/rooms", get(list))
        .route("/v1/rooms/{room}", get(look))
        .route("/v1/rooms/{room}/acts", post(act))
        .route("/v1/rooms/{room}/audit", get(audit))
        .route("/v1/rooms/{room}/tokens", post(token))
        .route("/v1/users/{user}/chat", get(export).delete(erase))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(from_fn_with_state(door, staff_only))
        .with_state(hubs)
}

async fn list(State(hubs): State<Hubs>) -> Response {
    let names: Vec<RoomName> = hubs.rooms.lock().keys().cloned().collect();
    let mut rooms = Vec::new();
    for name in names {
        if let Some(sight) = sight(&hubs, &name).await {
            rooms.push(shown(&name, &sight));
        }
    }
    Json(serde_json::json!({ "rooms": rooms })).into_response()
}

async fn look(State(hubs): State<Hubs>, Path(room): Path<String>) -> Result<Response, Problem> {
    let name = known(&hubs, &room)?;
    let sight = sight(&hubs, &name).await.ok_or_else(busy)?;
    Ok(Json(shown(&name, &sight)).into_response())
}

fn shown(name: &RoomName, sight: &Sight) -> serde_json::Value {
    let mut value = serde_json::to_value(sight).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("name".to_owned(), name.as_str().into());
    }
    value
}

async fn sight(hubs: &Hubs, name: &RoomName) -> Option<Sight> {
    let (answer, answered) = oneshot::channel();
    hubs.room(name).ok()?.try_send(Input::Look(answer)).ok()?;
    tokio::time::timeout(ANSWER_WITHIN, answered)
        .await
        .ok()?
        .ok()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActRequest {
    act: Act,
    #[serde(default)]
    reason: String,
    /// The same again is the same act.
    #[serde(default)]
    id: Option<String>,
}

/// An act of an operator: `{"act": {"type": "ban", "user": "..."}}`.
async fn act(
    State(hubs): State<Hubs>,
    Actor(actor): Actor,
    Path(room): Path<String>,
    request: Result<Json<ActRequest>, JsonRejection>,
) -> Result<Json<Outcome>, Problem> {
    let name = known(&hubs, &room)?;
    let Json(request) = request?;
    let act = (request.act, request.reason);
    let outcome = operate(&hubs, &name, &actor, act, request.id).await?;
    Ok(Json(outcome))
}

/// An act of somebody who may do everything, with its reason, as which it is logged; `id`: the same again
/// is the same act.
pub(super) async fn operate(
    hubs: &Hubs,
    name: &RoomName,
    actor: &str,
    (act, reason): (Act, String),
    id: Option<String>,
) -> Result<Outcome, Problem> {
    let actor = actor.to_owned();
    let publish = Publish {
        author: actor.clone(),
        client_id: id.unwrap_or_else(|| format!("{}-{}", unix_ms(), guest_id())),
        media_ms: None,
        body: Body::Moderation(Moderation { actor, reason, act }),
    };
    let (answer, answered) = oneshot::channel();
    let sent = hubs
        .room(name)
        .map(|hub| hub.try_send(Input::Publish(Box::new(publish), answer)));
    if !matches!(sent, Ok(Ok(()))) {
        return Err(busy());
    }
    match tokio::time::timeout(ANSWER_WITHIN, answered).await {
        Ok(Ok(outcome @ Outcome::Accepted { .. })) => Ok(outcome),
        Ok(Ok(Outcome::Refused { code, .. })) => {
            let detail = "the room refused it";
            Err(Problem::new(StatusCode::CONFLICT, code.as_str(), detail))
        }
        _ => Err(busy()),
    }
}

#[derive(Deserialize)]
struct AuditQuery {
    #[serde(default)]
    limit: Option<usize>,
}

/// The last lines of the log, oldest first.
async fn audit(
    State(hubs): State<Hubs>,
    Path(room): Path<String>,
    Query(query): Query<AuditQuery>,
) -> Result<Response, Problem> {
    let limit = query.limit.unwrap_or(100).min(LINES_MAX);
    let is_here = move |line: &Line| line.room == room;
    let lines = hubs.shared.audit.last(limit, is_here).await;
    let lines = lines.map_err(|error| {
        tracing::error!(%error, "the log of rooms cannot be read");
        let detail = "the log cannot be read; the process's log says why";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", detail)
    })?;
    Ok(Json(serde_json::json!({ "lines": lines })).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    name: String,
    #[serde(default)]
    roles: Vec<String>,
    /// The id; made up if left out.
    #[serde(default)]
    user: Option<String>,
    /// How long it holds.
    #[serde(default)]
    seconds: Option<u64>,
}

/// An identity with roles in one room.
async fn token(
    State(hubs): State<Hubs>,
    Path(room): Path<String>,
    request: Result<Json<TokenRequest>, JsonRejection>,
) -> Result<Response, Problem> {
    let name = known(&hubs, &room)?;
    let Json(request) = request?;
    let wrong = request
        .roles
        .iter()
        .find(|role| !ROLES.contains(&role.as_str()));
    if let Some(role) = wrong {
        let detail = format!("{role:?} is no role: {}", ROLES.join(", "));
        return Err(Problem::malformed(detail));
    }
    let user = request.user.unwrap_or_else(guest_id);
    let fits = |text: &str| !text.is_empty() && text.len() <= rooms::ID_BYTES_MAX;
    if !fits(&user) || !fits(&request.name) {
        return Err(Problem::malformed("name and user have 1 to 128 bytes"));
    }
    let seconds = request.seconds.unwrap_or(24 * 3600);
    if !(60..=LIFETIME_SECONDS_MAX).contains(&seconds) {
        return Err(Problem::malformed("seconds has to be from 60 to 31622400"));
    }
    let lifetime = Duration::from_secs(seconds);
    if !hubs.desk.hold(&user, &request.name, lifetime) {
        return Err(NameError::Taken.into());
    }
    let given = Line::given(&name, unix_ms(), &user, &request.roles, seconds);
    if !hubs.shared.audit.append(&[given]).await {
        hubs.shared.metrics.audit_failed.inc();
    }
    let opens = Opens::Stream(name.as_str().to_owned());
    let (token, expires_at_ms) = hubs.desk.issue(
        user.clone(),
        request.name.clone(),
        request.roles,
        opens,
        lifetime,
    );
    let given = serde_json::json!({
        "token": token,
        "user": { "id": user, "name": request.name },
        "expires_at_ms": expires_at_ms,
    });
    Ok((StatusCode::CREATED, Json(given)).into_response())
}

/// Everything that is stored by a user, a line of JSON each.
async fn export(State(hubs): State<Hubs>, Path(user): Path<String>) -> Result<Response, Problem> {
    let lines = hubs.stored_by(&user).ok_or_else(|| {
        let detail = "no chat is stored here: rooms.archive is off";
        Problem::unknown("not-stored", detail)
    })?;
    let lines = futures::stream::unfold(lines, async |mut lines| {
        let line = lines.recv().await?;
        Some((line.map_err(std::io::Error::other), lines))
    });
    let body = axum::body::Body::from_stream(lines);
    Ok(([(CONTENT_TYPE, "application/jsonl")], body).into_response())
}

/// Takes away what a user wrote, and their name.
async fn erase(
    State(hubs): State<Hubs>,
    Actor(actor): Actor,
    Path(user): Path<String>,
) -> Result<Json<Forgotten>, Problem> {
    hubs.erase(&user, &actor).await.map(Json)
}

fn known(hubs: &Hubs, room: &str) -> Result<RoomName, Problem> {
    let name = RoomName::new(room).ok();
    let is_here = |name: &RoomName| hubs.rooms.lock().contains_key(name) || hubs.is_known(name);
    name.filter(is_here).ok_or_else(|| {
        let detail = "there is no such room: it has the name of a stream";
        Problem::unknown("unknown-room", detail)
    })
}

pub(super) fn busy() -> Problem {
    Problem::unavailable("busy", "the room's hub does not answer")
}
