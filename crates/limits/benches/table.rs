//! What a limit costs a request.

#![expect(missing_docs, reason = "a benchmark")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use limits::{Frames, Key, Rate, Table};

fn table(criterion: &mut Criterion) {
    let Some(rate) = Rate::new(10, 10) else {
        return;
    };
    let full = Table::new(65_536);
    let now = Duration::from_secs(1);
    let spread = |index: u64| Key(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for index in 0..60_000 {
        let _ = full.request(spread(index), rate, now);
    }
    let mut index = 0_u64;
    criterion.bench_function("request of 60,000 keys", |bencher| {
        bencher.iter(|| {
            index = (index + 7_919) % 60_000;
            black_box(full.request(spread(index), rate, now).is_ok())
        });
    });
    criterion.bench_function("request refused", |bencher| {
        bencher.iter(|| black_box(full.request(spread(1), rate, now).is_ok()));
    });
    let mut frames = Frames::new(now);
    let sent = [[0_u8, 64, 0, 0, 0, 0, 0, 0, 1].as_slice(), &[0; 16_384]].concat();
    criterion.bench_function("16 KiB frame sent", |bencher| {
        bencher.iter(|| frames.sent(black_box(&sent)));
    });
}

criterion_group!(benches, table);
criterion_main!(benches);
