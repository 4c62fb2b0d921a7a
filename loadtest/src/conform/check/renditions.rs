//! The Media Playlists of a stream beside each other.

use std::time::Duration;

use crate::conform::multivariant::{is_absolute, resolve};
use crate::conform::playlist::Attributes;
use crate::conform::record::{Load, Record, Watch};
use crate::conform::report::{Check, Finding};

pub(super) fn check(record: &Record) -> Vec<Finding> {
    vec![
        reports(record),
        relative(record),
        edges(record),
        in_step(record),
        grid(record),
        date_ranges(record),
        one_server(record),
    ]
}

const ALONE: &str = "the stream has one Media Playlist";

/// The report of `load` about `other`.
fn report<'a>(watch: &Watch, load: &'a Load, other: &Watch) -> Vec<&'a Attributes> {
    let bare = |path: &str| path.split('?').next().unwrap_or("").to_owned();
    let wanted = bare(&other.listed.path);
    let about = |it: &&Attributes| {
        it.get("URI")
            .is_some_and(|uri| bare(&resolve(&watch.listed.path, uri)) == wanted)
    };
    load.playlist.reports.iter().filter(about).collect()
}

fn others<'a>(record: &'a Record, watch: &'a Watch) -> impl Iterator<Item = &'a Watch> {
    record
        .watches
        .iter()
        .filter(|other| other.listed.path != watch.listed.path)
}

fn reports(record: &Record) -> Finding {
    let expected = "one EXT-X-RENDITION-REPORT for each other Media Playlist";
    let mut check = Check::must(record, "B1-14-reports", "B.1", expected);
    let live = record.loads().filter(|(_, load)| !load.playlist.ended);
    for (watch, load) in live {
        for other in others(record, watch) {
            let count = report(watch, load, other).len();
            check.look(count == 1, &load.answer, || {
                format!("{count} for {}", other.listed.path)
            });
        }
    }
    check.done(ALONE)
}

fn relative(record: &Record) -> Finding {
    let expected = "URIs of rendition reports are relative";
    let mut check = Check::must(record, "B1-14-relative", "4.4.5.4", expected);
    for (_, load) in record.loads() {
        for uri in load.playlist.reports.iter().filter_map(|it| it.get("URI")) {
            check.look(!is_absolute(uri), &load.answer, || uri.to_owned());
        }
    }
    check.done(ALONE)
}

/// The last part that `watch` had listed at `moment`.
fn edge(watch: &Watch, moment: Duration) -> Option<(u64, usize)> {
    let loads = watch
        .loads
        .iter()
        .take_while(|load| load.answer.arrived() <= moment);
    loads.last()?.playlist.last()
}

fn edges(record: &Record) -> Finding {
    let expected = "LAST-MSN and LAST-PART are those of the other playlist, give or take a part";
    let mut check = Check::must(record, "B1-14-edge", "4.4.5.4", expected);
    let part = Duration::try_from_secs_f64(record.part_target().unwrap_or(0.0)).unwrap_or_default();
    let near = part + record.slack;
    for (watch, load) in record.loads() {
        let moment = load.answer.arrived();
        for other in others(record, watch) {
            let report = report(watch, load, other);
            let Some(report) = report.first() else {
                continue;
            };
            let got = (report.integer("LAST-MSN"), report.integer("LAST-PART"));
            let (Some(msn), Some(index)) = got else {
                check.look(false, &load.answer, || format!("{report:?}"));
                continue;
            };
            let said = (msn, usize::try_from(index).unwrap_or(usize::MAX));
            let least = edge(other, moment.saturating_sub(near));
            let seen_later = other
                .loads
                .last()
                .is_some_and(|it| it.answer.arrived() > moment + near);
            let most = edge(other, moment + near).filter(|_| seen_later);
            let right =
                least.is_none_or(|least| said >= least) && most.is_none_or(|most| said <= most);
            check.look(right, &load.answer, || {
                format!(
                    "{said:?} of {}, which was at {least:?}, then {most:?}",
                    other.listed.path
                )
            });
        }
    }
    check.done("no rendition report, or one playlist only")
}

/// The share of lateness that is forgiven, as one in so many.
const FORGIVEN: usize = 20;

fn in_step(record: &Record) -> Finding {
    let expected = "a part is in all Media Playlists within one PART-TARGET (19 of 20)";
    let mut check = Check::must(record, "B1-15-in-step", "6.2.2", expected);
    let target = record.part_target().unwrap_or(0.0);
    let Some(main) = record.main() else {
        return check.done(ALONE);
    };
    for other in others(record, main) {
        let mut late: Vec<(f64, &Load)> = Vec::new();
        for (before, load) in main.pairs() {
            let last = load.playlist.last();
            let Some(last) = last.filter(|_| last > before.playlist.last()) else {
                continue;
            };
            let here = load.answer.arrived();
            let Some(there) = other.first(|it| it.last() >= Some(last)) else {
                // It did not come as long as anybody looked.
                late.push((other.until().saturating_sub(here).as_secs_f64(), load));
                continue;
            };
            let first = other
                .loads
                .first()
                .is_some_and(|it| it.answer.path == there.answer.path);
            if !first {
                let there = there.answer.arrived();
                late.push((here.abs_diff(there).as_secs_f64(), load));
            }
        }
        late.sort_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((apart, load)) = late.get(late.len().saturating_sub(1 + late.len() / FORGIVEN))
        {
            check.look(
                *apart <= target + record.slack.as_secs_f64(),
                &load.answer,
                || {
                    format!(
                        "{apart:.3} s apart from {}, PART-TARGET {target}",
                        other.listed.path
                    )
                },
            );
        }
    }
    check.done(ALONE)
}

fn grid(record: &Record) -> Finding {
    let expected = "segments of the same number begin at the same time in all Media Playlists";
    let mut check = Check::must(record, "B1-15-grid", "6.2.4", expected);
    let Some(main) = record.main() else {
        return check.done(ALONE);
    };
    let part = record.part_target().unwrap_or(0.0);
    for other in others(record, main) {
        let (Some(here), Some(there)) = (main.loads.last(), other.loads.last()) else {
            continue;
        };
        for segment in &here.playlist.segments {
            let twin = there.playlist.segment(segment.msn);
            let Some((is, at)) = twin.and_then(|twin| twin.date.zip(segment.date)) else {
                continue;
            };
            check.look((is - at).abs() <= part, &there.answer, || {
                format!("{} is {:.3} s off", segment.msn, is - at)
            });
        }
    }
    check.done("fewer than two Media Playlists with dates")
}

fn date_ranges(record: &Record) -> Finding {
    let expected = "EXT-X-DATERANGE is the same in all Media Playlists";
    let mut check = Check::must(record, "B1-15-dateranges", "6.2.4", expected);
    let main = record.main().and_then(|watch| watch.loads.last());
    for watch in &record.watches {
        let (Some(load), Some(main)) = (watch.loads.last(), main) else {
            continue;
        };
        let (here, there) = (&load.playlist.date_ranges, &main.playlist.date_ranges);
        if !(here.is_empty() && there.is_empty()) {
            check.look(here == there, &load.answer, || {
                format!("{here:?}, not {there:?}")
            });
        }
    }
    check.done("no EXT-X-DATERANGE")
}

fn one_server(record: &Record) -> Finding {
    let expected = "one server offers all Media Playlists, parts and segments";
    let mut check = Check::must(record, "B1-29-one-server", "B.1", expected);
    for (watch, load) in record.loads() {
        let it = &load.playlist;
        let parts = it.all().flat_map(|it| &it.parts).map(|part| &part.uri);
        let uris = it
            .segments
            .iter()
            .map(|it| &it.uri)
            .chain(parts)
            .chain([&watch.listed.uri]);
        let authority = record
            .server
            .split_once("://")
            .map_or("", |(_, authority)| authority);
        let away: Vec<_> = uris
            .filter(|uri| is_absolute(uri) && !uri.contains(authority))
            .collect();
        check.look(away.is_empty(), &load.answer, || format!("{away:?}"));
    }
    check.done("no Media Playlist came")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{passed, record, rewritten, right, wrong};
    use super::*;

    #[test]
    fn right_renditions() {
        right(check);
    }

    #[test]
    fn wrong_renditions() {
        let cases = [
            (
                "B1-14-reports",
                "#EXT-X-RENDITION-REPORT:URI=\"../lo",
                "#X:URI=\"../lo",
            ),
            (
                "B1-14-relative",
                "REPORT:URI=\"..",
                "REPORT:URI=\"http://test/live",
            ),
            ("B1-14-edge", "LAST-MSN=11", "LAST-MSN=12"),
            ("B1-29-one-server", "\ns1", "\nhttp://cdn/s1"),
        ];
        for (id, from, to) in cases {
            wrong(check, id, &rewritten(|_, text| text.replace(from, to)));
        }
    }

    #[test]
    fn a_rendition_that_stands_still() {
        let mut still = record();
        let watch = &mut still.watches[1];
        let mut last = watch.loads.pop().unwrap().answer;
        watch.loads.truncate(8);
        last.status = 503;
        watch.failed = vec![last];
        wrong(check, "B1-15-in-step", &still);
        still.watches.truncate(1);
        right_one(&still);
    }

    /// One alone is in step.
    fn right_one(record: &Record) {
        let finding = in_step(record);
        assert_eq!(
            finding.verdict,
            Check::must(record, "", "", "").done(ALONE).verdict
        );
    }

    #[test]
    fn a_rendition_that_is_late_or_elsewhere() {
        let mut late = record();
        for load in &mut late.watches[1].loads {
            load.answer.asked += Duration::from_millis(400);
        }
        wrong(check, "B1-15-in-step", &late);
        let mut moved = record();
        for load in &mut moved.watches[2].loads {
            for segment in &mut load.playlist.segments {
                segment.date = segment.date.map(|date| date + 1.0);
            }
        }
        wrong(check, "B1-15-grid", &moved);
        for watch in &mut moved.watches {
            let load = watch.loads.last_mut().unwrap();
            load.playlist
                .date_ranges
                .push("#EXT-X-DATERANGE:ID=\"a\"".to_owned());
        }
        passed(check, "B1-15-dateranges", &moved);
        moved.watches[1]
            .loads
            .last_mut()
            .unwrap()
            .playlist
            .date_ranges
            .clear();
        wrong(check, "B1-15-dateranges", &moved);
    }
}
