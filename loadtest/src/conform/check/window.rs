//! What comes into a playlist and what leaves it.

use crate::conform::playlist::Playlist;
use crate::conform::record::{Record, Why};
use crate::conform::report::{Check, Finding};

use super::ROUNDING;

pub(super) fn check(record: &Record) -> Vec<Finding> {
    vec![
        kept(record),
        removed(record),
        downloadable(record, Why::RemovedPart),
        downloadable(record, Why::RemovedSegment),
        length(record),
        sequence(record),
        stable(record),
        discontinuity_sequence(record),
        map(record),
        dates(record),
        dates_go_on(record),
    ]
}

const ONCE: &str = "the playlist came only once";

fn kept(record: &Record) -> Finding {
    let expected = "parts are listed up to 3 x TARGETDURATION from the end";
    let mut check = Check::must(record, "B1-08-parts-kept", "6.2.2", expected);
    for watch in &record.watches {
        // Before the first segment with parts there may be a time without any.
        let parts = |it: &Playlist| {
            it.segments
                .iter()
                .find(|it| !it.parts.is_empty())
                .map(|it| it.msn)
        };
        let Some(first) = watch.loads.first().and_then(|it| parts(&it.playlist)) else {
            continue;
        };
        for load in &watch.loads {
            let it = &load.playlist;
            let (target, part) = (
                it.target_duration.unwrap_or(0.0),
                it.part_target.unwrap_or(0.0),
            );
            for (segment, distance) in it.segments.iter().zip(it.distances()) {
                let is_near = distance + part < 3.0 * target;
                if segment.msn >= first && is_near && !segment.gap {
                    check.look(!segment.parts.is_empty(), &load.answer, || {
                        format!("{} has no parts, {distance:.2} s from the end", segment.uri)
                    });
                }
            }
        }
    }
    check.done("no whole segment is that near the end")
}

fn removed(record: &Record) -> Finding {
    let expected = "parts further than 3 x TARGETDURATION from the end are not listed";
    let mut check = Check::should(record, "B1-08-parts-removed", "6.2.2", expected);
    for (_, load) in record.loads() {
        let it = &load.playlist;
        let target = it.target_duration.unwrap_or(0.0);
        for (segment, distance) in it.segments.iter().zip(it.distances()) {
            if distance > 3.0 * target + 0.01 {
                check.look(segment.parts.is_empty(), &load.answer, || {
                    format!("{} lists parts, {distance:.2} s from the end", segment.uri)
                });
            }
        }
    }
    check.done("no segment is that far from the end")
}

fn downloadable(record: &Record, why: Why) -> Finding {
    let (id, expected) = match why {
        Why::RemovedPart => (
            "B1-08-part-lives",
            "a part can be had 3 x TARGETDURATION after it left the playlist",
        ),
        _ => (
            "B1-08-segment-lives",
            "a segment can be had for a while after it left the playlist",
        ),
    };
    let mut check = Check::must(record, id, "6.2.2", expected);
    for asked in record.of(why) {
        check.look(asked.answer.good(), &asked.answer, || {
            "just left the playlist".to_owned()
        });
    }
    check.done("nothing left the playlist")
}

fn length(record: &Record) -> Finding {
    let expected = "segments leave only while 3 x TARGETDURATION remain";
    let mut check = Check::must(record, "B1-08-length", "6.2.2", expected);
    for watch in &record.watches {
        for (before, after) in watch.pairs() {
            let it = &after.playlist;
            if it.media_sequence > before.playlist.media_sequence {
                let least = 3.0 * it.target_duration.unwrap_or(0.0);
                check.look(it.length() >= least, &after.answer, || {
                    format!("{:.2} s remain, not {least}", it.length())
                });
            }
        }
    }
    check.done("no segment left the playlist")
}

fn sequence(record: &Record) -> Finding {
    let expected = "EXT-X-MEDIA-SEQUENCE and the end of the playlist never go back";
    let mut check = Check::must(record, "B1-09-media-sequence", "6.2.2", expected);
    for watch in &record.watches {
        for (before, after) in watch.pairs() {
            let of = |it: &Playlist| (it.media_sequence, it.next());
            let (was, is) = (of(&before.playlist), of(&after.playlist));
            check.look(is.0 >= was.0 && is.1 >= was.1, &after.answer, || {
                format!("sequence and end were {was:?}, then {is:?}")
            });
        }
    }
    check.done(ONCE)
}

fn stable(record: &Record) -> Finding {
    let expected = "a segment keeps its number, URI, EXTINF and date";
    let mut check = Check::must(record, "B1-09-stable", "6.2.1", expected);
    for watch in &record.watches {
        for (before, after) in watch.pairs() {
            for segment in &after.playlist.segments {
                let Some(was) = before.playlist.segment(segment.msn) else {
                    continue;
                };
                // Not each segment needs a date; the first one listed may get its own then.
                let dates = was.date.zip(segment.date);
                let same = was.uri == segment.uri
                    && (was.duration - segment.duration).abs() < 1e-6
                    && dates.is_none_or(|(was, is)| (was - is).abs() <= ROUNDING);
                check.look(same, &after.answer, || {
                    format!("{}: {} was {}", segment.msn, segment.uri, was.uri)
                });
            }
        }
    }
    check.done(ONCE)
}

fn discontinuity_sequence(record: &Record) -> Finding {
    let expected = "EXT-X-DISCONTINUITY-SEQUENCE counts the discontinuities that left";
    let mut check = Check::must(record, "B1-09-discontinuity", "6.2.2", expected);
    for watch in &record.watches {
        for (before, after) in watch.pairs() {
            let (old, new) = (&before.playlist, &after.playlist);
            let left = old
                .segments
                .iter()
                .filter(|segment| segment.discontinuity && segment.msn < new.media_sequence);
            let left = left.count() as u64;
            let of = |it: &Playlist| it.discontinuity_sequence.unwrap_or(0);
            let least = of(old).saturating_add(left);
            // What came and left unseen may have had some, too.
            let all_seen = new.media_sequence <= old.open.msn;
            let right = of(new) == least || !all_seen && of(new) > least;
            if left > 0 || of(old) > 0 || of(new) > 0 {
                check.look(right, &after.answer, || {
                    format!("{} was {}, and {left} left", of(new), of(old))
                });
            }
        }
    }
    check.done("no discontinuity in the playlist")
}

fn map(record: &Record) -> Finding {
    let expected = "EXT-X-MAP changes at a DISCONTINUITY only";
    let mut check = Check::must(record, "B1-10-map", "4.4.4.3", expected);
    for (_, load) in record.loads() {
        for pair in load.playlist.segments.windows(2) {
            let [before, after] = pair else { continue };
            check.look(
                before.map == after.map || after.discontinuity,
                &load.answer,
                || format!("{}: {:?} was {:?}", after.uri, after.map, before.map),
            );
        }
    }
    check.done("fewer than two segments")
}

fn dates(record: &Record) -> Finding {
    let expected = "every Media Playlist has PROGRAM-DATE-TIME, also at a DISCONTINUITY";
    let mut check = Check::must(record, "B1-12-date", "B.1", expected);
    for (_, load) in record.loads() {
        let segments = &load.playlist.segments;
        let any = load.playlist.all().any(|segment| segment.date.is_some());
        let each = segments
            .iter()
            .all(|it| !it.discontinuity || it.date.is_some());
        check.look(any && each, &load.answer, || "it is missing".to_owned());
    }
    check.done("no Media Playlist came")
}

fn dates_go_on(record: &Record) -> Finding {
    let expected = "dates go on by EXTINF, and never go back by more than a second";
    let mut check = Check::must(record, "B1-10-date", "4.4.4.6", expected);
    for (_, load) in record.loads() {
        for pair in load.playlist.segments.windows(2) {
            let [before, after] = pair else { continue };
            let (Some(was), Some(is)) = (before.date, after.date) else {
                continue;
            };
            let off = is - (was + before.duration);
            let right = if after.discontinuity {
                off > -1.0
            } else {
                off.abs() < 1.0
            };
            check.look(right, &load.answer, || {
                format!("{} is off by {off:.3} s", after.uri)
            });
        }
    }
    check.done("fewer than two dates")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{answer, asked, passed, record, rewritten, right, wrong};
    use super::*;
    use std::time::Duration;

    #[test]
    fn right_windows() {
        right(check);
    }

    #[test]
    fn wrong_windows() {
        let replace = |from: &'static str, to: &'static str| {
            rewritten(move |at, text| if at < 8 { text } else { text.replace(from, to) })
        };
        let part_lost = |_: usize, text: String| {
            let lines = text
                .lines()
                .filter(|it| !it.contains("PART:DURATION=0.25,URI=\"s114"));
            lines.map(|it| format!("{it}\n")).collect()
        };
        wrong(check, "B1-08-parts-kept", &rewritten(part_lost));
        wrong(
            check,
            "B1-08-parts-removed",
            &rewritten(|_, text| {
                text.replace(
                    "#EXTINF:1.0,",
                    "#EXT-X-PART:DURATION=0.25,URI=\"x\"\n#EXTINF:1.0,",
                )
            }),
        );
        wrong(
            check,
            "B1-08-length",
            &replace("TARGETDURATION:1", "TARGETDURATION:9"),
        );
        wrong(
            check,
            "B1-09-media-sequence",
            &replace("MEDIA-SEQUENCE:1", "MEDIA-SEQUENCE:"),
        );
        wrong(check, "B1-09-stable", &replace("\ns", "\nother"));
        let twice = replace("#EXT-X-MAP", "#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-MAP");
        wrong(check, "B1-09-discontinuity", &twice);
        wrong(
            check,
            "B1-10-map",
            &replace("\ns112.m4s", "\ns112.m4s\n#EXT-X-MAP:URI=\"i2\""),
        );
        wrong(check, "B1-12-date", &replace("#EXT-X-PROGRAM", "#EXT-X-P"));
        wrong(check, "B1-10-date", &replace("T10:00:1", "T10:00:4"));
    }

    #[test]
    fn a_date_may_stand_at_the_first_segment_alone() {
        let first_only = |shift: &'static str| {
            rewritten(move |at, text| {
                let (head, tail) = text.split_once("#EXT-X-PROGRAM-DATE-TIME").unwrap();
                let (date, tail) = tail.split_once('\n').unwrap();
                let tail = tail.lines().filter(|it| !it.starts_with("#EXT-X-PROGRAM"));
                let tail: String = tail.map(|it| format!("{it}\n")).collect();
                let date = if at < 8 {
                    date.to_owned()
                } else {
                    date.replace("T10", shift)
                };
                format!("{head}#EXT-X-PROGRAM-DATE-TIME{date}\n{tail}")
            })
        };
        passed(check, "B1-09-stable", &first_only("T10"));
        wrong(check, "B1-09-stable", &first_only("T11"));
    }

    #[test]
    fn a_gap_needs_no_parts() {
        let without_parts = |gap: &'static str| {
            rewritten(move |_, text| {
                let lines = text.lines().filter(|it| !it.contains(",URI=\"s114"));
                let lines: String = lines.map(|it| format!("{it}\n")).collect();
                lines.replace("\ns114.m4s", &format!("\n{gap}s114.m4s"))
            })
        };
        wrong(check, "B1-08-parts-kept", &without_parts(""));
        passed(check, "B1-08-parts-kept", &without_parts("#EXT-X-GAP\n"));
    }

    #[test]
    fn nobody_knows_what_left_while_nobody_looked() {
        let mut record = record();
        let load = &mut record.watches[0].loads[23].playlist;
        load.media_sequence += 1_000;
        load.discontinuity_sequence = Some(3);
        for load in &mut record.watches[0].loads[..23] {
            load.playlist.discontinuity_sequence = Some(1);
        }
        passed(check, "B1-09-discontinuity", &record);
        record.watches[0].loads[23].playlist.discontinuity_sequence = Some(0);
        wrong(check, "B1-09-discontinuity", &record);
    }

    #[test]
    fn what_has_just_left_can_be_had() {
        for (status, expect) in [(200, passed as fn(_, &str, &_)), (404, wrong)] {
            let mut record = record();
            let answer = answer("/live/hi/s1.m4s", status, Vec::new(), Duration::ZERO);
            for why in [Why::RemovedPart, Why::RemovedSegment] {
                record.asked.push(asked(why, (1, 0), answer.clone()));
            }
            expect(check, "B1-08-part-lives", &record);
            expect(check, "B1-08-segment-lives", &record);
        }
    }
}
