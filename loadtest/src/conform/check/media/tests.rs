//! Of the bytes.

use super::super::fixture::{passed, record, right, wrong};
use super::*;
use crate::conform::stream;

#[test]
fn right_media() {
    right(check);
    for finding in check(&record()) {
        passed(check, finding.id, &record());
    }
}

#[test]
fn wrong_media() {
    let spoiled = |edit: fn(&mut Fetched)| {
        let mut record = record();
        edit(&mut record.watches[0].media[0]);
        record
    };
    wrong(
        check,
        "B1-05-there",
        &spoiled(|it| it.parts[1].status = 404),
    );
    wrong(
        check,
        "B1-05-mp4",
        &spoiled(|it| it.parts[1].body = vec![0; 5].into()),
    );
    wrong(
        check,
        "B1-05-same",
        &spoiled(|it| it.whole.body = stream::part(3).into()),
    );
    wrong(
        check,
        "B1-05-moof",
        &spoiled(|it| {
            it.parts[1].body = [stream::init(), it.parts[1].body.to_vec()].concat().into();
        }),
    );
    wrong(
        check,
        "B1-05-sync",
        &spoiled(|it| it.segment.parts[1].independent = true),
    );
    wrong(
        check,
        "B1-05-listed",
        &spoiled(|it| it.segment.parts[0].independent = false),
    );
    wrong(
        check,
        "B1-05-continuous",
        &spoiled(|it| {
            it.parts[1].body = stream::part_at(57, 57 * 250 + 1).into();
        }),
    );
    wrong(
        check,
        "B1-05-length",
        &spoiled(|it| it.segment.parts[1].duration = 0.31),
    );
}

#[test]
fn an_independent_frame_may_stand_anywhere_in_its_part() {
    let mut record = record();
    let it = &mut record.watches[0].media[0];
    // The second part has a sample that is none, and then one that is.
    it.parts[1].body = [stream::part(57), stream::part_at(56, 57 * 250 + 250)]
        .concat()
        .into();
    it.segment.parts[1].independent = true;
    passed(check, "B1-05-sync", &record);
    record.watches[0].media[0].segment.parts[1].independent = false;
    wrong(check, "B1-05-listed", &record);
}

#[test]
fn what_lies_behind_a_gap_begins_anywhere() {
    let mut record = record();
    let media = &mut record.watches[0].media;
    media[1].segment.msn += 1;
    let first = (media[1].segment.msn - stream::FIRST) * stream::PARTS;
    for (part, number) in media[1].parts.iter_mut().zip(first..) {
        part.body = stream::part(number).into();
    }
    passed(check, "B1-05-continuous", &record);
    record.watches[0].media[1].segment.msn -= 1;
    wrong(check, "B1-05-continuous", &record);
}

#[test]
fn times_at_the_end_of_their_range_are_no_panic() {
    let mut part = stream::part(57);
    for kind in [b"moof", b"traf", b"tfdt"] {
        let at = part.windows(4).position(|it| it == kind).unwrap();
        part[at - 1] += 4;
        if kind == b"tfdt" {
            // Version 1 has times of 64 bits.
            part[at + 4] = 1;
            part.splice(at + 8..at + 12, [0xFF; 8]);
        }
    }
    let mut record = record();
    record.watches[0].media[0].parts[1].body = part.into();
    passed(check, "B1-05-mp4", &record);
    wrong(check, "B1-05-continuous", &record);
}
