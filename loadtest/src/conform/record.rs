//! What was observed: requests, answers, and when. Checks read this and nothing else.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use crate::client::Protocol;

use super::multivariant::Listed;
use super::playlist::Playlist;

/// An answer, or none.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// What was asked for: the path, with query.
    pub path: String,
    /// 0 where no answer came.
    pub status: u16,
    /// Why no answer came, or not all of it.
    pub error: Option<String>,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// When it was asked for, since the beginning.
    pub asked: Duration,
    /// From the request to the end of the body.
    pub took: Duration,
    /// From the first byte of the body to the last.
    pub spread: Duration,
}

impl Answer {
    /// A header field as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// When all of it was there, since the beginning.
    pub fn arrived(&self) -> Duration {
        self.asked + self.took
    }

    /// Whether it is a 200 or 206 with all of its body.
    pub fn good(&self) -> bool {
        matches!(self.status, 200 | 206) && self.error.is_none()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `max-age` of Cache-Control, 0 with `no-store` or `no-cache`; `None` without either.
    pub fn max_age(&self) -> Option<f64> {
        let control = self.header("cache-control")?.to_ascii_lowercase();
        let mut directives = control.split(',').map(str::trim);
        if directives
            .clone()
            .any(|it| it == "no-store" || it == "no-cache")
        {
            return Some(0.0);
        }
        directives.find_map(|it| it.strip_prefix("max-age=")?.parse().ok())
    }

    /// The urgency of the `priority` field (RFC 9218 section 4.1): 3 where it says none.
    pub fn urgency(&self) -> Option<u8> {
        let field = self.header("priority")?;
        let mut members = field.split(',').map(str::trim);
        Some(
            members
                .find_map(|it| it.strip_prefix("u=")?.parse().ok())
                .unwrap_or(3),
        )
    }
}

/// A Media Playlist as it was at one moment.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// The directives `_HLS_msn` and `_HLS_part`, if it was asked for with them.
    pub wanted: Option<(u64, usize)>,
    /// The answer.
    pub answer: Answer,
    /// What it says.
    pub playlist: Playlist,
}

/// One Media Playlist, watched by Blocking Playlist Reload.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Where it is listed.
    pub listed: Listed,
    /// Its states, in order.
    pub loads: Vec<Load>,
    /// Answers that were no playlist.
    pub failed: Vec<Answer>,
    /// Two whole segments in a row, with their parts.
    pub media: Vec<Fetched>,
}

impl Watch {
    /// Each state with the one before. Behind ENDLIST another session begins, which owes nothing to
    /// the one before.
    pub fn pairs(&self) -> impl DoubleEndedIterator<Item = (&Load, &Load)> {
        let pairs = self.loads.iter().zip(self.loads.iter().skip(1));
        pairs.filter(|(before, after)| after.playlist.ended || !before.playlist.ended)
    }

    /// Until when it was watched, since the beginning.
    pub fn until(&self) -> Duration {
        let answers = self.loads.iter().map(|load| &load.answer);
        let answers = answers.chain(&self.failed).map(Answer::arrived);
        answers.max().unwrap_or_default()
    }

    /// The first load that fulfils `is`.
    pub fn first(&self, is: impl Fn(&Playlist) -> bool) -> Option<&Load> {
        self.loads.iter().find(|load| is(&load.playlist))
    }
}

/// A whole segment, fetched in parts and as one.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    /// As the playlist lists it.
    pub segment: super::playlist::Segment,
    /// Its EXT-X-MAP.
    pub init: Answer,
    /// Its parts.
    pub parts: Vec<Answer>,
    /// All of it.
    pub whole: Answer,
}

/// Why something was asked for, beside watching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The Multivariant Playlist.
    Multivariant,
    /// A segment that left the window long ago.
    Past,
    /// `_HLS_part` without `_HLS_msn`.
    PartAlone,
    /// Directives that are no integers.
    Malformed,
    /// Far beyond the end of the playlist.
    FarSegment,
    /// Far beyond the last part.
    FarPart,
    /// One part more than a whole segment has.
    PartTooMany,
    /// A segment, without a part.
    SegmentAlone,
    /// The segment after the next but one.
    Ahead,
    /// `_HLS_part` before `_HLS_msn`.
    Reversed,
    /// The same blocking request several times at once.
    Together,
    /// A playlist, with `Accept-Encoding: gzip`.
    Gzip,
    /// A part that never was.
    Unknown,
    /// A part that is hinted.
    Hinted,
    /// The hinted part, later.
    HintedAgain,
    /// A Media Initialization Section that was hinted.
    HintedMap,
    /// Leave to ask for a playlist or media from another site, with a field of its own.
    Preflight,
    /// A part for the second time.
    Again,
    /// The first bytes of a part.
    Range,
    /// A part that the playlist lists no more.
    RemovedPart,
    /// A segment that the playlist lists no more.
    RemovedSegment,
}

/// A request that was made once.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Why.
    pub why: Why,
    /// The place in the stream that it is about.
    pub place: (u64, usize),
    /// The answer.
    pub answer: Answer,
    /// What it says, where it is a playlist.
    pub playlist: Playlist,
}

/// A playlist and a Playlist Delta Update that were asked for together.
#[derive(Debug, Clone)]
pub struct Delta {
    /// Whether EXT-X-DATERANGE may be skipped, too (`_HLS_skip=v2`).
    pub v2: bool,
    /// The whole playlist.
    pub full: Load,
    /// The update.
    pub update: Load,
}

impl Delta {
    /// Whether both came, and end with the same part.
    pub fn is_of_one_moment(&self) -> bool {
        self.full.answer.good()
            && self.update.answer.good()
            && self.full.playlist.next() == self.update.playlist.next()
    }
}

/// Everything.
#[derive(Debug, Clone)]
pub struct Record {
    /// Over which protocol.
    pub protocol: Protocol,
    /// Scheme and authority of the server.
    pub server: String,
    /// Whether the server can be asked over HTTP/2 or HTTP/3, and else what it says.
    pub modern: Result<(), String>,
    /// The Media Playlists.
    pub watches: Vec<Watch>,
    /// Single requests, about the first of them.
    pub asked: Vec<Asked>,
    /// Delta updates, of the first of them.
    pub deltas: Vec<Delta>,
    /// What lateness is this machine's.
    pub slack: Duration,
}

impl Record {
    /// The requests that were made for this reason.
    pub fn of(&self, why: Why) -> impl Iterator<Item = &Asked> {
        self.asked.iter().filter(move |asked| asked.why == why)
    }

    /// All requests but those for leave.
    pub fn gets(&self) -> impl Iterator<Item = &Asked> {
        let is_get = |asked: &&Asked| asked.why != Why::Preflight;
        self.asked.iter().filter(is_get)
    }

    /// Every state of every Media Playlist.
    pub fn loads(&self) -> impl Iterator<Item = (&Watch, &Load)> {
        let of = |watch| move |load| (watch, load);
        self.watches
            .iter()
            .flat_map(move |watch| watch.loads.iter().map(of(watch)))
    }

    /// The Media Playlist that single requests are about.
    pub fn main(&self) -> Option<&Watch> {
        self.watches.first()
    }

    /// TARGETDURATION, in seconds.
    pub fn target_duration(&self) -> Option<f64> {
        self.loads()
            .find_map(|(_, load)| load.playlist.target_duration)
    }

    /// The longest PART-TARGET, in seconds.
    pub fn part_target(&self) -> Option<f64> {
        let targets = self
            .loads()
            .filter_map(|(_, load)| load.playlist.part_target);
        targets.reduce(f64::max)
    }

    /// The segments that were fetched.
    pub fn media(&self) -> impl Iterator<Item = (&Watch, &Fetched)> {
        let of = |watch| move |media| (watch, media);
        self.watches
            .iter()
            .flat_map(move |watch| watch.media.iter().map(of(watch)))
    }
}
