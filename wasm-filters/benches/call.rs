//! What a call of a filter costs through this crate: with a fresh instance, with one that is used
//! again, and what loading a compiled version costs.
//!
//! It needs the guests of the tests, built: `cargo test -p wasm-filters` does that.

#![expect(clippy::expect_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use wasm_filters::Services;
use wasm_filters::call::CallContext;
use wasm_filters::contract::types::{ClientInfo, Roles, User};
use wasm_filters::contract::{auth, chat};
use wasm_filters::engine::{EngineOptions, FilterEngine};
use wasm_filters::keys::KeyRing;
use wasm_filters::kv::KvStore;
use wasm_filters::manifest::{Digest, Hook, Isolation, Manifest, VersionDocument};
use wasm_filters::services::Discard;
use wasm_filters::version::LoadedVersion;
use wasmtime::component::Component;

const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.a-token-that-the-configuration-lists";

/// A compiled guest, and what of the node it reaches.
struct Bench {
    engine: FilterEngine,
    component: Component,
    digest: Digest,
    services: Services,
}

impl Bench {
    fn new() -> Self {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/guests/target/wasm32-wasip2/release/all_hooks.wasm"
        );
        let wasm = std::fs::read(path).expect("the test guests, built");
        let engine = FilterEngine::new(&EngineOptions::default()).expect("an engine");
        assert!(engine.pooling(), "the figures are those of a pool");
        let component = Component::new(engine.engine(), &wasm).expect("a component");
        Self {
            engine,
            component,
            digest: Digest::of(&wasm),
            services: Services {
                kv: Arc::new(KvStore::new(1 << 20)),
                keys: Arc::new(KeyRing::new([])),
                log: Arc::new(Discard),
                metrics: Arc::new(Discard),
            },
        }
    }

    fn load(&self, document: &Arc<VersionDocument>) -> Arc<LoadedVersion> {
        LoadedVersion::load(
            &self.engine,
            Arc::clone(document),
            self.component.clone(),
            self.services.clone(),
        )
        .expect("it loads")
    }

    fn document(&self, isolation: Isolation) -> Arc<VersionDocument> {
        let name = "bench".parse().expect("a name");
        let mut manifest = Manifest::new(name, "1", vec![Hook::Auth, Hook::Chat]);
        manifest.isolation = Some(isolation);
        manifest.limits.deadline_ms = 1000;
        manifest.config = serde_json::json!({
            "tokens": { TOKEN: "ada" },
            "words": ["darn", "heck"],
        });
        Arc::new(VersionDocument {
            component: self.digest,
            manifest,
        })
    }
}

fn context() -> CallContext {
    CallContext {
        request_id: "01JADQ3V5M9T".to_owned(),
        tenant: "demo".to_owned(),
        room: "camera".to_owned(),
        now_ms: 1_767_225_600_000,
        deadline: Instant::now() + Duration::from_secs(1),
        shadow: false,
        attrs: Vec::new(),
    }
}

fn message() -> chat::Message {
    chat::Message {
        id: "m-1".to_owned(),
        sender: User {
            id: "u-1".to_owned(),
            name: "Ada".to_owned(),
            roles: Roles::SUBSCRIBER,
            level: 7,
            attrs: Vec::new(),
        },
        text: "hello there, what a stream".to_owned(),
        kind: "text".to_owned(),
        reply_to: None,
        attrs: Vec::new(),
    }
}

fn request() -> auth::Request {
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    auth::Request {
        action: auth::Action::Play,
        app: "live".to_owned(),
        stream: "camera".to_owned(),
        credentials: vec![auth::Credential {
            source: auth::CredentialSource::Bearer,
            value: TOKEN.to_owned(),
        }],
        query: Vec::new(),
        headers: Vec::new(),
        client: ClientInfo {
            ip: "203.0.113.7".to_owned(),
            country: Some("DE".to_owned()),
            user_agent: Some(agent.to_owned()),
            referer: None,
            origin: None,
            protocol: "h3".to_owned(),
            tls: true,
            attrs: Vec::new(),
        },
    }
}

/// Calls as a task of the node makes them: many in one poll of the runtime.
macro_rules! bench_call {
    ($criterion:expr, $runtime:expr, $name:expr, $version:expr, $function:ident, $argument:expr) => {
        let argument = $argument;
        $criterion.bench_function(&$name, |bench| {
            bench.iter_custom(|times| {
                $runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        let answer = $version.$function(&context(), black_box(&argument)).await;
                        black_box(answer.expect("an answer"));
                    }
                    start.elapsed()
                })
            });
        });
    };
}

fn calls(criterion: &mut Criterion) {
    let bench = Bench::new();
    let runtime = Runtime::new().expect("a runtime");
    for (how, isolation) in [("fresh", Isolation::Call), ("reused", Isolation::Pooled)] {
        let version = bench.load(&bench.document(isolation));
        let name = |function: &str| format!("{function}/{how}");
        bench_call!(
            criterion,
            runtime,
            name("authorize"),
            version,
            authorize,
            request()
        );
        bench_call!(
            criterion,
            runtime,
            name("on_message"),
            version,
            on_message,
            message()
        );
    }
    // The share of all this that is the caller's own.
    criterion.bench_function("context", |bench| bench.iter(context));
    let document = bench.document(Isolation::Call);
    criterion.bench_function("load", |b| b.iter(|| bench.load(&document)));
}

criterion_group!(benches, calls);
criterion_main!(benches);
