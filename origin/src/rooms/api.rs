//! What operators do with rooms, on the admin listener: look, moderate, read the log, name people.

use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bus::RoomName;
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use rooms::schema::{Act, Body, Moderation, Outcome, Publish};
use serde::Deserialize;
use tokio::sync::oneshot;
use wasm_filters::keys::constant_time_eq;

use super::audit::Line;
use super::guests::{Opens, guest_id, problem};
use super::hub::{Input, Sight};
use super::{ANSWER_WITHIN, Hubs, OPERATOR};
use crate::clock::unix_ms;

/// The longest request, in bytes.
const REQUEST_BYTES_MAX: usize = 32 << 10;
/// Lines of the log that are given at once.
const LINES_MAX: usize = 1_000;
/// The longest life of an identity that an operator may ask for.
const LIFETIME_SECONDS_MAX: u64 = 366 * 24 * 3600;
/// Roles that an operator may give; those of the auth filter.
const ROLES: [&str; 8] = [
    "subscriber",
    "vip",
    "moderator",
    "broadcaster",
    "staff",
    "verified",
    "bot",
    "muted",
];

/// `/v1/rooms`.
pub(super) fn router(hubs: Hubs) -> Router {
    Router::new()
        .route("/v1/rooms", get(list))
        .route("/v1/rooms/{room}", get(look))
        .route("/v1/rooms/{room}/acts", post(act))
        .route("/v1/rooms/{room}/audit", get(audit))
        .route("/v1/rooms/{room}/tokens", post(token))
        .route("/v1/users/{user}/chat", get(export).delete(erase))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(from_fn_with_state(hubs.clone(), authorize))
        .with_state(hubs)
}

async fn authorize(State(hubs): State<Hubs>, request: Request, next: Next) -> Response {
    let Some(token) = &hubs.shared.settings.operator_token else {
        let detail = "admin.token is not set: nobody may do this";
        return problem(StatusCode::FORBIDDEN, "no-token", detail, None);
    };
    let shown = request.headers().get(AUTHORIZATION);
    let shown = shown.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let matches = |shown: &str| constant_time_eq(token.expose().as_bytes(), shown.as_bytes());
    if !shown.is_some_and(matches) {
        let detail = "the bearer token admin.token is needed";
        return problem(StatusCode::UNAUTHORIZED, "unauthorized", detail, None);
    }
    next.run(request).await
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

async fn look(State(hubs): State<Hubs>, Path(room): Path<String>) -> Response {
    let Some(name) = known(&hubs, &room) else {
        return unknown();
    };
    match sight(&hubs, &name).await {
        Some(sight) => Json(shown(&name, &sight)).into_response(),
        None => busy(),
    }
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
    Path(room): Path<String>,
    request: Result<Json<ActRequest>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let Some(name) = known(&hubs, &room) else {
        return unknown();
    };
    let Json(request) = match request {
        Ok(request) => request,
        Err(error) => {
            return problem(
                StatusCode::BAD_REQUEST,
                "malformed",
                &error.body_text(),
                None,
            );
        }
    };
    match operate(&hubs, &name, request.act, request.reason, request.id).await {
        Ok(outcome) => Json(outcome).into_response(),
        Err(refusal) => refusal,
    }
}

/// An act of an operator; `id`: the same again is the same act.
async fn operate(
    hubs: &Hubs,
    name: &RoomName,
    act: Act,
    reason: String,
    id: Option<String>,
) -> Result<Outcome, Response> {
    let actor = OPERATOR.to_owned();
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
            Err(problem(StatusCode::CONFLICT, code.as_str(), detail, None))
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
) -> Response {
    let limit = query.limit.unwrap_or(100).min(LINES_MAX);
    let is_here = move |line: &Line| line.room == room;
    match hubs.shared.audit.last(limit, is_here).await {
        Ok(lines) => Json(serde_json::json!({ "lines": lines })).into_response(),
        Err(error) => {
            tracing::error!(%error, "the log of rooms cannot be read");
            let detail = "the log cannot be read; the process's log says why";
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "unreadable",
                detail,
                None,
            )
        }
    }
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
    request: Result<Json<TokenRequest>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let Some(name) = known(&hubs, &room) else {
        return unknown();
    };
    let bad = |detail: &str| problem(StatusCode::BAD_REQUEST, "malformed", detail, None);
    let request = match request {
        Ok(Json(request)) => request,
        Err(error) => return bad(&error.body_text()),
    };
    let wrong = request
        .roles
        .iter()
        .find(|role| !ROLES.contains(&role.as_str()));
    if let Some(role) = wrong {
        return bad(&format!("{role:?} is no role: {}", ROLES.join(", ")));
    }
    let user = request.user.unwrap_or_else(guest_id);
    let fits = |text: &str| !text.is_empty() && text.len() <= rooms::ID_BYTES_MAX;
    if !fits(&user) || !fits(&request.name) {
        return bad("name and user have 1 to 128 bytes");
    }
    let seconds = request.seconds.unwrap_or(24 * 3600);
    if !(60..=LIFETIME_SECONDS_MAX).contains(&seconds) {
        return bad("seconds has to be from 60 to 31622400");
    }
    let lifetime = Duration::from_secs(seconds);
    if !hubs.desk.hold(&user, &request.name, lifetime) {
        let detail = "somebody else has this name, or one that looks like it";
        return problem(StatusCode::CONFLICT, "name-taken", detail, None);
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
    (StatusCode::CREATED, Json(given)).into_response()
}

/// Everything that is stored by a user, a line of JSON each.
async fn export(State(hubs): State<Hubs>, Path(user): Path<String>) -> Response {
    let Some(archive) = &hubs.shared.archive else {
        return not_stored();
    };
    let lines = archive.export(user);
    let lines = futures::stream::unfold(lines, async |mut lines| {
        let line = lines.recv().await?;
        Some((line.map_err(std::io::Error::other), lines))
    });
    let body = axum::body::Body::from_stream(lines);
    ([(CONTENT_TYPE, "application/jsonl")], body).into_response()
}

/// Takes away what a user wrote, and their name: out of rooms, open or not, and out of what is stored.
async fn erase(State(hubs): State<Hubs>, Path(user): Path<String>) -> Response {
    if user.is_empty() || user.len() > rooms::ID_BYTES_MAX {
        let detail = "a user id has 1 to 128 bytes";
        return problem(StatusCode::BAD_REQUEST, "malformed", detail, None);
    }
    hubs.desk.forget(&user);
    // Those that are closed first: one that opens meanwhile is open below.
    let closed = match hubs.forget_in_closed(&user).await {
        Ok(closed) => closed,
        Err(error) => return unfinished(&error),
    };
    let open: Vec<RoomName> = hubs.rooms.lock().keys().cloned().collect();
    for name in &open {
        let act = Act::DeleteUser { user: user.clone() };
        if let Err(refusal) = operate(&hubs, name, act, String::new(), None).await {
            return refusal;
        }
        let (answer, answered) = oneshot::channel();
        let forget = Input::Forget(user.clone(), answer);
        let sent = hubs.room(name).map(|hub| hub.try_send(forget));
        if !matches!(sent, Ok(Ok(())))
            || !matches!(
                tokio::time::timeout(ANSWER_WITHIN, answered).await,
                Ok(Ok(()))
            )
        {
            return busy();
        }
    }
    let rooms = closed + open.len();
    let Some(archive) = &hubs.shared.archive else {
        return Json(serde_json::json!({ "rooms": rooms, "records": 0 })).into_response();
    };
    match archive.erase(user).await {
        Ok(erased) => Json(serde_json::json!({
            "rooms": rooms,
            "records": erased.records,
            "segments": erased.segments,
        }))
        .into_response(),
        Err(error) => unfinished(&error),
    }
}

fn unfinished(error: &str) -> Response {
    tracing::error!(error, "a user's chat cannot be erased");
    let detail = "not everything could be erased: ask again; the process's log says why";
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    problem(status, "unfinished", detail, None)
}

fn not_stored() -> Response {
    let detail = "no chat is stored here: rooms.archive is off";
    problem(StatusCode::NOT_FOUND, "not-stored", detail, None)
}

fn known(hubs: &Hubs, room: &str) -> Option<RoomName> {
    let name = RoomName::new(room).ok()?;
    let is_open = hubs.rooms.lock().contains_key(&name);
    (is_open || hubs.is_known(&name)).then_some(name)
}

fn unknown() -> Response {
    let detail = "there is no such room: it has the name of a stream";
    problem(StatusCode::NOT_FOUND, "unknown-room", detail, None)
}

fn busy() -> Response {
    let detail = "the room's hub does not answer";
    problem(StatusCode::SERVICE_UNAVAILABLE, "busy", detail, Some(1))
}
