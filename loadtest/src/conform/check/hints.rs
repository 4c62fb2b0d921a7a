//! EXT-X-PRELOAD-HINT, and requests for what it hints.

use crate::conform::playlist::{Part, Segment};
use crate::conform::record::{Asked, Load, Record, Why};
use crate::conform::report::{Check, Finding};

pub(super) fn check(record: &Record) -> Vec<Finding> {
    vec![
        there(record),
        once(record),
        right_uri(record),
        maps(record),
        answered(record),
        in_time(record),
        whole(record),
        at_once(record),
        unknown(record),
        map_answered(record),
    ]
}

const NOT_ASKED: &str = "no hinted part was asked for";

fn there(record: &Record) -> Finding {
    let expected = "EXT-X-PRELOAD-HINT names the next part";
    let mut check = Check::must(record, "B1-13-hint", "B.1", expected);
    for (_, load) in record.loads().filter(|(_, load)| !load.playlist.ended) {
        let right = load.playlist.hint("PART").is_some();
        check.look(right, &load.answer, || {
            "no hint of TYPE=PART with a URI".to_owned()
        });
    }
    check.done("no Media Playlist came")
}

fn once(record: &Record) -> Finding {
    let expected = "one EXT-X-PRELOAD-HINT of each TYPE";
    let mut check = Check::should(record, "B1-13-hint-once", "4.4.5.3", expected);
    for (_, load) in record.loads() {
        for kind in ["PART", "MAP"] {
            let of = load
                .playlist
                .hints
                .iter()
                .filter(|it| it.get("TYPE") == Some(kind));
            let count = of.count();
            check.look(count <= 1, &load.answer, || {
                format!("{count} of TYPE={kind}")
            });
        }
    }
    check.done("no Media Playlist came")
}

fn right_uri(record: &Record) -> Finding {
    let expected = "the next part has the URI that was hinted";
    let mut check = Check::must(record, "B1-13-hint-uri", "4.4.5.3", expected);
    for watch in &record.watches {
        for (before, after) in watch.pairs() {
            let hint = before.playlist.hint("PART");
            let Some(hinted) = hint.and_then(|it| it.get("URI")) else {
                continue;
            };
            // Nobody can hint a break: what was hinted then is cancelled.
            let next = next(before, after).filter(|(segment, _)| !segment.discontinuity);
            let next = next.map(|(_, part)| part);
            if let Some(next) = next.filter(|next| !next.gap) {
                check.look(next.uri == hinted, &after.answer, || {
                    format!("{}, hinted was {hinted}", next.uri)
                });
            }
        }
    }
    check.done("no part followed a hint")
}

/// The part that came next, and its segment.
fn next<'a>(before: &Load, after: &'a Load) -> Option<(&'a Segment, &'a Part)> {
    // A segment that ended without a further part goes on with the first of the next.
    let (msn, index) = before.playlist.next();
    let at = |msn: u64, index: usize| {
        let mut all = after.playlist.all();
        let segment = all.find(|segment| segment.msn == msn)?;
        Some((segment, segment.parts.get(index)?))
    };
    at(msn, index).or_else(|| at(msn + 1, 0))
}

fn maps(record: &Record) -> Finding {
    let expected = "with a part that is hinted, its EXT-X-MAP is, where it is another";
    let mut check = Check::should(record, "B1-13-hint-map", "B.1", expected);
    for watch in &record.watches {
        for (before, after) in watch.pairs() {
            let hinted = before.playlist.hint("PART").and_then(|it| it.get("URI"));
            let Some((segment, part)) = next(before, after) else {
                continue;
            };
            // Whoever hinted another part did not know of this one, nor of its map.
            if hinted != Some(part.uri.as_str()) || segment.map == before.playlist.open.map {
                continue;
            }
            let map = before.playlist.hint("MAP").and_then(|it| it.get("URI"));
            check.look(map == segment.map.as_deref(), &before.answer, || {
                format!("hinted is {map:?}, then comes {:?}", segment.map)
            });
        }
    }
    check.done("EXT-X-MAP stayed as it was")
}

fn map_answered(record: &Record) -> Finding {
    let expected = "an EXT-X-MAP that is hinted can be had";
    let mut check = Check::must(record, "B1-27-hinted-map", "6.2.6", expected);
    for asked in record.of(Why::HintedMap) {
        let right = asked.answer.good() && !asked.answer.body.is_empty();
        check.look(right, &asked.answer, || "hinted".to_owned());
    }
    check.done("no EXT-X-MAP was hinted")
}

fn answered(record: &Record) -> Finding {
    let expected = "a hinted part can be asked for, is held, and comes";
    let mut check = Check::must(record, "B1-27-hinted", "6.2.6", expected);
    for asked in record.of(Why::Hinted) {
        if asked.answer.status == 404 && is_missing(record, asked.place) {
            continue;
        }
        let right = asked.answer.good() && !asked.answer.body.is_empty();
        check.look(right, &asked.answer, || {
            format!("after {:?}", asked.answer.took)
        });
    }
    check.done(NOT_ASKED)
}

/// The part became a gap, or its segment went on without it: a hint that is cancelled is 404 (6.2.6).
fn is_missing(record: &Record, place: (u64, usize)) -> bool {
    let Some(main) = record.main() else {
        return false;
    };
    let playlists = || main.loads.iter().map(|load| &load.playlist);
    playlists().any(|playlist| playlist.last() >= Some(place))
        && playlists().all(|playlist| playlist.part(place).is_none_or(|part| part.gap))
}

fn in_time(record: &Record) -> Finding {
    let expected = "a hinted part comes when it is listed";
    let mut check = Check::must(record, "B1-27-hinted-in-time", "6.2.6", expected);
    let Some(main) = record.main() else {
        return check.done(NOT_ASKED);
    };
    let near = record.part_target().unwrap_or(0.0) + record.slack.as_secs_f64();
    for asked in record.of(Why::Hinted).filter(|asked| asked.answer.good()) {
        if let Some(listed) = main.first(|it| it.last() >= Some(asked.place)) {
            let late = asked.answer.arrived().as_secs_f64();
            let late = late
                - listed
                    .answer
                    .arrived()
                    .max(asked.answer.asked)
                    .as_secs_f64();
            check.look(late <= near, &asked.answer, || {
                format!("{late:.3} s after it is listed")
            });
        }
    }
    check.done(NOT_ASKED)
}

fn whole(record: &Record) -> Finding {
    let expected = "a hinted part has the bytes that it has later";
    let mut check = Check::must(record, "B1-27-hinted-bytes", "6.2.6", expected);
    for asked in record.of(Why::Hinted).filter(|asked| asked.answer.good()) {
        let mut later = record.of(Why::HintedAgain);
        // One path may be several parts, of which each is a byte range.
        let same =
            |later: &&Asked| (later.place, &later.answer.path) == (asked.place, &asked.answer.path);
        if let Some(later) = later.find(same) {
            // It has to be there for long after it was listed.
            let right = later.answer.good() && later.answer.body == asked.answer.body;
            check.look(right, &later.answer, || {
                let (was, is) = (&asked.answer.body, &later.answer.body);
                format!("{} bytes, at first {}", is.len(), was.len())
            });
        }
    }
    check.done(NOT_ASKED)
}

fn at_once(record: &Record) -> Finding {
    let expected = "no byte of a part is sent before all can be";
    let mut check = Check::must(record, "B1-27-line-rate", "6.2.6", expected);
    // Half of what a part lasts: one that is sent as it is made takes all of it.
    let most = record.part_target().unwrap_or(0.0) / 2.0;
    for asked in record.of(Why::Hinted).filter(|asked| asked.answer.good()) {
        let spread = asked.answer.spread;
        check.look(spread.as_secs_f64() <= most, &asked.answer, || {
            format!("took {spread:?}")
        });
    }
    check.done(NOT_ASKED)
}

fn unknown(record: &Record) -> Finding {
    let expected = "what was never hinted is 404, at once";
    let mut check = Check::must(record, "B1-27-unknown", "6.2.6", expected);
    for asked in record.of(Why::Unknown) {
        let took = asked.answer.took;
        let most = record.part_target().unwrap_or(1.0) / 2.0 + record.slack.as_secs_f64();
        let right = asked.answer.status == 404 && took.as_secs_f64() <= most;
        check.look(right, &asked.answer, || format!("after {took:?}"));
    }
    check.done("it was not asked for")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{
        BEGIN, answer, asked, at, passed, record, rewritten, right, wrong,
    };
    use super::*;
    use crate::conform::record::Answer;
    use crate::conform::report::Verdict;
    use std::time::Duration;

    fn hinted(edit: impl Fn(&mut Answer)) -> Record {
        let mut record = record();
        let mut answer = answer("/live/hi/s115.1.m4s", 200, vec![1; 9], at(BEGIN));
        answer.took = Duration::from_millis(250);
        record
            .asked
            .push(asked(Why::HintedAgain, (115, 1), answer.clone()));
        edit(&mut answer);
        record.asked.push(asked(Why::Hinted, (115, 1), answer));
        record
    }

    #[test]
    fn a_part_that_came_stays() {
        let mut record = hinted(|_| {});
        passed(check, "B1-27-hinted-bytes", &record);
        let mut asked = record.asked.iter_mut();
        asked
            .find(|it| it.why == Why::HintedAgain)
            .unwrap()
            .answer
            .status = 404;
        wrong(check, "B1-27-hinted-bytes", &record);
    }

    #[test]
    fn a_hint_may_be_cancelled() {
        let place = (115, 1);
        let gone = |gap: &'static str| {
            let mut record = rewritten(move |_, text| {
                text.replace("s115.1.m4s\"", &format!("s115.1.m4s\"{gap}"))
            });
            let answer = answer("/live/hi/s115.1.m4s", 404, Vec::new(), at(BEGIN));
            record.asked.push(asked(Why::Hinted, place, answer));
            record
        };
        let failed = |record: &Record| {
            let found = check(record).into_iter().find(|it| it.id == "B1-27-hinted");
            matches!(found.unwrap().verdict, Verdict::Fail { .. })
        };
        assert!(failed(&gone("")));
        assert!(!failed(&gone(",GAP=YES")), "it became a gap");
    }

    #[test]
    fn right_hints() {
        right(check);
        let ids = [
            "B1-27-hinted",
            "B1-27-hinted-in-time",
            "B1-27-hinted-bytes",
            "B1-27-line-rate",
        ];
        for id in ids {
            passed(check, id, &hinted(|_| {}));
        }
    }

    #[test]
    fn wrong_hints() {
        let replace =
            |from: &'static str, to: &'static str| rewritten(move |_, text| text.replace(from, to));
        wrong(
            check,
            "B1-13-hint",
            &replace("#EXT-X-PRELOAD-HINT:TYPE=PART", "#X"),
        );
        let twice = "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"x\"\n#EXT-X-PRELOAD-HINT:";
        wrong(
            check,
            "B1-13-hint-once",
            &replace("#EXT-X-PRELOAD-HINT:", twice),
        );
        wrong(
            check,
            "B1-13-hint-uri",
            &replace("TYPE=PART,URI=\"", "TYPE=PART,URI=\"x"),
        );
    }

    /// From the state 12 on, with another map; `hint` stands in the state before.
    fn another_map(hint: &'static str) -> Record {
        rewritten(move |state, text| match state {
            11 => text + hint,
            // The whole segment that it begins with is the one that was open.
            12.. => text.replace(
                "\n#EXT-X-PROGRAM-DATE-TIME",
                "\n#EXT-X-MAP:URI=\"b\"\n#EXT-X-PROGRAM-DATE-TIME",
            ),
            _ => text,
        })
    }

    #[test]
    fn a_map_is_hinted_with_the_first_part_that_needs_it() {
        wrong(check, "B1-13-hint-map", &another_map(""));
        let hint = "#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"b\"\n";
        passed(check, "B1-13-hint-map", &another_map(hint));
        let other = "#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"c\"\n";
        wrong(check, "B1-13-hint-map", &another_map(other));
        for (status, expect) in [(200, passed as fn(_, &str, &_)), (404, wrong)] {
            let mut record = record();
            let answer = answer("/live/hi/b", status, vec![1], at(BEGIN));
            record.asked.push(asked(Why::HintedMap, (0, 0), answer));
            expect(check, "B1-27-hinted-map", &record);
        }
    }

    #[test]
    fn hinted_parts_that_do_not_come_as_they_should() {
        wrong(check, "B1-27-hinted", &hinted(|answer| answer.status = 404));
        let late = hinted(|answer| answer.took = Duration::from_secs(1));
        wrong(check, "B1-27-hinted-in-time", &late);
        wrong(
            check,
            "B1-27-hinted-bytes",
            &hinted(|answer| answer.body = vec![1; 8].into()),
        );
        let slow = hinted(|answer| answer.spread = Duration::from_millis(200));
        wrong(check, "B1-27-line-rate", &slow);
    }

    #[test]
    fn what_never_was_is_404() {
        for (status, expect) in [(404, passed as fn(_, &str, &_)), (200, wrong)] {
            let mut record = record();
            let answer = answer("/live/hi/x.m4s", status, Vec::new(), at(BEGIN));
            record.asked.push(asked(Why::Unknown, (0, 0), answer));
            expect(check, "B1-27-unknown", &record);
        }
    }
}
