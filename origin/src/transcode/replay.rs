//! The source's current GOP, to start a new child with. Pure.

use bytes::Bytes;

/// The tags since the last keyframe, or nothing when they are too many.
#[derive(Debug)]
pub(super) struct Replay {
    tags: Vec<Bytes>,
    bytes: usize,
    bytes_max: usize,
    span_ms: Option<(i64, i64)>,
}

impl Replay {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            tags: Vec::new(),
            bytes: 0,
            bytes_max,
            span_ms: None,
        }
    }

    /// Takes the next frame. A GOP above the bound is forgotten whole: half of one is of no use.
    pub(super) fn push(&mut self, dts_ms: i64, keyframe: bool, tag: Bytes) {
        if keyframe {
            self.clear();
        } else if self.tags.is_empty() {
            return;
        }
        self.bytes += tag.len();
        if self.bytes > self.bytes_max {
            self.clear();
            return;
        }
        self.tags.push(tag);
        let first_ms = self.first_ms().unwrap_or(dts_ms);
        self.span_ms = Some((first_ms, dts_ms));
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = Bytes> {
        self.tags.iter().cloned()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    pub(super) fn first_ms(&self) -> Option<i64> {
        self.span_ms.map(|(first, _)| first)
    }

    pub(super) fn last_ms(&self) -> Option<i64> {
        self.span_ms.map(|(_, last)| last)
    }

    fn clear(&mut self) {
        self.tags.clear();
        self.bytes = 0;
        self.span_ms = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(bytes: usize) -> Bytes {
        Bytes::from(vec![0; bytes])
    }

    #[test]
    fn it_starts_at_a_keyframe_and_begins_anew_at_the_next() {
        let mut replay = Replay::new(100);
        replay.push(0, false, tag(10));
        assert!(replay.is_empty());
        replay.push(33, true, tag(10));
        replay.push(66, false, tag(10));
        assert_eq!((replay.first_ms(), replay.last_ms()), (Some(33), Some(66)));
        replay.push(100, true, tag(10));
        assert_eq!(replay.tags().count(), 1);
        assert_eq!(replay.first_ms(), Some(100));
    }

    #[test]
    fn a_gop_that_is_too_long_is_forgotten_until_the_next_keyframe() {
        let mut replay = Replay::new(25);
        replay.push(0, true, tag(10));
        replay.push(1, false, tag(10));
        replay.push(2, false, tag(10));
        assert!(replay.is_empty());
        replay.push(3, false, tag(1));
        assert!(replay.is_empty());
        replay.push(4, true, tag(20));
        assert_eq!(replay.tags().count(), 1);
    }
}
