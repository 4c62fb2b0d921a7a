//! Who calls: edges by the token of their link, people by their access token, operators by theirs.
//!
//! Edges pass on what viewers ask, and say for whom: nobody else's word for an address is taken.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use accounts::{Accounts, Role, UserId};
use axum::extract::{FromRef, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use settings::Secret;
use wasm_filters::keys::constant_time_eq;

use crate::clock::unix_ms;
use crate::problem::Problem;

/// The token of the link, from an edge.
const LINK_HEADER: &str = "weir-link";
/// The address of who asks, from an edge.
const ADDRESS_HEADER: &str = "weir-address";
/// Whether the viewer's connection is encrypted, from an edge.
const SECURE_HEADER: &str = "weir-secure";
/// See [`IdempotencyKey`].
const IDEMPOTENCY_HEADER: &str = "idempotency-key";
/// The longest [`IdempotencyKey`].
const IDEMPOTENCY_BYTES_MAX: usize = 128;
/// The role that may do everything.
pub(crate) const STAFF: &str = "staff";
/// The role of who a room belongs to.
pub(crate) const BROADCASTER: &str = "broadcaster";
/// The role of who keeps order in a room.
pub(crate) const MODERATOR: &str = "moderator";
/// Roles that can be given; those of the auth filter.
pub(crate) const ROLES: [&str; 8] = [
    "subscriber",
    "vip",
    MODERATOR,
    BROADCASTER,
    STAFF,
    "verified",
    "bot",
    "muted",
];

/// Whether one of the tokens was shown; in constant time.
pub(crate) fn shows_one_of(tokens: &[Secret], shown: &[u8]) -> bool {
    tokens
        .iter()
        .any(|token| constant_time_eq(token.expose().as_bytes(), shown))
}

/// The bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Lets edges through, and nobody else.
pub(crate) async fn edges_only(
    State(tokens): State<Arc<Vec<Secret>>>,
    request: Request,
    next: Next,
) -> Response {
    if is_edge(&tokens, request.headers()) {
        return next.run(request).await;
    }
    let detail = "only edges ask here, with the token of their link";
    Problem::new(StatusCode::UNAUTHORIZED, "not-an-edge", detail).into_response()
}

/// Lets through what edges ask on their own behalf, and nothing that they pass on: whoever asked them has
/// chosen the path, and these believe what they are told of people.
pub(crate) async fn edges_themselves(request: Request, next: Next) -> Response {
    if is_passed_on(request.headers()) {
        let detail = "edges ask this themselves; they do not pass it on";
        return Problem::new(StatusCode::NOT_FOUND, "not-found", detail).into_response();
    }
    next.run(request).await
}

/// Whether an edge says for whom it asks, as it does with all that it passes on.
pub(crate) fn is_passed_on(headers: &HeaderMap) -> bool {
    headers.contains_key(ADDRESS_HEADER)
}

/// Whether the token of a link was shown.
pub(crate) fn is_edge(tokens: &[Secret], headers: &HeaderMap) -> bool {
    let shown = headers.get(LINK_HEADER);
    shown.is_some_and(|shown| shows_one_of(tokens, shown.as_bytes()))
}

/// Where a request came from, as far as its edge knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address(pub(crate) IpAddr);

/// What one home, carrier or customer has at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Network {
    /// The first [`IPV4_BITS`].
    V4(u32),
    /// The first [`IPV6_BITS`].
    V6(u128),
}

/// Bits of an IPv4 address that are one network.
const IPV4_BITS: u32 = 24;
/// Bits of an IPv6 address that are one network.
const IPV6_BITS: u32 = 48;

impl Address {
    pub(crate) fn network(self) -> Network {
        match self.0.to_canonical() {
            IpAddr::V4(address) => Network::V4(address.to_bits() >> (u32::BITS - IPV4_BITS)),
            IpAddr::V6(address) => Network::V6(address.to_bits() >> (u128::BITS - IPV6_BITS)),
        }
    }
}

/// Whether the viewer's connection to the edge is encrypted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Secure(pub(crate) bool);

impl<S: Sync> FromRequestParts<S> for Secure {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let shown = parts.headers.get(SECURE_HEADER);
        Ok(Self(shown.is_some_and(|value| value == "1")))
    }
}

/// What makes a repeated request the same.
#[derive(Clone, Debug)]
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(IDEMPOTENCY_HEADER) else {
            return Ok(Self(None));
        };
        let plain = |text: &&str| {
            (1..=IDEMPOTENCY_BYTES_MAX).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let key = value.to_str().ok().filter(plain);
        let key = key.ok_or_else(|| {
            Problem::malformed("Idempotency-Key has 1 to 128 visible ASCII characters")
        })?;
        Ok(Self(Some(key.to_owned())))
    }
}

impl<S: Sync> FromRequestParts<S> for Address {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let shown = parts.headers.get(ADDRESS_HEADER);
        let address = shown.and_then(|value| value.to_str().ok()?.parse().ok());
        // All who have none share what one network may do.
        Ok(Self(address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
    }
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: UserId,
}

impl<S> FromRequestParts<S> for Person
where
    S: Sync,
    Arc<Accounts>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let accounts = Arc::<Accounts>::from_ref(state);
        let token = bearer(&parts.headers).ok_or_else(Problem::signed_out)?;
        let claims = accounts.verify(token, unix_ms());
        let claims = claims.map_err(|_| Problem::signed_out())?;
        let id = UserId::new(&claims.sub).map_err(|_| Problem::signed_out())?;
        Ok(Self { id })
    }
}

/// What is known of somebody by their access token: that of who was erased is nobody's. A store that
/// cannot be asked signs nobody out.
pub(crate) fn of_token<T>(found: Result<T, accounts::Error>) -> Result<T, Problem> {
    found.map_err(|error| match error {
        accounts::Error::Unknown => Problem::signed_out(),
        error => error.into(),
    })
}

/// Who changes something, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Actor(pub(crate) String);

/// Whoever runs this: the bearer of `admin.token`, who needs no account.
pub(crate) const OPERATOR: &str = "operator";

/// What the way to the admin API is open for.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    /// On the admin listener, for the bearer of this token.
    Operator(Option<Secret>),
    /// Through edges, for staff.
    Staff(Arc<Accounts>),
}

/// Lets those through who may do everything, and says who they are.
pub(crate) async fn staff_only(
    State(door): State<Door>,
    mut request: Request,
    next: Next,
) -> Response {
    match actor(&door, request.headers()).await {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn actor(door: &Door, headers: &HeaderMap) -> Result<Actor, Problem> {
    let shown = bearer(headers);
    match door {
        Door::Operator(None) => {
            let detail = "admin.token is not set: nobody may do this";
            Err(Problem::new(StatusCode::FORBIDDEN, "no-token", detail))
        }
        Door::Operator(Some(token)) => {
            let tokens = std::slice::from_ref(token);
            if shown.is_some_and(|shown| shows_one_of(tokens, shown.as_bytes())) {
                return Ok(Actor(OPERATOR.to_owned()));
            }
            let detail = "the bearer token admin.token is needed";
            let status = StatusCode::UNAUTHORIZED;
            Err(Problem::new(status, "unauthorized", detail))
        }
        Door::Staff(accounts) => {
            let token = shown.ok_or_else(Problem::signed_out)?;
            let claims = accounts.verify(token, unix_ms());
            let claims = claims.map_err(|_| Problem::signed_out())?;
            let id = UserId::new(&claims.sub).map_err(|_| Problem::signed_out())?;
            if !claims.roles.iter().any(|role| role == STAFF) {
                return Err(Problem::forbidden("only staff may do this"));
            }
            // A role that was taken away, or an account that was blocked, opens nothing here, whatever
            // the token says: what is done here is about money and people.
            let account = of_token(accounts.account(&id).await)?;
            let is_staff = account.roles.iter().map(Role::as_str).any(|it| it == STAFF);
            if !is_staff || account.state != accounts::State::Active {
                return Err(Problem::forbidden("only staff may do this"));
            }
            Ok(Actor(id.to_string()))
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let actor = parts.extensions.get().cloned();
        actor.ok_or_else(Problem::signed_out)
    }
}
