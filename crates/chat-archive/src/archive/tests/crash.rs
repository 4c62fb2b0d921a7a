//! Crashes at each byte, and disks that are full at each byte.

use super::*;
use crate::disk::faults;

#[test]
fn a_crash_at_each_byte_loses_the_end_alone() {
    let (directory, archive) = new();
    archive
        .append("a", 1, &[said(1, "ann"), said(2, "bob"), said(3, "ann")])
        .unwrap();
    drop(archive);
    let (path, bytes) = segments(directory.path()).into_iter().next().unwrap();
    let mut most = 0;
    for length in 0..=bytes.len() {
        for zeros in [0, 100] {
            let mut cut = bytes[..length].to_vec();
            cut.resize(length + zeros, 0);
            // Zeros in the place of a header, or of a record's end, are not taken for a crash.
            std::fs::write(&path, &cut).unwrap();
            let (archive, report) = open(directory.path());
            if zeros > 0 && !report.damaged.is_empty() {
                continue;
            }
            assert_eq!(report.recovered.len(), 1, "{length}");
            let seqs = seqs(&archive, "a");
            assert!(
                [1, 2, 3].starts_with(&seqs) && seqs.len() >= most,
                "{length}: {seqs:?}"
            );
            most = seqs.len();
            archive.append("a", 2, &[said(4, "ann")]).unwrap();
            assert_eq!(self::seqs(&archive, "a").last(), Some(&4));
            archive.close().unwrap();
            drop(archive);
            let (archive, report) = open(directory.path());
            assert!(report.recovered.is_empty() && report.damaged.is_empty());
            assert_eq!(self::seqs(&archive, "a").len(), most + 1);
            drop(archive);
            std::fs::remove_dir_all(directory.path().join("rooms")).unwrap();
            std::fs::create_dir_all(directory.path().join("rooms/a")).unwrap();
        }
    }
    assert_eq!(most, 3);
}

#[test]
fn a_crash_in_the_seal_is_a_crash() {
    let (directory, archive) = new();
    archive.append("a", 1, &[said(1, "ann")]).unwrap();
    archive.close().unwrap();
    drop(archive);
    let (path, bytes) = segments(directory.path()).into_iter().next().unwrap();
    for cut in 1..=28 {
        std::fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
        let (archive, report) = open(directory.path());
        assert_eq!(report.recovered.len(), 1);
        assert_eq!(seqs(&archive, "a"), [1]);
        assert_eq!(
            std::fs::read(&path).unwrap(),
            bytes,
            "the same seal, no nonce twice"
        );
    }
}

#[test]
fn a_full_disk_leaves_no_halves() {
    for left in 0..900 {
        let (directory, archive) = new();
        archive.append("a", 1, &[said(1, "ann")]).unwrap();
        faults::set(Some(left));
        let group = [said(2, "ann"), said(3, "bob"), said(4, "ann")];
        let full = archive.append("a", 1, &group);
        let fits = full.is_ok();
        if let Err(error) = full {
            assert!(matches!(error, Error::Full { .. }), "{error}");
            assert_eq!(seqs(&archive, "a"), [1]);
            let again = archive.append("a", 1, &group);
            assert!(matches!(again, Err(Error::Full { .. })));
        }
        let erased = archive.erase("ann", NOW + 2);
        assert!(fits || erased.is_err());
        faults::set(None);
        let again = archive.append("a", 1, &group).unwrap();
        assert_eq!(again.records == 0, fits, "ann's second is of before");
        archive.append("a", 1, &[said(5, "ann")]).unwrap();
        assert_eq!(seqs(&archive, "a"), [3, 4, 5]);
        archive.erase("ann", NOW + 2).unwrap();
        drop(archive);
        let (archive, report) = open(directory.path());
        assert!(report.damaged.is_empty());
        assert_eq!(seqs(&archive, "a"), [3, 4, 5]);
    }
}

#[test]
fn nothing_is_written_after_a_write_that_failed() {
    use crate::error::SegmentId;
    use crate::segment::Writer;
    let directory = tempfile::tempdir().unwrap();
    let id = SegmentId {
        room: "a".to_owned(),
        day: 1,
        number: 1,
    };
    let mut writer = Writer::create(directory.path(), id, &keys(&[OLD])).unwrap();
    let push = |writer: &mut Writer, text: &[u8]| {
        let pushed = writer.push(|into| {
            into.extend_from_slice(text);
            Ok(())
        });
        pushed.unwrap();
    };
    push(&mut writer, b"one");
    writer.flush().unwrap();
    let whole = files(directory.path());
    push(&mut writer, b"two");
    faults::set(Some(12));
    assert!(writer.flush().is_err());
    faults::set(None);
    // Its nonce was used: another text under it would give both away.
    push(&mut writer, b"six");
    assert!(writer.flush().is_err() && writer.seal().is_err());
    assert_eq!(files(directory.path()), whole);
}
