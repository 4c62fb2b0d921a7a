//! Gifts that are committed, durably: how many per second, and how long each takes.
//!
//! `cargo bench -p ledger` measures both stores; `-- sqlite` or `-- postgres` one of them,
//! `-- seconds=20` longer, `-- committers=1024` with more at once. Directories: `$TMPDIR`.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a benchmark")]
#![allow(clippy::allow_attributes, reason = "of the support of tests")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use database::testing::Server;
use ledger::postgres::PostgresOptions;
use ledger::sqlite::SqliteOptions;
use ledger::{Ledger, Store as _};

use support::random::Random;
use support::{NOW, gift, open, top_up};

const VIEWERS: u64 = 2_000;
const BROADCASTERS: u64 = 100;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, otherwise: u64| {
        let given = arguments
            .iter()
            .find_map(|argument| argument.strip_prefix(name));
        given.map_or(otherwise, |value| value.parse().expect(name))
    };
    let seconds = Duration::from_secs(number("seconds=", 10));
    let committers = number("committers=", 512);
    let wanted = |name: &str| {
        let others = ["sqlite", "postgres"];
        let any = arguments
            .iter()
            .any(|argument| others.contains(&argument.as_str()));
        !any || arguments.iter().any(|argument| argument == name)
    };
    if wanted("sqlite") {
        let directory = tempfile::tempdir().expect("a directory");
        let options = SqliteOptions::new(directory.path().join("ledger.db"));
        let ledger = ledger::sqlite::open(options).expect("a ledger");
        measure("sqlite", ledger, seconds, committers).await;
    }
    if wanted("postgres") {
        let server = Server::start();
        let options = PostgresOptions::new(server.url());
        let ledger = ledger::postgres::open(options).await.expect("a ledger");
        measure("postgres", ledger, seconds, committers).await;
    }
}

async fn measure(name: &str, ledger: Ledger, seconds: Duration, committers: u64) {
    let people: Vec<_> = (0..VIEWERS)
        .map(|n| format!("viewer-{n:08}"))
        .chain((0..BROADCASTERS).map(|n| format!("diamonds-{n:08}")))
        .collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    open(&ledger, &people).await;
    for n in 0..VIEWERS {
        let batch = top_up(&format!("top-up-{n}"), &format!("viewer-{n:08}"), 1 << 40);
        ledger.commit(batch, NOW).await.expect("a top-up");
    }
    let delivering = tokio::spawn(deliver(ledger.clone()));
    for committers in [1, 32, 256, committers] {
        storm(name, &ledger, seconds, committers).await;
    }
    delivering.abort();
    let began = Instant::now();
    let report = ledger.verify().await.expect("a report");
    assert!(report.is_clean(), "{:?}", report.differences);
    println!(
        "{name}: verified {} transfers in {:?}: zero difference",
        report.transfers,
        began.elapsed()
    );
    let _ = delivering.await;
    ledger.close().await;
}

/// The outbox is read and emptied all the time, as the room's hub will do.
async fn deliver(ledger: Ledger) {
    let mut seq = 0;
    loop {
        let messages = ledger.outbox_after(seq, 1_000).await.expect("messages");
        if let Some(last) = messages.last() {
            seq = last.seq;
            ledger.outbox_done(seq).await.expect("done");
        } else {
            // The outbox tells nobody that something came: a dispatcher looks again, as this does.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn storm(name: &str, ledger: &Ledger, seconds: Duration, committers: u64) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let began = Instant::now();
    let tasks: Vec<_> = (0..committers)
        .map(|committer| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                let mut random = Random(committer);
                let mut latencies = Vec::new();
                while began.elapsed() < seconds {
                    let n = NEXT.fetch_add(1, Ordering::Relaxed);
                    // Without any order, which is the worst for the index.
                    let id = format!("gift-{:016x}-{n:08x}", Random(n).next());
                    let viewer = format!("viewer-{:08}", random.below(VIEWERS));
                    let broadcaster = format!("diamonds-{:08}", random.below(BROADCASTERS));
                    let batch = gift(&id, &viewer, &broadcaster, 1 + random.below(100));
                    let asked = Instant::now();
                    let outcome = ledger.commit(batch, NOW).await.expect("a commit");
                    latencies.push(asked.elapsed());
                    assert!(outcome.is_new());
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("a committer"));
    }
    let took = began.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at =
        |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!(
        "{name}: {committers:>5} at once: {:>7.0} gifts/s, p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, \
         max {:.1} ms ({} gifts)",
        latencies.len() as f64 / took,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        latencies.len(),
    );
}
