//! What is there at the start.

use super::{Room, Segment};
use crate::deletions::{Deletions, Position};
use crate::disk;
use crate::error::{Error, SegmentId};
use crate::record;
use crate::segment::{End, Scan, Step, Writer};

/// How a segment was found.
#[derive(Debug)]
pub(crate) enum Found {
    /// As it was left.
    Sound,
    /// Without its end: sealed now, and what was torn is gone.
    Cut {
        /// Bytes that were torn off.
        torn_bytes: u64,
    },
    /// It cannot be trusted, or not be read.
    Damaged(Error),
}

/// What a segment holds that matters at the start.
#[derive(Default)]
struct Content {
    deletions: Deletions,
    last: Position,
}

impl Room {
    /// Takes a file of the directory. What moderators deleted in segments from `settled` on is
    /// still to be applied.
    pub(crate) fn adopt(&self, id: &SegmentId, settled: u64) -> Result<Found, Error> {
        let path = self.directory.join(id.file_name());
        let metadata = std::fs::metadata(&path).map_err(Error::io("open", &path))?;
        let mut segment = Segment {
            day: id.day,
            bytes: metadata.len(),
            key_id: None,
            unsealed: None,
            generation: 0,
        };
        let mut content = Content::default();
        let found = self.look(id, settled, &mut segment, &mut content);
        let mut inner = self.inner.lock();
        inner.next = inner.next.max(id.number + 1);
        inner.last = inner.last.max(content.last);
        inner.pending.join(content.deletions);
        match found {
            Ok(None) => {
                disk::remove(&path)?;
                Ok(Found::Cut {
                    torn_bytes: metadata.len(),
                })
            }
            Ok(Some(found)) => {
                inner.segments.insert(id.number, segment);
                Ok(found)
            }
            Err(error) => {
                inner.segments.insert(id.number, segment);
                Ok(Found::Damaged(error))
            }
        }
    }

    /// None if nothing is in it.
    fn look(
        &self,
        id: &SegmentId,
        settled: u64,
        segment: &mut Segment,
        content: &mut Content,
    ) -> Result<Option<Found>, Error> {
        let path = self.directory.join(id.file_name());
        let Some(mut scan) = Scan::open(&path, id, &self.common.keys, None)? else {
            return Ok(None);
        };
        segment.key_id = Some(scan.header().key_id.clone());
        let is_sealed = scan.is_sealed()?;
        if is_sealed && id.number < settled {
            return Ok(Some(Found::Sound));
        }
        let torn_bytes = loop {
            match scan.step()? {
                Step::Record => content.take(&scan),
                Step::End(End::Sealed) => return Ok(Some(Found::Sound)),
                Step::End(End::Open) => break 0,
                Step::End(End::Torn { bytes }) => break bytes,
            }
        };
        let (bytes, count) = scan.position();
        segment.unsealed = Some(bytes);
        segment.bytes = bytes;
        let sealed = Writer::seal_after_crash(&path, scan.header(), scan.label(), count, bytes);
        // Without space for it there is another day.
        if let Ok(bytes) = sealed {
            segment.unsealed = None;
            segment.bytes = bytes;
        }
        Ok(Some(Found::Cut { torn_bytes }))
    }
}

impl Content {
    fn take(&mut self, scan: &Scan) {
        // Sound, and of another version: whoever reads it hears of that.
        let Some(record) = record::decode(scan.record()) else {
            return;
        };
        self.last = self.last.max((record.epoch, record.event.seq));
        self.deletions.note(record.epoch, &record.event);
    }
}
