//! What people do with their own account: `/v1/me`.

use accounts::{Account, DisplayName, Password, State as AccountState};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::session::without_cookie;
use super::{detached, erase, export, shown};
use crate::caller::{Address, Person, Secure, of_token};
use crate::clock::unix_ms;
use crate::control::Desk;
use crate::control::problem::{Checked, Problem};

/// The account of who asks, if it is there and may be used: a token is good for some time after that.
async fn present(desk: &Desk, person: &Person) -> Result<Account, Problem> {
    let account = of_token(desk.accounts.account(&person.id).await)?;
    match account.state {
        AccountState::Active => Ok(account),
        AccountState::Blocked => Err(accounts::Error::Blocked.into()),
    }
}

pub(super) async fn look(State(desk): State<Desk>, person: Person) -> Result<Json<Value>, Problem> {
    Ok(Json(shown(&present(&desk, &person).await?)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NameAsk {
    name: String,
}

pub(super) async fn rename(
    State(desk): State<Desk>,
    person: Person,
    Checked(Json(ask)): Checked<Json<NameAsk>>,
) -> Result<Json<Value>, Problem> {
    present(&desk, &person).await?;
    desk.people.renames(&person.id)?;
    let account = detached(async move { set_name(&desk, &person, &ask.name).await }).await?;
    Ok(Json(shown(&account)))
}

/// Two names are theirs while the account changes from one to the other.
async fn set_name(desk: &Desk, person: &Person, name: &str) -> Result<Account, Problem> {
    let _alone = desk.people.naming().await?;
    let before = present(desk, person).await?.display_name;
    let (names, id) = (desk.rooms.names(), &person.id);
    let name = names.own(id.as_str(), name)?;
    let changed = match DisplayName::new(&name) {
        Ok(display_name) => desk.accounts.set_display_name(id, display_name).await,
        Err(invalid) => Err(invalid.into()),
    };
    match &changed {
        Ok(_) => names.disown(id.as_str(), before.as_str(), Some(&name)),
        // Perhaps it was changed: both are theirs until the next start.
        Err(accounts::Error::Database(database::Error::Unavailable { unknown: true, .. })) => {}
        Err(_) => names.disown(id.as_str(), &name, Some(before.as_str())),
    }
    Ok(changed?)
}

/// It holds passwords: it is not shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordAsk {
    present: String,
    next: String,
}

pub(super) async fn password(
    State(desk): State<Desk>,
    person: Person,
    Address(client): Address,
    Secure(is_secure): Secure,
    Checked(Json(ask)): Checked<Json<PasswordAsk>>,
) -> Result<Response, Problem> {
    present(&desk, &person).await?;
    let wrong = |_| accounts::Error::Credentials;
    let present = Password::new(&ask.present).map_err(wrong)?;
    let next = Password::new(&ask.next).map_err(accounts::Error::from)?;
    let changed = desk
        .accounts
        .change_password(&person.id, (present, next), client, unix_ms());
    changed.await?;
    Ok(without_cookie(StatusCode::NO_CONTENT, is_secure))
}

pub(super) async fn sign_out_everywhere(
    State(desk): State<Desk>,
    person: Person,
    Secure(is_secure): Secure,
) -> Result<Response, Problem> {
    of_token(desk.accounts.sign_out_everywhere(&person.id).await)?;
    Ok(without_cookie(StatusCode::NO_CONTENT, is_secure))
}

pub(super) async fn all(State(desk): State<Desk>, person: Person) -> Result<Response, Problem> {
    present(&desk, &person).await?;
    desk.people.exports(&person.id)?;
    export::answer(&desk, &person.id).await
}

/// It holds a password: it is not shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EraseAsk {
    password: String,
}

pub(super) async fn leave(
    State(desk): State<Desk>,
    person: Person,
    Address(client): Address,
    Secure(is_secure): Secure,
    Checked(Json(ask)): Checked<Json<EraseAsk>>,
) -> Result<Response, Problem> {
    present(&desk, &person).await?;
    let password = Password::new(&ask.password);
    let password = password.map_err(|_| accounts::Error::Credentials)?;
    let confirmed = desk
        .accounts
        .confirm(&person.id, password, client, unix_ms());
    confirmed.await?;
    detached(async move { erase::erase(&desk, &person.id, person.id.as_str()).await }).await?;
    Ok(without_cookie(StatusCode::NO_CONTENT, is_secure))
}
