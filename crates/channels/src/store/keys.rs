//! Keys to publish with: made, listed, deleted, shown.

use database::{Row, Transaction, Value};

use super::rooms::{is_open, locked};
use super::{Channels, count};
use crate::error::{Error, Refused};
use crate::key::{PublishKey, random_id};
use crate::limits::{KEYS_KEPT_MAX, KEYS_MAX};
use crate::model::{Begun, Key, NewKey, Room};

const INSERT: &str = "INSERT INTO channels_keys (id, room, hash, label, created_ms, expires_ms, \
    last_used_ms, once, revoked) VALUES ($1, $2, $3, $4, $5, $6, NULL, $7, 0)";
const ACTIVE: &str = "SELECT count(*) FROM channels_keys WHERE room = $1 AND revoked = 0 \
    AND (once = 0 OR last_used_ms IS NULL) AND (expires_ms IS NULL OR expires_ms > $2)";
/// Those that open nothing any more, the newest of them excepted.
const FORGET: &str = "DELETE FROM channels_keys WHERE id IN (SELECT id FROM channels_keys \
    WHERE room = $1 AND (revoked = 1 OR (once = 1 AND last_used_ms IS NOT NULL) \
    OR (expires_ms IS NOT NULL AND expires_ms <= $2)) ORDER BY created_ms DESC, id LIMIT 1000 OFFSET $3)";
const OF_ROOM: &str = "SELECT id, room, label, created_ms, expires_ms, last_used_ms, once, revoked \
    FROM channels_keys WHERE room = $1 ORDER BY created_ms, id";
const BY_HASH: &str = "SELECT id, room, label, created_ms, expires_ms, last_used_ms, once, revoked \
    FROM channels_keys WHERE hash = $1";
const BY_ID: &str = "SELECT id, room, label, created_ms, expires_ms, last_used_ms, once, revoked \
    FROM channels_keys WHERE id = $1 FOR UPDATE";
const REVOKE: &str = "UPDATE channels_keys SET revoked = 1 WHERE id = $1";
const USE: &str = "UPDATE channels_keys SET last_used_ms = $2 WHERE id = $1";

impl Channels {
    /// Stores a key of a room.
    ///
    /// # Errors
    /// [`Error::UnknownRoom`], [`Error::TooManyKeys`].
    pub async fn create_key(&self, of: &str, new: NewKey, now_ms: u64) -> Result<Key, Error> {
        let id = random_id("key-")?;
        self.run(
            (id, of.to_owned(), new, now_ms),
            |tx, (id, of, new, now_ms)| {
                Box::pin(async move {
                    locked(tx, of).await?;
                    let active = count(tx, ACTIVE, &[of.as_str().into(), (*now_ms).into()]).await?;
                    if active >= KEYS_MAX {
                        return Err(Error::TooManyKeys);
                    }
                    let kept = KEYS_KEPT_MAX - KEYS_MAX;
                    let forget = [of.as_str().into(), (*now_ms).into(), kept.into()];
                    tx.execute(FORGET, &forget).await?;
                    let values = [
                        id.as_str().into(),
                        of.as_str().into(),
                        (&new.hash).into(),
                        new.label.as_str().into(),
                        (*now_ms).into(),
                        new.expires_ms.into(),
                        u64::from(new.once).into(),
                    ];
                    tx.execute(INSERT, &values).await?;
                    Ok(Key {
                        id: id.clone(),
                        room: of.clone(),
                        label: new.label.clone(),
                        created_ms: *now_ms,
                        expires_ms: new.expires_ms,
                        last_used_ms: None,
                        once: new.once,
                        revoked: false,
                    })
                })
            },
        )
        .await
    }

    /// The keys of a room, the oldest first; those that were deleted not.
    ///
    /// # Errors
    /// [`Error::UnknownRoom`].
    pub async fn keys(&self, of: &str) -> Result<Vec<Key>, Error> {
        self.run(of.to_owned(), |tx, of| {
            Box::pin(async move {
                locked(tx, of).await?;
                let rows = tx.query(OF_ROOM, &[of.as_str().into()]).await?;
                let keys: Result<Vec<Key>, Error> = rows.iter().map(read).collect();
                Ok(keys?.into_iter().filter(|key| !key.revoked).collect())
            })
        })
        .await
    }

    /// Takes a key back. Who publishes with it goes on: [`Self::stop_room`] cuts off.
    ///
    /// # Errors
    /// [`Error::UnknownKey`].
    pub async fn revoke_key(&self, of: &str, id: &str) -> Result<(), Error> {
        self.run((of.to_owned(), id.to_owned()), |tx, (of, id)| {
            Box::pin(async move {
                locked(tx, of).await?;
                let key = by_id(tx, id).await?;
                if key.room != *of || key.revoked {
                    return Err(Error::UnknownKey);
                }
                tx.execute(REVOKE, &[id.as_str().into()]).await?;
                Ok(())
            })
        })
        .await
    }

    /// The key that somebody shows, if it opens its room now. Found by its hash: how long that takes
    /// says nothing about how much of a key is right.
    ///
    /// One that was used up ([`Key::is_used`]) is found, too: who remembers its broadcast may let it go on
    /// ([`Self::use_key_again`]), and everybody else refuses it.
    ///
    /// # Errors
    /// [`Refused`], but not [`Refused::Used`].
    pub async fn find_key(&self, shown: &str, now_ms: u64) -> Result<(Key, Room), Error> {
        let hash = PublishKey::hash(shown);
        self.run((hash, now_ms), |tx, (hash, now_ms)| {
            Box::pin(async move {
                let rows = tx.query(BY_HASH, &[hash.into()]).await?;
                let row = rows.first().ok_or(Error::Refused(Refused::WrongKey))?;
                let key = read(row)?;
                let room = locked(tx, &key.room).await?;
                opens(&key, &room, *now_ms)?;
                Ok((key, room))
            })
        })
        .await
    }

    /// Begins a broadcast with a key: it still has to open its room, and one that is good for one
    /// broadcast is used up.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn use_key(&self, key: &Key, now_ms: u64) -> Result<Begun, Error> {
        self.begin(key, None, now_ms).await
    }

    /// Goes on with a broadcast that a key began, though it is used up. That its publisher vanished, and not
    /// long ago, is the caller's to know. Once: the next time it is shown what is answered here.
    ///
    /// # Errors
    /// [`Refused`]: [`Refused::Used`] also if somebody else went on with it, or the room was stopped since.
    pub async fn use_key_again(
        &self,
        key: &Key,
        begun: Begun,
        now_ms: u64,
    ) -> Result<Begun, Error> {
        self.begin(key, Some(begun), now_ms).await
    }

    async fn begin(&self, key: &Key, begun: Option<Begun>, now_ms: u64) -> Result<Begun, Error> {
        let (id, of) = (key.id.clone(), key.room.clone());
        self.run((id, of, begun, now_ms), |tx, (id, of, begun, now_ms)| {
            Box::pin(async move {
                let gone = |error| match error {
                    Error::UnknownRoom | Error::UnknownKey => Error::Refused(Refused::Revoked),
                    error => error,
                };
                let room = locked(tx, of).await.map_err(gone)?;
                let key = by_id(tx, id).await.map_err(gone)?;
                opens(&key, &room, *now_ms)?;
                let goes_on = begun.as_ref().is_some_and(|begun| {
                    begun.key == key.id
                        && Some(begun.used_ms) == key.last_used_ms
                        && begun.stops == room.stops
                });
                if key.is_used() && !goes_on {
                    return Err(Error::Refused(Refused::Used));
                }
                // Another number each time, whatever the clock does.
                let used_ms = (*now_ms).max(key.last_used_ms.map_or(0, |last| last + 1));
                tx.execute(USE, &[id.as_str().into(), used_ms.into()])
                    .await?;
                Ok(Begun {
                    key: id.clone(),
                    used_ms,
                    stops: room.stops,
                })
            })
        })
        .await
    }
}

/// Why not, if not; whether it is used up is another question. That a key was good once is said to who has
/// it, and to nobody else.
fn opens(key: &Key, room: &Room, now_ms: u64) -> Result<(), Error> {
    if key.revoked {
        return Err(Error::Refused(Refused::Revoked));
    }
    if key.is_expired(now_ms) {
        return Err(Error::Refused(Refused::Expired));
    }
    is_open(room)
}

async fn by_id(tx: &mut dyn Transaction, id: &str) -> Result<Key, Error> {
    let rows = tx.query(BY_ID, &[Value::from(id)]).await?;
    read(rows.first().ok_or(Error::UnknownKey)?)
}

fn read(row: &Row) -> Result<Key, Error> {
    Ok(Key {
        id: row.text(0)?.to_owned(),
        room: row.text(1)?.to_owned(),
        label: row.text(2)?.to_owned(),
        created_ms: row.number(3)?,
        expires_ms: row.number_or_null(4)?,
        last_used_ms: row.number_or_null(5)?,
        once: row.number(6)? != 0,
        revoked: row.number(7)? != 0,
    })
}
