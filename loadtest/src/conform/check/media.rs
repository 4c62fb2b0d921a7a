//! The bytes of parts and segments.

use crate::conform::media::{Fragment, Media, Track, tracks};
use crate::conform::record::{Answer, Fetched, Record, Watch};
use crate::conform::report::{Check, Finding};

pub(super) fn check(record: &Record) -> Vec<Finding> {
    let read: Vec<Read<'_>> = record
        .media()
        .map(|(watch, it)| Read::new(watch, it))
        .collect();
    vec![
        there(record),
        readable(record, &read),
        same(record, &read),
        moof(record, &read),
        sync(record, &read),
        listed_sync(record, &read),
        goes_on(record, &read),
        durations(record, &read),
    ]
}

const NONE: &str = "no segment in fragmented MP4 was fetched with its parts";

/// Seconds that samples and the playlist may be apart.
const APART: f64 = 0.05;

/// A segment that was fetched, and read.
struct Read<'a> {
    watch: &'a Watch,
    fetched: &'a Fetched,
    tracks: Result<Vec<Track>, String>,
    whole: Result<Media, String>,
    parts: Vec<(&'a Answer, Result<Media, String>)>,
}

impl<'a> Read<'a> {
    fn new(watch: &'a Watch, fetched: &'a Fetched) -> Self {
        let tracks = tracks(&fetched.init.body);
        let known = tracks.clone().unwrap_or_default();
        let read = |answer: &'a Answer| (answer, Media::parse(&answer.body, &known));
        Self {
            watch,
            fetched,
            whole: Media::parse(&fetched.whole.body, &known),
            parts: fetched.parts.iter().map(read).collect(),
            tracks,
        }
    }

    fn is_whole(&self) -> bool {
        self.fetched.whole.good() && self.fetched.parts.iter().all(Answer::good)
    }

    fn seconds(&self, fragment: &Fragment) -> Option<f64> {
        let tracks = self.tracks.as_ref().ok()?;
        let track = tracks.iter().find(|track| track.id == fragment.track)?;
        Some(fragment.duration as f64 / f64::from(track.timescale.max(1)))
    }

    /// How long the longest track of `media` plays.
    fn length(&self, media: &Media) -> Option<f64> {
        let tracks = self.tracks.as_ref().ok()?;
        let of = |track: &Track| {
            let own = media.fragments.iter().filter(|it| it.track == track.id);
            own.filter_map(|it| self.seconds(it)).sum::<f64>()
        };
        tracks.iter().map(of).reduce(f64::max)
    }
}

fn there(record: &Record) -> Finding {
    let expected = "parts and segments that are listed can be had";
    let mut check = Check::must(record, "B1-05-there", "6.2.1", expected);
    for (_, media) in record.media() {
        for answer in media.parts.iter().chain([&media.init, &media.whole]) {
            check.look(answer.good() && !answer.body.is_empty(), answer, || {
                "listed".to_owned()
            });
        }
    }
    check.done("no segment was fetched")
}

fn readable(record: &Record, read: &[Read<'_>]) -> Finding {
    let expected = "media are fragmented MP4";
    let mut check = Check::must(record, "B1-05-mp4", "3.1.2", expected);
    for it in read {
        let fails = |answer: &Answer| format!("{}: not whole boxes", answer.path);
        check.look(it.tracks.is_ok(), &it.fetched.init, || {
            format!("{:?}", it.tracks)
        });
        check.look(it.whole.is_ok(), &it.fetched.whole, || {
            fails(&it.fetched.whole)
        });
        for (answer, media) in &it.parts {
            check.look(media.is_ok(), answer, || {
                format!("{:?}", media.as_ref().err())
            });
        }
    }
    check.done(NONE)
}

fn same(record: &Record, read: &[Read<'_>]) -> Finding {
    let expected = "the parts of a segment have its samples";
    let mut check = Check::must(record, "B1-05-same", "6.2.1", expected);
    for it in read.iter().filter(|it| it.is_whole()) {
        let bytes: Vec<u8> = it
            .fetched
            .parts
            .iter()
            .flat_map(|part| part.body.to_vec())
            .collect();
        let payload: Vec<u8> = it
            .parts
            .iter()
            .filter_map(|(_, media)| media.as_ref().ok())
            .flat_map(|media| media.payload.clone())
            .collect();
        let whole = it
            .whole
            .as_ref()
            .ok()
            .filter(|whole| !whole.payload.is_empty());
        let right =
            bytes == it.fetched.whole.body || whole.is_some_and(|whole| whole.payload == payload);
        check.look(right, &it.fetched.whole, || {
            format!(
                "{} bytes, its parts {}",
                it.fetched.whole.body.len(),
                bytes.len()
            )
        });
    }
    check.done(NONE)
}

fn moof(record: &Record, read: &[Read<'_>]) -> Finding {
    let expected = "a part begins with moof, and has nothing before it but styp, prft, emsg, sidx";
    let mut check = Check::must(record, "B1-05-moof", "3.1.2", expected);
    for (answer, media) in read.iter().flat_map(|it| &it.parts) {
        if let Ok(media) = media {
            check.look(media.begins_with_moof(), answer, || {
                format!("{:?}", media.boxes)
            });
        }
    }
    check.done(NONE)
}

fn sync(record: &Record, read: &[Read<'_>]) -> Finding {
    let expected = "a part with INDEPENDENT=YES has a sync sample";
    let mut check = Check::must(record, "B1-05-sync", "4.4.4.9", expected);
    for it in read {
        for (part, (answer, media)) in it.fetched.segment.parts.iter().zip(&it.parts) {
            let Ok(media) = media else { continue };
            if part.independent {
                check.look(media.has_sync(), answer, || {
                    format!("{:?}", media.fragments)
                });
            }
        }
    }
    check.done("no such part was fetched")
}

fn listed_sync(record: &Record, read: &[Read<'_>]) -> Finding {
    let expected = "a part that has a sync sample is listed with INDEPENDENT=YES";
    let mut check = Check::should(record, "B1-05-listed", "4.4.4.9", expected);
    for it in read {
        for (part, (answer, media)) in it.fetched.segment.parts.iter().zip(&it.parts) {
            let Ok(media) = media else { continue };
            if media.has_sync() {
                check.look(part.independent, answer, || {
                    "without INDEPENDENT".to_owned()
                });
            }
        }
    }
    check.done("no such part was fetched")
}

fn goes_on(record: &Record, read: &[Read<'_>]) -> Finding {
    let expected = "each part begins where the one before ended (tfdt)";
    let mut check = Check::must(record, "B1-05-continuous", "6.2.1", expected);
    for watch in &record.watches {
        // Of each track, where its last fragment ended.
        let mut ends: Vec<(u32, u64)> = Vec::new();
        let mut next = None;
        for it in read
            .iter()
            .filter(|it| it.watch.listed.path == watch.listed.path)
        {
            // Segments with gaps are not fetched: what lies behind them begins anywhere.
            let msn = it.fetched.segment.msn;
            if it.fetched.segment.discontinuity || next != Some(msn) {
                ends.clear();
            }
            next = Some(msn + 1);
            for (answer, media) in &it.parts {
                for fragment in media.iter().flat_map(|media| &media.fragments) {
                    let end = fragment.end();
                    match ends.iter_mut().find(|(track, _)| *track == fragment.track) {
                        Some((_, known)) => {
                            check.look(*known == fragment.decode_time, answer, || {
                                format!("begins at {}, not {known}", fragment.decode_time)
                            });
                            *known = end;
                        }
                        None => ends.push((fragment.track, end)),
                    }
                }
            }
        }
    }
    check.done(NONE)
}

fn durations(record: &Record, read: &[Read<'_>]) -> Finding {
    let expected = "DURATION and EXTINF say how long the samples play";
    let mut check = Check::must(record, "B1-05-length", "4.4.4.1", expected);
    for it in read {
        let parts = it.fetched.segment.parts.iter().zip(&it.parts);
        let parts = parts.map(|(part, (answer, media))| (part.duration, *answer, media));
        let whole = (it.fetched.segment.duration, &it.fetched.whole, &it.whole);
        for (said, answer, media) in parts.chain([whole]) {
            let Some(is) = media.as_ref().ok().and_then(|media| it.length(media)) else {
                continue;
            };
            check.look((is - said).abs() <= APART, answer, || {
                format!("the playlist says {said}, the samples {is:.4}")
            });
        }
    }
    check.done(NONE)
}

#[cfg(test)]
mod tests;
