//! What a message costs in the chat filter that ships: a call of an instance that is used again, as
//! in a node, with the operator's rules as they ship and with all of them on.
//!
//! It needs the filter, built: `scripts/filters.sh rust`.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::cell::Cell;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wasm_filters::Services;
use wasm_filters::call::CallContext;
use wasm_filters::contract::chat::{Message, Verdict};
use wasm_filters::contract::types::{Attr, Roles, User};
use wasm_filters::engine::{EngineOptions, FilterEngine};
use wasm_filters::keys::KeyRing;
use wasm_filters::kv::KvStore;
use wasm_filters::manifest::{Digest, Isolation, Manifest, VersionDocument};
use wasm_filters::services::Discard;
use wasm_filters::version::LoadedVersion;
use wasmtime::component::Component;

/// Calls of which the median is told, beside what criterion says of the mean.
const CALLS: usize = 2_000;

#[derive(Clone)]
struct Bench {
    engine: FilterEngine,
    component: Component,
    manifest: Manifest,
    digest: Digest,
    /// Each call is two seconds after the one before.
    now_ms: Cell<u64>,
}

impl Bench {
    fn new() -> Self {
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/filters");
        let wasm = std::fs::read(built.join("chat.wasm")).expect("the chat filter, built");
        let manifest = std::fs::read_to_string(built.join("chat.toml")).expect("its manifest");
        let engine = FilterEngine::new(&EngineOptions::default()).expect("an engine");
        assert!(engine.pooling(), "the figures are those of a pool");
        Self {
            component: Component::new(engine.engine(), &wasm).expect("a component"),
            engine,
            manifest: toml::from_str(&manifest).expect("a manifest"),
            digest: Digest::of(&wasm),
            now_ms: Cell::new(1_767_225_600_000),
        }
    }

    fn load(&self, config: Option<Value>) -> Arc<LoadedVersion> {
        let mut manifest = self.manifest.clone();
        manifest.limits.deadline_ms = 1000;
        if let Some(config) = config {
            manifest.config = config;
        }
        let document = VersionDocument {
            component: self.digest,
            manifest,
        };
        let services = Services {
            kv: Arc::new(KvStore::new(1 << 28)),
            keys: Arc::new(KeyRing::new([])),
            log: Arc::new(Discard),
            metrics: Arc::new(Discard),
        };
        LoadedVersion::load(
            &self.engine,
            Arc::new(document),
            self.component.clone(),
            services,
        )
        .expect("it loads")
    }

    /// Instances of their own for each call: what it costs to start one.
    fn load_fresh(&self, config: Value) -> Arc<LoadedVersion> {
        let mut fresh = self.clone();
        fresh.manifest.isolation = Some(Isolation::Call);
        fresh.load(Some(config))
    }

    fn context(&self, settings: &str) -> CallContext {
        let now_ms = self.now_ms.get() + 2_000;
        self.now_ms.set(now_ms);
        let key = "room-settings".to_owned();
        let value = settings.to_owned();
        CallContext {
            request_id: "01JADQ3V5M9T".to_owned(),
            tenant: "demo".to_owned(),
            room: "camera".to_owned(),
            now_ms,
            deadline: Instant::now() + Duration::from_secs(1),
            shadow: false,
            attrs: vec![Attr { key, value }],
        }
    }
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

/// Every rule, and long lists of words.
fn everything() -> Value {
    let words = |from: u32| -> Vec<String> {
        let letter = |at: u32| char::from_u32(u32::from('a') + at % 26).expect("a letter");
        (from..from + 300)
            .map(|at| {
                [at, at / 3, at / 7, at * 5, at / 26]
                    .map(letter)
                    .iter()
                    .collect()
            })
            .collect()
    };
    json!({
        "unique": true, "unique_window_s": 1, "links": "listed", "link_hosts": ["*.example.com"],
        "blocked_words": words(0), "masked_words": words(300), "held_words": words(600),
    })
}

fn calls(criterion: &mut Criterion) {
    let bench = Bench::new();
    let runtime = Runtime::new().expect("a runtime");
    let long =
        "what a stream \u{1F525} \u{43D}\u{443} \u{434}\u{430}! see you @ana at www.example.com "
            .repeat(8);
    for (rules, config, settings) in [
        ("as_shipped", None, ""),
        (
            "all_rules",
            Some(everything()),
            r#"{"slow_mode_s":1,"held_words":["raid"]}"#,
        ),
    ] {
        let version = bench.load(config);
        for (size, text) in [
            ("27", "hello there, what a stream!"),
            ("496", long.as_str()),
            ("refused", "/ban u2"),
        ] {
            let message = message(text);
            let call = async || {
                let context = bench.context(settings);
                let start = Instant::now();
                let answer = version.on_message(&context, black_box(&message)).await;
                let took = start.elapsed();
                let verdict = answer.expect("an answer").verdict;
                assert_eq!(
                    matches!(verdict, Verdict::Allow | Verdict::Modify(_)),
                    size != "refused",
                    "{verdict:?}"
                );
                took
            };
            let mut took: Vec<Duration> = runtime.block_on(async {
                let mut took = Vec::with_capacity(CALLS);
                for _ in 0..CALLS {
                    took.push(call().await);
                }
                took
            });
            took.sort_unstable();
            let at = |share: usize| took.get(CALLS * share / 100).copied().unwrap_or_default();
            println!("chat/{rules}/{size}: p50 {:?}, p99 {:?}", at(50), at(99));
            criterion.bench_function(&format!("chat/{rules}/{size}"), |bench| {
                bench.iter_custom(|times| {
                    runtime.block_on(async {
                        let mut sum = Duration::ZERO;
                        for _ in 0..times {
                            sum += call().await;
                        }
                        sum
                    })
                });
            });
        }
    }
}

/// An instance serves a thousand calls, or a minute.
fn starts(criterion: &mut Criterion) {
    let bench = Bench::new();
    let runtime = Runtime::new().expect("a runtime");
    let many: Vec<String> = (0..2000)
        .map(|at| format!("\u{43D}\u{435}\u{442}{at}\u{434}\u{430}"))
        .collect();
    for (name, config) in [
        ("as_shipped", bench.manifest.config.clone()),
        ("all_rules", everything()),
        ("words_2000_cyrillic", json!({ "blocked_words": many })),
    ] {
        let version = bench.load_fresh(config);
        criterion.bench_function(&format!("chat/start/{name}"), |b| {
            b.iter_custom(|times| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        version
                            .configure(&bench.context(""))
                            .await
                            .expect("a configuration");
                    }
                    start.elapsed()
                })
            });
        });
    }
}

criterion_group!(benches, calls, starts);
criterion_main!(benches);
