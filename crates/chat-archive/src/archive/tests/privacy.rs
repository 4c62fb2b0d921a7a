//! What is deleted and erased is gone, and what is exported is what there is.

use super::*;
use rooms::schema::Attr;

/// Bytes of a segment that belong to records, in pieces.
fn pieces(files: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<Vec<u8>> {
    let records = files.values().map(|bytes| &bytes[88..bytes.len()]);
    records
        .flat_map(|it| it.chunks_exact(24))
        .map(<[u8]>::to_vec)
        .collect()
}

fn holds(files: &BTreeMap<PathBuf, Vec<u8>>, piece: &[u8]) -> bool {
    files
        .values()
        .any(|bytes| bytes.windows(piece.len()).any(|it| it == piece))
}

#[test]
fn nothing_is_readable_without_a_key() {
    let (directory, archive) = new();
    archive.append("a", 1, &[said(1, "ann")]).unwrap();
    archive.erase("bob", NOW).unwrap();
    archive.append("a", 1, &[said(2, "ann")]).unwrap();
    archive.close().unwrap();
    for (path, bytes) in files(directory.path()) {
        for secret in ["ann", "bob", "text", "message"] {
            let found = bytes
                .windows(secret.len())
                .any(|it| it == secret.as_bytes());
            assert!(!found, "{secret} in {}", path.display());
        }
    }
}

#[test]
fn an_erasure_leaves_neither_text_nor_ciphertext() {
    let (directory, archive) = new();
    archive
        .append("a", 1, &[said(1, "ann"), said(2, "bob"), said(3, "ann")])
        .unwrap();
    archive.append("b", 1, &[said(1, "bob")]).unwrap();
    archive.append("c", 1, &[said(1, "ann")]).unwrap();
    archive.close().unwrap();
    let before = segments(directory.path());
    let untouched = before
        .keys()
        .find(|it| it.parent().unwrap().ends_with("c"))
        .unwrap();
    let erased = archive.erase("bob", NOW + 100).unwrap();
    assert_eq!((erased.records, erased.segments), (2, 2));
    let after = files(directory.path());
    assert_eq!(after[untouched], before[untouched]);
    let mut touched = before.clone();
    touched.remove(untouched);
    for piece in pieces(&touched) {
        assert!(!holds(&after, &piece));
    }
    assert_eq!(seqs(&archive, "a"), [1, 3]);
    assert!(seqs(&archive, "b").is_empty());
    assert_eq!(export(&archive, "bob"), "");
    // What comes late is of before; what comes after is not.
    archive
        .append("b", 2, &[said(99, "bob"), said(101, "bob")])
        .unwrap();
    assert_eq!(seqs(&archive, "b"), [101]);
}

#[test]
fn others_lose_what_they_quote() {
    let (_directory, archive) = new();
    let bobs = message("m2", "bob", "of bob");
    let mut reply = message("m3", "ann", "I agree");
    reply.reply_to = Some("m2".to_owned());
    reply.attrs.push(Attr {
        key: "mention".to_owned(),
        value: "bob".to_owned(),
    });
    let pin = |message: Message| Act::Pin {
        id: message.id.clone(),
        message: Some(message),
    };
    let ban = Act::Ban {
        user: "bob".to_owned(),
    };
    archive
        .append(
            "a",
            1,
            &[
                event(2, Body::Message(bobs.clone())),
                event(3, Body::Message(reply)),
                act(4, "mod", pin(bobs.clone())),
                review(5, "ann", bobs.clone()),
                review(6, "bob", message("m3", "ann", "I agree")),
                act(7, "mod", ban),
                act(8, "bob", Act::Unpin),
                gift(9, "ann", "bob"),
                gift(10, "bob", "ann"),
                notice(11, r#"{"to":["bob"]}"#),
                notice(12, r#"{"to":["ann"]}"#),
                said(13, "bobby"),
            ],
        )
        .unwrap();
    let lines = export(&archive, "bob");
    let exported: Vec<u64> = lines
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["room"], "a");
            line["event"]["seq"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(exported, [2, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert!(
        !lines.contains("I agree") && !lines.contains("\"mod\""),
        "{lines}"
    );
    assert!(lines.matches("of bob").count() >= 3, "{lines}");
    archive.erase("bob", NOW + 100).unwrap();
    let left = read(&archive, "a");
    let text = serde_json::to_string(&left).unwrap();
    assert!(
        !text.contains("\"bob\"") && !text.contains("\"m2") && !text.contains("\"of bob"),
        "{text}"
    );
    let left: Vec<u64> = left.iter().map(|it| it.event.seq).collect();
    assert_eq!(left, [3, 4, 5, 7, 9, 12, 13]);
}

#[test]
fn what_moderators_delete_is_not_read_and_goes_with_the_next_sweep() {
    let (directory, archive) = new();
    archive
        .append("a", 1, &[said(1, "ann"), said(2, "bob"), said(3, "ann")])
        .unwrap();
    archive
        .append(
            "a",
            1,
            &[review(4, "cid", message("m1", "ann", "text 1 of ann"))],
        )
        .unwrap();
    archive.close().unwrap();
    let before = pieces(&segments(directory.path()));
    let delete = Act::DeleteMessage {
        id: "m1".to_owned(),
    };
    let user = Act::DeleteUser {
        user: "bob".to_owned(),
    };
    let cid = said(7, "cid");
    archive
        .append("a", 1, &[act(5, "mod", delete), act(6, "mod", user), cid])
        .unwrap();
    let check = |archive: &Archive| {
        assert_eq!(seqs(archive, "a"), [3, 4, 5, 6, 7]);
        let text = serde_json::to_string(&read(archive, "a")).unwrap();
        assert!(!text.contains("text 1 of ann"), "{text}");
        assert!(!export(archive, "ann").contains("text 1 of ann"));
    };
    check(&archive);
    assert_eq!(archive.stats().pending_deletions, 2);
    // Not closed, as in a crash: the start sweeps.
    drop(archive);
    let (archive, report) = open(directory.path());
    assert_eq!(report.swept.records, 3);
    assert!(report.swept.failed.is_empty());
    assert_eq!(archive.stats().pending_deletions, 0);
    check(&archive);
    let after = segments(directory.path());
    assert!(before.iter().all(|piece| !holds(&after, piece)));
    archive
        .append("a", 1, &[act(8, "mod", Act::Clear), said(9, "ann")])
        .unwrap();
    assert_eq!(seqs(&archive, "a"), [4, 5, 6, 8, 9]);
    archive.sweep(NOW);
    assert_eq!(archive.stats().pending_deletions, 0);
    assert_eq!(seqs(&archive, "a"), [4, 5, 6, 8, 9]);
    // Applied is applied: a start has nothing to do.
    archive.close().unwrap();
    drop(archive);
    assert_eq!(open(directory.path()).1.swept.rewritten, 0);
}

#[test]
fn a_reader_goes_on_where_it_was_when_segments_are_rewritten() {
    let directory = tempfile::tempdir().unwrap();
    // All in one segment, of several chunks.
    let options = Options::default();
    let opened = Archive::open(directory.path(), keys(&[OLD]), options, NOW);
    let (archive, _) = opened.unwrap();
    let events: Vec<_> = (1..=2_000)
        .map(|seq| said(seq, if seq % 3 == 0 { "bob" } else { "ann" }))
        .collect();
    archive.append("a", 1, &events).unwrap();
    let mut reader = archive.read("a", 0, u64::MAX, usize::MAX).unwrap();
    let mut seen: Vec<u64> = reader
        .by_ref()
        .take(7)
        .map(|it| it.unwrap().event.seq)
        .collect();
    archive.erase("bob", NOW + 10_000).unwrap();
    seen.extend(reader.map(|it| it.unwrap().event.seq));
    assert!(seen.is_sorted_by(|a, b| a < b));
    let others: Vec<u64> = seen.iter().copied().filter(|seq| seq % 3 != 0).collect();
    assert_eq!(
        others,
        (1..=2_000).filter(|seq| seq % 3 != 0).collect::<Vec<_>>()
    );
    // No more than a chunk was in memory.
    assert!(
        seen.len() - others.len() < crate::limits::CHUNK_RECORDS,
        "{}",
        seen.len()
    );
}

#[test]
fn an_erasure_that_was_cut_short_is_finished_by_the_next_start() {
    let (directory, archive) = new();
    archive
        .append("a", 1, &[said(1, "ann"), said(2, "bob")])
        .unwrap();
    archive.close().unwrap();
    // As if the process had ended right after the tombstone.
    archive
        .change_state(|state| state.tombstones.insert("bob", NOW + 9))
        .unwrap();
    assert_eq!(seqs(&archive, "a"), [1]);
    drop(archive);
    let (archive, report) = open(directory.path());
    assert_eq!(report.swept.records, 1);
    assert_eq!(seqs(&archive, "a"), [1]);
    assert_eq!(archive.sweep(NOW).rewritten, 0);
    assert!(archive.sweep(NOW + 10 * DAY_MS).failed.is_empty());
    assert_eq!(
        archive.stats().tombstones,
        0,
        "nothing is left that it could take"
    );
}

/// Its directory is gone with the last segment, and was not synced before.
#[test]
fn a_room_of_which_nothing_is_left_is_no_error() {
    let (_directory, archive) = new();
    archive.append("a", 1, &[said(1, "ann")]).unwrap();
    let later = NOW + 100 * DAY_MS;
    for _ in 0..2 {
        let swept = archive.sweep(later);
        assert!(swept.failed.is_empty(), "{swept:?}");
        archive.sync().unwrap();
    }
    archive.erase("ann", later).unwrap();
    assert!(seqs(&archive, "a").is_empty());
    archive.append("a", 1, &[said(2, "bob")]).unwrap();
    archive.sync().unwrap();
    assert_eq!(seqs(&archive, "a"), [2]);
}
