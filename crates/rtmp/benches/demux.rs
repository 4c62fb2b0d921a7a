//! Cost of taking one second of a 6 Mbit/s publisher's stream, chunks of 128 bytes and of 4 KiB.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark fails by panicking; criterion's macro writes no documentation"
)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rtmp::ServerSession;

#[path = "../tests/it/client.rs"]
mod client;

const READ_BYTES: usize = 16 * 1024;

/// 30 video frames and 47 AAC frames.
fn one_second(mux: &mut client::Mux) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut video = vec![0x5A; 24_000];
    video[..5].copy_from_slice(b"\x27\x01\0\0\0");
    let mut audio = vec![0x5A; 340];
    audio[..2].copy_from_slice(b"\xaf\x01");
    for frame in 0..47 {
        mux.send(client::message(4, 8, 1, frame * 21, &audio), &mut bytes);
        if frame < 30 {
            mux.send(client::message(6, 9, 1, frame * 33, &video), &mut bytes);
        }
    }
    bytes
}

fn demux(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("demux_one_second");
    for chunk_bytes in [128_u32, 4096] {
        let mut mux = client::Mux::new();
        let mut start = client::publish(&mut mux, "live", "key");
        mux.set_chunk_bytes(chunk_bytes, &mut start);
        let second = one_second(&mut mux);
        group.throughput(Throughput::Bytes(second.len() as u64));
        let mut session = ServerSession::new();
        session.handle_input(&start).expect("a legal publish");
        session.accept().expect("a publish awaits it");
        let id = BenchmarkId::from_parameter(chunk_bytes);
        group.bench_function(id, |bencher| {
            bencher.iter(|| {
                for read in second.chunks(READ_BYTES) {
                    session.handle_input(read).expect("legal media");
                    while let Some(event) = session.poll_event() {
                        black_box(event);
                    }
                    black_box(session.poll_output());
                }
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(3));
    targets = demux
}
criterion_main!(benches);
