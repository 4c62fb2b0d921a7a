//! What becomes of a stream that ends while it is watched.

use std::time::Duration;

use crate::conform::record::{Load, Record};
use crate::conform::report::{Check, Finding};

pub(super) fn check(record: &Record) -> Vec<Finding> {
    vec![hints(record), ignored(record)]
}

const RUNS: &str = "the stream runs";

fn ended(record: &Record) -> impl Iterator<Item = &Load> {
    let loads = record.loads().map(|(_, load)| load);
    loads.filter(|load| load.playlist.ended)
}

fn hints(record: &Record) -> Finding {
    let expected = "a playlist with ENDLIST has no hints";
    let mut check = Check::must(record, "B1-17-end", "4.4.5.3", expected);
    for load in ended(record) {
        let hints = &load.playlist.hints;
        check.look(hints.is_empty(), &load.answer, || format!("{hints:?}"));
    }
    check.done(RUNS)
}

fn ignored(record: &Record) -> Finding {
    let expected = "behind ENDLIST, directives are ignored: the answer comes at once";
    let mut check = Check::must(record, "B1-24-ended", "6.2.5.2", expected);
    let at_once = Duration::from_millis(100) + record.slack;
    for watch in &record.watches {
        // The first answer with ENDLIST may have been held until the stream ended.
        for (before, after) in watch.pairs() {
            if before.playlist.ended && after.wanted.is_some() {
                let took = after.answer.took;
                check.look(took <= at_once, &after.answer, || format!("after {took:?}"));
            }
        }
    }
    check.done(RUNS)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{passed, rewritten, right, wrong};
    use super::*;

    fn at_its_end() -> Record {
        rewritten(|at, text| {
            let lines = text.lines().filter(|it| at < 20 || !it.contains("PRELOAD"));
            let end = if at < 20 { "" } else { "#EXT-X-ENDLIST\n" };
            lines.map(|it| format!("{it}\n")).collect::<String>() + end
        })
    }

    #[test]
    fn right_ends() {
        right(check);
        passed(check, "B1-17-end", &at_its_end());
        passed(check, "B1-24-ended", &at_its_end());
    }

    #[test]
    fn wrong_ends() {
        let hinted = rewritten(|_, text| text + "#EXT-X-ENDLIST\n");
        wrong(check, "B1-17-end", &hinted);
        let mut held = at_its_end();
        for load in &mut held.watches[0].loads {
            load.answer.took = Duration::from_secs(1);
        }
        wrong(check, "B1-24-ended", &held);
    }
}
