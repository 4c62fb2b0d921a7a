//! Five million calls on all cores through 200 swaps, and what an endless loop does to its neighbours.
//!
//! No timed loops of criterion's: it counts. `WEIR_BENCH_CALLS` sets how many calls.
//! It needs the guests of the tests, built: `make guests` does that.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use wasm_filters::call::{CallContext, CallError, TrapKind};
use wasm_filters::compile::CompileOptions;
use wasm_filters::contract::chat::Message;
use wasm_filters::contract::types::{Roles, User};
use wasm_filters::host::{CallInfo, ChatVerdict, FilterRouting, Host, HostOptions};
use wasm_filters::keys::KeyRing;
use wasm_filters::manifest::{Digest, FilterName, Hook, Isolation, Manifest, VersionDocument};
use wasm_filters::rollout::RequestPin;
use wasm_filters::stats::Histogram;
use wasm_filters::version::LoadedVersion;

const SWAPS: u64 = 200;
/// Callers for each core: there is always one that waits to run.
const CALLERS_PER_CORE: usize = 4;
/// Endless loops that are stopped, one after the other.
const LOOPS: u32 = 200;
/// The loops' budget of processor time.
const BUDGET: Duration = Duration::from_millis(10);
/// Neighbours of a loop ask this often, each.
const PACE: Duration = Duration::from_millis(2);
const NEIGHBOURS: usize = 8;

fn main() {
    // Cargo passes options of criterion's; `cargo test --benches` runs it without `--bench`.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let calls = std::env::var("WEIR_BENCH_CALLS").ok();
    let calls = calls.map_or(5_000_000, |calls| calls.parse().expect("a number"));
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let host = host();
        swaps(&host, calls).await;
        let quiet = neighbours(&host, None).await;
        let loops = neighbours(&host, Some(LOOPS)).await;
        println!(
            "neighbours' p99: {:?} without loops, {:?} with; p50 {:?} and {:?}",
            quiet.quantile(0.99),
            loops.quantile(0.99),
            quiet.quantile(0.5),
            loops.quantile(0.5)
        );
    });
}

fn host() -> Host {
    let options = HostOptions {
        compile: CompileOptions {
            program: env!("CARGO_BIN_EXE_weir-compile-filter").into(),
            ..CompileOptions::default()
        },
        ..HostOptions::default()
    };
    let registry = prometheus::Registry::new();
    Host::new(options, Arc::new(KeyRing::default()), &registry).expect("a host")
}

async fn version(
    host: &Host,
    guest: &str,
    label: &str,
    isolation: Isolation,
) -> Arc<LoadedVersion> {
    let path = format!(
        "{}/guests/target/wasm32-wasip2/release/{guest}.wasm",
        env!("CARGO_MANIFEST_DIR")
    );
    let wasm = Bytes::from(std::fs::read(path).expect("the test guests, built"));
    let mut manifest = Manifest::new(name(), label, vec![Hook::Chat]);
    manifest.isolation = Some(isolation);
    manifest.limits.cpu_ms = u32::try_from(BUDGET.as_millis()).expect("a small number");
    // Neighbours wait for a core, and must not fail for that.
    manifest.limits.deadline_ms = 1000;
    manifest.config = serde_json::json!({ "label": label });
    let document = VersionDocument {
        component: Digest::of(&wasm),
        manifest,
    };
    host.prepare(document, wasm).await.expect("a good filter")
}

fn name() -> FilterName {
    "bench".parse().expect("a name")
}

fn message(text: &str) -> Message {
    Message {
        id: "m-1".to_owned(),
        sender: User {
            id: "u-1".to_owned(),
            name: "Ada".to_owned(),
            roles: Roles::SUBSCRIBER,
            level: 7,
            attrs: Vec::new(),
        },
        text: text.to_owned(),
        kind: "text".to_owned(),
        reply_to: None,
        attrs: Vec::new(),
    }
}

fn info() -> CallInfo<'static> {
    CallInfo {
        request_id: "r1",
        tenant: "default",
        room: "demo",
        now_unix_ms: 1_800_000_000_000,
        pin: RequestPin::of(b"anybody"),
        attrs: &[],
    }
}

async fn swaps(host: &Host, calls: u64) {
    let versions = [
        version(host, "all_hooks", "v1", Isolation::Pooled).await,
        version(host, "all_hooks", "v2", Isolation::Call).await,
        version(host, "all_hooks", "v3", Isolation::Pooled).await,
    ];
    let labels = ["v1", "v2", "v3"];
    let apply = |swap: u64| {
        let of = |swap: u64| Arc::clone(&versions[usize::try_from(swap % 3).expect("0 to 2")]);
        let routing = FilterRouting {
            enabled: true,
            active: Some(of(swap)),
            previous: Some(of(swap + 2)),
            activation: swap + 1,
            ..FilterRouting::default()
        };
        let start = Instant::now();
        host.apply(BTreeMap::from([(name(), routing)]), start);
        start.elapsed()
    };
    apply(0);
    let cores = std::thread::available_parallelism().expect("cores").get();
    let (made, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut callers = JoinSet::new();
    let start = Instant::now();
    for _ in 0..CALLERS_PER_CORE * cores {
        let (host, made, failed) = (host.clone(), Arc::clone(&made), Arc::clone(&failed));
        callers.spawn(async move {
            let asked = message("!label");
            while made.fetch_add(1, Ordering::Relaxed) < calls {
                let table = host.snapshot();
                let answer = host.on_message(&table, info(), asked.clone()).await;
                let right = matches!(&answer.verdict, ChatVerdict::Deliver(message)
                    if labels.contains(&message.text.as_str()));
                if !right {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    let mut applied = Vec::new();
    for swap in 1..=SWAPS {
        while made.load(Ordering::Relaxed) < calls * swap / (SWAPS + 1) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        applied.push(apply(swap));
    }
    while let Some(ended) = callers.join_next().await {
        ended.expect("a caller that ends well");
    }
    let took = start.elapsed();
    applied.sort_unstable();
    // Casts: for people to read.
    println!(
        "{calls} calls, {} failed, {SWAPS} swaps (p50 {:?}, longest {:?}); {:.0} calls/s on {cores} cores",
        failed.load(Ordering::Relaxed),
        applied[applied.len() / 2],
        applied[applied.len() - 1],
        calls as f64 / took.as_secs_f64(),
    );
}

/// Neighbours ask at a pace, while loops run, or for as long without.
async fn neighbours(host: &Host, loops: Option<u32>) -> Histogram {
    let good = version(host, "all_hooks", "good", Isolation::Pooled).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for place in 0..NEIGHBOURS {
        let (good, stop) = (Arc::clone(&good), Arc::clone(&stop));
        tasks.spawn(async move {
            let mut histogram = Histogram::default();
            let mut due = tokio::time::Instant::now()
                + PACE * u32::try_from(place).expect("few")
                    / u32::try_from(NEIGHBOURS).expect("few");
            while !stop.load(Ordering::Relaxed) {
                tokio::time::sleep_until(due).await;
                let start = Instant::now();
                let answer = good.on_message(&context(), &message("hello there")).await;
                histogram.record_many(start.elapsed(), 1);
                answer.expect("an answer");
                due += PACE;
            }
            histogram
        });
    }
    match loops {
        None => tokio::time::sleep(LOOPS * (BUDGET + Duration::from_millis(2))).await,
        Some(loops) => {
            let hostile = version(host, "hostile", "v1", Isolation::Call).await;
            let looping = tokio::spawn(async move {
                let mut over = Vec::new();
                for _ in 0..loops {
                    let start = Instant::now();
                    let ended = hostile.on_message(&context(), &message("loop")).await;
                    over.push(start.elapsed().saturating_sub(BUDGET));
                    let error = ended.expect_err("it never ends by itself");
                    let kind = match error {
                        CallError::Trap { kind, .. } => kind,
                        other => panic!("{other}"),
                    };
                    assert_eq!(kind, TrapKind::Cpu);
                }
                over.sort_unstable();
                over
            });
            let over = looping.await.expect("they are stopped");
            println!(
                "{loops} endless loops stopped after their budget of {BUDGET:?} and {:?} (p50), {:?} (p99), {:?} (longest)",
                over[over.len() / 2],
                over[over.len() * 99 / 100],
                over[over.len() - 1]
            );
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut all = Histogram::default();
    while let Some(histogram) = tasks.join_next().await {
        all.add(&histogram.expect("a neighbour that ends well"));
    }
    all
}

fn context() -> CallContext {
    CallContext {
        request_id: "r1".to_owned(),
        tenant: "default".to_owned(),
        room: "demo".to_owned(),
        now_ms: 1_800_000_000_000,
        deadline: Instant::now() + Duration::from_secs(1),
        shadow: false,
        attrs: Vec::new(),
    }
}
