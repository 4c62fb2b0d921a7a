//! The Extensible Priority of answers (RFC 9218; RFC 8216bis B.1).

use crate::client::Protocol;
use crate::conform::record::{Answer, Record};
use crate::conform::report::{Check, Finding};

pub(super) fn check(record: &Record) -> Vec<Finding> {
    vec![
        there(record),
        playlists(record),
        media(record),
        rungs(record),
    ]
}

const NONE: &str = "no answer has a priority field";

fn there(record: &Record) -> Finding {
    let expected = "answers over HTTP/3 have an urgency";
    let mut check = Check::must(record, "B1-28-priority", "B.1", expected);
    if record.protocol == Protocol::H3 {
        for answer in super::playlists(record)
            .into_iter()
            .chain(super::medias(record))
        {
            check.look(answer.urgency().is_some(), answer, || {
                "no priority field".to_owned()
            });
        }
    }
    check.done("it is required over HTTP/3 only")
}

fn urgency(answer: &Answer) -> String {
    format!(
        "priority: {}",
        answer.header("priority").unwrap_or("(none)")
    )
}

fn playlists(record: &Record) -> Finding {
    let expected = "playlists have urgency 1";
    let mut check = Check::must(record, "B1-28-playlists", "B.1", expected);
    for answer in super::playlists(record) {
        if let Some(is) = answer.urgency() {
            check.look(is == 1, answer, || urgency(answer));
        }
    }
    check.done(NONE)
}

fn media(record: &Record) -> Finding {
    let expected = "media have urgencies 2 to 6";
    let mut check = Check::must(record, "B1-28-media", "B.1", expected);
    for answer in super::medias(record) {
        if let Some(is) = answer.urgency() {
            check.look((2..=6).contains(&is), answer, || urgency(answer));
        }
    }
    check.done(NONE)
}

fn rungs(record: &Record) -> Finding {
    let expected = "a higher rung is never more urgent than a lower one";
    let mut check = Check::must(record, "B1-28-rungs", "B.1", expected);
    let of = |is_part: bool| {
        let mut rungs: Vec<(u64, u8, &Answer)> = Vec::new();
        for (watch, media) in record.media() {
            let answers = if is_part {
                media.parts.first()
            } else {
                Some(&media.whole)
            };
            let known = watch
                .listed
                .bandwidth
                .zip(answers.and_then(|it| Some((it.urgency()?, it))));
            rungs.extend(known.map(|(bandwidth, (urgency, it))| (bandwidth, urgency, it)));
        }
        rungs.sort_by_key(|(bandwidth, _, _)| *bandwidth);
        rungs
    };
    for rungs in [of(true), of(false)] {
        for pair in rungs.windows(2) {
            let [(low, at, _), (high, is, answer)] = pair else {
                continue;
            };
            check.look(low == high || is >= at, answer, || {
                format!("{}, and u={at} at BANDWIDTH {low}", urgency(answer))
            });
        }
    }
    check.done("fewer than two rungs with a priority field")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{field, passed, record, right, wrong};
    use super::*;

    /// All answers of one rung with this field.
    fn with(rung: usize, value: Option<&str>) -> Record {
        let mut record = record();
        record.protocol = Protocol::H3;
        let watch = &mut record.watches[rung];
        for media in &mut watch.media {
            for answer in media.parts.iter_mut().chain([&mut media.whole]) {
                field(answer, "priority", value);
            }
        }
        for load in &mut watch.loads {
            field(&mut load.answer, "priority", value);
        }
        record
    }

    #[test]
    fn right_priorities() {
        right(check);
        for id in [
            "B1-28-priority",
            "B1-28-playlists",
            "B1-28-media",
            "B1-28-rungs",
        ] {
            passed(check, id, &{
                let mut record = record();
                record.protocol = Protocol::H3;
                record
            });
        }
    }

    #[test]
    fn wrong_priorities() {
        wrong(check, "B1-28-priority", &with(0, None));
        wrong(check, "B1-28-playlists", &with(0, Some("u=2, i")));
        wrong(check, "B1-28-media", &with(0, Some("u=1")));
        wrong(check, "B1-28-media", &with(1, Some("u=7")));
        // `hi` is the first rung, `lo` the second.
        wrong(check, "B1-28-rungs", &with(0, Some("i")));
        wrong(check, "B1-28-rungs", &with(1, Some("u=5")));
        passed(check, "B1-28-rungs", &with(0, Some("u=5")));
    }
}
