//! What a day's playlists say about time, held against the wall's clock.

use std::time::{Duration, SystemTime};

use hls::Msn;
use hls::media::{MediaPlaylist, SegmentHead};

/// Dates may be so far from the truth beside what a picture needs to get into the playlist: what the drift of a
/// day may leave.
pub(super) const OFF_MS_MAX: i64 = 250;
/// From one segment to the next dates are moved by so much at most, and by a rounded millisecond.
const STEP_MS_MAX: i64 = 11;

/// Every segment of a rendition, once.
#[derive(Debug, Default)]
pub(super) struct Books {
    next: Option<Msn>,
    /// Where the date of the next one is expected.
    due_ms: i64,
    /// From the first segment's date to the last one's end.
    pub(super) first_ms: Option<i64>,
    pub(super) last_ms: i64,
    pub(super) media_ms: i64,
    pub(super) gap_ms: i64,
    /// Time that is between two segments, at discontinuities.
    pub(super) hole_ms: i64,
    /// What dates were moved by between two segments.
    pub(super) steered_ms: i64,
    pub(super) holes: i64,
    pub(super) longest_hole_ms: i64,
}

impl Books {
    /// Enters the segments that are new.
    pub(super) fn enter(&mut self, playlist: &MediaPlaylist) -> Result<(), String> {
        if let Some(next) = self.next.filter(|next| *next < playlist.media_sequence) {
            return Err(format!("segment {next} was never seen"));
        }
        for (index, segment) in playlist.segments.iter().enumerate() {
            let msn = playlist.media_sequence.plus(index as u64);
            if self.next.is_some_and(|next| msn < next) {
                continue;
            }
            let date = segment.head.program_date_time.ok_or("no date")?;
            let date_ms = date.unix_millis();
            let lasts_ms = millis(segment.duration);
            if self.first_ms.is_none() {
                self.first_ms = Some(date_ms);
                self.due_ms = date_ms;
            }
            let beside_ms = date_ms - self.due_ms;
            if segment.head.discontinuity {
                self.holes += 1;
                self.hole_ms += beside_ms;
                self.longest_hole_ms = self.longest_hole_ms.max(beside_ms);
            } else if beside_ms.abs() <= STEP_MS_MAX {
                self.steered_ms += beside_ms;
            } else {
                return Err(format!("segment {msn} is dated {beside_ms} ms beside"));
            }
            if segment.gap {
                self.gap_ms += lasts_ms;
            } else {
                self.media_ms += lasts_ms;
            }
            self.due_ms = date_ms + lasts_ms;
            self.last_ms = self.due_ms;
            self.next = Some(msn.next());
        }
        Ok(())
    }
}

/// When the newest part ends, by the playlist's dates.
pub(super) fn newest_ms(playlist: &MediaPlaylist) -> i64 {
    let mut end_ms = 0;
    let date = |head: &SegmentHead, before: i64| {
        let date = head.program_date_time;
        date.map_or(before, |date| date.unix_millis())
    };
    if let Some(last) = playlist.segments.last() {
        end_ms = date(&last.head, 0) + millis(last.duration);
    }
    let open: Duration = playlist.open.parts.iter().map(|part| part.duration).sum();
    date(&playlist.open, end_ms) + millis(open)
}

/// By how much the dates of two renditions differ at most for the same segment, of those that began later than
/// `since_ms`: where sound comes back within a segment it is dated by that.
pub(super) fn apart_ms(one: &MediaPlaylist, other: &MediaPlaylist, since_ms: i64) -> i64 {
    let dates = |playlist: &MediaPlaylist| {
        let first = playlist.media_sequence.value();
        let numbered = (first..).zip(&playlist.segments);
        let dated = numbered.filter_map(|(msn, own)| {
            let date = own.head.program_date_time?;
            Some((msn, date.unix_millis()))
        });
        dated.collect::<std::collections::BTreeMap<_, _>>()
    };
    let (one, other) = (dates(one), dates(other));
    let both = one.iter().filter_map(|(msn, date)| {
        let others = other.get(msn).filter(|_| *date > since_ms)?;
        Some((date - others).abs())
    });
    both.max().unwrap_or(0)
}

pub(super) fn unix_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    millis(since.unwrap())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from((duration + Duration::from_micros(500)).as_millis()).unwrap()
}
