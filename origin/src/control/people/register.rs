//! Registering: `POST /v1/accounts`.
//!
//! It tells that a login or a name is taken, as every registration does: each network has only so many.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use accounts::{DisplayName, Login, NewAccount, Password, SignIn, SignedIn};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::detached;
use super::front::Turn;
use super::session::{Carrier, answer};
use crate::caller::{Address, IdempotencyKey, Secure};
use crate::clock::unix_ms;
use crate::control::Desk;
use crate::control::problem::{Checked, Problem};

/// What a registration says. It holds a password: it is not shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    login: String,
    name: String,
    password: String,
    #[serde(default)]
    cookie: bool,
}

/// The same, checked.
struct Applicant {
    login: Login,
    name: String,
    password: Password,
    client: IpAddr,
}

/// Whether there are accounts here, and whether anybody may have one: for pages, before anybody signs in.
pub(super) async fn offered(State(desk): State<Desk>) -> Json<Value> {
    Json(json!({ "enabled": true, "registration": desk.settings.registration }))
}

pub(super) async fn register(
    State(desk): State<Desk>,
    address: Address,
    Secure(is_secure): Secure,
    IdempotencyKey(key): IdempotencyKey,
    Checked(Json(ask)): Checked<Json<Ask>>,
) -> Result<Response, Problem> {
    if !desk.settings.registration {
        let detail = "nobody can register here";
        return Err(Problem::new(StatusCode::FORBIDDEN, "closed", detail));
    }
    let applicant = Applicant {
        login: Login::new(&ask.login).map_err(accounts::Error::from)?,
        password: Password::new(&ask.password).map_err(accounts::Error::from)?,
        name: ask.name.clone(),
        client: address.0,
    };
    desk.people.registers(address.network())?;
    let turn = key.and_then(|key| {
        let parts = [&*key, &ask.login, &ask.name, &ask.password];
        desk.people.turn(&parts, Instant::now())
    });
    let carrier = Carrier::of(ask.cookie, is_secure);
    let signed_in = detached(async move { enrol(&desk, applicant, turn).await }).await?;
    Ok(answer(StatusCode::CREATED, &signed_in, carrier))
}

/// Makes the account; if the same request may have made it before, signs in to that one.
async fn enrol(
    desk: &Desk,
    applicant: Applicant,
    turn: Option<Arc<Turn>>,
) -> Result<SignedIn, Problem> {
    let Some(turn) = turn else {
        return join(desk, &applicant).await;
    };
    // Those before are bounded by the network's pace, and end as every operation on the store does.
    let mut may_be_made = turn.lock().await;
    let problem = match join(desk, &applicant).await {
        Ok(signed_in) => {
            *may_be_made = true;
            return Ok(signed_in);
        }
        Err(problem) => problem,
    };
    // It may have been made, though nobody could say so.
    *may_be_made |= problem.is_ours();
    let is_taken = matches!(problem.code(), "login-taken" | "name-taken");
    if !(*may_be_made && is_taken) {
        return Err(problem);
    }
    let sign_in = SignIn {
        login: applicant.login,
        password: applicant.password,
        client: applicant.client,
    };
    let signed_in = desk.accounts.sign_in(sign_in, unix_ms()).await;
    signed_in.map_err(|_| problem)
}

async fn join(desk: &Desk, applicant: &Applicant) -> Result<SignedIn, Problem> {
    let names = desk.rooms.names();
    // Until the account has an id.
    let pending = format!("pending-{:032x}", rand::random::<u128>());
    let name = names.own(&pending, &applicant.name)?;
    let joined = match DisplayName::new(&name) {
        Ok(display_name) => {
            let new = NewAccount {
                login: applicant.login.clone(),
                display_name,
                password: applicant.password.clone(),
            };
            desk.accounts.join(new, unix_ms()).await
        }
        Err(invalid) => Err(invalid.into()),
    };
    match &joined {
        Ok(signed_in) => names.pass_on(&pending, signed_in.account.id.as_str(), &name),
        // Perhaps there is an account of this name now: nobody else gets it until the next start.
        Err(accounts::Error::Database(database::Error::Unavailable { unknown: true, .. })) => {}
        Err(_) => names.disown(&pending, &name, None),
    }
    Ok(joined?)
}
