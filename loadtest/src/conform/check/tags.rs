//! What the head of a Media Playlist says.

use crate::conform::playlist::Playlist;
use crate::conform::record::Record;
use crate::conform::report::{Check, Finding};

use super::ROUNDING;

pub(super) fn check(record: &Record) -> Vec<Finding> {
    vec![
        readable(record),
        part_inf(record),
        constant(record),
        extinf(record),
        part_hold_back(record),
        part_hold_back_three(record),
        hold_back(record),
        version(record),
        version_high(record),
        live(record),
        block_reload(record),
    ]
}

const NONE: &str = "no Media Playlist came";

/// A rule that each playlist is held to by itself.
fn each<'a>(
    mut check: Check<'a>,
    record: &'a Record,
    right: impl Fn(&Playlist) -> Option<(bool, String)>,
) -> Finding {
    for (_, load) in record.loads() {
        if let Some((right, got)) = right(&load.playlist) {
            check.look(right, &load.answer, || got);
        }
    }
    check.done(NONE)
}

fn readable(record: &Record) -> Finding {
    let check = Check::must(record, "B1-00-readable", "4.1", "every line can be read");
    each(check, record, |it| {
        Some((it.faults.is_empty(), it.faults.join("; ")))
    })
}

fn part_inf(record: &Record) -> Finding {
    let expected = "parts come with EXT-X-PART-INF";
    let check = Check::must(record, "B1-01-part-inf", "4.4.3.7", expected);
    each(check, record, |it| {
        it.last()
            .map(|_| (it.part_target.is_some(), "no PART-TARGET".to_owned()))
    })
}

fn constant(record: &Record) -> Finding {
    let expected = "TARGETDURATION, PART-TARGET and PART-HOLD-BACK stay as they are";
    let mut check = Check::must(record, "B1-01-constant", "6.2.1", expected);
    let of = |it: &Playlist| {
        let hold_back = it.control.number("PART-HOLD-BACK");
        (it.target_duration, it.part_target, hold_back)
    };
    for watch in &record.watches {
        for (before, after) in watch.pairs() {
            let (was, is) = (of(&before.playlist), of(&after.playlist));
            check.look(was == is, &after.answer, || format!("{was:?}, then {is:?}"));
        }
    }
    check.done("the playlist came only once")
}

fn extinf(record: &Record) -> Finding {
    let expected = "EXTINF, rounded, is at most TARGETDURATION";
    let check = Check::must(record, "B1-01-extinf", "4.4.3.1", expected);
    each(check, record, |it| {
        let target = it.target_duration.unwrap_or(0.0);
        let longest = it.segments.iter().map(|it| it.duration).reduce(f64::max)?;
        Some((
            longest.round() <= target,
            format!("EXTINF {longest}, TARGETDURATION {target}"),
        ))
    })
}

fn part_hold_back(record: &Record) -> Finding {
    let expected = "PART-HOLD-BACK is there, and at least 2 x PART-TARGET";
    let check = Check::must(record, "B1-02-part-hold-back", "4.4.3.8", expected);
    each(check, record, |it| {
        let target = it.part_target?;
        let hold_back = it.control.number("PART-HOLD-BACK");
        let right = hold_back.is_some_and(|hold_back| hold_back + ROUNDING >= 2.0 * target);
        Some((
            right,
            format!("PART-HOLD-BACK {hold_back:?}, PART-TARGET {target}"),
        ))
    })
}

fn part_hold_back_three(record: &Record) -> Finding {
    let expected = "PART-HOLD-BACK is at least 3 x the longest PART-TARGET";
    let check = Check::must(record, "B1-02-part-hold-back-3", "Apple 14.3", expected);
    let target = record.part_target().unwrap_or(0.0);
    each(check, record, |it| {
        let hold_back = it.control.number("PART-HOLD-BACK")?;
        let right = hold_back + ROUNDING >= 3.0 * target;
        Some((
            right,
            format!("PART-HOLD-BACK {hold_back}, PART-TARGET {target}"),
        ))
    })
}

fn hold_back(record: &Record) -> Finding {
    let expected = "HOLD-BACK, where given, is at least 3 x TARGETDURATION";
    let mut check = Check::must(record, "B1-02-hold-back", "4.4.3.8", expected);
    for (_, load) in record.loads() {
        let control = &load.playlist.control;
        let (held, target) = (control.number("HOLD-BACK"), load.playlist.target_duration);
        if let (Some(held), Some(target)) = (held, target) {
            check.look(held + ROUNDING >= 3.0 * target, &load.answer, || {
                format!("HOLD-BACK {held}, TARGETDURATION {target}")
            });
        }
    }
    check.done("no HOLD-BACK: it is 3 x TARGETDURATION then")
}

/// The least EXT-X-VERSION that a playlist needs (section 8).
fn needed(it: &Playlist) -> u64 {
    let skips = it.skip.as_ref();
    if skips.is_some_and(|skip| skip.get("RECENTLY-REMOVED-DATERANGES").is_some()) {
        10
    } else if skips.is_some() {
        9
    } else if it
        .lines
        .iter()
        .any(|line| line.starts_with("#EXT-X-DEFINE"))
    {
        8
    } else if it.all().any(|segment| segment.map.is_some()) {
        6
    } else if it.all().any(|segment| segment.byte_range.is_some()) {
        4
    } else {
        3
    }
}

fn version(record: &Record) -> Finding {
    let expected = "EXT-X-VERSION is as high as the tags need";
    let mut check = Check::must(record, "B1-16-version", "8", expected);
    let updates = record.deltas.iter().map(|pair| &pair.update);
    for load in record.loads().map(|(_, load)| load).chain(updates) {
        let (has, needs) = (load.playlist.version.unwrap_or(1), needed(&load.playlist));
        check.look(has >= needs, &load.answer, || {
            format!("{has}, needs {needs}")
        });
    }
    check.done(NONE)
}

fn version_high(record: &Record) -> Finding {
    let expected = "EXT-X-VERSION is no higher than the tags need";
    let check = Check::should(record, "B1-16-version-high", "4.4.1.2", expected);
    each(check, record, |it| {
        let (has, needs) = (it.version.unwrap_or(1), needed(it));
        Some((has <= needs, format!("{has}, needs {needs}")))
    })
}

fn live(record: &Record) -> Finding {
    let expected = "a live stream has no PLAYLIST-TYPE";
    let check = Check::must(record, "B1-17-live", "4.4.3.5", expected);
    each(check, record, |it| {
        Some((it.kind.is_none(), format!("PLAYLIST-TYPE {:?}", it.kind)))
    })
}

fn block_reload(record: &Record) -> Finding {
    let expected = "EXT-X-SERVER-CONTROL has CAN-BLOCK-RELOAD=YES";
    let check = Check::must(record, "B1-18-can-block", "B.1", expected);
    each(check, record, |it| {
        Some((it.control.yes("CAN-BLOCK-RELOAD"), "it has not".to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{rewritten, right, wrong};

    #[test]
    fn right_heads() {
        right(super::check);
    }

    #[test]
    fn wrong_heads() {
        let cases = [
            (
                "B1-00-readable",
                "#EXT-X-TARGETDURATION:1",
                "#EXT-X-TARGETDURATION:1.5",
            ),
            ("B1-01-part-inf", "#EXT-X-PART-INF:PART-TARGET=0.25\n", ""),
            ("B1-01-extinf", "#EXTINF:1.0", "#EXTINF:1.6"),
            ("B1-02-part-hold-back", "BACK=0.75", "BACK=0.45"),
            ("B1-02-part-hold-back-3", "BACK=0.75", "BACK=0.5"),
            ("B1-02-hold-back", "BACK=0.75", "BACK=0.75,HOLD-BACK=2"),
            ("B1-16-version", "VERSION:6", "VERSION:5"),
            ("B1-16-version-high", "VERSION:6", "VERSION:9"),
            (
                "B1-17-live",
                "#EXT-X-VERSION",
                "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-VERSION",
            ),
            ("B1-18-can-block", "CAN-BLOCK-RELOAD=YES,", ""),
        ];
        for (id, from, to) in cases {
            wrong(
                super::check,
                id,
                &rewritten(|_, text| text.replace(from, to)),
            );
        }
        let changed = rewritten(|at, text| match at {
            0..8 => text,
            _ => text.replace("PART-TARGET=0.25", "PART-TARGET=0.3"),
        });
        wrong(super::check, "B1-01-constant", &changed);
    }
}
