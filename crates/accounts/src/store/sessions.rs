//! Families of refresh tokens.

use database::{Row, Transaction, Value};

use super::{Store, digest, digest_or_null, id, locked};
use crate::account::{Account, State};
use crate::error::Error;
use crate::limits::{FAMILIES_MAX, PAGE_MAX};
use crate::random::{self, Digest};
use crate::refresh::{Decision, Family, Previous, RefreshToken};
use crate::text::UserId;

const SIGNED_IN: &str = "UPDATE accounts_users SET signed_in_ms = $2, password = $3 WHERE id = $1";
/// The ones used last stay.
const TRIM: &str = "DELETE FROM accounts_families WHERE user_id = $1 AND (expires_ms <= $2 \
    OR id NOT IN (SELECT id FROM accounts_families WHERE user_id = $1 AND expires_ms > $2 \
    ORDER BY rotated_ms DESC, id LIMIT $3))";
const INSERT: &str = "INSERT INTO accounts_families \
    (id, user_id, current_hash, previous_hash, salt, created_ms, rotated_ms, expires_ms) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const UPDATE: &str = "UPDATE accounts_families SET current_hash = $2, previous_hash = $3, \
    salt = $4, rotated_ms = $5, expires_ms = $6 WHERE id = $1";
const OWNER: &str = "SELECT user_id FROM accounts_families WHERE id = $1";
const FAMILY: &str = "SELECT current_hash, previous_hash, salt, created_ms, rotated_ms, expires_ms \
    FROM accounts_families WHERE id = $1";
const DELETE: &str = "DELETE FROM accounts_families WHERE id = $1";
const DELETE_ALL: &str = "DELETE FROM accounts_families WHERE user_id = $1";
const SWEEP: &str = "DELETE FROM accounts_families WHERE id IN (SELECT id FROM accounts_families \
    WHERE expires_ms <= $1 ORDER BY expires_ms LIMIT $2)";

/// What became of a refresh token that was shown.
#[derive(Debug)]
pub(crate) enum Shown {
    /// Its successor.
    Successor(RefreshToken, Account),
    /// Unknown, expired, or an old one that may be a late duplicate.
    Refused,
    /// The family has ended: the token was used before.
    Reused(UserId),
    /// The account may not be used.
    Blocked,
}

impl Store {
    /// Opens a family for who proved to know the password that hashes to `verified`.
    pub(crate) async fn sign_in(
        &self,
        user: UserId,
        (verified, rehashed): (String, Option<String>),
        family: Family,
        now_ms: u64,
    ) -> Result<Account, Error> {
        self.run(
            (user, verified, rehashed, family, now_ms),
            |tx, arguments| {
                Box::pin(async move {
                    let (user, verified, rehashed, family, now_ms) = arguments;
                    let (mut account, password) = locked(tx, user).await?;
                    // Changed while it was compared.
                    if password != *verified {
                        return Err(Error::Credentials);
                    }
                    if account.state == State::Blocked {
                        return Err(Error::Blocked);
                    }
                    let password = rehashed.as_ref().unwrap_or(&password);
                    let values = [id(user), (*now_ms).into(), password.as_str().into()];
                    tx.execute(SIGNED_IN, &values).await?;
                    let others = u64::try_from(FAMILIES_MAX - 1).unwrap_or(u64::MAX);
                    let values = [id(user), (*now_ms).into(), others.into()];
                    tx.execute(TRIM, &values).await?;
                    insert(tx, user, family).await?;
                    account.signed_in_ms = Some(*now_ms);
                    Ok(account)
                })
            },
        )
        .await
    }

    pub(crate) async fn show(&self, token: RefreshToken, now_ms: u64) -> Result<Shown, Error> {
        let salt: Digest = random::bytes()?;
        self.run((token, salt, now_ms), |tx, (token, salt, now_ms)| {
            Box::pin(show(tx, token, *salt, *now_ms))
        })
        .await
    }

    /// Whether there was one to end.
    pub(crate) async fn sign_out(&self, token: &RefreshToken) -> Result<bool, Error> {
        self.run(token.family(), |tx, family| {
            Box::pin(async move { Ok(tx.execute(DELETE, &[family.into()]).await? > 0) })
        })
        .await
    }

    /// How many there were.
    pub(crate) async fn end_sessions(&self, user: UserId) -> Result<u64, Error> {
        self.run(user, |tx, user| {
            Box::pin(async move {
                locked(tx, user).await?;
                Ok(tx.execute(DELETE_ALL, &[id(user)]).await?)
            })
        })
        .await
    }

    /// Removes some that have expired; how many.
    pub(crate) async fn sweep(&self, now_ms: u64) -> Result<u64, Error> {
        self.run(now_ms, |tx, now_ms| {
            Box::pin(async move {
                let most = u64::try_from(PAGE_MAX).unwrap_or(u64::MAX);
                let swept = tx.execute(SWEEP, &[(*now_ms).into(), most.into()]).await;
                Ok(swept?)
            })
        })
        .await
    }
}

async fn show(
    tx: &mut dyn Transaction,
    token: &RefreshToken,
    salt: Digest,
    now_ms: u64,
) -> Result<Shown, Error> {
    let family = token.family();
    let owners = tx.query(OWNER, &[(&family).into()]).await?;
    let Some(owner) = owners.first() else {
        return Ok(Shown::Refused);
    };
    let owner = UserId::new(owner.text(0)?).map_err(|_| Error::damaged("user id"))?;
    let account = match locked(tx, &owner).await {
        Ok((account, _)) => account,
        Err(Error::Unknown) => return Ok(Shown::Refused),
        Err(error) => return Err(error),
    };
    // Again, now that nobody else changes it.
    let rows = tx.query(FAMILY, &[(&family).into()]).await?;
    let Some(row) = rows.first() else {
        return Ok(Shown::Refused);
    };
    let decision = read(row, family)?.show(token, salt, now_ms);
    if account.state == State::Blocked {
        return Ok(Shown::Blocked);
    }
    match decision {
        Decision::Rotated(successor, family) => {
            update(tx, &family).await?;
            Ok(Shown::Successor(successor, account))
        }
        Decision::Again(successor) => Ok(Shown::Successor(successor, account)),
        Decision::Refused => Ok(Shown::Refused),
        Decision::Expired => {
            tx.execute(DELETE, &[(&family).into()]).await?;
            Ok(Shown::Refused)
        }
        Decision::Reused => {
            tx.execute(DELETE, &[(&family).into()]).await?;
            Ok(Shown::Reused(owner))
        }
    }
}

fn read(row: &Row, id: Digest) -> Result<Family, Error> {
    let previous = match (digest_or_null(row, 1)?, digest_or_null(row, 2)?) {
        (Some(digest), Some(salt)) => Some(Previous { digest, salt }),
        _ => None,
    };
    Ok(Family {
        id,
        current: digest(row, 0)?,
        previous,
        created_ms: row.number(3)?,
        rotated_ms: row.number(4)?,
        expires_ms: row.number(5)?,
    })
}

fn previous(family: &Family) -> (Value, Value) {
    let previous = family.previous.as_ref();
    let digest = previous.map(|previous| &previous.digest);
    (
        digest.into(),
        previous.map(|previous| &previous.salt).into(),
    )
}

pub(super) async fn insert(
    tx: &mut dyn Transaction,
    user: &UserId,
    family: &Family,
) -> Result<(), Error> {
    let (digest, salt) = previous(family);
    let values = [
        (&family.id).into(),
        id(user),
        (&family.current).into(),
        digest,
        salt,
        family.created_ms.into(),
        family.rotated_ms.into(),
        family.expires_ms.into(),
    ];
    tx.execute(INSERT, &values).await?;
    Ok(())
}

async fn update(tx: &mut dyn Transaction, family: &Family) -> Result<(), Error> {
    let (digest, salt) = previous(family);
    let values = [
        (&family.id).into(),
        (&family.current).into(),
        digest,
        salt,
        family.rotated_ms.into(),
        family.expires_ms.into(),
    ];
    tx.execute(UPDATE, &values).await?;
    Ok(())
}
