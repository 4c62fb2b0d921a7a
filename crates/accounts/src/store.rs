//! The operations, each one transaction, the same for both databases.
//!
//! What changes an account locks its row first, so that operations on one account come one after
//! the other.

mod keys;
mod people;
mod sessions;

use database::{Database, Migrations, Operation, Row, Schema, Transaction, Value};

use crate::account::{Account, Grant, State};
use crate::error::Error;
use crate::random::{self, Digest};
use crate::text::{DisplayName, Login, Role, Room, UserId};

pub(crate) use sessions::Shown;

/// Columns of a user, in the order of [`user`].
const USER: &str = "SELECT id, login, display_name, password, state, created_ms, signed_in_ms \
                    FROM accounts_users WHERE id = $1";
const USER_LOCKED: &str = "SELECT id, login, display_name, password, state, created_ms, \
                           signed_in_ms FROM accounts_users WHERE id = $1 FOR UPDATE";
const ROLES: &str = "SELECT room, role FROM accounts_roles WHERE user_id = $1 ORDER BY room, role";

const ACTIVE: u64 = 0;
const BLOCKED: u64 = 1;

/// The tables, and how they came to be.
pub(crate) const SCHEMA: Schema = Schema {
    name: "accounts",
    sqlite: Migrations {
        table: "accounts_migrations",
        steps: &[
            include_str!("../migrations/sqlite/0001_accounts.sql"),
            include_str!("../migrations/sqlite/0002_rooms.sql"),
        ],
    },
    postgres: Migrations {
        table: "accounts_migrations",
        steps: &[
            include_str!("../migrations/postgres/0001_accounts.sql"),
            include_str!("../migrations/postgres/0002_rooms.sql"),
        ],
    },
};

/// Where accounts are kept: [`crate::sqlite::open`] or [`crate::postgres::open`].
#[derive(Clone, Debug)]
pub struct Store(Database);

/// Some accounts, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// Where the next page begins; `None` if this is the last one.
    pub next: Option<UserId>,
}

/// Some accounts, in the order of their login names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// After which the next page begins; `None` if this is the last one.
    pub next: Option<Login>,
}

impl Store {
    pub(crate) fn new(database: Database) -> Self {
        Self(database)
    }

    async fn run<A, T>(&self, arguments: A, operation: Operation<A, T, Error>) -> Result<T, Error>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.0.run(arguments, operation).await
    }

    pub(crate) async fn close(&self) {
        self.0.close().await;
    }
}

/// A SHA-256.
fn digest(row: &Row, column: usize) -> Result<Digest, Error> {
    Ok(random::array(row.blob(column)?))
}

fn digest_or_null(row: &Row, column: usize) -> Result<Option<Digest>, Error> {
    Ok(row.blob_or_null(column)?.map(random::array))
}

fn id(user: &UserId) -> Value {
    user.as_str().into()
}

/// An account that is there and not erased, its row locked, and its password.
async fn locked(tx: &mut dyn Transaction, user: &UserId) -> Result<(Account, String), Error> {
    let rows = tx.query(USER_LOCKED, &[id(user)]).await?;
    let row = rows.first().ok_or(Error::Unknown)?;
    let (mut account, password) = self::user(row)?.ok_or(Error::Unknown)?;
    with_roles(tx, &mut account).await?;
    Ok((account, password))
}

async fn with_roles(tx: &mut dyn Transaction, account: &mut Account) -> Result<(), Error> {
    for row in tx.query(ROLES, &[id(&account.id)]).await? {
        add_role(account, row.text(0)?, row.text(1)?)?;
    }
    Ok(())
}

/// A platform-wide role is one without a room.
fn add_role(account: &mut Account, room: &str, role: &str) -> Result<(), Error> {
    let role = Role::new(role).map_err(|_| Error::damaged("role"))?;
    if room.is_empty() {
        account.roles.push(role);
    } else {
        let room = Room::new(room).map_err(|_| Error::damaged("room"))?;
        account.grants.push(Grant { room, role });
    }
    Ok(())
}

/// An account without its roles, and its password; `None` if it was erased.
fn user(row: &Row) -> Result<Option<(Account, String)>, Error> {
    let state = match row.number(4)? {
        ACTIVE => State::Active,
        BLOCKED => State::Blocked,
        _ => return Ok(None),
    };
    let account = Account {
        id: UserId::new(row.text(0)?).map_err(|_| Error::damaged("user id"))?,
        login: Login::new(row.text(1)?).map_err(|_| Error::damaged("login name"))?,
        display_name: DisplayName::new(row.text(2)?).map_err(|_| Error::damaged("display name"))?,
        state,
        roles: Vec::new(),
        grants: Vec::new(),
        created_ms: row.number(5)?,
        signed_in_ms: row.number_or_null(6)?,
    };
    Ok(Some((account, row.text(3)?.to_owned())))
}
