//! Rooms: made, read, changed, stopped, deleted.

use std::collections::BTreeSet;

use database::{Row, Transaction, Value};

use super::{COUNT_CHANGE, Channels, count, head, owned};
use crate::error::{Error, Refused};
use crate::limits::{PAGE_MAX, ROOMS_MAX};
use crate::model::{By, Change, NewRoom, Page, Room, RoomState, Snapshot, Source, check_reason};

const OPEN: u64 = 0;
const API: u64 = 0;

const COUNT: &str = "SELECT count(*) FROM channels_rooms";
/// A room's stops begin where the version is, which no stop is ahead of: one that is made anew has more
/// of them than the one before it of its name.
const INSERT: &str = "INSERT INTO channels_rooms (name, title, owner, state, reason, source, \
    created_ms, stops, rules) \
    VALUES ($1, $2, $3, 0, '', 0, $4, (SELECT version + 1 FROM channels_head), $5) \
    ON CONFLICT (name) DO NOTHING";
/// A room that the API made stays what it was, but for its title, once a configuration has it.
const CONFIGURE: &str = "INSERT INTO channels_rooms (name, title, owner, state, reason, source, \
    created_ms, stops) VALUES ($1, $2, NULL, 0, '', 1, $3, (SELECT version + 1 FROM channels_head)) \
    ON CONFLICT (name) DO UPDATE SET title = excluded.title, source = 1";
const ROOM: &str = "SELECT name, title, owner, state, reason, source, created_ms, stops, stopped_by, cuts, \
    rules FROM channels_rooms WHERE name = $1";
const ROOM_LOCKED: &str = "SELECT name, title, owner, state, reason, source, created_ms, stops, stopped_by, cuts, \
    rules FROM channels_rooms WHERE name = $1 FOR UPDATE";
const AFTER: &str = "SELECT name, title, owner, state, reason, source, created_ms, stops, stopped_by, cuts, \
    rules FROM channels_rooms WHERE name > $1 ORDER BY name LIMIT $2";
const VERSION: &str = "SELECT version FROM channels_head";
const CHANGE: &str = "UPDATE channels_rooms SET title = $2, owner = $3, rules = $4 WHERE name = $1";
const SET_OPEN: &str =
    "UPDATE channels_rooms SET state = 0, reason = '', stopped_by = 0 WHERE name = $1";
const SET_STOPPED: &str = "UPDATE channels_rooms SET state = 1, reason = $2, stopped_by = $3, \
    stops = (SELECT version + 1 FROM channels_head) WHERE name = $1";
const OWNED: &str = "SELECT name FROM channels_rooms WHERE owner = $1";
const REVOKE_KEYS: &str = "UPDATE channels_keys SET revoked = 1 WHERE room = $1 AND revoked = 0";
const CUT: &str = "UPDATE channels_rooms SET cuts = cuts + 1 WHERE name = $1";
const DELETE_KEYS: &str = "DELETE FROM channels_keys WHERE room = $1";
const DELETE: &str = "DELETE FROM channels_rooms WHERE name = $1";

impl Channels {
    /// Makes a room, open.
    ///
    /// # Errors
    /// [`Error::Taken`], [`Error::TooManyRooms`].
    pub async fn create_room(&self, new: NewRoom, now_ms: u64) -> Result<Room, Error> {
        self.run((new, now_ms), |tx, (new, now_ms)| {
            Box::pin(async move {
                head(tx).await?;
                let owner = new.owner.as_deref();
                let values = [
                    new.name.as_str().into(),
                    new.title.as_str().into(),
                    owner.into(),
                    (*now_ms).into(),
                    new.rules.as_str().into(),
                ];
                if tx.execute(INSERT, &values).await? == 0 {
                    return Err(Error::Taken);
                }
                if count(tx, COUNT, &[]).await? > ROOMS_MAX {
                    return Err(Error::TooManyRooms);
                }
                tx.execute(COUNT_CHANGE, &[]).await?;
                room(tx, ROOM, &new.name).await
            })
        })
        .await
    }

    /// Notes the rooms of a configuration, with their titles; they stay open or stopped as they were.
    ///
    /// # Errors
    /// The store's, or [`Error::TooManyRooms`].
    pub async fn configure(&self, rooms: Vec<(String, String)>, now_ms: u64) -> Result<(), Error> {
        self.run((rooms, now_ms), |tx, (rooms, now_ms)| {
            Box::pin(async move {
                head(tx).await?;
                for (name, title) in rooms {
                    let values = [
                        name.as_str().into(),
                        title.as_str().into(),
                        (*now_ms).into(),
                    ];
                    tx.execute(CONFIGURE, &values).await?;
                }
                if count(tx, COUNT, &[]).await? > ROOMS_MAX {
                    return Err(Error::TooManyRooms);
                }
                tx.execute(COUNT_CHANGE, &[]).await?;
                Ok(())
            })
        })
        .await
    }

    /// A room.
    ///
    /// # Errors
    /// [`Error::UnknownRoom`].
    pub async fn room(&self, name: &str) -> Result<Room, Error> {
        let name = name.to_owned();
        self.run(name, |tx, name| Box::pin(room(tx, ROOM, name)))
            .await
    }

    /// Rooms after a name, in the order of their names.
    ///
    /// # Errors
    /// The store's.
    pub async fn rooms(&self, after: Option<String>, limit: usize) -> Result<Page, Error> {
        let limit = limit.clamp(1, PAGE_MAX);
        self.run((after, limit), |tx, (after, limit)| {
            Box::pin(async move {
                // No name is before the empty text. One more tells whether there is another page.
                let after = after.as_deref().unwrap_or_default();
                let one_more = u64::try_from(*limit).unwrap_or(u64::MAX).saturating_add(1);
                let rows = tx.query(AFTER, &[after.into(), one_more.into()]).await?;
                let rooms: Result<Vec<_>, _> = rows.iter().take(*limit).map(read).collect();
                let rooms = rooms?;
                let is_last = rows.len() <= *limit;
                let last = rooms.last().map(|room| room.name.clone());
                let next = last.filter(|_| !is_last);
                Ok(Page { rooms, next })
            })
        })
        .await
    }

    /// All rooms, and the version they have.
    ///
    /// # Errors
    /// The store's.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        self.run((), |tx, ()| {
            Box::pin(async move {
                // Whatever changes afterwards has a greater version.
                let version = count(tx, VERSION, &[]).await?;
                let rows = tx.query(AFTER, &["".into(), ROOMS_MAX.into()]).await?;
                let rooms: Result<Vec<_>, _> = rows.iter().map(read).collect();
                Ok(Snapshot {
                    version,
                    rooms: rooms?,
                })
            })
        })
        .await
    }

    /// Greater after each change of a room.
    ///
    /// # Errors
    /// The store's.
    pub async fn version(&self) -> Result<u64, Error> {
        self.run((), |tx, ()| Box::pin(count(tx, VERSION, &[])))
            .await
    }

    /// A room that [`Self::change_room`] would change, for whoever has to do something else first.
    ///
    /// # Errors
    /// As [`Self::change_room`].
    pub async fn may_change(&self, name: &str, change: &Change) -> Result<Room, Error> {
        change.check()?;
        let room = self.room(name).await?;
        changeable(&room, change)?;
        Ok(room)
    }

    /// Changes a title, an owner or rules; answers the room as it was, and as it is.
    ///
    /// # Errors
    /// [`Error::UnknownRoom`]; [`Error::Configured`] for the title or the rules of a configured one.
    pub async fn change_room(&self, name: &str, change: Change) -> Result<(Room, Room), Error> {
        change.check()?;
        self.run((name.to_owned(), change), |tx, (name, change)| {
            Box::pin(async move {
                head(tx).await?;
                let before = room(tx, ROOM_LOCKED, name).await?;
                changeable(&before, change)?;
                let mut after = before.clone();
                after.title = change.title.clone().unwrap_or(after.title);
                after.owner = change.owner.clone().unwrap_or(after.owner);
                after.rules = change.rules.clone().unwrap_or(after.rules);
                let values = [
                    name.as_str().into(),
                    after.title.as_str().into(),
                    after.owner.as_deref().into(),
                    after.rules.as_str().into(),
                ];
                tx.execute(CHANGE, &values).await?;
                tx.execute(COUNT_CHANGE, &[]).await?;
                Ok((before, after))
            })
        })
        .await
    }

    /// Takes back all keys of some rooms, and of those that somebody owns, and has whoever publishes there
    /// cut off ([`Room::cuts`]). How many keys there were. Rooms that are not there have none.
    ///
    /// # Errors
    /// The store's.
    pub async fn revoke_keys(
        &self,
        rooms: Vec<String>,
        owner: Option<String>,
    ) -> Result<u64, Error> {
        self.run((rooms, owner), |tx, (rooms, owner)| {
            Box::pin(async move {
                head(tx).await?;
                let mut names: BTreeSet<String> = rooms.iter().cloned().collect();
                if let Some(owner) = owner {
                    for row in tx.query(OWNED, &[owner.as_str().into()]).await? {
                        names.insert(row.text(0)?.to_owned());
                    }
                }
                let mut revoked = 0;
                for name in names {
                    // After who publishes now: then they are there to be cut off.
                    match locked(tx, &name).await {
                        Err(Error::UnknownRoom) => continue,
                        room => drop(room?),
                    }
                    revoked += tx.execute(REVOKE_KEYS, &[name.as_str().into()]).await?;
                    tx.execute(CUT, &[name.as_str().into()]).await?;
                }
                tx.execute(COUNT_CHANGE, &[]).await?;
                Ok(revoked)
            })
        })
        .await
    }

    /// Opens a room; answers it as it was, and as it is.
    ///
    /// # Errors
    /// [`Error::UnknownRoom`], [`Error::StoppedByStaff`].
    pub async fn open_room(&self, name: &str, by: By) -> Result<(Room, Room), Error> {
        self.run((name.to_owned(), by), |tx, (name, by)| {
            Box::pin(async move {
                head(tx).await?;
                let before = locked(tx, name).await?;
                if before.stopped_by == Some(By::Staff) && *by != By::Staff {
                    return Err(Error::StoppedByStaff);
                }
                tx.execute(SET_OPEN, &[name.as_str().into()]).await?;
                tx.execute(COUNT_CHANGE, &[]).await?;
                Ok((before, room(tx, ROOM, name).await?))
            })
        })
        .await
    }

    /// Stops a room; answers it as it was, and as it is. `reason` is shown to who is refused. What staff
    /// stopped stays as they said.
    ///
    /// # Errors
    /// [`Error::UnknownRoom`].
    pub async fn stop_room(
        &self,
        name: &str,
        by: By,
        reason: String,
    ) -> Result<(Room, Room), Error> {
        check_reason(&reason)?;
        self.run((name.to_owned(), by, reason), |tx, (name, by, reason)| {
            Box::pin(async move {
                head(tx).await?;
                // After who publishes now: then they are there to be cut off.
                let before = locked(tx, name).await?;
                let is_staffs = before.stopped_by == Some(By::Staff) && *by != By::Staff;
                if is_staffs || (before.stopped_by == Some(*by) && before.reason == *reason) {
                    return Ok((before.clone(), before));
                }
                let values = [
                    name.as_str().into(),
                    reason.as_str().into(),
                    by.number().into(),
                ];
                tx.execute(SET_STOPPED, &values).await?;
                tx.execute(COUNT_CHANGE, &[]).await?;
                Ok((before, room(tx, ROOM, name).await?))
            })
        })
        .await
    }

    /// A room that [`Self::delete_room`] would remove, for whoever has to do something else first.
    ///
    /// # Errors
    /// As [`Self::delete_room`].
    pub async fn may_delete(&self, name: &str, was_configured: bool) -> Result<Room, Error> {
        let room = self.room(name).await?;
        deletable(&room, was_configured)?;
        Ok(room)
    }

    /// Removes a room and its keys; answers it as it was. Webhooks of it are [`Self::delete_webhook`]'s.
    ///
    /// # Errors
    /// [`Error::UnknownRoom`]; [`Error::Configured`], unless it stands in a configuration no longer.
    pub async fn delete_room(&self, name: &str, was_configured: bool) -> Result<Room, Error> {
        self.run((name.to_owned(), was_configured), |tx, (name, was)| {
            Box::pin(async move {
                head(tx).await?;
                let before = room(tx, ROOM_LOCKED, name).await?;
                deletable(&before, *was)?;
                tx.execute(DELETE_KEYS, &[name.as_str().into()]).await?;
                tx.execute(DELETE, &[name.as_str().into()]).await?;
                tx.execute(COUNT_CHANGE, &[]).await?;
                Ok(before)
            })
        })
        .await
    }

    /// Whether a room may be published to; one that is not known may.
    ///
    /// # Errors
    /// [`Refused::Stopped`].
    pub async fn admit(&self, name: &str) -> Result<(), Error> {
        match self.room(name).await {
            Ok(room) => is_open(&room),
            Err(Error::UnknownRoom) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A configuration has the titles and rules of its rooms.
fn changeable(room: &Room, change: &Change) -> Result<(), Error> {
    if (change.title.is_some() || change.rules.is_some()) && room.source == Source::Config {
        return Err(Error::Configured);
    }
    Ok(())
}

/// A configuration would make its rooms anew.
fn deletable(room: &Room, was_configured: bool) -> Result<(), Error> {
    if room.source == Source::Config && !was_configured {
        return Err(Error::Configured);
    }
    Ok(())
}

/// Reads a room; with [`ROOM_LOCKED`] nobody else changes it meanwhile.
pub(super) async fn room(
    tx: &mut dyn Transaction,
    sql: &'static str,
    name: &str,
) -> Result<Room, Error> {
    let rows = tx.query(sql, &[Value::from(name)]).await?;
    read(rows.first().ok_or(Error::UnknownRoom)?)
}

/// The same, locked.
pub(super) async fn locked(tx: &mut dyn Transaction, name: &str) -> Result<Room, Error> {
    room(tx, ROOM_LOCKED, name).await
}

pub(super) fn is_open(room: &Room) -> Result<(), Error> {
    match room.state {
        RoomState::Open => Ok(()),
        RoomState::Stopped => Err(Error::Refused(Refused::Stopped {
            reason: room.reason.clone(),
        })),
    }
}

fn read(row: &Row) -> Result<Room, Error> {
    Ok(Room {
        name: row.text(0)?.to_owned(),
        title: row.text(1)?.to_owned(),
        owner: owned(row, 2)?,
        state: match row.number(3)? {
            OPEN => RoomState::Open,
            _ => RoomState::Stopped,
        },
        reason: row.text(4)?.to_owned(),
        source: match row.number(5)? {
            API => Source::Api,
            _ => Source::Config,
        },
        created_ms: row.number(6)?,
        stops: row.number(7)?,
        stopped_by: By::of_number(row.number(8)?),
        cuts: row.number(9)?,
        rules: row.text(10)?.to_owned(),
    })
}
