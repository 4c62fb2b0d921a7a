//! What it costs to store and read messages of 200 bytes.

#![expect(clippy::expect_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;

use chat_archive::{Archive, KeyFile, Options};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rooms::schema::{Body, Event, Message, User};

const DAY: u64 = 20_000 * chat_archive::DAY_MS;
/// Messages of one call: a tick of a busy room.
const GROUP: u64 = 50;

fn event(seq: u64) -> Arc<Event> {
    Arc::new(Event {
        seq,
        at_ms: DAY + seq,
        media_ms: None,
        body: Body::Message(Message {
            id: format!("edge-1-{seq:012}"),
            author: User {
                id: format!("user-{:06}", seq % 1_000),
                name: "Somebody".to_owned(),
                ..User::default()
            },
            kind: "text".to_owned(),
            text: "What is said in a chat, mostly.".to_owned(),
            ..Message::default()
        }),
    })
}

fn append(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let key = "k MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let keys = KeyFile::parse(key).expect("a key");
    let (archive, _) =
        Archive::open(directory.path(), keys, Options::default(), DAY).expect("an archive");
    let mut seq = 0;
    let mut group = c.benchmark_group("archive");
    group.throughput(Throughput::Elements(GROUP));
    let mut next = move || {
        let events: Vec<_> = (seq + 1..=seq + GROUP).map(event).collect();
        seq += GROUP;
        events
    };
    group.bench_function("append 50", |b| {
        b.iter_batched(
            &mut next,
            |events| archive.append("room", 1, &events).expect("space"),
            BatchSize::SmallInput,
        );
    });
    archive.erase("nobody", DAY).expect("an erasure");
    group.bench_function("append 50, somebody was erased", |b| {
        b.iter_batched(
            &mut next,
            |events| archive.append("room", 1, &events).expect("space"),
            BatchSize::SmallInput,
        );
    });
    group.throughput(Throughput::Elements(10_000));
    group.sample_size(10);
    group.bench_function("read 10000", |b| {
        b.iter(|| {
            let read = archive.read("room", 0, u64::MAX, 10_000).expect("a room");
            black_box(read.count())
        });
    });
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);
