//! Signing in, staying so, signing out: `/v1/session`.
//!
//! A refresh token is in the body, for programs, or in a cookie, for pages. With a cookie the body has to
//! be JSON nevertheless: a form of another site cannot send that.

use accounts::{Login, Password, RefreshToken, Refreshed, SignIn, SignedIn};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{cookie, shown};
use crate::caller::{Address, Secure};
use crate::clock::unix_ms;
use crate::control::Desk;
use crate::control::problem::{Checked, Problem};

/// How a refresh token goes to whoever keeps it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Carrier {
    Body,
    Cookie { is_secure: bool },
}

impl Carrier {
    pub(super) fn of(cookie: bool, is_secure: bool) -> Self {
        if cookie {
            Self::Cookie { is_secure }
        } else {
            Self::Body
        }
    }
}

#[derive(Serialize)]
struct Session<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    user: Value,
}

/// Tokens for somebody.
pub(super) fn answer(status: StatusCode, signed_in: &SignedIn, carrier: Carrier) -> Response {
    let tokens = &signed_in.tokens;
    let refresh = tokens.refresh.expose();
    let (in_body, cookie) = match carrier {
        Carrier::Body => (Some(refresh), None),
        Carrier::Cookie { is_secure } => (None, cookie::kept(&refresh, is_secure)),
    };
    let session = Session {
        access_token: &tokens.access,
        token_type: "Bearer",
        expires_in: tokens.access_seconds,
        refresh_token: in_body,
        user: shown(&signed_in.account),
    };
    with_cookie((status, Json(session)).into_response(), cookie)
}

/// Takes the cookie away, with whatever is answered.
pub(super) fn without_cookie(response: impl IntoResponse, is_secure: bool) -> Response {
    with_cookie(response.into_response(), cookie::removed(is_secure))
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// It holds a password: it is not shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignInAsk {
    login: String,
    password: String,
    #[serde(default)]
    cookie: bool,
}

pub(super) async fn sign_in(
    State(desk): State<Desk>,
    Address(client): Address,
    Secure(is_secure): Secure,
    Checked(Json(ask)): Checked<Json<SignInAsk>>,
) -> Result<Response, Problem> {
    // What cannot be a login or a password is nobody's.
    let wrong = |_| accounts::Error::Credentials;
    let sign_in = SignIn {
        login: Login::new(&ask.login).map_err(wrong)?,
        password: Password::new(&ask.password).map_err(wrong)?,
        client,
    };
    let signed_in = desk.accounts.sign_in(sign_in, unix_ms()).await?;
    let carrier = Carrier::of(ask.cookie, is_secure);
    Ok(answer(StatusCode::OK, &signed_in, carrier))
}

/// It holds a token: it is not shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenAsk {
    refresh_token: Option<String>,
}

/// The token of a request, and how it came.
fn token(ask: TokenAsk, headers: &HeaderMap, is_secure: bool) -> Option<(RefreshToken, Carrier)> {
    let (text, carrier) = match ask.refresh_token {
        Some(text) => (text, Carrier::Body),
        None => {
            let text = cookie::read(headers)?.to_owned();
            (text, Carrier::Cookie { is_secure })
        }
    };
    Some((RefreshToken::new(&text).ok()?, carrier))
}

pub(super) async fn refresh(
    State(desk): State<Desk>,
    Secure(is_secure): Secure,
    headers: HeaderMap,
    Checked(Json(ask)): Checked<Json<TokenAsk>>,
) -> Result<Response, Problem> {
    let found = token(ask, &headers, is_secure);
    let (token, carrier) = found.ok_or_else(Problem::signed_out)?;
    match desk.accounts.refresh(token, unix_ms()).await? {
        Refreshed::Tokens(signed_in) => Ok(answer(StatusCode::OK, &signed_in, carrier)),
        // The cookie stays: another page of the same browser may have put a newer one into it.
        Refreshed::Reused { user } => {
            desk.metrics.refresh_reused.inc();
            tracing::warn!(%user, "two had one refresh token: the sign-in was ended");
            Err(Problem::signed_out())
        }
    }
}

pub(super) async fn end(
    State(desk): State<Desk>,
    Secure(is_secure): Secure,
    headers: HeaderMap,
    Checked(Json(ask)): Checked<Json<TokenAsk>>,
) -> Result<Response, Problem> {
    // Whoever is signed out already has what they want.
    if let Some((token, _)) = token(ask, &headers, is_secure) {
        desk.accounts.sign_out(&token).await?;
    }
    Ok(without_cookie(StatusCode::NO_CONTENT, is_secure))
}
