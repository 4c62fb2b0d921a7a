//! `weirctl user`: people's accounts, as operators change them.

mod credit;
mod view;

use std::collections::BTreeMap;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Cursor, Desk, part, query};
use crate::args::{UserCommand, UserErase, UserExport, UserList, UserRole};
use crate::config::Target;
use crate::failure::Failure;
use crate::input;
use crate::node::client::{Ask, segment};
use crate::output::{Output, Sink, printable};

/// As many as an origin lists at once.
const USERS_MAX: u8 = 100;

/// A person, as `GET /users` has them; fields that a later origin adds are left out.
#[derive(Debug, Serialize, Deserialize)]
struct User {
    id: String,
    login: String,
    name: String,
    #[serde(default)]
    roles: Vec<String>,
    /// Roles by room.
    #[serde(default)]
    rooms: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    created_at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wallet: Option<Wallet>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Wallet {
    balance: i64,
    available: i64,
    held: u64,
}

/// `GET /users`
#[derive(Debug, Serialize, Deserialize)]
struct List {
    users: Vec<User>,
    next: Option<Cursor>,
}

/// Somebody who was found.
struct Found {
    id: String,
    /// For messages: what was typed, and who that is.
    shown: String,
}

impl Found {
    fn path(&self, more: &str) -> String {
        format!("/v1/admin/users/{}{more}", segment(&self.id))
    }
}

/// `weirctl user`
///
/// # Errors
/// The origin refused, has no accounts, or cannot be reached; there is no such user.
pub(crate) async fn run(
    target: &Target,
    output: Output,
    command: &UserCommand,
) -> Result<(), Failure> {
    use UserCommand as U;
    let desk = Desk::new(target)?;
    match command {
        U::List(wanted) => list(&desk, output, wanted).await,
        U::Show(wanted) => {
            let found = find(&desk, &wanted.user).await?;
            let user = desk.get::<User>(&found.path("")).await?;
            output.show(&user, view::one)
        }
        U::Find { login } => {
            let list = with_login(&desk, login).await?;
            if list.users.is_empty() {
                return Err(Failure::failed(format!("no login begins with {login}")));
            }
            output.show(&list, |list, style| {
                let more = if list.next.is_some() {
                    "and more\n"
                } else {
                    ""
                };
                view::list(&list.users, style) + more
            })
        }
        U::Block(wanted) => act(&desk, output, &wanted.user, "block", "is blocked").await,
        U::Unblock(wanted) => {
            let done = "may sign in again";
            act(&desk, output, &wanted.user, "unblock", done).await
        }
        U::SignOut(wanted) => {
            let done = "is signed out everywhere";
            act(&desk, output, &wanted.user, "sign-out", done).await
        }
        U::Grant(wanted) => role(&desk, output, wanted, Method::PUT).await,
        U::Revoke(wanted) => role(&desk, output, wanted, Method::DELETE).await,
        U::Credit(wanted) => {
            let found = find(&desk, &wanted.user.user).await?;
            credit::run(&desk, output, wanted, &found).await
        }
        U::SetPassword(wanted) => {
            let found = find(&desk, &wanted.user).await?;
            let password = input::password().await?;
            let body = json!({ "password": password.expose() });
            let path = found.path("/password");
            let ask = Ask::new(Method::POST, &path).body(body);
            desk.act(ask).await?;
            done(output, &found, "has a new password, and is signed out")
        }
        U::Export(wanted) => export(&desk, wanted).await,
        U::Erase(wanted) => erase(&desk, output, wanted).await,
    }
}

async fn list(desk: &Desk<'_>, output: Output, wanted: &UserList) -> Result<(), Failure> {
    let mut after = wanted.after.clone();
    let mut first = true;
    loop {
        let asked = query(&[
            ("after", after.clone()),
            ("limit", Some(wanted.limit.to_string())),
        ]);
        let page = desk.get::<List>(&format!("/v1/admin/users{asked}")).await?;
        output.show(&page, |page, style| {
            let more = page.next.as_ref().filter(|_| !wanted.all);
            part(view::list(&page.users, style), first) + &super::ledger::more(more, "--after")
        })?;
        let next = page.next.map(|next| next.to_string());
        if next.is_none() || next == after || !wanted.all {
            return Ok(());
        }
        after = next;
        first = false;
    }
}

/// Whose login begins with this, in the order of logins: whose login it is comes first.
async fn with_login(desk: &Desk<'_>, login: &str) -> Result<List, Failure> {
    let asked = query(&[
        ("login", Some(login.trim().to_owned())),
        ("limit", Some(USERS_MAX.to_string())),
    ]);
    desk.get::<List>(&format!("/v1/admin/users{asked}")).await
}

/// Who is meant: an id is taken as it is, a login is looked up.
async fn find(desk: &Desk<'_>, user: &str) -> Result<Found, Failure> {
    if is_id(user) {
        return Ok(Found {
            id: user.to_owned(),
            shown: user.to_owned(),
        });
    }
    let list = with_login(desk, user).await?;
    let mut users = list.users.into_iter();
    let found = users.find(|found| found.login.eq_ignore_ascii_case(user.trim()));
    let found = found.ok_or_else(|| nobody(user))?;
    Ok(Found {
        shown: format!("{} ({})", printable(&found.login), printable(&found.id)),
        id: found.id,
    })
}

/// As the origin makes them: no login has 34 characters of this kind by chance.
fn is_id(user: &str) -> bool {
    let digits = user.strip_prefix("u-").unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn nobody(user: &str) -> Failure {
    Failure::failed(format!("nobody has the login {user}"))
}

async fn act(
    desk: &Desk<'_>,
    output: Output,
    user: &str,
    what: &str,
    told: &str,
) -> Result<(), Failure> {
    let found = find(desk, user).await?;
    let path = found.path(&format!("/{what}"));
    desk.act(Ask::new(Method::POST, &path)).await?;
    done(output, &found, told)
}

async fn role(
    desk: &Desk<'_>,
    output: Output,
    wanted: &UserRole,
    method: Method,
) -> Result<(), Failure> {
    let found = find(desk, &wanted.user.user).await?;
    let room = query(&[("room", wanted.room.clone())]);
    let path = found.path(&format!("/roles/{}{room}", segment(&wanted.role)));
    let user = desk.ask::<User>(Ask::new(method, &path)).await?;
    output.show(&user, view::one)
}

async fn erase(desk: &Desk<'_>, output: Output, wanted: &UserErase) -> Result<(), Failure> {
    let typed = &wanted.user.user;
    let found = find(desk, typed).await?;
    let what = format!("erasing {}", found.shown);
    input::confirm(wanted.sure.yes, &what, typed).await?;
    let path = found.path("");
    // It goes through rooms and stores.
    desk.act(Ask::new(Method::DELETE, &path).patient()).await?;
    done(output, &found, "is erased, and what they wrote in rooms")
}

fn done(output: Output, found: &Found, told: &str) -> Result<(), Failure> {
    let value = json!({ "user": found.id, "done": true });
    output.show(&value, |_, _| format!("{} {told}\n", found.shown))
}

/// One JSON document of any length. What breaks off is no JSON, and no file.
async fn export(desk: &Desk<'_>, wanted: &UserExport) -> Result<(), Failure> {
    let mut sink = Sink::new(&wanted.saving)?;
    let found = find(desk, &wanted.user.user).await?;
    let mut stream = desk.stream(&found.path("/export")).await?;
    while let Some(chunk) = stream.chunk().await? {
        sink.write(&chunk)?;
    }
    sink.end_line()?;
    sink.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_logins() {
        assert!(is_id(&format!("u-{}", "0a".repeat(16))));
        for login in ["alice", "u-turn", "u-", &"a".repeat(34)] {
            assert!(!is_id(login), "{login}");
        }
    }
}
