//! A record of a stream that is as it should be, and ways to spoil it.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::client::Protocol;
use crate::conform::multivariant::{listed, resolve};
use crate::conform::playlist::Playlist;
use crate::conform::record::{Answer, Asked, Delta, Fetched, Load, Record, Watch, Why};
use crate::conform::report::{Finding, Verdict};
use crate::conform::stream;

/// Parts published when the watch begins.
pub(super) const BEGIN: u64 = 61;

/// States of each playlist.
const LOADS: u64 = 24;

pub(super) fn answer(path: &str, status: u16, body: Vec<u8>, asked: Duration) -> Answer {
    let playlist = path.contains(".m3u8");
    let max_age = match (playlist, status, path.contains("_HLS_msn")) {
        (true, 200, true) | (false, 200, _) => "max-age=6",
        (true, 200, false) => "max-age=0",
        _ => "max-age=1",
    };
    let kind = if playlist {
        "application/vnd.apple.mpegurl"
    } else {
        "video/mp4"
    };
    let urgency = if playlist { "u=1" } else { "u=4" };
    let fields = [
        ("cache-control", max_age),
        ("content-type", kind),
        ("priority", urgency),
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", "Age, Date"),
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    Answer {
        path: path.to_owned(),
        status,
        headers,
        body: body.into(),
        asked,
        ..Answer::default()
    }
}

/// Part `number` is published then.
pub(super) fn at(number: u64) -> Duration {
    Duration::from_millis(number.saturating_sub(BEGIN) * 250)
}

fn load(path: &str, published: u64, name: &str, first: bool, skip: bool) -> Load {
    let last = published - 1;
    let wanted = (stream::FIRST + last / stream::PARTS, last % stream::PARTS);
    let mut asked = path.to_owned();
    if !first {
        asked = format!("{path}?_HLS_msn={}&_HLS_part={}", wanted.0, wanted.1);
    }
    let text = stream::playlist(published, name, skip);
    Load {
        wanted: (!first).then_some((wanted.0, usize::try_from(wanted.1).unwrap())),
        playlist: Playlist::parse(&text),
        answer: answer(&asked, 200, text.into_bytes(), at(published)),
    }
}

fn fetched(base: &str, playlist: &Playlist) -> Vec<Fetched> {
    let late = Duration::from_secs(20);
    let get = |uri: &str, body| answer(&resolve(base, uri), 200, body, late);
    let whole = &playlist.segments[playlist.segments.len() - 2..];
    let segments = whole.iter().map(|segment| {
        let first = (segment.msn - stream::FIRST) * stream::PARTS;
        let parts = segment.parts.iter().zip(first..);
        Fetched {
            segment: segment.clone(),
            init: get("init.mp4", stream::init()),
            parts: parts
                .map(|(part, number)| get(&part.uri, stream::part(number)))
                .collect(),
            whole: get(&segment.uri, stream::segment(segment.msn)),
        }
    });
    segments.collect()
}

pub(super) fn asked(why: Why, place: (u64, usize), answer: Answer) -> Asked {
    Asked {
        why,
        place,
        playlist: Playlist::parse(&answer.text()),
        answer,
    }
}

pub(super) fn record() -> Record {
    let mut watches = Vec::new();
    for listed in listed("/live/m.m3u8", stream::MULTIVARIANT) {
        let name = listed.path.split('/').nth(2).unwrap().to_owned();
        let loads: Vec<_> = (BEGIN..BEGIN + LOADS)
            .map(|published| load(&listed.path, published, &name, published == BEGIN, false))
            .collect();
        let media = fetched(&listed.path, &loads.last().unwrap().playlist);
        watches.push(Watch {
            listed,
            loads,
            failed: Vec::new(),
            media,
        });
    }
    watches.rotate_left(1);
    let path = watches[0].listed.path.clone();
    let delta = |published, v2| Delta {
        v2,
        full: load(&path, published, "hi", false, false),
        update: load(&path, published, "hi", false, true),
    };
    Record {
        protocol: Protocol::H2,
        server: "http://test".to_owned(),
        modern: Ok(()),
        asked: vec![asked(
            Why::Multivariant,
            (0, 0),
            answer(
                "/live/m.m3u8",
                200,
                stream::MULTIVARIANT.into(),
                Duration::ZERO,
            ),
        )],
        deltas: vec![delta(BEGIN + 2, false), delta(BEGIN + 3, true)],
        watches,
        slack: Duration::from_millis(100),
    }
}

/// The record with other texts of the Media Playlists; `edit` gets the number of the state.
pub(super) fn rewritten(edit: impl Fn(usize, String) -> String) -> Record {
    let mut record = record();
    for watch in &mut record.watches {
        for (number, load) in watch.loads.iter_mut().enumerate() {
            let text = edit(number, load.answer.text());
            load.playlist = Playlist::parse(&text);
            load.answer.body = text.into();
        }
    }
    record
}

/// A field of all answers.
pub(super) fn field(answer: &mut Answer, name: &'static str, value: Option<&str>) {
    match value {
        Some(value) => answer
            .headers
            .insert(name, HeaderValue::from_str(value).unwrap()),
        None => answer.headers.remove(name),
    };
}

type Group = fn(&Record) -> Vec<Finding>;

/// None of the group fails.
pub(super) fn right(check: Group) {
    passes(check, &record());
}

pub(super) fn passes(check: Group, record: &Record) {
    for finding in check(record) {
        assert!(
            !matches!(finding.verdict, Verdict::Fail { .. }),
            "{finding:#?}"
        );
    }
}

/// That one is looked at, and right.
pub(super) fn passed(check: Group, id: &str, record: &Record) {
    let found = check(record).into_iter().find(|it| it.id == id).unwrap();
    assert!(matches!(found.verdict, Verdict::Pass { .. }), "{found:#?}");
}

/// That one fails.
pub(super) fn wrong(check: Group, id: &str, record: &Record) {
    let found = check(record).into_iter().find(|it| it.id == id).unwrap();
    assert!(matches!(found.verdict, Verdict::Fail { .. }), "{found:#?}");
}
