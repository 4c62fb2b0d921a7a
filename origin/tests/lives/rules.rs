//! What every playlist of a stream has to keep, whatever was published: RFC 8216bis, numbered as in the checklist of
//! ARCHITECTURE.md.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hls::media::{MediaPlaylist, Segment};
use hls::{Msn, ObjectName};
use origin::window::{LiveStream, MediaAnswer, PlaylistAnswer};

/// Dates may overlap by less than a second (checklist 10); here by what drift is taken back at once.
const OVERLAP_MS: i64 = 50;

/// What was seen before, to be held against what is seen now.
#[derive(Default)]
pub(crate) struct Rules {
    live: Option<Arc<LiveStream>>,
    before: BTreeMap<String, MediaPlaylist>,
    pub(crate) checked: u64,
    pub(crate) with_gaps: u64,
    pub(crate) discontinuities: u64,
}

type Kept = Result<(), String>;

fn rule(kept: bool, broken: impl FnOnce() -> String) -> Kept {
    if kept { Ok(()) } else { Err(broken()) }
}

impl Rules {
    /// Checks all renditions of a stream, alone, against one another and against what was seen before.
    pub(crate) fn check(&mut self, live: &Arc<LiveStream>) -> Kept {
        let same = self.live.as_ref().is_some_and(|own| Arc::ptr_eq(own, live));
        self.live = Some(Arc::clone(live));
        let mut seen = Vec::new();
        for (index, (name, _)) in live.renditions().iter().enumerate() {
            let Some(text) = text(live, index)? else {
                continue;
            };
            let playlist = hls::media::parse(&text).map_err(|error| format!("{error}: {text}"))?;
            let about = |broken: String| format!("{name}: {broken}\n{text}");
            alone(&playlist).map_err(about)?;
            downloadable(live, index, &playlist).map_err(about)?;
            if let Some(before) = self.before.get(name.as_str()) {
                follows(before, &playlist, same).map_err(about)?;
            }
            seen.push((name.as_str().to_owned(), playlist));
        }
        if let Some((_, first)) = seen.first() {
            self.checked += 1;
            self.with_gaps += u64::from(first.segments.iter().any(|own| own.gap));
            let breaks = first.segments.iter().any(|own| own.head.discontinuity);
            self.discontinuities += u64::from(breaks);
            for (name, other) in &seen {
                together(first, other).map_err(|broken| format!("{name}: {broken}"))?;
            }
        }
        self.before.extend(seen);
        Ok(())
    }
}

impl Rules {
    /// What was seen of a rendition last.
    pub(crate) fn seen(&self, live: &LiveStream, rendition: usize) -> Option<&MediaPlaylist> {
        let (name, _) = live.renditions().get(rendition)?;
        self.before.get(name.as_str())
    }
}

fn text(live: &LiveStream, rendition: usize) -> Result<Option<String>, String> {
    let PlaylistAnswer::Ready { text, .. } = live.playlist(rendition, "") else {
        return Ok(None);
    };
    let text = String::from_utf8(text.plain().to_vec());
    text.map(Some).map_err(|error| error.to_string())
}

/// A rendition's playlist as it is.
pub(crate) fn playlist(live: &LiveStream, rendition: usize) -> Result<MediaPlaylist, String> {
    let text = text(live, rendition)?.ok_or("there is none yet")?;
    hls::media::parse(&text).map_err(|error| format!("{error}: {text}"))
}

/// 1, 2, 3, 5, 6, 12, 13, 17.
fn alone(playlist: &MediaPlaylist) -> Kept {
    let part_target = playlist.part_target.ok_or("no PART-TARGET")?;
    let mut date_ms = i64::MIN;
    let heads = playlist.segments.iter().map(|own| &own.head);
    for head in heads.chain([&playlist.open]) {
        for part in &head.parts {
            rule(part.duration <= part_target, || {
                format!("part {} is too long", part.uri)
            })?;
        }
    }
    for segment in &playlist.segments {
        let rounded = (segment.duration + Duration::from_millis(500)).as_secs();
        rule(rounded <= playlist.target_duration.as_secs(), || {
            format!("segment {} is too long", segment.uri)
        })?;
        let parts: Duration = segment.head.parts.iter().map(|part| part.duration).sum();
        let adds_up = segment.head.parts.is_empty() || parts == segment.duration;
        rule(adds_up, || {
            format!("the parts of {} do not add up", segment.uri)
        })?;
        let all_gaps = segment.head.parts.iter().all(|part| part.gap);
        let agrees = segment.head.parts.is_empty() || segment.gap == all_gaps;
        rule(agrees, || format!("{} and its parts disagree", segment.uri))?;
        if let Some(date) = segment.head.program_date_time {
            rule(date.unix_millis() + OVERLAP_MS >= date_ms, || {
                format!("the date of {} goes back", segment.uri)
            })?;
            let duration = i64::try_from(segment.duration.as_millis()).unwrap_or(i64::MAX);
            date_ms = date.unix_millis() + duration;
        }
    }
    let first = playlist.segments.first();
    let is_dated = first.is_none_or(|first| {
        first.head.program_date_time.is_some() && (first.head.map.is_some() || first.gap)
    });
    rule(is_dated, || "no date, or no map, at the top".to_owned())?;
    rule(
        playlist.preload_hints.is_empty() == playlist.end_list,
        || "hints until the end, and none after it".to_owned(),
    )
}

/// 8, 27: what is listed is there, and what is a gap is not.
fn downloadable(live: &LiveStream, rendition: usize, playlist: &MediaPlaylist) -> Kept {
    let answers = |uri: &str, there: bool| {
        let object = ObjectName::parse(uri).ok_or_else(|| format!("{uri} is no name"))?;
        let ready = matches!(live.media(rendition, object), MediaAnswer::Ready(_));
        rule(ready == there, || {
            format!("{uri}: there is {ready}, listed as {there}")
        })
    };
    for segment in &playlist.segments {
        answers(&segment.uri, !segment.gap)?;
        if let Some(map) = &segment.head.map {
            answers(map, true)?;
        }
    }
    let heads = playlist.segments.iter().map(|own| &own.head);
    for part in heads.chain([&playlist.open]).flat_map(|head| &head.parts) {
        answers(&part.uri, !part.gap)?;
    }
    Ok(())
}

/// 1, 8, 9, 10: what was said stays true.
fn follows(before: &MediaPlaylist, now: &MediaPlaylist, same_stream: bool) -> Kept {
    rule(now.media_sequence >= before.media_sequence, || {
        format!("MEDIA-SEQUENCE was {}", before.media_sequence)
    })?;
    rule(
        now.discontinuity_sequence >= before.discontinuity_sequence,
        || {
            format!(
                "DISCONTINUITY-SEQUENCE was {}",
                before.discontinuity_sequence
            )
        },
    )?;
    if !same_stream {
        return rule(now.media_sequence >= before.open_msn(), || {
            format!("numbers below {} are used twice", before.open_msn())
        });
    }
    let constant = (now.part_target, now.target_duration, now.server_control)
        == (
            before.part_target,
            before.target_duration,
            before.server_control,
        );
    rule(constant, || "what must be constant has changed".to_owned())?;
    let listed = by_number(now);
    for (msn, (was, discontinuities)) in by_number(before) {
        let Some((is, now_discontinuities)) = listed.get(&msn) else {
            continue;
        };
        let unchanged = (&was.uri, was.duration, was.gap) == (&is.uri, is.duration, is.gap);
        rule(unchanged && discontinuities == *now_discontinuities, || {
            format!("segment {msn} was {was:?} of {discontinuities}")
        })?;
    }
    rule(!before.end_list || now.end_list, || {
        "it had ended".to_owned()
    })
}

/// 15: one grid. A rendition may be a part ahead of another, and so a segment.
fn together(first: &MediaPlaylist, other: &MediaPlaylist) -> Kept {
    let apart = first.open_msn().value().abs_diff(other.open_msn().value());
    rule(apart <= 1, || format!("{apart} segments apart"))?;
    let listed = by_number(other);
    for (msn, (_, discontinuities)) in by_number(first) {
        let Some((_, others)) = listed.get(&msn) else {
            continue;
        };
        rule(discontinuities == *others, || {
            format!("segment {msn} is of {others}, not of {discontinuities}")
        })?;
    }
    Ok(())
}

/// Each listed segment with the sequence number of its discontinuity.
fn by_number(playlist: &MediaPlaylist) -> BTreeMap<Msn, (&Segment, u64)> {
    let mut discontinuities = playlist.discontinuity_sequence;
    let numbered = playlist.segments.iter().zip(0..).map(|(segment, index)| {
        discontinuities += u64::from(segment.head.discontinuity);
        let msn = playlist.media_sequence.plus(index);
        (msn, (segment, discontinuities))
    });
    numbered.collect()
}
