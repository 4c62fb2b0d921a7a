use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rooms::schema::{
    Act, Body, Event, Gift, Message, Moderation, Notice, Review, ReviewKind, User,
};
use tempfile::TempDir;

use super::{Archive, OpenReport, Options};
use crate::keys::KeyFile;
use crate::limits::DAY_MS;
use crate::{Error, Record};

mod crash;
mod model;
mod privacy;
mod tampering;

const NOW: u64 = 20_000 * DAY_MS + 1_000;
const OLD: &str = "old MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const NEW: &str = "new YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=";
const OPTIONS: Options = Options {
    retention_days: 3,
    segment_bytes_max: 4096,
};

fn keys(lines: &[&str]) -> KeyFile {
    KeyFile::parse(&lines.join("\n")).unwrap()
}

fn open(directory: &Path) -> (Archive, OpenReport) {
    open_with(directory, &[OLD], NOW).unwrap()
}

fn open_with(
    directory: &Path,
    lines: &[&str],
    now_ms: u64,
) -> Result<(Archive, OpenReport), Error> {
    Archive::open(directory, keys(lines), OPTIONS, now_ms)
}

fn new() -> (TempDir, Archive) {
    let directory = tempfile::tempdir().unwrap();
    let (archive, _) = open(directory.path());
    (directory, archive)
}

fn event(seq: u64, body: Body) -> Arc<Event> {
    Arc::new(Event {
        seq,
        at_ms: NOW + seq,
        media_ms: Some(seq),
        body,
    })
}

fn message(id: &str, author: &str, text: &str) -> Message {
    Message {
        id: id.to_owned(),
        author: User {
            id: author.to_owned(),
            name: format!("{author}'s name"),
            ..User::default()
        },
        kind: "text".to_owned(),
        text: text.to_owned(),
        ..Message::default()
    }
}

fn said(seq: u64, author: &str) -> Arc<Event> {
    let text = format!("text {seq} of {author}");
    event(
        seq,
        Body::Message(message(&format!("m{seq}"), author, &text)),
    )
}

fn act(seq: u64, actor: &str, act: Act) -> Arc<Event> {
    let moderation = Moderation {
        actor: actor.to_owned(),
        reason: "a reason".to_owned(),
        act,
    };
    event(seq, Body::Moderation(moderation))
}

fn gift(seq: u64, sender: &str, recipient: &str) -> Arc<Event> {
    let gift = Gift {
        id: format!("g{seq}"),
        sender: message("", sender, "").author,
        recipient: recipient.to_owned(),
        item: "rose".to_owned(),
        count: 1,
        note: Some(format!("note of {sender}")),
        ..Gift::default()
    };
    event(seq, Body::Gift(gift))
}

fn review(seq: u64, by: &str, message: Message) -> Arc<Event> {
    let review = Review {
        id: format!("r{seq}"),
        kind: ReviewKind::Report,
        message,
        reason: "rude".to_owned(),
        by: by.to_owned(),
    };
    event(seq, Body::Review(review))
}

fn notice(seq: u64, payload: &str) -> Arc<Event> {
    let notice = Notice {
        id: format!("n{seq}"),
        kind: "animation".to_owned(),
        text: String::new(),
        payload: payload.to_owned(),
    };
    event(seq, Body::Notice(notice))
}

fn read(archive: &Archive, room: &str) -> Vec<Record> {
    let read = archive.read(room, 0, u64::MAX, usize::MAX).unwrap();
    read.map(Result::unwrap).collect()
}

fn seqs(archive: &Archive, room: &str) -> Vec<u64> {
    read(archive, room).iter().map(|it| it.event.seq).collect()
}

fn export(archive: &Archive, user: &str) -> String {
    let lines: Vec<_> = archive.export(user).unwrap().map(Result::unwrap).collect();
    String::from_utf8(lines.concat()).unwrap()
}

/// Segments and their bytes.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in next.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.insert(path.clone(), std::fs::read(path).unwrap());
            }
        }
    }
    files
}

fn segments(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = files(directory);
    files.retain(|path, _| path.extension().is_some_and(|it| it == "seg"));
    files
}

#[test]
fn what_was_stored_is_read_after_a_restart() {
    let (directory, archive) = new();
    let events: Vec<_> = (1..=50).map(|seq| said(seq, "ann")).collect();
    let appended = archive.append("a", 7, &events).unwrap();
    assert_eq!(appended.records, 50);
    // Repeated, as after an error: nothing twice.
    assert_eq!(archive.append("a", 7, &events).unwrap().records, 0);
    archive.append("b", 7, &[said(1, "bob")]).unwrap();
    archive
        .append("a", 8, &[said(1, "bob"), event(2, Body::Void)])
        .unwrap();
    let all = read(&archive, "a");
    assert_eq!(all.len(), 51);
    assert_eq!(all[0].event, *events[0]);
    assert_eq!(all[50].epoch, 8);
    assert!(segments(directory.path()).len() > 3, "segments are bounded");
    archive.close().unwrap();
    drop(archive);
    let (archive, report) = open(directory.path());
    assert!(
        report.recovered.is_empty() && report.damaged.is_empty(),
        "{report:?}"
    );
    assert_eq!(read(&archive, "a"), all);
    assert_eq!(read(&archive, "nowhere"), []);
    assert_eq!(archive.stats().rooms, 2);
    let some = archive.read("a", NOW + 10, NOW + 20, 3).unwrap();
    let some: Vec<_> = some.map(|it| it.unwrap().event.seq).collect();
    assert_eq!(some, [10, 11, 12]);
}

#[test]
fn a_segment_is_of_one_day_and_goes_when_its_time_is_over() {
    let (directory, archive) = new();
    let mut late = (*said(2, "ann")).clone();
    late.at_ms = NOW + DAY_MS;
    archive
        .append("a", 1, &[said(1, "ann"), Arc::new(late)])
        .unwrap();
    assert_eq!(segments(directory.path()).len(), 2);
    // The day itself, and three more.
    let end = 20_004 * DAY_MS;
    assert_eq!(archive.sweep(end - 1).expired, 0);
    assert_eq!(archive.sweep(end).expired, 1);
    assert_eq!(seqs(&archive, "a"), [2]);
    archive.close().unwrap();
    drop(archive);
    let (archive, report) = open_with(directory.path(), &[OLD], end + DAY_MS).unwrap();
    assert_eq!(report.swept.expired, 1);
    assert_eq!(segments(directory.path()).len(), 0);
    assert!(!directory.path().join("rooms/a").exists());
    archive.append("a", 2, &[said(1, "ann")]).unwrap();
    assert_eq!(seqs(&archive, "a"), [1]);
}

#[test]
fn names_cannot_leave_the_directory() {
    let (_directory, archive) = new();
    for name in ["", "..", "a/b", "a.b", ".", "a\0", "ä", &"a".repeat(65)] {
        let appended = archive.append(name, 1, &[said(1, "ann")]);
        assert!(matches!(appended, Err(Error::RoomName)), "{name}");
        assert!(archive.read(name, 0, 1, 1).is_err());
        assert!(archive.close_room(name).is_err());
    }
}

#[test]
fn many_deletions_are_applied_without_waiting_for_a_sweep() {
    let (_directory, archive) = new();
    archive.append("a", 1, &[said(1, "ann")]).unwrap();
    let many = crate::PENDING_DELETIONS_MAX as u64 + 10;
    let delete = |seq| {
        let id = format!("m{}", seq - 1);
        act(seq, "mod", Act::DeleteMessage { id })
    };
    let acts: Vec<_> = (2..=many).map(delete).collect();
    for acts in acts.chunks(1_000) {
        archive.append("a", 1, acts).unwrap();
    }
    assert!(archive.stats().pending_deletions < 1_000);
    assert_eq!(seqs(&archive, "a").len() as u64, many - 1);
}

#[test]
fn one_process_at_a_time() {
    let (directory, _archive) = new();
    let second = open_with(directory.path(), &[OLD], NOW);
    assert!(matches!(second, Err(Error::InUse { .. })));
}

#[test]
fn an_old_key_can_be_thrown_away_after_reseal() {
    let (directory, archive) = new();
    let events: Vec<_> = (1..=40).map(|seq| said(seq, "ann")).collect();
    archive.append("a", 1, &events).unwrap();
    archive.erase("bob", NOW).unwrap();
    let all = read(&archive, "a");
    archive.close().unwrap();
    drop(archive);
    assert!(
        open_with(directory.path(), &[NEW], NOW).is_err(),
        "the state is under the old key"
    );
    let (archive, _) = open_with(directory.path(), &[NEW, OLD], NOW).unwrap();
    archive.append("a", 2, &[said(1, "cid")]).unwrap();
    let resealed = archive.reseal().unwrap();
    assert!(
        resealed.segments > 1 && resealed.failed.is_empty(),
        "{resealed:?}"
    );
    assert_eq!(archive.reseal().unwrap().segments, 0);
    archive.close().unwrap();
    drop(archive);
    let (archive, report) = open_with(directory.path(), &[NEW], NOW).unwrap();
    assert!(report.damaged.is_empty());
    assert_eq!(read(&archive, "a")[..40], all);
    assert_eq!(archive.stats().tombstones, 1);
}

#[test]
fn key_files_of_others_and_bad_ones_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    std::fs::write(&path, format!("# keys\n\n{NEW}\n{OLD}\n")).unwrap();
    for (mode, is_fine) in [
        (0o600, true),
        (0o400, true),
        (0o640, false),
        (0o604, false),
        (0o620, false),
    ] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let loaded = KeyFile::load(&path);
        assert_eq!(loaded.is_ok(), is_fine, "{mode:o}");
        if let Err(error) = loaded {
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }
    assert_eq!(format!("{:?}", keys(&[NEW, OLD])), r#"["new", "old"]"#);
    for bad in [
        "",
        "# none",
        "old",
        "old c2hvcnQ=",
        "a.b MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    ] {
        let error = KeyFile::parse(bad).unwrap_err();
        assert!(!error.to_string().contains("c2hvcnQ"), "{error}");
    }
    assert!(KeyFile::parse(&[OLD, OLD].join("\n")).is_err());
}

#[test]
fn appends_go_on_while_users_are_erased_and_rooms_read() {
    let (directory, archive) = new();
    let barrier = Arc::new(std::sync::Barrier::new(3));
    let writer = std::thread::spawn({
        let (archive, barrier) = (archive.clone(), Arc::clone(&barrier));
        move || {
            barrier.wait();
            for seq in 1..=600 {
                let author = if seq % 2 == 0 { "ann" } else { "bob" };
                archive.append("a", 1, &[said(seq, author)]).unwrap();
            }
        }
    });
    let reader = std::thread::spawn({
        let (archive, barrier) = (archive.clone(), Arc::clone(&barrier));
        move || {
            barrier.wait();
            for _ in 0..20 {
                let seqs = seqs(&archive, "a");
                assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
                archive.sync().unwrap();
            }
        }
    });
    barrier.wait();
    for _ in 0..20 {
        archive.erase("bob", NOW + 1_000_000).unwrap();
        let left = read(&archive, "a");
        assert!(left.iter().all(|it| it.event.seq % 2 == 0));
        archive.sweep(NOW);
    }
    writer.join().unwrap();
    reader.join().unwrap();
    let even: Vec<u64> = (2..=600).step_by(2).collect();
    assert_eq!(seqs(&archive, "a"), even);
    archive.close().unwrap();
    drop(archive);
    assert_eq!(seqs(&open(directory.path()).0, "a"), even);
}
