//! Partial Segments as they are listed.

use crate::conform::playlist::{Part, Segment};
use crate::conform::record::{Load, Record};
use crate::conform::report::{Check, Finding};

use super::ROUNDING;

pub(super) fn check(record: &Record) -> Vec<Finding> {
    vec![
        longest(record),
        shortest(record),
        sum(record),
        independent(record),
        order(record),
        listed(record),
        gaps(record),
    ]
}

const NONE: &str = "no playlist lists a part";

fn longest(record: &Record) -> Finding {
    let expected = "DURATION of a part is at most PART-TARGET";
    let mut check = Check::must(record, "B1-03-part-max", "4.4.4.9", expected);
    for (_, load) in record.loads() {
        let Some(target) = load.playlist.part_target else {
            continue;
        };
        for part in load.playlist.all().flat_map(|it| &it.parts) {
            check.look(part.duration <= target + 1e-6, &load.answer, || {
                format!(
                    "{} has {}, PART-TARGET is {target}",
                    part.uri, part.duration
                )
            });
        }
    }
    check.done(NONE)
}

/// Whether the part at `index` of `segment` may be shorter than 85 % of PART-TARGET. `whole`: the
/// segment has ended.
fn may_be_short(segment: &Segment, index: usize, part: &Part, whole: bool) -> bool {
    let next = segment.parts.get(index + 1);
    let last = next.is_none() && whole;
    part.independent || part.gap || last || next.is_some_and(|next| next.gap)
}

fn shortest(record: &Record) -> Finding {
    let expected =
        "a part has at least 85 % of PART-TARGET, but for INDEPENDENT, GAP, and the last";
    let mut check = Check::must(record, "B1-03-part-min", "4.4.3.7", expected);
    for (_, load) in record.loads() {
        let Some(target) = load.playlist.part_target else {
            continue;
        };
        for segment in load.playlist.all() {
            let whole = !segment.uri.is_empty();
            for (index, part) in segment.parts.iter().enumerate() {
                // What follows the end of the playlist decides about its last part.
                let unknown = !whole && index + 1 == segment.parts.len();
                if unknown || may_be_short(segment, index, part, whole) {
                    continue;
                }
                check.look(part.duration >= 0.85 * target - 1e-6, &load.answer, || {
                    format!(
                        "{} has {}, PART-TARGET is {target}",
                        part.uri, part.duration
                    )
                });
            }
        }
    }
    check.done(NONE)
}

/// Every whole segment whose parts are listed.
fn whole(record: &Record) -> impl Iterator<Item = (&Load, &Segment)> {
    let of = |load| move |segment| (load, segment);
    let all = record
        .loads()
        .flat_map(move |(_, load)| load.playlist.segments.iter().map(of(load)));
    all.filter(|(_, segment): &(_, &Segment)| !segment.parts.is_empty())
}

fn sum(record: &Record) -> Finding {
    let expected = "the parts of a segment last as long as its EXTINF";
    let mut check = Check::must(record, "B1-05-durations", "4.4.4.9", expected);
    for (load, segment) in whole(record) {
        let parts: f64 = segment.parts.iter().map(|part| part.duration).sum();
        // Each is rounded by itself.
        let off = ROUNDING * f64::from(u8::try_from(segment.parts.len()).unwrap_or(u8::MAX));
        let right = (parts - segment.duration).abs() <= off;
        check.look(right, &load.answer, || {
            format!(
                "{}: EXTINF {}, parts {parts:.3}",
                segment.uri, segment.duration
            )
        });
    }
    check.done("no segment lists its parts")
}

fn independent(record: &Record) -> Finding {
    let expected = "every segment has a part with INDEPENDENT=YES";
    let mut check = Check::should(record, "B1-05-independent", "4.4.4.9", expected);
    for (load, segment) in whole(record) {
        let mut parts = segment.parts.iter();
        let right = parts.any(|part| part.independent || part.gap);
        check.look(right, &load.answer, || format!("{} has none", segment.uri));
    }
    check.done("no segment lists its parts")
}

fn order(record: &Record) -> Finding {
    let expected = "DISCONTINUITY, KEY, MAP and PROGRAM-DATE-TIME stand before the first part";
    let mut check = Check::must(record, "B1-06-tag-order", "4.4.4.9", expected);
    for (_, load) in record.loads() {
        let misplaced: Vec<_> = load.playlist.all().flat_map(|it| &it.misplaced).collect();
        check.look(misplaced.is_empty(), &load.answer, || {
            format!("{misplaced:?}")
        });
    }
    check.done(NONE)
}

fn listed(record: &Record) -> Finding {
    let expected = "every Media Playlist lists parts";
    let mut check = Check::must(record, "B1-01-parts", "B.1", expected);
    for watch in &record.watches {
        if let Some(load) = watch.loads.last() {
            check.look(load.playlist.last().is_some(), &load.answer, || {
                "none".to_owned()
            });
        }
    }
    check.done("no Media Playlist came")
}

fn gaps(record: &Record) -> Finding {
    let expected = "parts of a segment with EXT-X-GAP have GAP=YES";
    let mut check = Check::must(record, "B1-11-gap", "4.4.4.7", expected);
    for (_, load) in record.loads() {
        for segment in load.playlist.segments.iter().filter(|segment| segment.gap) {
            let right = segment.parts.iter().all(|part| part.gap);
            check.look(right, &load.answer, || segment.uri.clone());
        }
    }
    check.done("no media was missing")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{passed, rewritten, right, wrong};

    #[test]
    fn right_parts() {
        right(super::check);
    }

    #[test]
    fn wrong_parts() {
        let cases = [
            ("B1-03-part-max", "DURATION=0.25", "DURATION=0.26"),
            ("B1-03-part-min", "DURATION=0.25", "DURATION=0.2"),
            ("B1-05-durations", "#EXTINF:1.0", "#EXTINF:1.1"),
            ("B1-05-independent", ",INDEPENDENT=YES", ""),
            (
                "B1-06-tag-order",
                "#EXTINF",
                "#EXT-X-MAP:URI=\"i\"\n#EXTINF",
            ),
            ("B1-01-parts", "#EXT-X-PART:", "#EXT-X-PORT:"),
            ("B1-11-gap", "#EXTINF", "#EXT-X-GAP\n#EXTINF"),
        ];
        for (id, from, to) in cases {
            wrong(
                super::check,
                id,
                &rewritten(|_, text| text.replace(from, to)),
            );
        }
    }

    #[test]
    fn the_last_part_of_a_segment_may_be_short() {
        let short = rewritten(|_, text| {
            let lines = text.lines().map(|line| {
                let last = line.contains(".3.m4s\"") && line.starts_with("#EXT-X-PART:");
                let line = if last {
                    line.replace("0.25", "0.1")
                } else {
                    line.to_owned()
                };
                line + "\n"
            });
            lines.collect()
        });
        passed(super::check, "B1-03-part-min", &short);
    }
}
