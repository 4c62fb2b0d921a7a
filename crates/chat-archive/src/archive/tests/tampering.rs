//! Whatever is changed is noticed.

use super::*;

/// What a reader gets of a room, and whether it hears of an error.
fn outcome(archive: &Archive) -> (Vec<u64>, Option<String>) {
    let mut seqs = Vec::new();
    let mut error = None;
    for record in archive.read("a", 0, u64::MAX, usize::MAX).unwrap() {
        match record {
            Ok(record) => seqs.push(record.event.seq),
            Err(it) => error = Some(it.to_string()),
        }
    }
    (seqs, error)
}

fn three(directory: &Path, is_closed: bool) -> PathBuf {
    let (archive, _) = open(directory);
    archive
        .append("a", 1, &[said(1, "ann"), said(2, "bob"), said(3, "ann")])
        .unwrap();
    if is_closed {
        archive.close().unwrap();
    }
    segments(directory).keys().next().unwrap().clone()
}

#[test]
fn each_byte_of_a_segment_counts() {
    for is_closed in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let path = three(directory.path(), is_closed);
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            std::fs::write(&path, &changed).unwrap();
            let (archive, report) = open(directory.path());
            let (seqs, error) = outcome(&archive);
            let error = error.unwrap_or_else(|| panic!("byte {at}: {report:?}"));
            assert!(error.contains("a/20000-00000001.seg"), "{error}");
            assert!([1, 2, 3].starts_with(&seqs));
            // The start reads what has no end. Of the rest it looks at both ends.
            let is_seen = !report.damaged.is_empty();
            assert!(is_seen || is_closed, "byte {at}");
            assert_eq!(std::fs::read(&path).unwrap(), changed, "it is left alone");
            let erased = archive.erase("bob", NOW);
            assert!(matches!(erased, Err(Error::Unfinished { .. })));
        }
    }
}

#[test]
fn each_byte_of_the_state_counts() {
    let (directory, archive) = new();
    archive.erase("bob", NOW).unwrap();
    drop(archive);
    let path = directory.path().join("state");
    let bytes = std::fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x40;
        std::fs::write(&path, &changed).unwrap();
        let error = open_with(directory.path(), &[OLD], NOW).unwrap_err();
        assert!(error.to_string().contains("state"), "{error}");
    }
}

#[test]
fn records_cannot_be_moved() {
    let directory = tempfile::tempdir().unwrap();
    let path = three(directory.path(), true);
    let bytes = std::fs::read(&path).unwrap();
    let head = bytes[..88].to_vec();
    let mut records = Vec::new();
    let mut rest = &bytes[88..];
    for _ in 0..3 {
        let length = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        let (record, more) = rest.split_at(8 + length + 16);
        records.push(record.to_vec());
        rest = more;
    }
    let seal = rest.to_vec();
    for order in [
        vec![1, 0, 2],
        vec![0, 2],
        vec![1, 2],
        vec![0, 1],
        vec![0, 1, 2, 2],
        vec![0, 0, 1, 2],
    ] {
        let mut changed = head.clone();
        order.iter().for_each(|at| changed.extend(&records[*at]));
        changed.extend(&seal);
        std::fs::write(&path, &changed).unwrap();
        let (archive, _) = open(directory.path());
        assert!(outcome(&archive).1.is_some(), "{order:?}");
    }
    std::fs::write(&path, &bytes).unwrap();
    // Nor segments: to another room, day or number.
    for to in [
        "rooms/a/20001-00000001.seg",
        "rooms/a/20000-00000002.seg",
        "rooms/b/20000-00000001.seg",
    ] {
        let to = directory.path().join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(&path, &to).unwrap();
        let (_, report) = open(directory.path());
        assert_eq!(report.damaged.len(), 1, "{}", to.display());
        std::fs::remove_file(&to).unwrap();
    }
    let (archive, report) = open(directory.path());
    assert!(report.damaged.is_empty());
    assert_eq!(outcome(&archive), (vec![1, 2, 3], None));
}

#[test]
fn what_is_cut_while_it_is_open_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = three(directory.path(), true);
    let (archive, _) = open(directory.path());
    let bytes = std::fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let (_, error) = outcome(&archive);
        assert!(error.is_some(), "{length}");
    }
}

#[test]
fn a_wrong_key_is_named() {
    let directory = tempfile::tempdir().unwrap();
    three(directory.path(), true);
    std::fs::remove_file(directory.path().join("state")).unwrap();
    let (archive, report) = open_with(directory.path(), &[NEW], NOW).unwrap();
    assert!(report.is_state_missing);
    let (_, error) = outcome(&archive);
    assert!(error.unwrap().contains("the key \"old\""));
    let resealed = archive.reseal().unwrap();
    assert_eq!((resealed.segments, resealed.failed.len()), (0, 1));
    drop(archive);
    std::fs::remove_file(directory.path().join("state")).unwrap();
    // Of the same name.
    let other = NEW.replace("new", "old");
    let (archive, report) = open_with(directory.path(), &[&other], NOW).unwrap();
    assert_eq!(report.damaged.len(), 1);
    assert!(outcome(&archive).1.unwrap().contains("was changed"));
    archive.append("a", 2, &[said(1, "ann")]).unwrap();
    assert_eq!(outcome(&archive).0, [1], "the room goes on");
}
