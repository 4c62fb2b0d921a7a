//! Reading a room while it is written and rewritten, a piece at a time.

use std::sync::Arc;

use super::{Inner, Room, left_of};
use crate::deletions::Position;
use crate::error::{Error, SegmentId};
use crate::limits::{CHUNK_BYTES, CHUNK_RECORDS};
use crate::person::Verdict;
use crate::record::{self, Needle, Record};
use crate::segment::{End, Scan, Step};

/// Which days of segments are looked at, the last one included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Days {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

/// A place in a room's segments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    number: u64,
    generation: u64,
    /// In that segment of that generation.
    place: Option<(u64, u64)>,
    /// In any generation of it: what was read of it.
    last: Option<Position>,
}

impl Cursor {
    fn leave(&mut self, number: u64) {
        *self = Self {
            number: number + 1,
            ..Self::default()
        };
    }
}

/// Some records, and what is wrong behind them.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) records: Vec<Record>,
    pub(crate) error: Option<Error>,
}

impl Room {
    /// Reads on, without what was deleted and erased up to now. None if nothing follows.
    pub(crate) fn chunk(&self, cursor: &mut Cursor, days: Days, needle: &Needle) -> Option<Chunk> {
        let inner = self.inner.lock();
        let (id, bytes, generation) = self.segment_from(&inner, cursor.number, days)?;
        if id.number != cursor.number {
            cursor.leave(id.number.saturating_sub(1));
        }
        if cursor.generation != generation {
            cursor.generation = generation;
            cursor.place = None;
        }
        let mut chunk = Chunk::default();
        let read = self.read_chunk(&inner, &id, bytes, cursor, needle, &mut chunk.records);
        match read {
            Ok(false) => {}
            Ok(true) => cursor.leave(id.number),
            Err(error) => {
                cursor.leave(id.number);
                chunk.error = Some(error);
            }
        }
        Some(chunk)
    }

    /// The first segment from a number on, what is valid of it if it has no seal, and its
    /// generation.
    fn segment_from(
        &self,
        inner: &Inner,
        number: u64,
        days: Days,
    ) -> Option<(SegmentId, Option<u64>, u64)> {
        let is_asked = |day| (days.first..=days.last).contains(&day);
        let mut closed = inner.segments.range(number..);
        let closed = closed.find(|(_, segment)| is_asked(segment.day));
        if let Some((number, segment)) = closed {
            let id = self.id(*number, segment.day);
            return Some((id, segment.unsealed, segment.generation));
        }
        let active = inner.active.as_ref()?;
        let id = active.writer.id();
        (id.number >= number && is_asked(id.day))
            .then(|| (id.clone(), Some(active.writer.bytes()), 0))
    }

    pub(super) fn id(&self, number: u64, day: u32) -> SegmentId {
        SegmentId {
            room: self.name.clone(),
            day,
            number,
        }
    }

    /// Whether the segment is at its end.
    fn read_chunk(
        &self,
        inner: &Inner,
        id: &SegmentId,
        bytes: Option<u64>,
        cursor: &mut Cursor,
        needle: &Needle,
        records: &mut Vec<Record>,
    ) -> Result<bool, Error> {
        let path = self.directory.join(id.file_name());
        let scan = Scan::open(&path, id, &self.common.keys, bytes)?;
        let mut scan = scan.ok_or_else(|| id.tampered(0))?;
        if let Some(place) = cursor.place {
            scan.seek(place)?;
        }
        let erased = Arc::clone(&self.common.erased.read());
        let mut taken = 0;
        while taken < CHUNK_BYTES && records.len() < CHUNK_RECORDS {
            let (_, index) = scan.position();
            if !ended(&scan.step()?, id, index, bytes.is_some())? {
                taken += scan.record().len();
            } else {
                return Ok(true);
            }
            cursor.place = Some(scan.position());
            if !needle.may_be_in(scan.record()) {
                continue;
            }
            let mut record = decode(&scan, id, index)?;
            let position = (record.epoch, record.event.seq);
            if cursor.last.is_some_and(|last| position <= last) {
                continue;
            }
            cursor.last = Some(position);
            match left_of(&inner.pending, &erased, position, &record.event) {
                Verdict::Drop => continue,
                Verdict::Keep => {}
                Verdict::Change(body) => record.event.body = *body,
            }
            records.push(record);
        }
        Ok(false)
    }
}

/// Whether it was the end; an error if there should be more. Only a segment that was never sealed
/// may do without.
pub(super) fn ended(
    step: &Step,
    id: &SegmentId,
    index: u64,
    is_unsealed: bool,
) -> Result<bool, Error> {
    match step {
        Step::Record => Ok(false),
        Step::End(End::Sealed) => Ok(true),
        Step::End(End::Open) if is_unsealed => Ok(true),
        Step::End(End::Open | End::Torn { .. }) => Err(id.tampered(index)),
    }
}

pub(super) fn decode(scan: &Scan, id: &SegmentId, index: u64) -> Result<Record, Error> {
    record::decode(scan.record()).ok_or_else(|| Error::Schema {
        file: id.to_string(),
        record: index,
    })
}
