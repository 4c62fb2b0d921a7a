//! Delivery directives (RFC 8216bis section 6.2.5.2).

use std::time::Duration;

use crate::conform::playlist::Playlist;
use crate::conform::record::{Asked, Record, Why};
use crate::conform::report::{Check, Finding};

pub(super) fn check(record: &Record) -> Vec<Finding> {
    vec![
        part(record),
        answered(record),
        segment(record, Why::SegmentAlone),
        segment(record, Why::Ahead),
        in_time(record),
        part_too_many(record),
        past(record),
        refused(record, Why::PartAlone),
        refused(record, Why::Malformed),
        refused(record, Why::FarSegment),
        refused(record, Why::FarPart),
        bounded(record),
        reversed(record),
        together(record),
    ]
}

const SOURCE: &str = "6.2.5.2";

/// Whether `it` has come as far as `_HLS_msn` and `_HLS_part` ask.
fn fulfils(it: &Playlist, (msn, part): (u64, usize)) -> bool {
    it.open.msn > msn || it.last() >= Some((msn, part))
}

fn part(record: &Record) -> Finding {
    let expected = "_HLS_msn with _HLS_part is held until that part is listed";
    let mut check = Check::must(record, "B1-18-block-part", SOURCE, expected);
    for (_, load) in record.loads() {
        if let Some(wanted) = load.wanted.filter(|_| !load.playlist.ended) {
            let last = load.playlist.last();
            check.look(fulfils(&load.playlist, wanted), &load.answer, || {
                format!("answered after {:?} with {last:?}", load.answer.took)
            });
        }
    }
    check.done("no blocking request was answered")
}

fn answered(record: &Record) -> Finding {
    let expected = "playlists that are asked for come, whole, with 200";
    let mut check = Check::must(record, "B1-18-answered", SOURCE, expected);
    for (_, load) in record.loads() {
        check.look(load.answer.good(), &load.answer, String::new);
    }
    let target = record.target_duration().unwrap_or(0.0);
    for answer in record.watches.iter().flat_map(|watch| &watch.failed) {
        // A stream that stands still is answered so, and late: see `bounded`.
        let still = answer.status == 503 && answer.took.as_secs_f64() >= 2.5 * target;
        check.look(still, answer, || format!("after {:?}", answer.took));
    }
    check.done("nothing was asked for")
}

fn segment(record: &Record, why: Why) -> Finding {
    let (id, source, expected) = match why {
        Why::Ahead => (
            "B1-34-ahead",
            "C",
            "a segment ahead, within the limit, is held and comes, also where a cache is behind",
        ),
        _ => (
            "B1-18-block-msn",
            SOURCE,
            "_HLS_msn alone is held until the whole segment is listed",
        ),
    };
    let mut check = Check::must(record, id, source, expected);
    for asked in record.of(why) {
        let right = asked.answer.good() && asked.playlist.open.msn > asked.place.0;
        check.look(right, &asked.answer, || {
            format!(
                "after {:?} without segment {}",
                asked.answer.took, asked.place.0
            )
        });
    }
    check.done("it was not asked for")
}

fn in_time(record: &Record) -> Finding {
    let expected = "a held answer comes when its part or segment does";
    let mut check = Check::must(record, "B1-18-in-time", SOURCE, expected);
    let Some(main) = record.main() else {
        return check.done("nothing was watched");
    };
    let near = Duration::try_from_secs_f64(record.part_target().unwrap_or(0.0)).unwrap_or_default()
        + record.slack;
    let held = [Why::SegmentAlone, Why::Ahead, Why::Together, Why::Reversed];
    for asked in record
        .asked
        .iter()
        .filter(|it| held.contains(&it.why) && it.answer.good())
    {
        let whole = matches!(asked.why, Why::SegmentAlone | Why::Ahead);
        let there = main.first(|it| match whole {
            true => it.open.msn > asked.place.0,
            false => fulfils(it, asked.place),
        });
        if let Some(there) = there {
            let due = there.answer.arrived().max(asked.answer.asked) + near;
            check.look(asked.answer.arrived() <= due, &asked.answer, || {
                format!("{:?} late", asked.answer.arrived().saturating_sub(due))
            });
        }
    }
    check.done("no held answer could be compared")
}

fn part_too_many(record: &Record) -> Finding {
    let expected = "a part behind the last of a whole segment is the first of the next";
    let mut check = Check::must(record, "B1-19-next-segment", SOURCE, expected);
    for asked in record.of(Why::PartTooMany) {
        let right = asked.answer.good() && fulfils(&asked.playlist, (asked.place.0 + 1, 0));
        check.look(right, &asked.answer, || {
            format!("{:?}", asked.playlist.last())
        });
    }
    check.done("it was not asked for")
}

/// A time that is no waiting.
fn at_once(record: &Record, asked: &Asked) -> bool {
    asked.answer.took <= Duration::from_millis(100) + record.slack
}

fn past(record: &Record) -> Finding {
    let expected = "a segment of the past is answered at once, with the playlist of now";
    let mut check = Check::must(record, "B1-20-past", SOURCE, expected);
    for asked in record.of(Why::Past) {
        let now = asked.playlist.last() >= Some(asked.place);
        let right = asked.answer.good() && at_once(record, asked) && now;
        check.look(right, &asked.answer, || {
            format!(
                "after {:?}, up to {:?}",
                asked.answer.took,
                asked.playlist.last()
            )
        });
    }
    check.done("it was not asked for")
}

fn refused(record: &Record, why: Why) -> Finding {
    let must = |id, expected| Check::must(record, id, SOURCE, expected);
    let should = |id, expected| Check::should(record, id, SOURCE, expected);
    let mut check = match why {
        Why::PartAlone => must("B1-21-part-alone", "_HLS_part without _HLS_msn is 400"),
        Why::Malformed => must("B1-21-malformed", "directives that are no integers are 400"),
        Why::FarSegment => should("B1-22-far-segment", "a segment far ahead is 400, at once"),
        _ => should(
            "B1-22-far-part",
            "a part beyond the Advance Part Limit is 400, at once",
        ),
    };
    for asked in record.of(why) {
        if why == Why::FarPart && asked.playlist.open.msn > asked.place.0 {
            // The segment has become whole: then the part is one of the next (B1-19).
            continue;
        }
        let right = asked.answer.status == 400 && at_once(record, asked);
        check.look(right, &asked.answer, || {
            format!("after {:?}", asked.answer.took)
        });
    }
    check.done("it was not asked for")
}

fn bounded(record: &Record) -> Finding {
    let expected = "no request is held longer than 3 x TARGETDURATION: 503 then";
    let mut check = Check::should(record, "B1-23-bounded", SOURCE, expected);
    let most = 3.0 * record.target_duration().unwrap_or(0.0) + record.slack.as_secs_f64();
    let watched = record.loads().map(|(_, load)| &load.answer);
    let failed = record.watches.iter().flat_map(|watch| &watch.failed);
    let asked = record.asked.iter().map(|asked| &asked.answer);
    for answer in watched.chain(failed).chain(asked) {
        if super::is_blocking(answer) {
            let right = answer.took.as_secs_f64() <= most;
            check.look(right, answer, || format!("held for {:?}", answer.took));
        }
    }
    check.done("no blocking request was made")
}

fn reversed(record: &Record) -> Finding {
    let expected = "directives in another order mean the same";
    let mut check = Check::should(record, "B1-26-order", SOURCE, expected);
    for asked in record.of(Why::Reversed) {
        let right = asked.answer.good() && fulfils(&asked.playlist, asked.place);
        check.look(right, &asked.answer, || {
            format!("{:?}", asked.playlist.last())
        });
    }
    check.done("it was not asked for")
}

fn together(record: &Record) -> Finding {
    let expected = "the same blocking request, many times at once, is answered alike";
    let mut check = Check::must(record, "B1-31-together", "B.1", expected);
    let mut bodies: Vec<((u64, usize), &Asked)> = Vec::new();
    for asked in record.of(Why::Together) {
        let first = bodies.iter().find(|(place, _)| *place == asked.place);
        let same = first.is_none_or(|(_, first)| first.playlist.last() == asked.playlist.last());
        let right = same && asked.answer.good() && fulfils(&asked.playlist, asked.place);
        check.look(right, &asked.answer, || {
            format!("{:?}", asked.playlist.last())
        });
        bodies.push((asked.place, asked));
    }
    check.done("it was not asked for")
}

#[cfg(test)]
mod tests;
