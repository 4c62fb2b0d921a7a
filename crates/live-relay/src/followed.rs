//! One rendition as a child knows it: its last playlist, and its newest Parts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hls::{
    BlockUntil, Decision, DeliveryDirectives, LivePosition, Msn, ObjectName, PartIndex, Rejection,
};

use crate::frame::{Frame, PartFrame, PlaylistFrame};

/// Segments whose Parts are kept, the open one among them: a new segment's first players are still at
/// the one before, and a child that lost its parent for a moment asks for what it missed.
pub const RECENT_SEGMENTS: usize = 3;

/// What to do with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Send this playlist.
    Playlist {
        /// Where it came.
        frame: Arc<PlaylistFrame>,
        /// The text: that of the whole playlist, or of the update.
        text: Bytes,
        /// Its `max-age`, in seconds.
        seconds: u32,
    },
    /// Send these, one after the other: a Part, or a Segment.
    Media(Vec<Arc<PartFrame>>),
    /// Hold it until something arrives, then ask again.
    Hold,
    /// Refuse it.
    Refuse(Rejection),
    /// This rendition's frames do not say: ask the parent.
    AskParent,
}

/// One rendition.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    latest: Option<Latest>,
    recent: Recent,
    /// Counts playlists.
    version: u64,
}

/// The last playlist, and its texts as they are.
#[derive(Clone, Debug)]
struct Latest {
    frame: Arc<PlaylistFrame>,
    full: Bytes,
    delta: Option<Bytes>,
}

impl Followed {
    /// A Part has arrived.
    pub fn part(&mut self, part: Arc<PartFrame>) {
        self.recent.insert(part);
    }

    /// A playlist has arrived; `full` and `delta` are its texts, not compressed.
    pub fn playlist(&mut self, frame: Arc<PlaylistFrame>, full: Bytes, delta: Option<Bytes>) {
        let last = self.latest.as_ref().map(|latest| latest.frame.position);
        if last.is_some_and(|last| is_behind(&frame.position, &last)) {
            // Another stream under the same name: its Parts are others.
            self.recent = Recent::default();
        }
        self.recent.close(&frame.position);
        self.version += 1;
        self.latest = Some(Latest { frame, full, delta });
    }

    /// The last playlist.
    #[must_use]
    pub fn latest(&self) -> Option<&Arc<PlaylistFrame>> {
        self.latest.as_ref().map(|latest| &latest.frame)
    }

    /// The first Part that has not arrived; `None` before the first playlist.
    #[must_use]
    pub fn next(&self) -> Option<(Msn, PartIndex)> {
        let listed = self.latest.as_ref().map(|latest| {
            let position = latest.frame.position;
            (position.open, PartIndex::new(position.open_parts))
        });
        listed.max(self.recent.next())
    }

    /// How long a request may be held; a moment, before the first playlist.
    #[must_use]
    pub fn blocked_max(&self) -> Duration {
        let latest = self.latest.as_ref();
        latest.map_or(Duration::ZERO, |latest| latest.frame.position.blocked_max())
    }

    /// What to do with a request. `age` is how long ago the last frame of this rendition arrived: what
    /// the parent may hold, given what it may have published since, is not refused here.
    #[must_use]
    pub fn ask(&self, object: ObjectName, query: &str, age: Duration) -> Answer {
        let Some(latest) = &self.latest else {
            return Answer::AskParent;
        };
        match object {
            ObjectName::Playlist => latest.playlist(query, age),
            ObjectName::Part(msn, part) => match self.recent.part(msn, part) {
                Some(part) => Answer::Media(vec![part]),
                None if latest.expects(msn, part) => Answer::Hold,
                None => Answer::AskParent,
            },
            ObjectName::Segment(msn) => {
                let parts = self.recent.segment(msn);
                parts.map_or(Answer::AskParent, Answer::Media)
            }
            ObjectName::Init(_)
            | ObjectName::IFrames
            | ObjectName::Images
            | ObjectName::Image(..) => Answer::AskParent,
        }
    }

    /// What a child of this one has not had: the Parts from `cursor` on, then the playlist if it is
    /// newer. The cursor moves behind what is given.
    pub fn since(&self, cursor: &mut Cursor) -> Vec<Frame> {
        let mut frames = Vec::new();
        if let Some(next) = cursor.next {
            for part in self.recent.since(next) {
                cursor.next = Some((part.msn, part.part.next()));
                frames.push(Frame::Part(PartFrame::clone(&part)));
            }
        } else {
            cursor.next = self.next();
        }
        if let Some(latest) = self
            .latest
            .as_ref()
            .filter(|_| cursor.version != self.version)
        {
            cursor.version = self.version;
            frames.push(Frame::Playlist(PlaylistFrame::clone(&latest.frame)));
        }
        frames
    }
}

/// How far a child has been told of a rendition.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    /// The first Part to send; `None`: whatever comes after the first look.
    pub next: Option<(Msn, PartIndex)>,
    version: u64,
}

impl Cursor {
    /// A child that has everything before `from`.
    #[must_use]
    pub fn from(from: Option<(Msn, PartIndex)>) -> Self {
        Self {
            next: from,
            version: 0,
        }
    }
}

impl Latest {
    fn playlist(&self, query: &str, age: Duration) -> Answer {
        let position = &self.frame.position;
        let whole = |seconds| Answer::Playlist {
            frame: Arc::clone(&self.frame),
            text: self.full.clone(),
            seconds,
        };
        if position.ended {
            return whole(self.frame.plain_seconds);
        }
        let directives = match DeliveryDirectives::parse(query) {
            Ok(directives) => directives,
            Err(error) => return Answer::Refuse(error.into()),
        };
        let seconds = match directives.block_until() {
            Some(_) => self.frame.blocking_seconds,
            None => self.frame.plain_seconds,
        };
        match position.decide(&directives) {
            Decision::Wait => Answer::Hold,
            Decision::Reject(rejection) => match position.check_limits(&directives, age) {
                Ok(()) => Answer::AskParent,
                Err(_) => Answer::Refuse(rejection),
            },
            Decision::Ready => match &self.delta {
                Some(delta) if directives.skip().is_some() => Answer::Playlist {
                    frame: Arc::clone(&self.frame),
                    text: delta.clone(),
                    seconds,
                },
                _ => whole(seconds),
            },
        }
    }

    /// Whether a Part is one of the next two: that which a Preload Hint names, and the first of the
    /// next Segment.
    fn expects(&self, msn: Msn, part: PartIndex) -> bool {
        let position = &self.frame.position;
        let reached = position.has_reached(BlockUntil::Part(msn, part));
        let hinted = msn == position.open && part.value() == position.open_parts;
        let opens_next = msn == position.open.next() && part == PartIndex::ZERO;
        !position.ended && !reached && (hinted || opens_next)
    }
}

/// A playlist only goes on.
fn is_behind(position: &LivePosition, last: &LivePosition) -> bool {
    (position.open, position.open_parts) < (last.open, last.open_parts)
}

/// The newest Parts of a rendition.
#[derive(Clone, Debug, Default)]
struct Recent {
    segments: BTreeMap<Msn, Kept>,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    parts: BTreeMap<PartIndex, Arc<PartFrame>>,
    /// How many it has altogether, once that is known.
    count: Option<u32>,
}

impl Recent {
    /// Keeps a Part, and lets the oldest Segment go when there are more than [`RECENT_SEGMENTS`].
    fn insert(&mut self, part: Arc<PartFrame>) {
        let kept = self.segments.entry(part.msn).or_default();
        kept.parts.insert(part.part, part);
        while self.segments.len() > RECENT_SEGMENTS {
            self.segments.pop_first();
        }
    }

    /// A Part that is kept.
    #[must_use]
    fn part(&self, msn: Msn, part: PartIndex) -> Option<Arc<PartFrame>> {
        self.segments.get(&msn)?.parts.get(&part).cloned()
    }

    /// All Parts of a Segment that is complete and has no gaps.
    #[must_use]
    fn segment(&self, msn: Msn) -> Option<Vec<Arc<PartFrame>>> {
        let kept = self.segments.get(&msn)?;
        // Its Parts have the indexes below `count`, so that as many are all of them.
        let whole = kept.count.is_some_and(|count| {
            let last = kept.parts.last_key_value().map(|(last, _)| last.value());
            last.and_then(|last| last.checked_add(1)) == Some(count)
                && u32::try_from(kept.parts.len()) == Ok(count)
        });
        whole.then(|| kept.parts.values().cloned().collect())
    }

    fn since(&self, (msn, part): (Msn, PartIndex)) -> impl Iterator<Item = Arc<PartFrame>> + '_ {
        let behind = self.segments.range(msn..);
        let parts = behind.flat_map(|(_, kept)| kept.parts.values());
        parts
            .filter(move |kept| (kept.msn, kept.part) >= (msn, part))
            .cloned()
    }

    fn next(&self) -> Option<(Msn, PartIndex)> {
        let (msn, kept) = self.segments.last_key_value()?;
        let (last, _) = kept.parts.last_key_value()?;
        Some((*msn, last.next()))
    }

    fn close(&mut self, position: &LivePosition) {
        let Some(previous) = position.open.value().checked_sub(1) else {
            return;
        };
        if let Some(kept) = self.segments.get_mut(&Msn::new(previous)) {
            kept.count = position.started.then_some(position.previous_parts);
        }
    }
}

#[cfg(test)]
mod tests;
