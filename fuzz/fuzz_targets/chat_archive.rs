//! Somebody edits a segment, and a key file: what is read is what was written, from its beginning,
//! and unless nothing but the end is missing, the reader hears of it.
#![no_main]

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use chat_archive::{Archive, KeyFile, Options};
use libfuzzer_sys::fuzz_target;
use rooms::schema::{Body, Event, Message, User};

const KEY: &str = "k MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const DAY_MS: u64 = chat_archive::DAY_MS;
const EVENTS: u64 = 4;

/// A directory, the segment in it, and its bytes: sealed.
static WRITTEN: LazyLock<(PathBuf, PathBuf, Vec<u8>)> = LazyLock::new(|| {
    let name = format!("weir-fuzz-chat-archive-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    let archive = open(&directory);
    let events: Vec<_> = (1..=EVENTS).map(event).collect();
    archive.append("a", 1, &events).unwrap();
    archive.close().unwrap();
    let segment = directory.join("rooms/a/00001-00000001.seg");
    let bytes = std::fs::read(&segment).unwrap();
    (directory, segment, bytes)
});

fn event(seq: u64) -> Arc<Event> {
    Arc::new(Event {
        seq,
        at_ms: DAY_MS + seq,
        media_ms: None,
        body: Body::Message(Message {
            id: format!("m{seq}"),
            author: User {
                id: "ann".to_owned(),
                ..User::default()
            },
            text: "x".repeat(usize::try_from(seq * 50).unwrap()),
            ..Message::default()
        }),
    })
}

fn open(directory: &std::path::Path) -> Archive {
    let keys = KeyFile::parse(KEY).unwrap();
    Archive::open(directory, keys, Options::default(), DAY_MS)
        .unwrap()
        .0
}

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        drop(KeyFile::parse(text));
    }
    let (directory, segment, written) = &*WRITTEN;
    let mut bytes = written.clone();
    // Edits: where (two bytes), how, with what.
    for edit in data.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % (bytes.len() + 1);
        match edit[2] % 4 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, edit[3]),
            2 if at < bytes.len() => bytes[at] ^= edit[3],
            _ => bytes.extend_from_slice(&written[..at.min(written.len())]),
        }
    }
    let is_cut = written.starts_with(&bytes);
    std::fs::create_dir_all(segment.parent().unwrap()).unwrap();
    std::fs::write(segment, &bytes).unwrap();
    let archive = open(directory);
    let mut next = 1;
    let mut is_told = false;
    for record in archive.read("a", 0, u64::MAX, usize::MAX).unwrap() {
        match record {
            Ok(record) => {
                assert_eq!(record.event, *event(next));
                next += 1;
            }
            Err(_) => is_told = true,
        }
    }
    assert!(!is_told || !is_cut);
    assert!(bytes != *written || next == EVENTS + 1);
    drop(archive);
    if bytes != *written {
        drop(std::fs::remove_file(segment));
    }
});
