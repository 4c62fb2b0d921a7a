//! The desk at which guests get an identity: `POST /v1/guests`, and the keys to check it by.
//!
//! Edges ask on behalf of guests, and show the token of their link. How much one guest may ask is
//! bounded by what the edge calls them, which is no address.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use accounts::Accounts;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use settings::Secret;
use tokio_util::sync::CancellationToken;
use wasm_filters::keys::constant_time_eq;

use super::identity::{Claims, ISSUER, Identity};
use super::metrics::Metrics;
use super::names::{NameError, Names};
use crate::clock::unix_ms;

/// The longest request, in bytes.
const REQUEST_BYTES_MAX: usize = 4 << 10;
/// Identities that one guest may ask for at once.
const BURST: f64 = 6.0;
/// And per second after that.
const PER_SECOND: f64 = 0.1;
/// Guests whose asking is remembered.
const ASKERS_MAX: usize = 100_000;
/// Names are written to disk this often, if they changed.
const KEEP_EVERY: Duration = Duration::from_secs(5);
/// Random bytes of a guest's id.
const ID_BYTES: usize = 12;
/// An identity that has ended can be renewed for so long: its name may have gone to somebody else.
const RENEW_SECONDS: u64 = 7 * 24 * 3600;

/// The token of the link, from an edge.
const LINK_HEADER: &str = "weir-link";
/// Who asks, as the edge calls them.
const CLIENT_HEADER: &str = "weir-client";

/// Settings of guests.
#[derive(Clone, Debug)]
pub struct GuestSettings {
    /// Whether anybody gets an identity.
    pub enabled: bool,
    /// How long one holds.
    pub lifetime: Duration,
    /// What nobody may be called, beside the house's own.
    pub reserved: Vec<String>,
}

/// The desk.
#[derive(Debug)]
pub(super) struct Desk {
    settings: GuestSettings,
    identity: Identity,
    names: Mutex<Kept>,
    file: PathBuf,
    tokens: Vec<Secret>,
    /// Whose keys are published beside the guests'.
    accounts: Option<Arc<Accounts>>,
    askers: Mutex<HashMap<String, (f64, Instant)>>,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Kept {
    names: Names,
    changed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    name: String,
}

#[derive(Serialize)]
struct Given {
    token: String,
    user: Person,
    expires_at_ms: u64,
}

#[derive(Serialize)]
struct Person {
    id: String,
    name: String,
}

/// Why nobody gets an identity.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Name(#[from] NameError),
    #[error("this is not {{\"name\": \"...\"}}")]
    Malformed,
    #[error("guests get no identity here: log in")]
    Closed,
    #[error("only edges ask here, with the token of their link")]
    Link,
    #[error("too many identities were asked for from where you are; try again in {0} s")]
    TooMany(u32),
}

/// What an identity is for. Whoever gives out a name gives out nothing else.
#[derive(Clone, Debug)]
pub(super) enum Opens {
    /// All rooms, as somebody without roles.
    Rooms,
    /// One stream and its room.
    Stream(String),
}

impl Desk {
    pub(super) async fn open(
        settings: GuestSettings,
        identity: Identity,
        file: PathBuf,
        reserved: impl Iterator<Item = String>,
        tokens: Vec<Secret>,
        metrics: Metrics,
    ) -> Self {
        let mut names: Names = match tokio::fs::read(&file).await {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, "the names of guests cannot be read: they are free again");
                Names::default()
            }),
            Err(_) => Names::default(),
        };
        names.reserve(settings.reserved.iter().cloned().chain(reserved));
        metrics.names.set(gauge(names.len()));
        Self {
            settings,
            identity,
            names: Mutex::new(Kept {
                names,
                changed: false,
            }),
            file,
            tokens,
            accounts: None,
            askers: Mutex::default(),
            metrics,
        }
    }

    /// Publishes the keys of accounts, too.
    pub(super) fn with_accounts(mut self, accounts: Option<Arc<Accounts>>) -> Self {
        self.accounts = accounts;
        self
    }

    /// Writes names to disk now and then, and at the end.
    pub(super) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let is_over = tokio::time::timeout(KEEP_EVERY, stop.cancelled())
                .await
                .is_ok();
            self.write().await;
            if is_over {
                return;
            }
        }
    }

    async fn write(&self) {
        let bytes = {
            let mut kept = self.names.lock();
            kept.names.sweep(unix_ms());
            self.metrics.names.set(gauge(kept.names.len()));
            if !std::mem::take(&mut kept.changed) {
                return;
            }
            serde_json::to_vec(&kept.names).unwrap_or_default()
        };
        let part = self.file.with_extension("part");
        let written = async {
            tokio::fs::write(&part, bytes).await?;
            tokio::fs::rename(&part, &self.file).await
        };
        if let Err(error) = written.await {
            self.names.lock().changed = true;
            tracing::warn!(%error, "the names of guests cannot be written; trying again");
        }
    }

    /// For somebody who is named by an operator.
    pub(super) fn issue(
        &self,
        user: String,
        name: String,
        roles: Vec<String>,
        opens: Opens,
        lifetime: Duration,
    ) -> (String, u64) {
        let now = unix_ms() / 1000;
        let (streams, scope) = match opens {
            Opens::Rooms => (vec!["*".to_owned()], "join:*".to_owned()),
            Opens::Stream(name) => {
                let scope = format!("join:{name} play:{name}");
                (vec![name], scope)
            }
        };
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user,
            name,
            roles,
            streams,
            scope,
            iat: now,
            exp: now + lifetime.as_secs(),
        };
        (self.identity.sign(&claims), claims.exp * 1000)
    }

    /// Whoever an operator names is called so, and nobody else. Whether it can be.
    pub(super) fn hold(&self, user: &str, name: &str, lifetime: Duration) -> bool {
        let now = unix_ms();
        let until = now + u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let mut kept = self.names.lock();
        let is_given = kept.names.give(user, name, now, until);
        kept.changed |= is_given;
        is_given
    }

    /// Gives back what a user was called.
    pub(super) fn forget(&self, user: &str) {
        let mut kept = self.names.lock();
        kept.changed |= kept.names.forget(user);
    }

    fn guest(&self, headers: &HeaderMap, body: &[u8]) -> Result<Given, Refusal> {
        if !self.is_edge(headers) {
            return Err(Refusal::Link);
        }
        if !self.settings.enabled {
            return Err(Refusal::Closed);
        }
        self.pace(headers)?;
        let ask: Ask = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
        let before = self.renewed(headers);
        let user = match &before {
            Some(before) => before.sub.clone(),
            None => guest_id(),
        };
        let now = unix_ms();
        let until = now + u64::try_from(self.settings.lifetime.as_millis()).unwrap_or(u64::MAX);
        let name = {
            let mut kept = self.names.lock();
            let name = kept.names.take(&user, &ask.name, now, until)?;
            if let Some(before) = before.filter(|before| before.name != name) {
                kept.names.release(&user, &before.name);
                // Two spellings of one name: the release took the new one away.
                kept.names.take(&user, &name, now, until)?;
            }
            kept.changed = true;
            name
        };
        let lifetime = self.settings.lifetime;
        let (token, expires_at_ms) = self.issue(
            user.clone(),
            name.clone(),
            Vec::new(),
            Opens::Rooms,
            lifetime,
        );
        Ok(Given {
            token,
            user: Person { id: user, name },
            expires_at_ms,
        })
    }

    /// Who asks again: somebody without roles, whose identity has not ended long ago.
    fn renewed(&self, headers: &HeaderMap) -> Option<Claims> {
        let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let claims = self.identity.read(value.strip_prefix("Bearer ")?)?;
        let is_recent = claims.exp + RENEW_SECONDS > unix_ms() / 1000;
        (is_recent && claims.roles.is_empty()).then_some(claims)
    }

    fn is_edge(&self, headers: &HeaderMap) -> bool {
        let Some(shown) = headers.get(LINK_HEADER) else {
            return false;
        };
        self.tokens
            .iter()
            .any(|token| constant_time_eq(token.expose().as_bytes(), shown.as_bytes()))
    }

    fn pace(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let client = headers.get(CLIENT_HEADER);
        let client = client.and_then(|value| value.to_str().ok());
        let now = Instant::now();
        let mut askers = self.askers.lock();
        if askers.len() >= ASKERS_MAX {
            let full = Duration::from_secs_f64(BURST / PER_SECOND);
            askers.retain(|_, (_, at)| now.duration_since(*at) < full);
            if askers.len() >= ASKERS_MAX {
                // So many at once are no people: nobody is remembered, rather than everybody refused.
                askers.clear();
            }
        }
        let bucket = askers
            .entry(client.unwrap_or_default().to_owned())
            .or_insert((BURST, now));
        let (tokens, at) = *bucket;
        let tokens = now
            .duration_since(at)
            .as_secs_f64()
            .mul_add(PER_SECOND, tokens);
        let tokens = tokens.min(BURST);
        if tokens < 1.0 {
            *bucket = (tokens, now);
            return Err(Refusal::TooMany(10));
        }
        *bucket = (tokens - 1.0, now);
        Ok(())
    }
}

/// Routes for edges.
pub(super) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/v1/guests", post(guest))
        .route("/.well-known/jwks.json", get(jwks))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(desk)
}

async fn guest(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    match desk.guest(&headers, &body) {
        Ok(given) => {
            desk.metrics.guests.with_label_values(&["given"]).inc();
            let mut response = (StatusCode::CREATED, Json(given)).into_response();
            let fields = response.headers_mut();
            fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(refusal) => {
            let (status, code) = match refusal {
                Refusal::Name(NameError::Malformed) => (StatusCode::BAD_REQUEST, "bad-name"),
                Refusal::Name(NameError::Taken) => (StatusCode::CONFLICT, "name-taken"),
                Refusal::Name(NameError::Full) => (StatusCode::SERVICE_UNAVAILABLE, "full"),
                Refusal::Malformed => (StatusCode::BAD_REQUEST, "malformed"),
                Refusal::Closed => (StatusCode::FORBIDDEN, "no-guests"),
                Refusal::Link => (StatusCode::UNAUTHORIZED, "not-an-edge"),
                Refusal::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "too-many"),
            };
            desk.metrics.guests.with_label_values(&[code]).inc();
            let wait = match refusal {
                Refusal::TooMany(seconds) => Some(seconds),
                _ => None,
            };
            problem(status, code, &refusal.to_string(), wait)
        }
    }
}

async fn jwks(State(desk): State<Arc<Desk>>) -> Response {
    let mut set = desk.identity.jwks();
    if let Some(accounts) = &desk.accounts {
        let mut more = accounts.jwks(unix_ms());
        if let (Some(keys), Some(more)) = (set["keys"].as_array_mut(), more["keys"].as_array_mut())
        {
            keys.append(more);
        }
    }
    let mut response = Json(set).into_response();
    let fields = response.headers_mut();
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
    response
}

/// RFC 9457.
pub(super) fn problem(
    status: StatusCode,
    code: &str,
    detail: &str,
    retry_after: Option<u32>,
) -> Response {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
    });
    let mut response = (status, Json(body)).into_response();
    let fields = response.headers_mut();
    let kind = HeaderValue::from_static("application/problem+json");
    fields.insert(CONTENT_TYPE, kind);
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = retry_after {
        fields.insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// An id that says nothing.
pub(super) fn guest_id() -> String {
    let random: [u8; ID_BYTES] = rand::random();
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("g-{hex}")
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
