//! When parts and segments come.

use crate::conform::record::{Load, Record, Watch};
use crate::conform::report::{Check, Finding};

pub(super) fn check(record: &Record) -> Vec<Finding> {
    vec![parts(record), segments(record), round_trip(record)]
}

/// The share of lateness that is forgiven, as one in so many.
const FORGIVEN: usize = 20;

/// Seconds between the loads at which `count` rose, the shortest first.
fn gaps(watch: &Watch, count: impl Fn(&Load) -> u64) -> Vec<(f64, &Load)> {
    let mut gaps = Vec::new();
    let mut before: Option<&Load> = None;
    // The first load is at a time of our choice, not of the server's.
    for load in watch.loads.iter().skip(1) {
        let Some(was) = before else {
            before = Some(load);
            continue;
        };
        if was.playlist.ended || load.playlist.ended {
            before = Some(load);
        } else if count(load) > count(was) {
            let apart = load.answer.arrived().saturating_sub(was.answer.arrived());
            gaps.push((apart.as_secs_f64(), load));
            before = Some(load);
        }
    }
    gaps.sort_by(|a, b| a.0.total_cmp(&b.0));
    gaps
}

/// Seconds from the load at which `count` rose for the last time to the end of the watch.
fn standstill(watch: &Watch, count: impl Fn(&Load) -> u64) -> Option<(f64, &Load)> {
    let last = watch.loads.last().filter(|load| !load.playlist.ended)?;
    let since = watch.loads.iter().find(|load| count(load) == count(last))?;
    let still = watch.until().saturating_sub(since.answer.arrived());
    Some((still.as_secs_f64(), since))
}

fn parts(record: &Record) -> Finding {
    let expected = "a part comes within PART-TARGET of the one before (19 of 20)";
    let mut check = Check::must(record, "B1-07-part-interval", "6.2.2", expected);
    let slack = record.slack.as_secs_f64();
    for watch in &record.watches {
        let place = |load: &Load| {
            load.playlist
                .last()
                .map_or(0, |(msn, part)| msn * 1_000 + part as u64)
        };
        let gaps = gaps(watch, place);
        let Some((gap, load)) = gaps.get(gaps.len().saturating_sub(1 + gaps.len() / FORGIVEN))
        else {
            continue;
        };
        let target = load.playlist.part_target.unwrap_or(0.0);
        check.look(*gap <= target + slack, &load.answer, || {
            format!("{gap:.3} s after the one before; PART-TARGET {target}")
        });
    }
    check.done("no part came")
}

fn segments(record: &Record) -> Finding {
    let expected = "a segment comes within 1.5 x TARGETDURATION of the one before";
    let mut check = Check::must(record, "B1-07-segment-interval", "6.2.1", expected);
    let slack = record.slack.as_secs_f64();
    let most = |load: &Load| 1.5 * load.playlist.target_duration.unwrap_or(0.0);
    for watch in &record.watches {
        let open = |load: &Load| load.playlist.open.msn;
        let mut gaps = gaps(watch, open);
        // The first load that is looked at may be in the middle of a segment.
        gaps.sort_by_key(|(_, load)| load.answer.arrived());
        for (gap, load) in gaps.iter().skip(1) {
            let most = most(load);
            check.look(*gap <= most + slack, &load.answer, || {
                format!("{gap:.3} s after the one before; at most {most}")
            });
        }
        // The one that never came shows in no gap.
        let still = standstill(watch, open);
        if let Some((still, load)) = still.filter(|(still, load)| *still > most(load) + slack) {
            check.look(false, &load.answer, || {
                format!(
                    "none in the {still:.3} s after this; at most {}",
                    most(load)
                )
            });
        }
    }
    check.done("fewer than two segments came")
}

fn round_trip(record: &Record) -> Finding {
    let expected = "PART-TARGET is at least the round trip (95 of 100)";
    let mut check = Check::must(record, "B1-04-round-trip", "Apple 14.2", expected);
    let mut trips: Vec<_> = record.media().flat_map(|(_, media)| &media.parts).collect();
    trips.sort_by_key(|answer| answer.took);
    let at = trips.len().saturating_sub(1 + trips.len() / FORGIVEN);
    if let (Some(answer), Some(target)) = (trips.get(at), record.part_target()) {
        check.look(answer.took.as_secs_f64() <= target, answer, || {
            format!("a part takes {:?}, PART-TARGET {target}", answer.took)
        });
    }
    check.done("no part was fetched")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{record, right, wrong};
    use super::*;
    use crate::conform::record::Answer;
    use crate::conform::report::Verdict;
    use std::time::Duration;

    #[test]
    fn right_times() {
        right(check);
    }

    #[test]
    fn a_playlist_that_stands_still_to_the_end_is_late() {
        let mut still = record();
        let watch = &mut still.watches[1];
        watch.loads.truncate(12);
        let last = watch.loads[11].answer.clone();
        wrong_after(&mut still, last.clone(), Duration::from_secs(3), true);
        wrong_after(&mut still, last, Duration::from_secs(1), false);
        // From the beginning, too.
        let mut never = record();
        let watch = &mut never.watches[1];
        watch.loads.truncate(2);
        let last = watch.loads[1].answer.clone();
        wrong_after(&mut never, last, Duration::from_secs(3), true);
    }

    /// No answer came so long after the last one.
    fn wrong_after(record: &mut Record, last: Answer, took: Duration, is_wrong: bool) {
        record.watches[1].failed = vec![Answer {
            status: 503,
            asked: last.arrived(),
            took,
            ..last
        }];
        let found = check(record).into_iter();
        let mut found = found.filter(|it| it.id == "B1-07-segment-interval");
        let failed = matches!(found.next().unwrap().verdict, Verdict::Fail { .. });
        assert_eq!(failed, is_wrong, "{took:?}");
    }

    #[test]
    fn wrong_times() {
        let mut slow = record();
        for watch in &mut slow.watches {
            for load in &mut watch.loads {
                load.answer.asked *= 2;
            }
        }
        wrong(check, "B1-07-part-interval", &slow);
        wrong(check, "B1-07-segment-interval", &slow);
        for watch in &mut slow.watches {
            for answer in watch.media.iter_mut().flat_map(|media| &mut media.parts) {
                answer.took = Duration::from_millis(300);
            }
        }
        wrong(check, "B1-04-round-trip", &slow);
    }
}
