//! The media of one rendition. A segment is the list of its parts: no byte is there twice.

use std::collections::BTreeMap;

use bytes::Bytes;
use hls::{Msn, ObjectName, PartIndex, Retention};

/// Initialization Sections, Parts and (as lists of Parts) Segments.
#[derive(Debug, Default)]
pub struct MediaStore {
    inits: BTreeMap<Msn, Bytes>,
    segments: BTreeMap<Msn, BTreeMap<PartIndex, Bytes>>,
    bytes: usize,
}

impl MediaStore {
    /// Stores an Initialization Section.
    pub fn insert_init(&mut self, msn: Msn, bytes: Bytes) {
        self.bytes += bytes.len();
        let replaced = self.inits.insert(msn, bytes);
        self.bytes -= replaced.map_or(0, |bytes| bytes.len());
    }

    /// Stores a Part.
    pub fn insert_part(&mut self, msn: Msn, part: PartIndex, bytes: Bytes) {
        self.bytes += bytes.len();
        let replaced = self.segments.entry(msn).or_default().insert(part, bytes);
        self.bytes -= replaced.map_or(0, |bytes| bytes.len());
    }

    /// Takes back a Part that could not be listed.
    pub(super) fn remove_part(&mut self, msn: Msn, part: PartIndex) {
        let removed = self
            .segments
            .get_mut(&msn)
            .and_then(|parts| parts.remove(&part));
        self.bytes -= removed.map_or(0, |bytes| bytes.len());
    }

    /// An object's bytes, in pieces. Whether it is complete is the playlist's to say.
    pub fn object(&self, object: ObjectName) -> Option<Vec<Bytes>> {
        match object {
            ObjectName::Init(msn) => Some(vec![self.inits.get(&msn)?.clone()]),
            ObjectName::Part(msn, part) => Some(vec![self.segments.get(&msn)?.get(&part)?.clone()]),
            ObjectName::Segment(msn) => Some(self.segments.get(&msn)?.values().cloned().collect()),
            ObjectName::Playlist
            | ObjectName::IFrames
            | ObjectName::Images
            | ObjectName::Image(..) => None,
        }
    }

    /// The Parts from this one on, in order.
    pub fn parts_from(
        &self,
        (msn, part): (Msn, PartIndex),
    ) -> impl Iterator<Item = (Msn, PartIndex, &Bytes)> {
        let segments = self.segments.range(msn..);
        let parts = segments.flat_map(|(msn, parts)| {
            let of_segment = parts.iter();
            of_segment.map(|(part, bytes)| (*msn, *part, bytes))
        });
        parts.filter(move |(own, index, _)| (*own, *index) >= (msn, part))
    }

    /// Media bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The oldest segment held.
    pub fn oldest(&self) -> Option<Msn> {
        self.segments.keys().next().copied()
    }

    /// Lets go of what need not be kept.
    pub fn trim(&mut self, retention: &Retention) {
        let kept = self.inits.split_off(&retention.inits_from);
        let dropped = std::mem::replace(&mut self.inits, kept);
        self.bytes -= dropped.values().map(Bytes::len).sum::<usize>();
        while self
            .oldest()
            .is_some_and(|oldest| oldest < retention.segments_from)
            && let Some((_, parts)) = self.segments.pop_first()
        {
            self.bytes -= parts.values().map(Bytes::len).sum::<usize>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_its_parts_and_bytes_are_counted() {
        let mut store = MediaStore::default();
        let msn = Msn::new;
        store.insert_init(msn(1), Bytes::from_static(b"init"));
        store.insert_part(msn(1), PartIndex::new(0), Bytes::from_static(b"ab"));
        store.insert_part(msn(1), PartIndex::new(1), Bytes::from_static(b"cde"));
        store.insert_part(msn(2), PartIndex::new(0), Bytes::from_static(b"f"));
        assert_eq!(store.bytes(), 10);
        let segment = store.object(ObjectName::Segment(msn(1))).unwrap();
        assert_eq!(segment.concat(), b"abcde");
        store.trim(&Retention {
            inits_from: msn(2),
            parts_from: msn(2),
            segments_from: msn(2),
        });
        assert_eq!(store.bytes(), 1);
        assert_eq!(store.object(ObjectName::Init(msn(1))), None);
        assert_eq!(store.oldest(), Some(msn(2)));
    }
}
