//! The desk at which guests get an identity: `POST /v1/guests`, and the keys to check it by.
//!
//! Edges ask on behalf of guests, and show the token of their link. How much one guest may ask is
//! bounded by what the edge calls them, which is no address.

use std::sync::Arc;
use std::time::{Duration, Instant};

use accounts::Accounts;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use settings::Secret;

use super::identity::{Claims, ISSUER, Identity};
use super::metrics::Metrics;
use super::names::NameError;
use super::register::Register;
use crate::caller::{edges_themselves, is_edge};
use crate::clock::unix_ms;
use crate::pace::{Pace, Rate};
use crate::problem::Problem;

/// The longest request, in bytes.
const REQUEST_BYTES_MAX: usize = 4 << 10;
/// Identities that one guest may ask for.
const ASKING: Rate = Rate {
    burst: 6,
    every: Duration::from_secs(10),
    known_max: 100_000,
};
/// Random bytes of a guest's id.
const ID_BYTES: usize = 12;
/// An identity that has ended can be renewed for so long: its name may have gone to somebody else.
const RENEW_SECONDS: u64 = 7 * 24 * 3600;

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
    names: Arc<Register>,
    tokens: Vec<Secret>,
    /// Whose keys are published beside the guests'.
    accounts: Option<Arc<Accounts>>,
    askers: Pace<String>,
    metrics: Metrics,
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
    #[error("too many identities were asked for from where you are")]
    TooMany(Duration),
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
    pub(super) fn new(
        settings: GuestSettings,
        identity: Identity,
        names: Arc<Register>,
        tokens: Vec<Secret>,
        metrics: Metrics,
    ) -> Self {
        Self {
            settings,
            identity,
            names,
            tokens,
            accounts: None,
            askers: Pace::new(ASKING),
            metrics,
        }
    }

    /// Publishes the keys of accounts, too.
    pub(super) fn with_accounts(mut self, accounts: Option<Arc<Accounts>>) -> Self {
        self.accounts = accounts;
        self
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
        self.names.hold(user, name, lifetime)
    }

    /// Gives back what a user was called.
    pub(super) fn forget(&self, user: &str) {
        self.names.forget(user);
    }

    fn guest(&self, headers: &HeaderMap, body: &[u8]) -> Result<Given, Refusal> {
        if !is_edge(&self.tokens, headers) {
            return Err(Refusal::Link);
        }
        if !self.settings.enabled {
            return Err(Refusal::Closed);
        }
        let client = headers.get(CLIENT_HEADER);
        let client = client.and_then(|value| value.to_str().ok());
        let client = client.unwrap_or_default().to_owned();
        let paced = self.askers.take(client, Instant::now());
        paced.map_err(Refusal::TooMany)?;
        let ask: Ask = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
        let before = self.renewed(headers);
        let user = match &before {
            Some(before) => before.sub.clone(),
            None => guest_id(),
        };
        let lifetime = self.settings.lifetime;
        let before = before.as_ref().map(|before| before.name.as_str());
        let name = self.names.take(&user, &ask.name, before, lifetime)?;
        let (id, shown) = (user.clone(), name.clone());
        let (token, expires_at_ms) = self.issue(id, shown, Vec::new(), Opens::Rooms, lifetime);
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
}

/// Routes for edges.
pub(super) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/v1/guests", post(guest).layer(from_fn(edges_themselves)))
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
            let problem = Problem::from(refusal);
            let outcome = desk.metrics.guests.with_label_values(&[problem.code()]);
            outcome.inc();
            problem.into_response()
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            // A guest's request with a name that is none was always answered so.
            Refusal::Name(NameError::Malformed) => {
                Self::new(StatusCode::BAD_REQUEST, "bad-name", detail)
            }
            Refusal::Name(error) => error.into(),
            Refusal::Malformed => Self::malformed(detail),
            Refusal::Closed => Self::new(StatusCode::FORBIDDEN, "no-guests", detail),
            Refusal::Link => Self::new(StatusCode::UNAUTHORIZED, "not-an-edge", detail),
            Refusal::TooMany(wait) => Self::too_many(detail, wait),
        }
    }
}

async fn jwks(State(desk): State<Arc<Desk>>) -> Response {
    let mut set = desk.identity.jwks();
    if let Some(accounts) = &desk.accounts {
        let mut more = accounts.jwks(unix_ms());
        let more = more.get_mut("keys").and_then(Value::as_array_mut);
        let keys = set.get_mut("keys").and_then(Value::as_array_mut);
        if let (Some(keys), Some(more)) = (keys, more) {
            keys.append(more);
        }
    }
    let mut response = Json(set).into_response();
    let fields = response.headers_mut();
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
    response
}

/// An id that says nothing.
pub(super) fn guest_id() -> String {
    let random: [u8; ID_BYTES] = rand::random();
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("g-{hex}")
}
