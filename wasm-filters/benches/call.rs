//! What a call of a filter costs through this crate: with a fresh instance, with one that is used again, and loading.

#![expect(clippy::expect_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;
use std::path::Path;
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

fn guest() -> Vec<u8> {
    let path = std::env::var("GUEST")
        .unwrap_or_else(|_| "/tmp/h1guest/target/wasm32-wasip2/release/probe_guest.wasm".into());
    std::fs::read(Path::new(&path)).expect("a guest")
}

fn services() -> Services {
    Services {
        kv: Arc::new(KvStore::new(1 << 20)),
        keys: Arc::new(KeyRing::default()),
        log: Arc::new(Discard),
        metrics: Arc::new(Discard),
    }
}

fn version(
    engine: &FilterEngine,
    bytes: &[u8],
    component: &Component,
    isolation: Isolation,
) -> Arc<LoadedVersion> {
    let mut manifest = Manifest::new(
        "bench".parse().expect("a name"),
        "1",
        vec![Hook::Auth, Hook::Chat],
    );
    manifest.isolation = Some(isolation);
    if let Ok(config) = std::env::var("CONFIG") {
        manifest.config = serde_json::from_str(&config).expect("json");
    }
    let document = Arc::new(VersionDocument {
        component: Digest::of(bytes),
        manifest,
    });
    LoadedVersion::load(engine, document, component.clone(), services()).expect("it loads")
}

fn context() -> CallContext {
    CallContext {
        request_id: "01JADQ3V5M9T".to_owned(),
        tenant: "demo".to_owned(),
        room: "room-1".to_owned(),
        now_ms: 1_767_225_600_000,
        deadline: Instant::now() + Duration::from_secs(10),
        shadow: false,
        attrs: Vec::new(),
    }
}

fn user() -> User {
    User {
        id: "u-1".to_owned(),
        name: "Ada".to_owned(),
        roles: Roles::SUBSCRIBER,
        level: 7,
        attrs: Vec::new(),
    }
}

fn message() -> chat::Message {
    chat::Message {
        id: "m-1".to_owned(),
        sender: user(),
        text: "words hello there, what a stream".to_owned(),
        kind: "text".to_owned(),
        reply_to: None,
        attrs: Vec::new(),
    }
}

fn request() -> auth::Request {
    auth::Request {
        action: auth::Action::Play,
        app: "live".to_owned(),
        stream: "camera".to_owned(),
        credentials: vec![auth::Credential {
            source: auth::CredentialSource::Bearer,
            value: "good".to_owned(),
        }],
        query: Vec::new(),
        headers: Vec::new(),
        client: ClientInfo {
            ip: "203.0.113.7".to_owned(),
            country: Some("DE".to_owned()),
            user_agent: Some(
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
            ),
            referer: None,
            origin: None,
            protocol: "h3".to_owned(),
            tls: true,
            attrs: Vec::new(),
        },
    }
}

fn calls(criterion: &mut Criterion) {
    let engine = FilterEngine::new(&EngineOptions::default()).expect("an engine");
    let bytes = guest();
    let component = Component::new(engine.engine(), &bytes).expect("a component");
    let runtime = Runtime::new().expect("a runtime");
    for (name, isolation) in [("fresh", Isolation::Call), ("reused", Isolation::Pooled)] {
        let version = version(&engine, &bytes, &component, isolation);
        criterion.bench_function(&format!("authorize/{name}"), |bench| {
            let request = request();
            bench.iter_custom(|times| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        let answer = version.authorize(&context(), black_box(&request)).await;
                        black_box(answer.expect("an answer"));
                    }
                    start.elapsed()
                })
            });
        });
        criterion.bench_function(&format!("on_message/{name}"), |bench| {
            let message = message();
            bench.iter_custom(|times| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        let answer = version.on_message(&context(), black_box(&message)).await;
                        black_box(answer.expect("an answer"));
                    }
                    start.elapsed()
                })
            });
        });
    }
}

criterion_group!(benches, calls);
criterion_main!(benches);
