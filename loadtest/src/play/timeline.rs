//! The Parts of a Media Playlist in order, each with its place and its time on the wall clock.

use std::time::Duration;

use hls::media::{MediaPlaylist, Part, SegmentHead};

/// A Part, placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlacedPart {
    /// MSN and Part Index.
    pub(super) at: (u64, usize),
    pub(super) uri: String,
    pub(super) duration: Duration,
    /// PROGRAM-DATE-TIME of its end, in Unix milliseconds, where the playlist tells.
    pub(super) ends_at: Option<i64>,
    /// It is the first of a Segment that carries EXT-X-DISCONTINUITY.
    pub(super) discontinuity: bool,
    pub(super) gap: bool,
}

/// All listed Parts, oldest first.
pub(super) fn parts(playlist: &MediaPlaylist) -> Vec<PlacedPart> {
    let mut placed = Vec::new();
    let mut clock: Option<i64> = None;
    let mut msn = playlist
        .media_sequence
        .plus(playlist.skipped_segments)
        .value();
    for segment in &playlist.segments {
        let start = start_of(&segment.head, clock);
        place(&segment.head, msn, start, &mut placed);
        clock = start.map(|start| start + millis(segment.duration));
        msn += 1;
    }
    place(
        &playlist.open,
        msn,
        start_of(&playlist.open, clock),
        &mut placed,
    );
    placed
}

fn start_of(head: &SegmentHead, clock: Option<i64>) -> Option<i64> {
    head.program_date_time
        .map(|time| time.unix_millis())
        .or(clock)
}

fn place(head: &SegmentHead, msn: u64, start: Option<i64>, placed: &mut Vec<PlacedPart>) {
    let mut within = Duration::ZERO;
    for (index, part) in head.parts.iter().enumerate() {
        let Part {
            duration, uri, gap, ..
        } = part;
        within += *duration;
        placed.push(PlacedPart {
            at: (msn, index),
            uri: uri.clone(),
            duration: *duration,
            ends_at: start.map(|start| start + millis(within)),
            discontinuity: head.discontinuity && index == 0,
            gap: *gap,
        });
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
