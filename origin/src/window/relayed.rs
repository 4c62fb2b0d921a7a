//! What has happened to a rendition since somebody was last told.

use std::sync::Arc;

use bytes::Bytes;
use hls::{LivePosition, Msn, PartIndex, Skip};

use super::{LiveStream, PlaylistText};

/// Segments that somebody who fell behind is given the Parts of, the open one among them.
const SEGMENTS_MAX: u64 = live_relay::RECENT_SEGMENTS as u64;

/// How far somebody has been told of a rendition.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// The first Part that is news; `None`: whatever is made after the first look.
    pub next: Option<(Msn, PartIndex)>,
    listed: Option<LivePosition>,
}

/// What is new of a rendition. The Parts come first: all that the playlist lists are there or have
/// been told before.
#[derive(Debug)]
pub struct News {
    /// Parts, in order.
    pub parts: Vec<(Msn, PartIndex, Bytes)>,
    /// The playlist, if it stands elsewhere than it did.
    pub playlist: Option<NewPlaylist>,
}

/// A playlist that stands elsewhere than it did.
#[derive(Debug)]
pub struct NewPlaylist {
    /// Where it stands.
    pub position: LivePosition,
    /// All of it.
    pub full: Arc<PlaylistText>,
    /// The Playlist Delta Update; the same text where nothing can be skipped.
    pub delta: Arc<PlaylistText>,
}

impl Told {
    /// Somebody who has everything before `next`.
    pub fn before(next: Option<(Msn, PartIndex)>) -> Self {
        Self { next, listed: None }
    }
}

impl LiveStream {
    /// What is new of a rendition to somebody, who then has been told. He who fell further behind than
    /// a few Segments is told of those alone.
    pub fn news(&self, rendition: usize, told: &mut Told) -> Option<News> {
        let mut inner = self.inner.lock();
        let own = inner.renditions.get(rendition)?;
        let position = own.playlist.position();
        let oldest = position.open.value().saturating_sub(SEGMENTS_MAX - 1);
        let oldest = (Msn::new(oldest), PartIndex::ZERO);
        let next = (position.open, PartIndex::new(position.open_parts));
        let from = told.next.map_or(next, |told| told.max(oldest));
        let parts: Vec<_> = own
            .store
            .parts_from(from)
            .map(|(msn, part, bytes)| (msn, part, bytes.clone()))
            .collect();
        told.next = Some(next);
        let playlist = (told.listed != Some(position)).then(|| NewPlaylist {
            position,
            full: inner.render(rendition, None),
            delta: inner.render(rendition, Some(Skip::Yes)),
        });
        told.listed = Some(position);
        Some(News { parts, playlist })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::example::{self, push_second};

    fn names(news: &News) -> Vec<String> {
        let names = news
            .parts
            .iter()
            .map(|(msn, part, _)| format!("{msn}.{part}"));
        names.collect()
    }

    #[test]
    fn everything_is_told_once_and_parts_before_their_playlist() {
        let live = example::stream(7);
        let mut told = Told::default();
        let first = live.news(0, &mut told).unwrap();
        assert!(first.parts.is_empty());
        assert!(!first.playlist.unwrap().position.started);
        for second in 0..3 {
            push_second(&live, second % 2 == 1);
        }
        let news = live.news(0, &mut told).unwrap();
        assert_eq!(names(&news), ["7.0", "7.1", "8.0"]);
        let playlist = news.playlist.unwrap();
        assert_eq!(playlist.position.open, Msn::new(8));
        let text = String::from_utf8(playlist.full.plain().to_vec()).unwrap();
        assert!(text.contains("8.0.m4s"), "{text}");
        let nothing = live.news(0, &mut told).unwrap();
        assert!(nothing.parts.is_empty() && nothing.playlist.is_none());
    }

    #[test]
    fn who_fell_behind_is_told_of_the_last_segments() {
        let live = example::stream(7);
        for second in 0..12 {
            push_second(&live, second % 2 == 1);
        }
        push_second(&live, false);
        let mut told = Told::before(Some((Msn::new(7), PartIndex::ZERO)));
        let news = live.news(0, &mut told).unwrap();
        assert_eq!(names(&news), ["11.0", "11.1", "12.0", "12.1", "13.0"]);
        let mut ahead = Told::before(Some((Msn::new(13), PartIndex::new(1))));
        assert!(live.news(0, &mut ahead).unwrap().parts.is_empty());
        push_second(&live, true);
        assert_eq!(names(&live.news(0, &mut ahead).unwrap()), ["13.1"]);
        // It has more than this stream: another one had the name.
        let mut beyond = Told::before(Some((Msn::new(99), PartIndex::ZERO)));
        let news = live.news(0, &mut beyond).unwrap();
        assert!(news.parts.is_empty() && news.playlist.is_some());
        push_second(&live, false);
        assert_eq!(names(&live.news(0, &mut beyond).unwrap()), ["14.0"]);
    }
}
