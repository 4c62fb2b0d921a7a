//! Pictures to seek by: tiles of them, their playlist, and the frames that they are made from.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hls::images::{ImagePlaylist, Tile};
use hls::{Msn, ObjectName, ProgramDateTime};

use super::{LiveStream, PlaylistText, RenditionKind};

/// Images kept after they left the playlist: whoever has just read it may still come for one.
const RETIRED_MAX: usize = 4;

/// The first frame of a segment.
#[derive(Clone, Debug)]
pub struct Keyframe {
    /// The segment.
    pub msn: Msn,
    /// The rendition that it was taken from, and its Initialization Section's number.
    pub init: (usize, Msn),
    /// Wall-clock time of the segment's start.
    pub time: ProgramDateTime,
    /// The Initialization Section.
    pub init_bytes: Bytes,
    /// A chunk of one frame.
    pub bytes: Bytes,
}

/// One stream's pictures.
#[derive(Debug, Default)]
pub(super) struct Images {
    /// The rendition below whose URL they are; `None` before the first.
    rendition: Option<usize>,
    /// All complete but the last, if `open`.
    tiles: VecDeque<(Tile, Bytes)>,
    open: bool,
    retired: VecDeque<(Tile, Bytes)>,
    media_sequence: u64,
    discontinuity_sequence: u64,
    /// The longest tile so far: a target duration never shrinks.
    longest: Duration,
    ended: bool,
    bytes: usize,
    text: Option<Arc<PlaylistText>>,
}

impl Images {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn get(&self, rendition: usize, object: ObjectName) -> Option<Bytes> {
        let mut images = self.tiles.iter().chain(&self.retired);
        let is_it = |(tile, _): &&(Tile, Bytes)| ObjectName::Image(tile.msn, tile.count) == object;
        let found = images
            .find(is_it)
            .filter(|_| self.rendition == Some(rendition));
        found.map(|(_, jpeg)| jpeg.clone())
    }

    /// Adds a tile, in place of the open one if that is the same with fewer pictures.
    fn put(&mut self, tile: Tile, jpeg: Bytes, is_complete: bool) {
        if self.tiles.is_empty() && self.retired.is_empty() {
            // Numbers of tiles grow slower than those of segments: no life of the stream repeats one.
            self.media_sequence = tile.msn.value();
        }
        let replaces = self.open
            && self
                .tiles
                .back()
                .is_some_and(|(last, _)| last.msn == tile.msn);
        if replaces && let Some(last) = self.tiles.pop_back() {
            self.retire(last);
        }
        self.bytes += jpeg.len();
        self.longest = self
            .longest
            .max(tile.interval * (tile.layout.0 * tile.layout.1));
        self.tiles.push_back((tile, jpeg));
        self.open = !is_complete;
        self.text = None;
    }

    /// No picture is added to the last tile any more.
    fn close(&mut self) {
        self.open = false;
        self.text = None;
    }

    /// Lets go of tiles that are over before the playlists begin.
    fn trim(&mut self, since: ProgramDateTime) {
        let is_over = |(tile, _): &(Tile, Bytes)| tile.time.plus(tile.duration) <= since;
        while self.tiles.len() > 1 && self.tiles.front().is_some_and(is_over) {
            if let Some(first) = self.tiles.pop_front() {
                self.media_sequence = self.media_sequence.saturating_add(1);
                self.discontinuity_sequence += u64::from(first.0.discontinuity);
                self.retire(first);
            }
        }
    }

    fn retire(&mut self, image: (Tile, Bytes)) {
        self.retired.push_back(image);
        if self.retired.len() > RETIRED_MAX
            && let Some((_, jpeg)) = self.retired.pop_front()
        {
            self.bytes -= jpeg.len();
        }
    }

    fn text(&mut self) -> Arc<PlaylistText> {
        if let Some(text) = &self.text {
            return Arc::clone(text);
        }
        let complete = self.tiles.len() - usize::from(self.open && !self.tiles.is_empty());
        let tile = |(tile, _): &(Tile, Bytes)| tile.clone();
        let playlist = ImagePlaylist {
            media_sequence: self.media_sequence,
            discontinuity_sequence: self.discontinuity_sequence,
            target_duration: self.longest,
            tiles: self.tiles.iter().take(complete).map(tile).collect(),
            open: self.tiles.get(complete).map(tile),
            end_list: self.ended,
        };
        let text = Arc::new(PlaylistText::new(playlist.to_string()));
        self.text = Some(Arc::clone(&text));
        text
    }
}

impl LiveStream {
    /// The rendition below whose URL pictures are: the lowest video.
    pub fn images_rendition(&self) -> Option<usize> {
        let is_video = |(_, kind): &(_, RenditionKind)| *kind == RenditionKind::Video;
        self.names.iter().rposition(is_video)
    }

    /// The first frame of the newest segment, from the lowest rendition that has it.
    pub fn newest_keyframe(&self) -> Option<Keyframe> {
        let lowest = self.images_rendition()?;
        let inner = self.inner.lock();
        let msn = inner.renditions.get(lowest)?.playlist.last_complete()?;
        let from = |rendition: usize| {
            let own = inner.renditions.get(rendition)?;
            let segment = own.playlist.complete(msn)?;
            let init = own.store.object(ObjectName::Init(segment.init))?;
            let part = ObjectName::Part(msn, hls::PartIndex::ZERO);
            let part = own.store.object(part)?.into_iter().next()?;
            let bytes = usize::try_from(segment.i_frame_bytes?).ok()?;
            (bytes <= part.len()).then(|| Keyframe {
                msn,
                init: (rendition, segment.init),
                time: segment.time,
                init_bytes: init.into_iter().next().unwrap_or_default(),
                bytes: part.slice(..bytes),
            })
        };
        (0..=lowest).rev().find_map(from)
    }

    /// The image playlist, once there is a picture.
    pub fn images(&self, rendition: usize) -> Option<Arc<PlaylistText>> {
        let mut inner = self.inner.lock();
        let images = &mut inner.images;
        (images.rendition == Some(rendition)).then(|| images.text())
    }

    /// Adds a tile, or a picture to the open one.
    pub fn put_image(&self, tile: Tile, jpeg: Bytes, is_complete: bool) {
        let Some(rendition) = self.images_rendition() else {
            return;
        };
        let mut inner = self.inner.lock();
        let playlist = inner.renditions.get(rendition).map(|own| &own.playlist);
        let since = playlist.and_then(hls::LivePlaylist::listed_since);
        inner.images.rendition = Some(rendition);
        inner.images.put(tile, jpeg, is_complete);
        if let Some(since) = since {
            inner.images.trim(since);
        }
    }

    /// No picture is added to the open tile any more; at the end of the stream, none at all.
    pub fn close_images(&self, is_end: bool) {
        let images = &mut self.inner.lock().images;
        images.ended |= is_end;
        images.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(msn: u64, count: u32) -> Tile {
        Tile {
            msn: Msn::new(msn),
            count,
            time: ProgramDateTime::from_unix_millis(i64::try_from(msn).unwrap() * 2_000),
            duration: Duration::from_secs(10) * count,
            interval: Duration::from_secs(10),
            size: (160, 90),
            layout: (3, 2),
            discontinuity: false,
        }
    }

    fn text(images: &mut Images) -> String {
        String::from_utf8(images.text().plain().to_vec()).unwrap()
    }

    #[test]
    fn an_open_tile_is_replaced_and_a_complete_one_listed() {
        let mut images = Images {
            rendition: Some(3),
            ..Images::default()
        };
        images.put(tile(100, 5), Bytes::from_static(b"five"), false);
        assert!(text(&mut images).contains("OPEN-TILE:URI=\"100.5.jpg\""));
        images.put(tile(100, 6), Bytes::from_static(b"six"), true);
        let complete = text(&mut images);
        assert!(
            complete.ends_with("DURATION=10.0\n100.6.jpg\n"),
            "{complete}"
        );
        let image = |count| ObjectName::Image(Msn::new(100), count);
        assert_eq!(images.get(3, image(6)).unwrap(), "six");
        assert_eq!(images.get(3, image(5)).unwrap(), "five", "just replaced");
        assert_eq!(images.get(3, image(4)), None);
        assert_eq!(images.get(2, image(6)), None, "of another rendition");
        assert_eq!(images.bytes(), 7);
    }

    #[test]
    fn tiles_leave_with_the_window_and_are_bounded() {
        let mut images = Images::default();
        for at in 0..200 {
            let tile = tile(100 + at * 30, 6);
            let since = tile.time.plus(Duration::from_secs(60)).unix_millis() - 300_000;
            images.put(tile, Bytes::from_static(b"jpeg"), true);
            images.trim(ProgramDateTime::from_unix_millis(since));
        }
        assert_eq!(images.bytes(), (5 + RETIRED_MAX) * 4);
        assert!(text(&mut images).contains("#EXT-X-MEDIA-SEQUENCE:295\n"));
    }
}
