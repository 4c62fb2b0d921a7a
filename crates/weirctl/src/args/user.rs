//! `weirctl user`, as typed.

use clap::{Args, Subcommand};

use super::ledger::Saving;

/// What to do with people's accounts. USER is an id (u-...) or a login.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// People who have an account
    List(UserList),
    /// One of them: roles, state, wallet
    Show(User),
    /// Whose login begins with this
    Find {
        /// The login, or its beginning
        login: String,
    },
    /// End all sign-ins, and allow no more
    Block(User),
    /// Allow to sign in again
    Unblock(User),
    /// Give a role: everywhere, or in a room
    Grant(UserRole),
    /// Take a role away
    Revoke(UserRole),
    /// Give coins, or take some back
    Credit(UserCredit),
    /// Set the password: one line of stdin
    SetPassword(User),
    /// End all sign-ins
    SignOut(User),
    /// All that is kept of somebody, as JSON
    Export(UserExport),
    /// Take an account away for ever; the ledger keeps its numbers
    Erase(UserErase),
}

/// One person.
#[derive(Debug, Args)]
pub(crate) struct User {
    /// Their id (u-...), or their login
    pub(crate) user: String,
}

/// `user list`
#[derive(Debug, Args)]
pub(crate) struct UserList {
    /// Begin after this one, as the page before says
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<String>,
    /// How many are asked for at once
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) limit: u16,
    /// All pages, to the end
    #[arg(long)]
    pub(crate) all: bool,
}

/// `user grant`, `revoke`
#[derive(Debug, Args)]
pub(crate) struct UserRole {
    #[command(flatten)]
    pub(crate) user: User,
    /// staff, moderator, broadcaster, ...
    pub(crate) role: String,
    /// Only in this room
    #[arg(long, value_name = "NAME")]
    pub(crate) room: Option<String>,
}

/// `user credit`
#[derive(Debug, Args)]
pub(crate) struct UserCredit {
    #[command(flatten)]
    pub(crate) user: User,
    /// How many coins; below zero they are taken back
    #[arg(allow_negative_numbers = true, value_parser = amount)]
    pub(crate) amount: i64,
    /// Why; it stands in their history, and in the audit log
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: String,
    /// The same key again is the same credit, done once [default: made up, and printed]
    #[arg(long, value_name = "KEY", value_parser = key)]
    pub(crate) key: Option<String>,
}

/// `user export`
#[derive(Debug, Args)]
pub(crate) struct UserExport {
    #[command(flatten)]
    pub(crate) user: User,
    #[command(flatten)]
    pub(crate) saving: Saving,
}

/// `user erase`
#[derive(Debug, Args)]
pub(crate) struct UserErase {
    #[command(flatten)]
    pub(crate) user: User,
    #[command(flatten)]
    pub(crate) sure: Sure,
}

/// What cannot be undone.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Sure {
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

fn amount(text: &str) -> Result<i64, String> {
    let amount: i64 = text.parse().map_err(|_| "not a whole number".to_owned())?;
    if amount == 0 {
        return Err("nothing to give".to_owned());
    }
    Ok(amount)
}

/// It goes into a header field.
fn key(text: &str) -> Result<String, String> {
    if (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("a key has 1 to 64 visible ASCII characters".to_owned())
    }
}
