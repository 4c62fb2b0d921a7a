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
