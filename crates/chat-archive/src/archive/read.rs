//! Reading: a room's events of some time, and all that concerns a user.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;

use super::Archive;
use crate::error::Error;
use crate::person::shown_to;
use crate::record::{Needle, Record};
use crate::room::{Cursor, Days, Room, day_of};
use crate::segment::check_room;

/// A room's events, oldest first. After an error, which names a segment, it goes on with the next
/// segment. It holds one chunk in memory, and no file open.
#[derive(Debug)]
pub struct Read {
    pieces: Option<Pieces>,
    from_ms: u64,
    to_ms: u64,
    left: usize,
}

/// What is stored about a user: lines of JSON (`room`, `epoch`, `event`), each with its line feed.
/// What others said, who moderated and who complained is not in it. Errors as in [`Read`].
#[derive(Debug)]
pub struct Export {
    user: String,
    rooms: VecDeque<Arc<Room>>,
    pieces: Option<Pieces>,
}

/// A room, chunk by chunk.
#[derive(Debug)]
struct Pieces {
    room: Arc<Room>,
    cursor: Cursor,
    days: Days,
    needle: Needle,
    ready: VecDeque<Result<Record, Error>>,
}

#[derive(Serialize)]
struct Line<'a> {
    room: &'a str,
    #[serde(flatten)]
    record: &'a Record,
}

impl Archive {
    /// Events with `from_ms <= at_ms < to_ms`, `limit` at most.
    ///
    /// # Errors
    /// The room's name cannot be one.
    pub fn read(&self, room: &str, from_ms: u64, to_ms: u64, limit: usize) -> Result<Read, Error> {
        check_room(room)?;
        let room = self.0.rooms.read().get(room).cloned();
        let days = Days {
            first: day_of(from_ms),
            last: day_of(to_ms.saturating_sub(1)),
        };
        Ok(Read {
            pieces: room.map(|room| Pieces::new(room, days, Needle::new(""))),
            from_ms,
            to_ms,
            left: limit,
        })
    }

    /// What is stored about a user.
    ///
    /// # Errors
    /// No user has such an id.
    pub fn export(&self, user: &str) -> Result<Export, Error> {
        if !(1..=rooms::ID_BYTES_MAX).contains(&user.len()) {
            return Err(Error::UserId);
        }
        Ok(Export {
            user: user.to_owned(),
            rooms: self.rooms().into(),
            pieces: None,
        })
    }
}

impl Pieces {
    fn new(room: Arc<Room>, days: Days, needle: Needle) -> Self {
        Self {
            room,
            cursor: Cursor::default(),
            days,
            needle,
            ready: VecDeque::new(),
        }
    }

    fn next(&mut self) -> Option<Result<Record, Error>> {
        while self.ready.is_empty() {
            let chunk = self.room.chunk(&mut self.cursor, self.days, &self.needle)?;
            self.ready.extend(chunk.records.into_iter().map(Ok));
            self.ready.extend(chunk.error.map(Err));
        }
        self.ready.pop_front()
    }
}

impl Iterator for Read {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        loop {
            let next = self.pieces.as_mut()?.next()?;
            let is_asked = next.as_ref().map_or(true, |record| {
                (self.from_ms..self.to_ms).contains(&record.event.at_ms)
            });
            if is_asked {
                self.left -= usize::from(next.is_ok());
                return Some(next);
            }
        }
    }
}

impl Iterator for Export {
    type Item = Result<Vec<u8>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(pieces) = &mut self.pieces else {
                let room = self.rooms.pop_front()?;
                let days = Days {
                    first: 0,
                    last: u32::MAX,
                };
                self.pieces = Some(Pieces::new(room, days, Needle::new(&self.user)));
                continue;
            };
            let mut record = match pieces.next() {
                None => {
                    self.pieces = None;
                    continue;
                }
                Some(Err(error)) => return Some(Err(error)),
                Some(Ok(record)) => record,
            };
            if let Some(body) = shown_to(&self.user, &record.event.body) {
                record.event.body = body;
                return Some(line(pieces.room.name(), &record));
            }
        }
    }
}

fn line(room: &str, record: &Record) -> Result<Vec<u8>, Error> {
    let line = Line { room, record };
    let mut line = serde_json::to_vec(&line).map_err(|_| Error::Seal)?;
    line.push(b'\n');
    Ok(line)
}
