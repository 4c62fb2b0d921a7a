//! How long answers may be kept (RFC 8216bis B.1), and how old they are.

use crate::conform::record::{Answer, Record, Why};
use crate::conform::report::{Check, Finding};

pub(super) fn check(record: &Record) -> Vec<Finding> {
    vec![
        blocking(record),
        plain(record),
        media(record),
        playlist_errors(record),
        media_errors(record),
        age(record),
        hits(record),
    ]
}

fn got(answer: &Answer) -> String {
    format!(
        "cache-control: {}",
        answer.header("cache-control").unwrap_or("(none)")
    )
}

fn target(record: &Record) -> f64 {
    record.target_duration().unwrap_or(0.0)
}

fn blocking(record: &Record) -> Finding {
    let expected = "blocking playlists may be kept for 6 x TARGETDURATION";
    let mut check = Check::should(record, "B1-32-blocking", "B.1", expected);
    // Directives mean nothing in a playlist that has ended.
    let live = |it: &&Answer| super::is_blocking(it) && !it.text().contains("#EXT-X-ENDLIST");
    for answer in super::playlists(record).into_iter().filter(live) {
        let right = answer
            .max_age()
            .is_some_and(|age| age >= 6.0 * target(record));
        check.look(right, answer, || got(answer));
    }
    check.done("no blocking playlist came")
}

fn plain(record: &Record) -> Finding {
    let expected = "other Media Playlists may be kept for at most TARGETDURATION / 2";
    let mut check = Check::should(record, "B1-32-plain", "B.1", expected);
    let multivariant = |it: &&Answer| {
        record
            .of(Why::Multivariant)
            .any(|m| m.answer.path == it.path)
    };
    for answer in super::playlists(record) {
        if !super::is_blocking(answer) && !multivariant(&answer) {
            let right = answer
                .max_age()
                .is_some_and(|age| age <= target(record) / 2.0);
            check.look(right, answer, || got(answer));
        }
    }
    check.done("no such playlist came")
}

fn media(record: &Record) -> Finding {
    let expected = "parts and segments may be kept for 6 x TARGETDURATION at least";
    let mut check = Check::should(record, "B1-32-media", "B.1", expected);
    for answer in super::medias(record) {
        let right = answer
            .max_age()
            .is_some_and(|age| age >= 6.0 * target(record));
        check.look(right, answer, || got(answer));
    }
    check.done("no media came")
}

fn playlist_errors(record: &Record) -> Finding {
    let expected = "errors of playlists may be kept for 4 x TARGETDURATION at most";
    let mut check = Check::should(record, "B1-32-playlist-errors", "B.1", expected);
    for answer in super::errors(record)
        .into_iter()
        .filter(|it| super::is_playlist(it))
    {
        // 400 and 503 are not kept unless the answer says so (RFC 9111 section 3).
        let age = answer.max_age();
        let kept = matches!(answer.status, 404 | 405 | 410 | 414 | 501);
        let limit = if super::is_blocking(answer) { 4.0 } else { 1.0 } * target(record);
        let right = age.map_or(!kept, |age| age <= limit);
        check.look(right, answer, || got(answer));
    }
    check.done("no playlist was refused")
}

fn media_errors(record: &Record) -> Finding {
    let expected = "a 404 of media may be kept for TARGETDURATION at most, and says so";
    let mut check = Check::should(record, "B1-32-media-errors", "B.1", expected);
    for answer in super::errors(record)
        .into_iter()
        .filter(|it| !super::is_playlist(it))
    {
        let right = answer.max_age().is_some_and(|age| age <= target(record));
        check.look(right, answer, || got(answer));
    }
    check.done("no media was refused")
}

fn age(record: &Record) -> Finding {
    let expected = "Age, where given, is whole seconds and within max-age";
    let mut check = Check::must(record, "B1-31-age", "RFC 9111 5.1", expected);
    for answer in super::playlists(record)
        .into_iter()
        .chain(super::medias(record))
    {
        if let Some(text) = answer.header("age") {
            let age: Option<u32> = text.parse().ok();
            // A second is over sooner or later than its number says.
            let most = answer.max_age().unwrap_or(f64::INFINITY) + 1.0;
            let right = age.is_some_and(|age| f64::from(age) <= most);
            check.look(right, answer, || format!("age: {text}; {}", got(answer)));
        }
    }
    check.done("no answer has Age: no cache is in between")
}

fn hits(record: &Record) -> Finding {
    let expected = "an answer out of a cache has Age";
    let mut check = Check::must(record, "B1-31-age-of-hits", "RFC 9111 5.1", expected);
    for answer in super::playlists(record)
        .into_iter()
        .chain(super::medias(record))
    {
        let status = answer
            .header("cache-status")
            .or_else(|| answer.header("x-cache"));
        let status = status.unwrap_or("").to_ascii_lowercase();
        if status
            .split([',', ';', ' '])
            .any(|word| word.trim() == "hit")
        {
            check.look(answer.header("age").is_some(), answer, || status.clone());
        }
    }
    check.done("no answer says that it comes out of a cache")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{answer, asked, field, passed, record, right, wrong};
    use super::*;
    use std::time::Duration;

    fn with(name: &'static str, value: Option<&str>) -> Record {
        let mut record = record();
        for watch in &mut record.watches {
            let media = watch.media.iter_mut().flat_map(|it| &mut it.parts);
            for answer in watch.loads.iter_mut().map(|it| &mut it.answer).chain(media) {
                field(answer, name, value);
            }
        }
        record
    }

    #[test]
    fn right_lifetimes() {
        right(check);
        for id in ["B1-32-blocking", "B1-32-plain", "B1-32-media"] {
            passed(check, id, &record());
        }
    }

    #[test]
    fn wrong_lifetimes() {
        for value in [None, Some("max-age=5"), Some("no-store")] {
            let record = with("cache-control", value);
            wrong(check, "B1-32-blocking", &record);
            wrong(check, "B1-32-media", &record);
        }
        wrong(check, "B1-32-plain", &with("cache-control", None));
        wrong(
            check,
            "B1-32-plain",
            &with("cache-control", Some("max-age=1")),
        );
    }

    #[test]
    fn errors_are_not_kept_for_long() {
        for (path, id) in [
            ("/live/hi/x.m4s", "B1-32-media-errors"),
            ("/live/hi/index.m3u8?_HLS_msn=x", "B1-32-playlist-errors"),
        ] {
            for (value, expect) in [
                ("max-age=1", passed as fn(_, &str, &_)),
                ("no-store", passed),
                ("max-age=60", wrong),
            ] {
                let mut record = record();
                let mut answer = answer(path, 404, Vec::new(), Duration::ZERO);
                field(&mut answer, "cache-control", Some(value));
                record.asked.push(asked(Why::Unknown, (0, 0), answer));
                expect(check, id, &record);
            }
        }
    }

    #[test]
    fn ages() {
        passed(check, "B1-31-age", &with("age", Some("1")));
        wrong(check, "B1-31-age", &with("age", Some("99")));
        wrong(check, "B1-31-age", &with("age", Some("1.5")));
        wrong(
            check,
            "B1-31-age-of-hits",
            &with("cache-status", Some("edge; hit; ttl=3")),
        );
        passed(check, "B1-31-age-of-hits", &{
            let mut record = with("cache-status", Some("edge; hit; ttl=3"));
            for (name, value) in [("age", "0")] {
                for watch in &mut record.watches {
                    let media = watch.media.iter_mut().flat_map(|it| &mut it.parts);
                    for answer in watch.loads.iter_mut().map(|it| &mut it.answer).chain(media) {
                        field(answer, name, Some(value));
                    }
                }
            }
            record
        });
    }
}
