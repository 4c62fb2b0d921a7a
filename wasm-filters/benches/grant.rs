//! What an active filter costs a media request that it has decided on before, and what a swap costs.

#![expect(clippy::expect_used, missing_docs, reason = "a benchmark")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use futures::FutureExt as _;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::runtime::Runtime;
use wasm_filters::compile::CompileOptions;
use wasm_filters::contract::auth::CredentialSource;
use wasm_filters::grants::GrantKey;
use wasm_filters::host::{
    AuthAnswer, AuthCall, CallInfo, Client, Credential, FilterRouting, Host, HostOptions, HttpCall,
    ResponseAnswer, ResponseCall,
};
use wasm_filters::keys::KeyRing;
use wasm_filters::manifest::{Action, Digest, FilterName, Hook, Manifest, Sight, VersionDocument};
use wasm_filters::rollout::RequestPin;
use wasm_filters::version::LoadedVersion;

/// As long as a JWT with a few claims.
const TOKEN_BYTES: usize = 300;

fn name() -> FilterName {
    "bench".parse().expect("a name")
}

/// Until told otherwise, filters see all of a request but its header fields.
async fn version(
    host: &Host,
    wasm: &Bytes,
    label: &str,
    token: &str,
    sees: Option<Vec<Sight>>,
) -> Arc<LoadedVersion> {
    let hooks = vec![Hook::Auth, Hook::HttpRequest, Hook::HttpResponse];
    let mut manifest = Manifest::new(name(), label, hooks);
    manifest.sees = sees;
    manifest.config = serde_json::json!({
        "label": label, "cache_ms": 3_600_000, "tokens": { token: "ada" },
    });
    let document = VersionDocument {
        component: Digest::of(wasm),
        manifest,
    };
    host.prepare(document, wasm.clone())
        .await
        .expect("a good filter")
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
        ),
        ("referer", "https://play.example/watch/demo"),
        ("origin", "https://play.example"),
        ("accept", "*/*"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}

fn cached_grant(c: &mut Criterion, runtime: &Runtime, host: &Host, call: AuthCall<'_>, name: &str) {
    let table = host.snapshot();
    let answer = runtime.block_on(host.authorize(&table, call));
    assert!(matches!(answer, AuthAnswer::Granted(_)), "{answer:?}");
    let mut group = c.benchmark_group(name);
    group.bench_function("key", |b| {
        b.iter(|| GrantKey::of(black_box(&table), black_box(&call)));
    });
    // A request knows when it began.
    let now = Instant::now();
    group.bench_function("snapshot, key and cached grant", |b| {
        b.iter(|| {
            let table = host.snapshot();
            let key = GrantKey::of(&table, black_box(&call));
            host.cached_grant(&key, now).expect("a grant")
        });
    });
    group.finish();
}

#[expect(clippy::too_many_lines, reason = "one figure after the other")]
fn grants(c: &mut Criterion) {
    let guest = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/guests/target/wasm32-wasip2/release/all_hooks.wasm"
    );
    let wasm = Bytes::from(std::fs::read(guest).expect("the test guests, built"));
    let runtime = Runtime::new().expect("a runtime");
    let options = HostOptions {
        compile: CompileOptions {
            program: env!("CARGO_BIN_EXE_weir-compile-filter").into(),
            ..CompileOptions::default()
        },
        ..HostOptions::default()
    };
    let registry = prometheus::Registry::new();
    let host = Host::new(options, Arc::new(KeyRing::default()), &registry).expect("a host");
    let token = "t".repeat(TOKEN_BYTES);
    let (one, two) = runtime.block_on(async {
        let one = version(&host, &wasm, "one", &token, None).await;
        (one, version(&host, &wasm, "two", &token, None).await)
    });
    let routing = |version: &Arc<LoadedVersion>, previous: &Arc<LoadedVersion>, activation| {
        let routing = FilterRouting {
            enabled: true,
            active: Some(Arc::clone(version)),
            previous: Some(Arc::clone(previous)),
            activation,
            ..FilterRouting::default()
        };
        BTreeMap::from([(name(), routing)])
    };
    host.apply(routing(&one, &two, 1), Instant::now());

    let table = host.snapshot();
    let headers = headers();
    let credentials = [Credential {
        source: CredentialSource::Cookie,
        value: &token,
    }];
    let info = CallInfo {
        request_id: "r1",
        tenant: "default",
        room: "demo",
        now_unix_ms: 1_800_000_000_000,
        pin: RequestPin::of(b"192.0.2.7"),
        attrs: &[],
    };
    let client = Client {
        ip: [192, 0, 2, 7].into(),
        country: Some("NO"),
        protocol: "h3",
        tls: true,
    };
    let call = AuthCall {
        info,
        action: Action::Play,
        app: "live",
        stream: "demo",
        credentials: &credentials,
        query: "_HLS_msn=28118123&_HLS_part=3",
        headers: &headers,
        client,
    };
    cached_grant(c, &runtime, &host, call, "grant, everything is seen");
    // As the shipped filter `auth` does: it looks at credentials only.
    let (blind, before) = runtime.block_on(async {
        let blind = version(&host, &wasm, "three", &token, Some(Vec::new())).await;
        (
            blind,
            version(&host, &wasm, "four", &token, Some(Vec::new())).await,
        )
    });
    host.apply(routing(&blind, &before, 2), Instant::now());
    cached_grant(c, &runtime, &host, call, "grant, credentials are seen");
    host.apply(routing(&one, &two, 3), Instant::now());

    let request = HttpCall {
        info,
        method: "GET",
        host: "edge.example",
        path: "/live/demo/video/28118123.3.m4s",
        query: "",
        headers: &headers,
        client,
    };
    let response = ResponseCall {
        request,
        status: StatusCode::OK,
        headers: &headers,
    };
    runtime.block_on(async {
        let _first = host.on_request(&table, request).await;
        let _first = host.on_response(&table, response).await;
    });
    let mut group = c.benchmark_group("http answers that are kept");
    group.bench_function("request", |b| {
        b.iter(|| {
            let answer = host.on_request(&table, black_box(request)).now_or_never();
            answer.expect("a kept answer")
        });
    });
    group.bench_function("response", |b| {
        b.iter(|| {
            let answer = host.on_response(&table, black_box(response)).now_or_never();
            match answer.expect("a kept answer") {
                ResponseAnswer::Edits(edits) => assert!(!edits.is_empty()),
                ResponseAnswer::Respond(reply) => panic!("{reply:?}"),
            }
        });
    });
    group.finish();

    let mut group = c.benchmark_group("swap");
    let mut activation = 4;
    group.bench_function("apply", |b| {
        b.iter(|| {
            activation += 1;
            let (to, from) = if activation % 2 == 0 {
                (&two, &one)
            } else {
                (&one, &two)
            };
            host.apply(routing(to, from, activation), Instant::now());
        });
    });
    group.finish();
}

criterion_group!(benches, grants);
criterion_main!(benches);
