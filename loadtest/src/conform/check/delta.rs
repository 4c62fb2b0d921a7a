//! Playlist Delta Updates (RFC 8216bis sections 4.4.5.2, 6.2.5.1 and 6.3.7).

use crate::conform::record::{Delta, Record};
use crate::conform::report::{Check, Finding};

pub(super) fn check(record: &Record) -> Vec<Finding> {
    vec![
        window(record),
        skips(record, false),
        skips(record, true),
        same(record),
        boundary(record),
        order(record),
    ]
}

const NONE: &str = "no pair of a playlist and an update of the same moment came";

/// Pairs of the same moment.
fn pairs(record: &Record) -> impl Iterator<Item = &Delta> {
    record.deltas.iter().filter(|pair| pair.is_of_one_moment())
}

fn window(record: &Record) -> Finding {
    let expected = "CAN-SKIP-UNTIL is at least 6 x TARGETDURATION";
    let mut check = Check::must(record, "B1-25-skip-until", "4.4.3.8", expected);
    for (_, load) in record.loads() {
        let target = load.playlist.target_duration.unwrap_or(0.0);
        if let Some(until) = load.playlist.control.number("CAN-SKIP-UNTIL") {
            check.look(until >= 6.0 * target, &load.answer, || {
                format!("CAN-SKIP-UNTIL {until}, TARGETDURATION {target}")
            });
        }
    }
    check.done("no CAN-SKIP-UNTIL: it is the server's choice")
}

fn skips(record: &Record, v2: bool) -> Finding {
    let (id, expected) = match v2 {
        false => (
            "B1-25-skip",
            "_HLS_skip=YES is answered by a delta update where CAN-SKIP-UNTIL allows one",
        ),
        true => (
            "B1-25-skip-v2",
            "_HLS_skip=v2 is answered by a delta update where CAN-SKIP-UNTIL allows one",
        ),
    };
    let mut check = Check::must(record, id, "6.2.5.1", expected);
    for pair in pairs(record).filter(|pair| pair.v2 == v2) {
        let until = pair.full.playlist.control.number("CAN-SKIP-UNTIL");
        let until = until.unwrap_or(f64::INFINITY);
        let distances = pair.full.playlist.distances();
        let beyond = distances
            .iter()
            .filter(|distance| **distance > until)
            .count();
        let skipped = pair.update.playlist.skip.as_ref();
        let skipped = skipped.and_then(|skip| skip.integer("SKIPPED-SEGMENTS"));
        let right = if until.is_finite() {
            skipped.is_some() || beyond == 0
        } else {
            pair.update.playlist.skip.is_none()
        };
        check.look(right, &pair.update.answer, || {
            format!("SKIPPED-SEGMENTS {skipped:?}, {beyond} are older than {until} s")
        });
    }
    check.done(NONE)
}

/// Whether the update has the EXT-X-DATERANGE that it has to have: all, but for what the server says
/// that it may skip (CAN-SKIP-DATERANGES).
fn same_date_ranges(pair: &Delta) -> bool {
    let (full, update) = (&pair.full.playlist, &pair.update.playlist);
    if pair.v2 && full.control.yes("CAN-SKIP-DATERANGES") {
        let known = |line: &String| full.date_ranges.contains(line);
        return update.date_ranges.iter().all(known);
    }
    full.date_ranges == update.date_ranges
}

/// The first difference between the playlist and what a client makes of the update.
fn difference(pair: &Delta) -> Option<String> {
    let (full, update) = (&pair.full.playlist, &pair.update.playlist);
    let heads = [
        (
            full.target_duration == update.target_duration,
            "TARGETDURATION",
        ),
        (full.part_target == update.part_target, "PART-INF"),
        (full.control == update.control, "SERVER-CONTROL"),
        (
            full.media_sequence == update.media_sequence,
            "MEDIA-SEQUENCE",
        ),
        (
            full.discontinuity_sequence == update.discontinuity_sequence,
            "DISCONTINUITY-SEQUENCE",
        ),
        (full.hints == update.hints, "PRELOAD-HINT"),
        (
            full.reports.len() == update.reports.len(),
            "RENDITION-REPORT",
        ),
        (full.open.parts == update.open.parts, "the parts at the end"),
        (same_date_ranges(pair), "EXT-X-DATERANGE"),
    ];
    if let Some((_, what)) = heads.iter().find(|(same, _)| !same) {
        return Some(format!("{what} is another"));
    }
    let skipped = full.segments.len().checked_sub(update.segments.len());
    let Some(kept) = skipped.and_then(|skipped| full.segments.get(skipped..)) else {
        return Some("the update has more segments".to_owned());
    };
    for (whole, short) in kept.iter().zip(&update.segments) {
        if whole != short {
            return Some(format!("segment {} is {short:?}, not {whole:?}", whole.msn));
        }
    }
    None
}

fn same(record: &Record) -> Finding {
    let expected = "a delta update completes to the playlist";
    let mut check = Check::must(record, "B1-25-complete", "6.3.7", expected);
    for pair in pairs(record).filter(|pair| pair.update.playlist.skip.is_some()) {
        let difference = difference(pair);
        check.look(difference.is_none(), &pair.update.answer, || {
            difference.unwrap_or_default()
        });
    }
    check.done(NONE)
}

fn boundary(record: &Record) -> Finding {
    let expected = "only segments older than CAN-SKIP-UNTIL are skipped";
    let mut check = Check::must(record, "B1-25-boundary", "6.2.5.1", expected);
    for pair in pairs(record) {
        let full = &pair.full.playlist;
        let Some(skip) = &pair.update.playlist.skip else {
            continue;
        };
        let until = full
            .control
            .number("CAN-SKIP-UNTIL")
            .unwrap_or(f64::INFINITY);
        let count = skip
            .integer("SKIPPED-SEGMENTS")
            .and_then(|count| usize::try_from(count).ok());
        let last = count.and_then(|count| count.checked_sub(1));
        let distance = last
            .and_then(|last| Some(full.distances().get(last)? + full.segments.get(last)?.duration));
        let right = distance.is_some_and(|distance| distance > until);
        check.look(right, &pair.update.answer, || {
            format!("{count:?} are skipped, the last {distance:?} s from the end; until {until}")
        });
    }
    check.done(NONE)
}

fn order(record: &Record) -> Finding {
    let expected = "MEDIA-SEQUENCE and DISCONTINUITY-SEQUENCE stand before EXT-X-SKIP";
    let mut check = Check::should(record, "B1-16-order", "hls.js 7905", expected);
    for update in record.deltas.iter().map(|pair| &pair.update) {
        let lines = &update.playlist.lines;
        let Some(skip) = lines
            .iter()
            .position(|line| line.starts_with("#EXT-X-SKIP:"))
        else {
            continue;
        };
        let late = lines
            .iter()
            .skip(skip)
            .find(|line| line.contains("-SEQUENCE:"));
        check.look(late.is_none(), &update.answer, || format!("{late:?}"));
    }
    check.done(NONE)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{passed, record, right, wrong};
    use super::*;
    use crate::conform::playlist::Playlist;

    fn edited(from: &str, to: &str) -> Record {
        let mut record = record();
        for pair in &mut record.deltas {
            let text = pair.update.answer.text().replace(from, to);
            pair.update.playlist = Playlist::parse(&text);
        }
        record
    }

    #[test]
    fn right_updates() {
        right(check);
        for id in [
            "B1-25-skip",
            "B1-25-skip-v2",
            "B1-25-complete",
            "B1-25-boundary",
            "B1-16-order",
        ] {
            passed(check, id, &record());
        }
    }

    #[test]
    fn date_ranges_are_skipped_where_the_server_says_so() {
        let range = "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-01T10:00:00Z\"\n";
        for (control, v2, expect) in [
            ("", false, wrong as fn(_, &str, &_)),
            ("", true, wrong),
            ("CAN-SKIP-DATERANGES=YES,", false, wrong),
            ("CAN-SKIP-DATERANGES=YES,", true, passed),
        ] {
            let mut record = record();
            record.deltas.retain(|pair| pair.v2 == v2);
            for pair in &mut record.deltas {
                for (load, end) in [(&mut pair.full, range), (&mut pair.update, "")] {
                    let control = format!("#EXT-X-SERVER-CONTROL:{control}");
                    let text = load.answer.text();
                    let text = text.replace("#EXT-X-SERVER-CONTROL:", &control) + end;
                    load.playlist = Playlist::parse(&text);
                }
            }
            expect(check, "B1-25-complete", &record);
        }
    }

    #[test]
    fn wrong_updates() {
        let mut many = record();
        for pair in &mut many.deltas {
            let text = pair.full.answer.text();
            let text = text.replace("SKIP-UNTIL=6.0", "SKIP-UNTIL=9.0");
            pair.full.playlist = Playlist::parse(&text);
        }
        wrong(check, "B1-25-boundary", &many);
        wrong(
            check,
            "B1-25-complete",
            &edited("#EXT-X-MAP:", "#EXT-X-MOP:"),
        );
        wrong(
            check,
            "B1-25-complete",
            &edited("DURATION=0.25", "DURATION=0.24"),
        );
        let moved = edited(
            "#EXT-X-MAP:",
            "#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-MAP:",
        );
        wrong(check, "B1-16-order", &moved);
        let mut none = record();
        none.deltas[0].update = none.deltas[0].full.clone();
        wrong(check, "B1-25-skip", &none);
        passed(check, "B1-25-skip-v2", &none);
        none.deltas[1].update = none.deltas[1].full.clone();
        wrong(check, "B1-25-skip-v2", &none);
        let mut short = record();
        for watch in &mut short.watches {
            for load in &mut watch.loads {
                load.playlist.target_duration = Some(2.0);
            }
        }
        wrong(check, "B1-25-skip-until", &short);
    }
}
