//! Of the directives.

use super::super::fixture::{self, BEGIN, answer, at, passed, record, right, wrong};
use super::*;
use crate::conform::stream;

/// A request made when `BEGIN` parts are there, and answered with the state of `published`.
fn asked(why: Why, place: (u64, usize), query: &str, published: u64) -> Record {
    let mut record = record();
    let body = stream::playlist(published, "hi", false).into_bytes();
    let mut answer = answer(
        &format!("/live/hi/index.m3u8?{query}"),
        200,
        body,
        at(BEGIN),
    );
    answer.took = at(published);
    record.asked.push(fixture::asked(why, place, answer));
    record
}

fn status(why: Why, status: u16) -> Record {
    let mut record = record();
    let answer = answer(
        "/live/hi/index.m3u8?_HLS_part=0",
        status,
        Vec::new(),
        at(BEGIN),
    );
    record.asked.push(fixture::asked(why, (0, 0), answer));
    record
}

#[test]
fn right_directives() {
    right(check);
}

#[test]
fn held_until_it_is_there() {
    // Segment 115 is whole with 64 parts.
    passed(
        check,
        "B1-18-block-msn",
        &asked(Why::SegmentAlone, (115, 0), "_HLS_msn=115", 64),
    );
    wrong(
        check,
        "B1-18-block-msn",
        &asked(Why::SegmentAlone, (115, 0), "_HLS_msn=115", 63),
    );
    passed(
        check,
        "B1-18-in-time",
        &asked(Why::SegmentAlone, (115, 0), "_HLS_msn=115", 64),
    );
    wrong(
        check,
        "B1-18-in-time",
        &asked(Why::SegmentAlone, (115, 0), "_HLS_msn=115", 66),
    );
    passed(
        check,
        "B1-19-next-segment",
        &asked(Why::PartTooMany, (114, 4), "", 61),
    );
    wrong(
        check,
        "B1-19-next-segment",
        &asked(Why::PartTooMany, (114, 4), "", 60),
    );
    passed(
        check,
        "B1-26-order",
        &asked(Why::Reversed, (115, 1), "", 62),
    );
    wrong(
        check,
        "B1-26-order",
        &asked(Why::Reversed, (115, 1), "", 61),
    );
    passed(
        check,
        "B1-31-together",
        &asked(Why::Together, (115, 1), "", 62),
    );
    wrong(
        check,
        "B1-31-together",
        &asked(Why::Together, (115, 1), "", 61),
    );
    let mut early = record();
    early.watches[1].loads[3].wanted = Some((130, 0));
    wrong(check, "B1-18-block-part", &early);
    let mut broken = record();
    let failed = answer("/live/hi/index.m3u8?_HLS_msn=1", 404, Vec::new(), at(BEGIN));
    broken.watches[0].failed.push(failed);
    wrong(check, "B1-18-answered", &broken);
    let failed = &mut broken.watches[0].failed[0];
    (failed.status, failed.took) = (503, Duration::from_secs(1));
    wrong(check, "B1-18-answered", &broken);
    broken.watches[0].failed[0].took = Duration::from_secs(3);
    passed(check, "B1-18-answered", &broken);
}

#[test]
fn the_past_is_answered_at_once() {
    passed(
        check,
        "B1-20-past",
        &asked(Why::Past, (114, 0), "_HLS_msn=1", 61),
    );
    wrong(
        check,
        "B1-20-past",
        &asked(Why::Past, (114, 0), "_HLS_msn=1", 62),
    );
    wrong(check, "B1-20-past", &status(Why::Past, 400));
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (id, why) in [
        ("B1-21-part-alone", Why::PartAlone),
        ("B1-21-malformed", Why::Malformed),
        ("B1-22-far-segment", Why::FarSegment),
        ("B1-22-far-part", Why::FarPart),
    ] {
        passed(check, id, &status(why, 400));
        wrong(check, id, &status(why, 200));
    }
}

#[test]
fn nothing_is_held_for_ever() {
    passed(
        check,
        "B1-23-bounded",
        &asked(Why::Ahead, (116, 0), "_HLS_msn=116", 68),
    );
    wrong(
        check,
        "B1-23-bounded",
        &asked(Why::Ahead, (118, 0), "_HLS_msn=118", 76),
    );
}
