//! Accounts: made, read, changed, exported, erased.

use database::{Row, Transaction, Value};

use super::{
    ACTIVE, BLOCKED, Found, Page, Store, USER, add_role, id, locked, sessions, user, with_roles,
};
use crate::account::{Account, Changed, GrantData, PersonalData, SessionData, State};
use crate::error::{Error, Invalid};
use crate::limits::{GRANTS_MAX, PAGE_MAX, ROLES_MAX, SEARCH_MAX};
use crate::refresh::Family;
use crate::text::{DisplayName, Login, Role, Room, UserId};

const INSERT: &str = "INSERT INTO accounts_users \
    (id, login, display_name, password, state, created_ms, signed_in_ms) \
    VALUES ($1, $2, $3, $4, 0, $5, $6) \
    ON CONFLICT (login) DO NOTHING";
const BY_LOGIN: &str = "SELECT id, password FROM accounts_users WHERE login = $1";
const PAGE: &str = "SELECT id, login, display_name, password, state, created_ms, signed_in_ms \
    FROM accounts_users WHERE id > $1 AND state < 2 ORDER BY id LIMIT $2";
/// All logins that begin with `$1` are from there to `$3`: by bytes, as the unique index is.
const SEARCH: &str = "SELECT id, login, display_name, password, state, created_ms, signed_in_ms \
    FROM accounts_users WHERE login >= $1 AND login > $2 AND login < $3 ORDER BY login LIMIT $4";
/// After all characters that a login name has.
const AFTER_ALL: char = '{';
const PAGE_ROLES: &str = "SELECT user_id, room, role FROM accounts_roles \
    WHERE user_id >= $1 AND user_id <= $2 ORDER BY user_id, room, role";
const SET_NAME: &str = "UPDATE accounts_users SET display_name = $2 WHERE id = $1";
const SET_STATE: &str = "UPDATE accounts_users SET state = $2 WHERE id = $1";
const SET_PASSWORD: &str = "UPDATE accounts_users SET password = $2 WHERE id = $1";
const GRANT: &str = "INSERT INTO accounts_roles (user_id, room, role, granted_ms) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (user_id, room, role) DO NOTHING";
const REVOKE: &str = "DELETE FROM accounts_roles WHERE user_id = $1 AND room = $2 AND role = $3";
const REVOKE_ALL: &str = "DELETE FROM accounts_roles WHERE user_id = $1";
/// Who has a role in a room: locked in the order of their ids, as everybody's roles are below their row.
const IN_ROOM: &str = "SELECT id FROM accounts_users WHERE id IN \
    (SELECT user_id FROM accounts_roles WHERE room = $1) ORDER BY id FOR UPDATE";
const REVOKE_ROOM: &str = "DELETE FROM accounts_roles WHERE room = $1";
const SESSIONS: &str = "SELECT created_ms, rotated_ms, expires_ms FROM accounts_families \
    WHERE user_id = $1 ORDER BY created_ms";
const END_SESSIONS: &str = "DELETE FROM accounts_families WHERE user_id = $1";
const ERASE: &str = "UPDATE accounts_users SET login = NULL, display_name = NULL, password = NULL, \
    signed_in_ms = NULL, state = 2, erased_ms = $2 WHERE id = $1";
const STATE_LOCKED: &str = "SELECT state FROM accounts_users WHERE id = $1 FOR UPDATE";

impl Store {
    /// Makes an account, with a first sign-in or without; [`Error::Taken`] if the login name is
    /// another's.
    pub(crate) async fn create(
        &self,
        (login, display_name, password): (Login, DisplayName, String),
        family: Option<Family>,
        now_ms: u64,
    ) -> Result<Account, Error> {
        let account = Account {
            id: UserId::random()?,
            login,
            display_name,
            state: State::Active,
            roles: Vec::new(),
            grants: Vec::new(),
            created_ms: now_ms,
            signed_in_ms: family.as_ref().map(|family| family.created_ms),
        };
        self.run((account, password, family), |tx, arguments| {
            Box::pin(async move {
                let (account, password, family) = arguments;
                let values = [
                    id(&account.id),
                    account.login.as_str().into(),
                    account.display_name.as_str().into(),
                    password.as_str().into(),
                    account.created_ms.into(),
                    account.signed_in_ms.into(),
                ];
                if tx.execute(INSERT, &values).await? == 0 {
                    return Err(Error::Taken);
                }
                if let Some(family) = family {
                    sessions::insert(tx, &account.id, family).await?;
                }
                Ok(account.clone())
            })
        })
        .await
    }

    /// The id and the password's hash: one statement, whether they are there or not.
    pub(crate) async fn password(&self, login: Login) -> Result<Option<(UserId, String)>, Error> {
        self.run(login, |tx, login| {
            Box::pin(async move {
                let rows = tx.query(BY_LOGIN, &[login.as_str().into()]).await?;
                let Some(row) = rows.first() else {
                    return Ok(None);
                };
                let id = UserId::new(row.text(0)?).map_err(|_| Error::damaged("user id"))?;
                Ok(Some((id, row.text(1)?.to_owned())))
            })
        })
        .await
    }

    pub(crate) async fn account(&self, user: UserId) -> Result<Option<Account>, Error> {
        self.run(user, |tx, id| Box::pin(account(tx, id))).await
    }

    pub(crate) async fn list(&self, after: Option<UserId>, limit: usize) -> Result<Page, Error> {
        let limit = limit.clamp(1, PAGE_MAX);
        self.run((after, limit), |tx, (after, limit)| {
            Box::pin(page(tx, after.as_ref(), *limit))
        })
        .await
    }

    pub(crate) async fn search(
        &self,
        prefix: &str,
        after: Option<Login>,
        limit: usize,
    ) -> Result<Found, Error> {
        let limit = limit.clamp(1, SEARCH_MAX);
        let prefix = prefix.trim().to_ascii_lowercase();
        self.run((prefix, after, limit), |tx, (prefix, after, limit)| {
            Box::pin(search(tx, prefix, after.as_ref(), *limit))
        })
        .await
    }

    pub(crate) async fn set_display_name(
        &self,
        user: UserId,
        name: DisplayName,
    ) -> Result<Account, Error> {
        self.run((user, name), |tx, (user, name)| {
            Box::pin(async move {
                let (mut account, _) = locked(tx, user).await?;
                tx.execute(SET_NAME, &[id(user), name.as_str().into()])
                    .await?;
                account.display_name = name.clone();
                Ok(account)
            })
        })
        .await
    }

    /// Blocking ends all sessions.
    pub(crate) async fn set_state(&self, user: UserId, state: State) -> Result<Changed, Error> {
        self.run((user, state), |tx, (user, state)| {
            Box::pin(async move {
                let (mut account, _) = locked(tx, user).await?;
                let number = match state {
                    State::Active => ACTIVE,
                    State::Blocked => BLOCKED,
                };
                tx.execute(SET_STATE, &[id(user), number.into()]).await?;
                if *state == State::Blocked {
                    tx.execute(END_SESSIONS, &[id(user)]).await?;
                }
                let is_new = account.state != *state;
                account.state = *state;
                Ok(Changed { account, is_new })
            })
        })
        .await
    }

    /// Ends all sessions. `from`, if given, has to be the hash that is there:
    /// [`Error::Credentials`].
    pub(crate) async fn set_password(
        &self,
        user: UserId,
        from: Option<String>,
        to: String,
    ) -> Result<(), Error> {
        self.run((user, from, to), |tx, (user, from, to)| {
            Box::pin(async move {
                let (_, present) = locked(tx, user).await?;
                if from.as_ref().is_some_and(|from| *from != present) {
                    return Err(Error::Credentials);
                }
                tx.execute(SET_PASSWORD, &[id(user), to.as_str().into()])
                    .await?;
                tx.execute(END_SESSIONS, &[id(user)]).await?;
                Ok(())
            })
        })
        .await
    }

    /// Without a room it is platform-wide.
    pub(crate) async fn grant(
        &self,
        user: UserId,
        (room, role): (Option<Room>, Role),
        now_ms: u64,
    ) -> Result<Changed, Error> {
        self.run((user, room, role, now_ms), |tx, arguments| {
            Box::pin(async move {
                let (user, room, role, now_ms) = arguments;
                locked(tx, user).await?;
                let room = room.as_ref().map_or("", Room::as_str);
                let values = [
                    id(user),
                    room.into(),
                    role.as_str().into(),
                    (*now_ms).into(),
                ];
                let is_new = tx.execute(GRANT, &values).await? > 0;
                let account = account(tx, user).await?.ok_or(Error::Unknown)?;
                if account.roles.len() > ROLES_MAX || account.grants.len() > GRANTS_MAX {
                    return Err(Invalid::Roles.into());
                }
                Ok(Changed { account, is_new })
            })
        })
        .await
    }

    /// What was not there is not missed.
    pub(crate) async fn revoke(
        &self,
        user: UserId,
        (room, role): (Option<Room>, Role),
    ) -> Result<Changed, Error> {
        self.run((user, room, role), |tx, (user, room, role)| {
            Box::pin(async move {
                locked(tx, user).await?;
                let room = room.as_ref().map_or("", Room::as_str);
                let values = [id(user), room.into(), role.as_str().into()];
                let is_new = tx.execute(REVOKE, &values).await? > 0;
                let account = account(tx, user).await?.ok_or(Error::Unknown)?;
                Ok(Changed { account, is_new })
            })
        })
        .await
    }

    /// Takes every role in a room from everybody; how many.
    pub(crate) async fn revoke_room(&self, room: Room) -> Result<u64, Error> {
        self.run(room, |tx, room| {
            Box::pin(async move {
                tx.query(IN_ROOM, &[room.as_str().into()]).await?;
                Ok(tx.execute(REVOKE_ROOM, &[room.as_str().into()]).await?)
            })
        })
        .await
    }

    pub(crate) async fn export(&self, user: UserId) -> Result<PersonalData, Error> {
        self.run(user, |tx, user| {
            Box::pin(async move {
                let (account, _) = locked(tx, user).await?;
                let rows = tx.query(SESSIONS, &[id(user)]).await?;
                let session = |row: &Row| {
                    Ok(SessionData {
                        created_ms: row.number(0)?,
                        rotated_ms: row.number(1)?,
                        expires_ms: row.number(2)?,
                    })
                };
                let sessions: Result<_, Error> = rows.iter().map(session).collect();
                Ok(personal(account, sessions?))
            })
        })
        .await
    }

    /// An account that was erased before is, again.
    pub(crate) async fn erase(&self, user: UserId, now_ms: u64) -> Result<(), Error> {
        self.run((user, now_ms), |tx, (user, now_ms)| {
            Box::pin(async move {
                let rows = tx.query(STATE_LOCKED, &[id(user)]).await?;
                let state = rows.first().ok_or(Error::Unknown)?.number(0)?;
                if state > BLOCKED {
                    return Ok(());
                }
                tx.execute(REVOKE_ALL, &[id(user)]).await?;
                tx.execute(END_SESSIONS, &[id(user)]).await?;
                tx.execute(ERASE, &[id(user), (*now_ms).into()]).await?;
                Ok(())
            })
        })
        .await
    }
}

async fn account(tx: &mut dyn Transaction, of: &UserId) -> Result<Option<Account>, Error> {
    let rows = tx.query(USER, &[id(of)]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let Some((mut account, _)) = user(row)? else {
        return Ok(None);
    };
    with_roles(tx, &mut account).await?;
    Ok(Some(account))
}

async fn search(
    tx: &mut dyn Transaction,
    prefix: &str,
    after: Option<&Login>,
    limit: usize,
) -> Result<Found, Error> {
    let after = after.map_or("", Login::as_str);
    let end = format!("{prefix}{AFTER_ALL}");
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let values = [
        prefix.into(),
        after.into(),
        end.as_str().into(),
        one_more.into(),
    ];
    let rows = tx.query(SEARCH, &values).await?;
    let mut accounts = Vec::new();
    for row in rows.iter().take(limit) {
        if let Some((mut account, _)) = user(row)? {
            with_roles(tx, &mut account).await?;
            accounts.push(account);
        }
    }
    let last = accounts.last().filter(|_| rows.len() > limit);
    let next = last.map(|account| account.login.clone());
    Ok(Found { accounts, next })
}

async fn page(
    tx: &mut dyn Transaction,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Page, Error> {
    // No id is before the empty text.
    let after = after.map_or("", UserId::as_str);
    // One more tells whether there is another page.
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let rows = tx.query(PAGE, &[after.into(), one_more.into()]).await?;
    let mut accounts = Vec::new();
    for row in rows.iter().take(limit) {
        accounts.extend(user(row)?.map(|(account, _)| account));
    }
    let (Some(first), Some(last)) = (accounts.first(), accounts.last()) else {
        return Ok(Page {
            accounts,
            next: None,
        });
    };
    let next = (rows.len() > limit).then(|| last.id.clone());
    let range: [Value; 2] = [id(&first.id), id(&last.id)];
    let roles = tx.query(PAGE_ROLES, &range).await?;
    let mut roles = roles.iter().peekable();
    for account in &mut accounts {
        while let Some(row) = roles.peek() {
            match row.text(0)?.cmp(account.id.as_str()) {
                std::cmp::Ordering::Greater => break,
                std::cmp::Ordering::Equal => add_role(account, row.text(1)?, row.text(2)?)?,
                // Of one that came or went between the two statements.
                std::cmp::Ordering::Less => {}
            }
            roles.next();
        }
    }
    Ok(Page { accounts, next })
}

fn personal(account: Account, sessions: Vec<SessionData>) -> PersonalData {
    let grants = account.grants.iter().map(|grant| GrantData {
        room: grant.room.to_string(),
        role: grant.role.to_string(),
    });
    PersonalData {
        id: account.id.to_string(),
        login: account.login.to_string(),
        display_name: account.display_name.to_string(),
        state: account.state,
        roles: account.roles.iter().map(Role::to_string).collect(),
        grants: grants.collect(),
        created_ms: account.created_ms,
        signed_in_ms: account.signed_in_ms,
        sessions,
    }
}
