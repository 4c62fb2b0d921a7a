//! Of types, codings, and leave.

use std::time::Duration;

use super::super::fixture::{answer, asked, field, passed, passes, record, right, wrong};
use super::*;
use crate::conform::report::Verdict;

fn with(why: Why, status: u16, body: &[u8], fields: &[(&'static str, &str)]) -> Record {
    let mut record = record();
    let path = match why {
        Why::Range => "/live/hi/s115.0.m4s",
        _ => "/live/hi/index.m3u8",
    };
    let mut answer = answer(path, status, body.to_vec(), Duration::ZERO);
    for (name, value) in fields {
        field(
            &mut answer,
            name,
            Some(value).copied().filter(|it| !it.is_empty()),
        );
    }
    record.asked.push(asked(why, (0, 0), answer));
    record
}

#[test]
fn right_answers() {
    right(check);
    let ids = [
        "B1-33-cors",
        "B1-33-expose",
        "B1-33-playlist-type",
        "B1-33-media-type",
    ];
    for id in ids {
        passed(check, id, &record());
    }
}

#[test]
fn gzip_has_its_coding_its_magic_and_vary() {
    let body = [0x1f, 0x8b, 8, 0, 100, 0, 0, 0];
    let fields = [
        ("content-encoding", "gzip"),
        ("vary", "Origin, Accept-Encoding"),
    ];
    passed(check, "B1-30-gzip", &with(Why::Gzip, 200, &body, &fields));
    passed(check, "B1-33-vary", &with(Why::Gzip, 200, &body, &fields));
    wrong(check, "B1-30-gzip", &with(Why::Gzip, 200, &body, &[]));
    wrong(
        check,
        "B1-30-gzip",
        &with(Why::Gzip, 200, b"#EXTM3U", &fields),
    );
    wrong(
        check,
        "B1-33-vary",
        &with(Why::Gzip, 200, &body, &fields[..1]),
    );
}

#[test]
fn ranges() {
    let range = [("content-range", "bytes 0-63/100")];
    passed(
        check,
        "B1-29-range",
        &with(Why::Range, 206, &[0; 64], &range),
    );
    passed(check, "B1-29-range", &with(Why::Range, 200, &[0; 100], &[]));
    wrong(
        check,
        "B1-29-range",
        &with(Why::Range, 206, &[0; 63], &range),
    );
    wrong(check, "B1-29-range", &with(Why::Range, 416, &[], &[]));
    let elsewhere = [("content-range", "bytes 64-127/200")];
    wrong(
        check,
        "B1-29-range",
        &with(Why::Range, 206, &[0; 64], &elsewhere),
    );
    for (byte, expect) in [(0, passed as fn(_, &str, &_)), (1, wrong)] {
        let mut record = with(Why::Range, 206, &[0; 64], &range);
        let whole = answer("/live/hi/s115.0.m4s", 200, vec![byte; 100], Duration::ZERO);
        record.asked.push(asked(Why::Again, (0, 0), whole));
        expect(check, "B1-29-range", &record);
    }
}

#[test]
fn other_sites_and_types() {
    let spoiled = |name, value| with(Why::Past, 200, b"#EXTM3U", &[(name, value)]);
    wrong(
        check,
        "B1-33-cors",
        &spoiled("access-control-allow-origin", "https://other.example"),
    );
    wrong(
        check,
        "B1-33-expose",
        &spoiled("access-control-expose-headers", "Date"),
    );
    wrong(
        check,
        "B1-33-playlist-type",
        &spoiled("content-type", "text/plain"),
    );
    // RFC 9110 8.3.1: types have no case.
    let other_case = spoiled("content-type", "Application/vnd.apple.mpegURL");
    passed(check, "B1-33-playlist-type", &other_case);
    let error = with(
        Why::Malformed,
        400,
        b"",
        &[("access-control-allow-origin", "")],
    );
    wrong(check, "B1-33-cors-errors", &error);
    passed(
        check,
        "B1-33-cors-errors",
        &with(Why::Malformed, 400, b"", &[]),
    );
    let media = [("content-type", "text/plain"), ("content-range", "x")];
    wrong(
        check,
        "B1-33-media-type",
        &with(Why::Range, 206, &[0; 64], &media),
    );
    let mut old = record();
    old.modern = Err("HTTP/1.1 only".to_owned());
    passes(check, &old);
    old.server = "https://test".to_owned();
    wrong(check, "B1-28-protocol", &old);
    passed(check, "B1-28-protocol", &record());
}

#[test]
fn leave_for_requests_with_a_field_of_their_own() {
    const ID: &str = "B1-33-preflight";
    let any = ("access-control-allow-headers", "*");
    let named = ("access-control-allow-headers", "Authorization, Range");
    for fields in [any, named] {
        passed(check, ID, &with(Why::Preflight, 204, b"", &[fields]));
        wrong(check, ID, &with(Why::Preflight, 405, b"", &[fields]));
    }
    wrong(check, ID, &with(Why::Preflight, 200, b"", &[]));
    let other = ("access-control-allow-origin", "https://elsewhere.example");
    wrong(check, ID, &with(Why::Preflight, 204, b"", &[any, other]));
    // It is nothing else: no playlist without a type, and no error that may be kept.
    for status in [200, 405] {
        let record = with(Why::Preflight, status, b"", &[("content-type", "")]);
        for finding in check(&record).iter().filter(|it| it.id != ID) {
            let fails = matches!(finding.verdict, Verdict::Fail { .. });
            assert!(!fails, "{finding:?}");
        }
    }
}
