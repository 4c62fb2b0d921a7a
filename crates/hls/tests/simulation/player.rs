//! A virtual player: reloads the playlist, fetches media in order, and believes nothing.

use std::{rc::Rc, time::Duration};

use hls::{
    BlockUntil, DeliveryDirectives, LivePosition, Msn, ObjectName, PartIndex, Skip,
    media::{HintKind, MediaPlaylist},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    origin::{Media, PART_TARGET, Sent},
    world::{Coverage, Request, Response, Target},
};

/// How long a Segment's Parts stay downloadable after they left the playlist, with some room for
/// the request to travel.
const LATE_MILLIS_MAX: u64 = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Fetches a Part when a playlist lists it.
    HlsJs,
    /// Fetches a Part as soon as it is hinted (AVPlayer, Shaka).
    Hints,
    /// Fetches whole Segments, and blocks on MSN alone.
    Segments,
    /// Dawdles between reading a playlist and acting on it.
    Sleepy,
    /// Asks ahead of what it has seen (RFC 8216bis Appendix C), and for old positions.
    TunesIn,
}

#[derive(Debug)]
pub(crate) struct Player {
    index: usize,
    habit: Habit,
    rng: StdRng,
    view: Option<Rc<MediaPlaylist>>,
    init: Option<ObjectName>,
    next: Option<(Msn, PartIndex)>,
    /// The object being fetched.
    fetching: Option<ObjectName>,
    reloading: bool,
    /// A hint that came to nothing.
    refused: Option<ObjectName>,
    /// Where the last fetch ended on the timeline, if the next one must continue there.
    expected: Option<Duration>,
}

impl Player {
    pub(crate) fn new(index: usize, habit: Habit, seed: u64) -> Self {
        Self {
            index,
            habit,
            rng: StdRng::seed_from_u64(seed ^ ((1 + index as u64) << 32)),
            view: None,
            init: None,
            next: None,
            fetching: None,
            reloading: true,
            refused: None,
            expected: None,
        }
    }

    pub(crate) fn first_request(&self) -> Request {
        Request {
            player: self.index,
            target: Target::Playlist(String::new()),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.view.as_ref().is_some_and(|view| view.end_list) && self.fetching.is_none()
    }

    /// Takes a response; returns the requests that follow, with a delay each.
    pub(crate) fn receive(
        &mut self,
        response: Response,
        coverage: &mut Coverage,
    ) -> Vec<(Duration, Request)> {
        match response {
            Response::Playlist { query, sent } => {
                self.reloading = false;
                self.take_playlist(&query, &sent, coverage);
            }
            Response::Media { name, media } => self.take_media(name, media, coverage),
            Response::NotFound { name } => {
                assert_eq!(self.fetching.take(), Some(name));
                self.refused = Some(name);
                coverage.hints_cancelled += 1;
            }
        }
        let reload = self.reload();
        let fetch = self.fetch(coverage);
        reload.into_iter().chain(fetch).collect()
    }

    fn take_playlist(&mut self, query: &str, sent: &Sent, coverage: &mut Coverage) {
        check_playlist(&sent.playlist);
        let whole = &sent.whole;
        let directives = DeliveryDirectives::parse(query).unwrap();
        if let Some(until) = directives.block_until().filter(|_| !whole.end_list) {
            assert!(lists(whole, until), "{query} is not in {whole}");
        }
        let is_old = |until: BlockUntil| until.msn() < whole.media_sequence;
        coverage.answered_old += u64::from(directives.block_until().is_some_and(is_old));
        if let Some(view) = &self.view {
            check_progress(view, whole);
            if sent.playlist.skipped_segments > 0 {
                check_delta(view, sent);
                coverage.deltas += 1;
            }
        } else {
            assert_eq!(sent.playlist.skipped_segments, 0);
        }
        self.view = Some(Rc::clone(whole));
    }

    fn take_media(&mut self, name: ObjectName, media: Option<Media>, coverage: &mut Coverage) {
        assert_eq!(self.fetching.take(), Some(name));
        let next = match name {
            ObjectName::Part(msn, part) => {
                coverage.parts += 1;
                (msn, part.next())
            }
            ObjectName::Segment(msn) => {
                coverage.segments += 1;
                (msn.next(), PartIndex::ZERO)
            }
            ObjectName::IFrames | ObjectName::Images | ObjectName::Image(..) => {
                panic!("this player does not seek")
            }
            ObjectName::Init(_) | ObjectName::Playlist => {
                coverage.inits += 1;
                self.init = Some(name);
                return;
            }
        };
        let media = media.expect("media has a place on the timeline");
        if let Some(expected) = self.expected {
            assert_eq!(media.from, expected, "{name} does not continue");
        }
        self.expected = Some(media.to);
        self.next = Some(next);
    }

    /// The next playlist request, unless one is under way or the stream is over.
    fn reload(&mut self) -> Option<(Duration, Request)> {
        let view = Rc::clone(self.view.as_ref()?);
        if self.reloading || view.end_list {
            return None;
        }
        self.reloading = true;
        let position = view.position();
        let (msn, part) = (position.open, PartIndex::new(position.open_parts));
        let until = match self.habit {
            Habit::Segments => Some(BlockUntil::Segment(msn)),
            Habit::TunesIn => self.tune_in(&position),
            // Now and then a player loses the thread and asks plainly.
            _ if self.rng.random_range(0..20) == 0 => None,
            _ => Some(BlockUntil::Part(msn, part)),
        };
        let delay = match self.habit {
            // A plain request is answered at once: do not spin.
            _ if until.is_none() => PART_TARGET,
            Habit::Sleepy => self.dawdle(3_000),
            _ => Duration::ZERO,
        };
        // "A client SHOULD NOT request a Playlist Delta Update unless it already has a version
        // of the Playlist no older than one-half of the Skip Boundary."
        let skip = (self.rng.random() && delay < Duration::from_secs(4)).then_some(Skip::Yes);
        let query = DeliveryDirectives::new(until, skip).to_string();
        Some((
            delay,
            Request {
                player: self.index,
                target: Target::Playlist(query),
            },
        ))
    }

    /// A position within the limits, of which the first may be long gone by now.
    fn tune_in(&mut self, position: &LivePosition) -> Option<BlockUntil> {
        let (open, limit) = (position.open, position.advance_part_limit());
        let part = |part| PartIndex::new(part);
        match self.rng.random_range(0..7) {
            0 => Some(BlockUntil::Part(Msn::new(3), part(0))),
            1 => Some(BlockUntil::Part(
                open.next(),
                part(self.rng.random_range(0..4)),
            )),
            2 => Some(BlockUntil::Part(
                open,
                part(self.rng.random_range(0..limit)),
            )),
            3 => Some(BlockUntil::Segment(open.next())),
            4 => None,
            // One beyond the last of a complete Segment: the first of the next.
            5 => Some(BlockUntil::Part(
                Msn::new(open.value() - 1),
                part(position.previous_parts),
            )),
            _ => Some(BlockUntil::Part(open, part(position.open_parts))),
        }
    }

    fn dawdle(&mut self, millis_max: u64) -> Duration {
        let sleeps = self.rng.random_range(0..8) == 0;
        Duration::from_millis(if sleeps {
            self.rng.random_range(0..millis_max)
        } else {
            0
        })
    }

    /// The next media request, unless one is under way or there is nothing new.
    fn fetch(&mut self, coverage: &mut Coverage) -> Option<(Duration, Request)> {
        if self.fetching.is_some() {
            return None;
        }
        let view = Rc::clone(self.view.as_ref()?);
        let (name, hinted) = self.choose(&view, coverage)?;
        self.fetching = Some(name);
        coverage.hints_taken += u64::from(hinted);
        let delay = match self.habit {
            Habit::Sleepy => self.dawdle(LATE_MILLIS_MAX),
            _ => Duration::ZERO,
        };
        let target = Target::Object { name, hinted };
        Some((
            delay,
            Request {
                player: self.index,
                target,
            },
        ))
    }

    fn choose(
        &mut self,
        view: &MediaPlaylist,
        coverage: &mut Coverage,
    ) -> Option<(ObjectName, bool)> {
        loop {
            let start = (last_segment(view)?, PartIndex::ZERO);
            let (msn, part) = *self.next.get_or_insert(start);
            if msn < view.media_sequence {
                coverage.fell_behind += 1;
                self.next = None;
                self.expected = None;
                continue;
            }
            let at = usize::try_from(msn.since(view.media_sequence)).unwrap();
            let closed = view.segments.get(at);
            let head = closed.map_or(&view.open, |segment| &segment.head);
            if closed.is_none() && msn > view.open_msn() {
                return None;
            }
            let part_at = usize::try_from(part.value()).unwrap();
            let listed = head.parts.get(part_at);
            let is_gap = closed.is_some_and(|segment| segment.gap);
            if is_gap || listed.is_some_and(|part| part.gap) {
                let after = if is_gap {
                    (msn.next(), PartIndex::ZERO)
                } else {
                    (msn, part.next())
                };
                self.next = Some(after);
                self.expected = None;
                continue;
            }
            // An Initialization Section is needed before any media that it initializes.
            let init = init_at(view, at);
            if (listed.is_some() || closed.is_some()) && self.init != init {
                return Some((init.expect("media has an EXT-X-MAP"), false));
            }
            let wants_segment = self.habit == Habit::Segments || head.parts.is_empty();
            match closed {
                Some(_) if wants_segment => {
                    if part != PartIndex::ZERO {
                        // Its Parts are no longer listed: start over with the whole Segment.
                        self.expected = None;
                    }
                    return Some((ObjectName::Segment(msn), false));
                }
                None if self.habit == Habit::Segments => return None,
                Some(_) if listed.is_none() => self.next = Some((msn.next(), PartIndex::ZERO)),
                None if listed.is_none() => return self.hint(view, (msn, part)),
                _ => return Some((ObjectName::Part(msn, part), false)),
            }
        }
    }

    fn hint(&self, view: &MediaPlaylist, next: (Msn, PartIndex)) -> Option<(ObjectName, bool)> {
        let hint = view
            .preload_hints
            .iter()
            .find(|hint| hint.kind == HintKind::Part)?;
        let name = ObjectName::parse(&hint.uri).unwrap();
        let ObjectName::Part(msn, part) = name else {
            panic!("{name} is hinted as a Part");
        };
        // A hint taken in time is fetched before the playlist lists it.
        assert!((msn, part) <= next, "the hint {name} skips {next:?}");
        let is_new = (msn, part) == next && self.refused != Some(name);
        (self.habit == Habit::Hints && is_new).then_some((name, true))
    }
}

/// Whether a playlist has what a reload was blocked for, read off the listing alone.
pub(crate) fn lists(playlist: &MediaPlaylist, until: BlockUntil) -> bool {
    let open = playlist.open_msn();
    let BlockUntil::Part(msn, part) = until else {
        return until.msn() < open;
    };
    let part = usize::try_from(part.value()).unwrap();
    if msn == open {
        return part < playlist.open.parts.len();
    }
    // Of the last Segment every Part is listed; one beyond means the next Segment's first.
    let last = playlist
        .segments
        .last()
        .map_or(0, |last| last.head.parts.len());
    let is_beyond = msn.next() == open && part >= last;
    msn < open && (!is_beyond || !playlist.open.parts.is_empty())
}

fn last_segment(view: &MediaPlaylist) -> Option<Msn> {
    let before = view.segments.len().checked_sub(1)?;
    Some(view.media_sequence.plus(u64::try_from(before).unwrap()))
}

/// The Initialization Section in force at a Segment.
fn init_at(view: &MediaPlaylist, at: usize) -> Option<ObjectName> {
    let heads = view
        .segments
        .iter()
        .map(|segment| &segment.head)
        .chain([&view.open]);
    let uri = heads
        .take(at + 1)
        .filter_map(|head| head.map.as_ref())
        .last()?;
    ObjectName::parse(uri)
}

/// What holds for every playlist by itself.
fn check_playlist(playlist: &MediaPlaylist) {
    assert_eq!(playlist.target_duration, Duration::from_secs(2));
    assert_eq!(playlist.part_target, Some(PART_TARGET));
    let control = playlist.server_control.unwrap();
    assert!(control.can_block_reload);
    assert_eq!(control.part_hold_back, Some(PART_TARGET * 3));
    let is_hinted = playlist
        .preload_hints
        .iter()
        .any(|hint| hint.kind == HintKind::Part);
    assert_eq!(is_hinted, !playlist.end_list);
    assert_eq!(
        playlist.version,
        if playlist.skipped_segments > 0 { 9 } else { 6 }
    );
    assert!(!playlist.segments.is_empty());
    let mut lists_parts = false;
    for segment in &playlist.segments {
        let parts = &segment.head.parts;
        assert!(segment.head.program_date_time.is_some());
        let is_gap = parts.iter().all(|part| part.gap);
        assert!(parts.is_empty() || is_gap == segment.gap);
        assert!(!segment.head.discontinuity || segment.head.map.is_some());
        // Once one Segment lists its Parts, all later ones do.
        assert!(
            !parts.is_empty() || !lists_parts,
            "a hole in the Parts of\n{playlist}"
        );
        lists_parts |= !parts.is_empty();
        let sum: Duration = parts.iter().map(|part| part.duration).sum();
        assert!(
            parts.is_empty() || sum == segment.duration,
            "{sum:?} in\n{playlist}"
        );
        assert!(segment.duration < Duration::from_millis(2_500));
    }
    let end: Duration = playlist.duration();
    let with_parts: Duration = playlist
        .segments
        .iter()
        .filter(|segment| !segment.head.parts.is_empty())
        .map(|segment| segment.duration)
        .chain(playlist.open.parts.iter().map(|part| part.duration))
        .sum();
    assert!(
        with_parts >= end.min(Duration::from_secs(6)),
        "too few Parts in\n{playlist}"
    );
}

/// What holds from one playlist to the next.
fn check_progress(old: &MediaPlaylist, new: &MediaPlaylist) {
    let place = |playlist: &MediaPlaylist| (playlist.open_msn(), playlist.open.parts.len());
    assert!(new.media_sequence >= old.media_sequence, "{old}\n{new}");
    assert!(
        new.discontinuity_sequence >= old.discontinuity_sequence,
        "{old}\n{new}"
    );
    assert!(place(new) >= place(old), "{old}\n{new}");
    // The Segments that both list are the same, but for Parts that left the list.
    let gone = usize::try_from(new.media_sequence.since(old.media_sequence)).unwrap();
    for (old, new) in old.segments.iter().skip(gone).zip(&new.segments) {
        assert_eq!(
            (&old.uri, old.duration, old.gap),
            (&new.uri, new.duration, new.gap)
        );
        assert_eq!(old.head.program_date_time, new.head.program_date_time);
        assert_eq!(old.head.discontinuity, new.head.discontinuity);
        assert!(new.head.parts.is_empty() || old.head.parts == new.head.parts);
    }
    // So is the number of discontinuities before a Segment.
    let before: usize = old
        .segments
        .iter()
        .take(gone)
        .filter(|segment| segment.head.discontinuity)
        .count();
    if gone <= old.segments.len() {
        let sequence = old.discontinuity_sequence + u64::try_from(before).unwrap();
        assert_eq!(new.discontinuity_sequence, sequence, "{old}\n{new}");
    }
}

/// A delta leaves out only what the player has, and keeps the rest word for word.
fn check_delta(view: &MediaPlaylist, sent: &Sent) {
    let (delta, whole) = (&*sent.playlist, &*sent.whole);
    let skipped = usize::try_from(delta.skipped_segments).unwrap();
    assert_eq!(delta.media_sequence, whole.media_sequence);
    assert_eq!(delta.discontinuity_sequence, whole.discontinuity_sequence);
    assert!(whole.media_sequence.plus(delta.skipped_segments) <= view.open_msn());
    let (first, rest) = delta.segments.split_first().unwrap();
    assert_eq!(first.uri, whole.segments[skipped].uri);
    assert_eq!(first.head.parts, whole.segments[skipped].head.parts);
    assert_eq!(rest, &whole.segments[skipped + 1..]);
    assert_eq!(delta.open, whole.open);
    assert_eq!(delta.preload_hints, whole.preload_hints);
    let kept: Duration = delta.duration();
    assert!(
        kept >= Duration::from_secs(12),
        "skipped within the Skip Boundary:\n{delta}"
    );
}
