//! What a call may use and what it leaves behind: instances, memory, lines, time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;
use wasm_filters::Services;
use wasm_filters::call::{CallContext, CallError, TrapKind};
use wasm_filters::contract::chat::Verdict;
use wasm_filters::engine::{EngineOptions, FilterEngine};
use wasm_filters::keys::KeyRing;
use wasm_filters::kv::KvStore;
use wasm_filters::manifest::{Digest, Hook, Isolation, Manifest, VersionDocument};
use wasm_filters::services::{Caller, Discard, LogEntry, LogSink, LogSource};
use wasm_filters::version::{AGE_MAX, CALLS_MAX, LoadError, LoadedVersion};
use wasmtime::component::{Component, Val};

use crate::support::{context, guest, manifest, message};

/// What was logged.
#[derive(Default)]
struct Lines {
    lines: Mutex<Vec<(LogSource, String)>>,
    dropped: Mutex<u32>,
}

impl LogSink for Lines {
    fn log(&self, entry: LogEntry<'_>) {
        let line = (entry.source, entry.message.to_owned());
        self.lines.lock().push(line);
    }

    fn dropped(&self, _: Caller<'_>, lines: u32) {
        *self.dropped.lock() += lines;
    }
}

/// A bug of the host's, for which a filter cannot be blamed.
struct Panics;

impl LogSink for Panics {
    fn log(&self, _: LogEntry<'_>) {
        panic!("the sink is broken");
    }

    fn dropped(&self, _: Caller<'_>, _: u32) {}
}

/// An engine and what its filters reach.
struct Bench {
    engine: FilterEngine,
    services: Services,
}

impl Bench {
    fn new(instances_max: u32) -> Self {
        Self::with_log(instances_max, Arc::new(Discard))
    }

    fn with_log(instances_max: u32, log: Arc<dyn LogSink>) -> Self {
        let options = EngineOptions {
            instances_max,
            ..EngineOptions::default()
        };
        Self {
            engine: FilterEngine::new(&options).expect("an engine"),
            services: Services {
                kv: Arc::new(KvStore::new(1 << 20)),
                keys: Arc::new(KeyRing::new([])),
                log,
                metrics: Arc::new(Discard),
            },
        }
    }

    fn load(&self, guest_name: &str, manifest: Manifest) -> Arc<LoadedVersion> {
        self.try_load(guest_name, manifest).expect("it loads")
    }

    fn try_load(
        &self,
        guest_name: &str,
        manifest: Manifest,
    ) -> Result<Arc<LoadedVersion>, LoadError> {
        let wasm = guest(guest_name);
        let component = Component::new(self.engine.engine(), &wasm).expect("it compiles");
        let document = VersionDocument {
            component: Digest::of(&wasm),
            manifest,
        };
        let document = Arc::new(document);
        LoadedVersion::load(&self.engine, document, component, self.services.clone())
    }
}

fn good(isolation: Isolation) -> Manifest {
    let mut manifest = manifest("good", &[Hook::Chat], json!({}));
    manifest.isolation = Some(isolation);
    roomy(manifest)
}

fn bad() -> Manifest {
    roomy(manifest("bad", &[Hook::Chat], json!({})))
}

/// These tests are not about processor time, and a machine that runs them all is slow.
fn roomy(mut manifest: Manifest) -> Manifest {
    manifest.limits.cpu_ms = 1000;
    manifest.limits.deadline_ms = 10_000;
    manifest
}

/// What the good filter makes of a message, or the bad one holds back.
async fn ask_as(
    version: &LoadedVersion,
    ctx: &CallContext,
    text: &str,
) -> Result<String, CallError> {
    let outcome = version.on_message(ctx, &message(text)).await?;
    Ok(match outcome.verdict {
        Verdict::Modify(edit) => edit.text.unwrap_or_default(),
        Verdict::Hold(text) => text,
        other => format!("{other:?}"),
    })
}

async fn ask(version: &LoadedVersion, text: &str) -> Result<String, CallError> {
    ask_as(version, &context(), text).await
}

fn kind(result: Result<String, CallError>) -> TrapKind {
    match result {
        Err(CallError::Trap { kind, .. }) => kind,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn isolation_call_keeps_nothing_and_pooled_keeps_an_instance() {
    let bench = Bench::new(10);
    let fresh = bench.load("all-hooks", good(Isolation::Call));
    let pooled = bench.load("all-hooks", good(Isolation::Pooled));
    for call in 1..=3 {
        assert_eq!(ask(&fresh, "!seen").await.unwrap(), "1");
        assert_eq!(ask(&pooled, "!seen").await.unwrap(), call.to_string());
    }
    assert_eq!((fresh.usage().fresh, fresh.usage().idle), (3, 0));
    assert_eq!((pooled.usage().fresh, pooled.usage().idle), (1, 1));
    assert!(pooled.usage().memory_bytes_max >= 64 << 10);
}

#[tokio::test]
async fn an_instance_serves_one_tenant_only() {
    let bench = Bench::new(10);
    let version = bench.load("all-hooks", good(Isolation::Pooled));
    let other = CallContext {
        tenant: "other".to_owned(),
        ..context()
    };
    assert_eq!(ask(&version, "!seen").await.unwrap(), "1");
    assert_eq!(ask_as(&version, &other, "!seen").await.unwrap(), "1");
    assert_eq!(ask_as(&version, &other, "!seen").await.unwrap(), "2");
    // And neither do their memories meet.
    assert_eq!(ask(&version, "!count n").await.unwrap(), "1");
    assert_eq!(ask_as(&version, &other, "!count n").await.unwrap(), "1");
    assert_eq!(ask(&version, "!count n").await.unwrap(), "2");
}

#[tokio::test]
async fn an_instance_is_replaced_after_its_calls() {
    let bench = Bench::new(10);
    let version = bench.load("all-hooks", good(Isolation::Pooled));
    for call in 1..=CALLS_MAX {
        assert_eq!(ask(&version, "!seen").await.unwrap(), call.to_string());
    }
    assert_eq!(ask(&version, "!seen").await.unwrap(), "1");
    assert_eq!(version.usage().fresh, 2);
}

#[tokio::test]
async fn old_instances_that_nobody_calls_are_thrown_away() {
    let bench = Bench::new(10);
    let version = bench.load("all-hooks", good(Isolation::Pooled));
    let before = Instant::now();
    ask(&version, "!seen").await.unwrap();
    assert_eq!(version.trim(before + AGE_MAX / 2), 0);
    assert_eq!(version.usage().idle, 1);
    assert_eq!(version.trim(Instant::now() + AGE_MAX), 1);
    assert_eq!(version.usage().idle, 0);
}

#[tokio::test]
async fn an_instance_is_replaced_after_an_error_or_when_it_has_swollen() {
    let bench = Bench::new(10);
    let version = bench.load("all-hooks", good(Isolation::Pooled));
    assert_eq!(ask(&version, "!seen").await.unwrap(), "1");
    match ask(&version, "!error down").await {
        Err(CallError::Filter(error)) => assert!(format!("{error:?}").contains("down")),
        other => panic!("{other:?}"),
    }
    assert_eq!(ask(&version, "!seen").await.unwrap(), "1");
    assert_eq!(
        kind(ask(&version, "!panic now").await),
        TrapKind::Unreachable
    );
    assert_eq!(ask(&version, "!seen").await.unwrap(), "1");

    let hoarder = bench.load("hostile", bad());
    ask(&hoarder, "nothing").await.unwrap();
    assert_eq!(hoarder.usage().idle, 1);
    ask(&hoarder, "keep").await.unwrap();
    assert_eq!(hoarder.usage().idle, 0);
    assert!(hoarder.usage().memory_bytes_max > 10 << 20);
}

#[tokio::test]
async fn a_guest_that_waits_ends_at_its_deadline() {
    let bench = Bench::new(10);
    let mut manifest = bad();
    manifest.limits.deadline_ms = 50;
    let version = bench.load("hostile", manifest);
    let started = Instant::now();
    match ask(&version, "sleep").await {
        Err(CallError::Trap {
            kind: TrapKind::Deadline,
            message,
            ..
        }) => assert!(message.contains("50 ms"), "{message}"),
        other => panic!("{other:?}"),
    }
    assert!(started.elapsed() >= Duration::from_millis(50));
    let usage = version.usage();
    assert_eq!((usage.running, usage.idle), (0, 0));
    // The deadline of the request holds where it is the earlier one.
    let hurried = CallContext {
        deadline: Instant::now() + Duration::from_millis(5),
        ..context()
    };
    assert_eq!(
        kind(ask_as(&version, &hurried, "sleep").await),
        TrapKind::Deadline
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_lets_others_run_and_ends() {
    let bench = Bench::new(10);
    let mut manifest = bad();
    manifest.limits.cpu_ms = 20;
    let version = bench.load("hostile", manifest);
    // Both workers of this runtime have a loop to run.
    let loops: Vec<_> = (0..4)
        .map(|_| {
            let version = Arc::clone(&version);
            tokio::spawn(async move { ask(&version, "loop").await })
        })
        .collect();
    let other = tokio::spawn(async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    });
    other.await.unwrap();
    for ended in loops {
        assert_eq!(kind(ended.await.unwrap()), TrapKind::Cpu);
    }
    assert!(version.usage().cpu_ms >= 4 * 20);
}

#[tokio::test]
async fn who_leaves_in_the_middle_of_a_call_leaves_nothing_behind() {
    let bench = Bench::new(1);
    let mut manifest = bad();
    manifest.limits.instances = 1;
    let version = bench.load("hostile", manifest);
    for text in ["sleep", "loop"] {
        let ctx = context();
        let text = message(text);
        let mut call = Box::pin(version.on_message(&ctx, &text));
        // Once, so that the guest has started; then the viewer is gone.
        assert!(futures::poll!(&mut call).is_pending());
        assert_eq!(version.usage().running, 1);
        drop(call);
        let usage = version.usage();
        assert_eq!((usage.running, usage.waiting, usage.idle), (0, 0, 0));
        // The only place of the pool is free again.
        ask(&version, "nothing").await.unwrap();
        version_forgets(&version).await;
    }
}

/// Makes the version throw its idle instance away.
async fn version_forgets(version: &LoadedVersion) {
    kind(ask(version, "panic").await);
    assert_eq!(version.usage().idle, 0);
}

#[tokio::test]
async fn calls_wait_for_an_instance_until_their_deadline() {
    let bench = Bench::new(10);
    let mut manifest = bad();
    manifest.limits.instances = 1;
    manifest.limits.deadline_ms = 10_000;
    let version = bench.load("hostile", manifest);
    let ctx = context();
    let (asleep, quick) = (message("sleep"), message("nothing"));
    let mut first = Box::pin(version.on_message(&ctx, &asleep));
    assert!(futures::poll!(&mut first).is_pending());

    let hurried = CallContext {
        deadline: Instant::now() + Duration::from_millis(10),
        ..context()
    };
    let refused = version.on_message(&hurried, &quick).await;
    assert!(matches!(refused, Err(CallError::Busy)), "{refused:?}");

    let mut second = Box::pin(version.on_message(&ctx, &quick));
    assert!(futures::poll!(&mut second).is_pending());
    assert_eq!(version.usage().waiting, 1);
    drop(first);
    second.await.expect("the place of the one that left");
    let usage = version.usage();
    assert_eq!((usage.waiting, usage.busy), (0, 1));
}

#[tokio::test]
async fn no_more_wait_than_can_be_served() {
    let bench = Bench::new(10);
    let mut manifest = bad();
    manifest.limits.instances = 1;
    let version = bench.load("hostile", manifest);
    let ctx = context();
    let (asleep, quick) = (message("sleep"), message("nothing"));
    let mut calls = vec![];
    for call in 0..17 {
        let text = if call == 0 { &asleep } else { &quick };
        let mut call = Box::pin(version.on_message(&ctx, text));
        assert!(futures::poll!(&mut call).is_pending());
        calls.push(call);
    }
    assert_eq!(version.usage().waiting, 16);
    let refused = version.on_message(&ctx, &quick).await;
    assert!(matches!(refused, Err(CallError::Busy)), "{refused:?}");
    drop(calls);
    assert_eq!(version.usage().waiting, 0);
}

#[tokio::test]
async fn a_full_pool_is_busy_and_not_the_filters_fault() {
    let bench = Bench::new(1);
    let version = bench.load("hostile", bad());
    let other = bench.load("all-hooks", good(Isolation::Call));
    let ctx = context();
    let asleep = message("sleep");
    let mut first = Box::pin(version.on_message(&ctx, &asleep));
    assert!(futures::poll!(&mut first).is_pending());
    if bench.engine.pooling() {
        let refused = ask(&other, "!seen").await;
        assert!(matches!(refused, Err(CallError::Busy)), "{refused:?}");
        assert_eq!(other.usage().busy, 1);
    }
    drop(first);
    assert_eq!(ask(&other, "!seen").await.unwrap(), "1");
}

#[tokio::test]
async fn idle_instances_leave_half_of_the_pool_to_others() {
    let bench = Bench::new(4);
    let versions: Vec<_> = (0..4)
        .map(|_| bench.load("all-hooks", good(Isolation::Pooled)))
        .collect();
    for version in &versions {
        ask(version, "!seen").await.unwrap();
    }
    let idle: usize = versions.iter().map(|version| version.usage().idle).sum();
    assert_eq!(idle, 2);
    // A version that goes gives its places back.
    drop(versions);
    let next = bench.load("all-hooks", good(Isolation::Pooled));
    ask(&next, "!seen").await.unwrap();
    assert_eq!(next.usage().idle, 1);
}

#[tokio::test]
async fn a_panic_of_the_host_ends_the_call_and_nothing_else() {
    let bench = Bench::with_log(10, Arc::new(Panics));
    let version = bench.load("all-hooks", good(Isolation::Pooled));
    match ask(&version, "!log hello").await {
        Err(CallError::Trap {
            kind: TrapKind::Host,
            message,
            ..
        }) => assert!(message.contains("the sink is broken"), "{message}"),
        other => panic!("{other:?}"),
    }
    let usage = version.usage();
    assert_eq!((usage.running, usage.idle), (0, 0));
    assert_eq!(ask(&version, "!seen").await.unwrap(), "1");
}

#[tokio::test]
async fn a_panic_of_the_guest_is_in_the_message_and_in_the_log() {
    let lines = Arc::new(Lines::default());
    let bench = Bench::with_log(10, lines.clone());
    let version = bench.load("all-hooks", good(Isolation::Pooled));
    match ask(&version, "!panic because of me").await {
        Err(CallError::Trap {
            kind: TrapKind::Unreachable,
            message,
            backtrace,
        }) => {
            assert!(
                message.contains("asked to panic: because of me"),
                "{message}"
            );
            assert!(message.contains("chat.rs"), "{message}");
            let names = backtrace.join("\n");
            assert!(names.contains("all_hooks"), "{names}");
            assert!(backtrace.len() <= wasm_filters::engine::BACKTRACE_FRAMES_MAX);
        }
        other => panic!("{other:?}"),
    }
    let logged = lines.lines.lock();
    assert!(
        logged
            .iter()
            .any(|(source, line)| *source == LogSource::Stderr && line.contains("because of me")),
        "{logged:?}"
    );
}

#[tokio::test]
async fn lines_over_the_limit_are_counted() {
    let lines = Arc::new(Lines::default());
    let bench = Bench::with_log(10, lines.clone());
    let mut manifest = good(Isolation::Pooled);
    manifest.limits.log_lines = 0;
    let version = bench.load("all-hooks", manifest);
    ask(&version, "!log one").await.unwrap();
    ask(&version, "!log two").await.unwrap();
    assert_eq!(*lines.dropped.lock(), 2);
    assert_eq!(version.usage().log_lines_dropped, 2);
    assert!(lines.lines.lock().is_empty());
}

#[tokio::test]
async fn shadow_calls_write_to_a_memory_of_their_own() {
    let bench = Bench::new(10);
    let version = bench.load("all-hooks", good(Isolation::Pooled));
    let shadow = CallContext {
        shadow: true,
        ..context()
    };
    assert_eq!(ask(&version, "!count n").await.unwrap(), "1");
    assert_eq!(ask_as(&version, &shadow, "!count n").await.unwrap(), "1");
    assert_eq!(ask_as(&version, &shadow, "!count n").await.unwrap(), "2");
    assert_eq!(ask(&version, "!count n").await.unwrap(), "2");
    // Another version of the filter has the same memory.
    let mut next = good(Isolation::Call);
    next.version = "2".to_owned();
    let next = bench.load("all-hooks", next);
    assert_eq!(ask(&next, "!count n").await.unwrap(), "3");
}

#[tokio::test]
async fn a_refused_configuration_is_told_apart_from_a_trap() {
    let bench = Bench::new(10);
    let configured = |config: Value| roomy(manifest("bad", &[Hook::Chat], config));
    let refuses = bench.load("hostile", configured(json!({"do": "configure-refuses"})));
    match refuses.configure(&context()).await {
        Err(CallError::Config(reason)) => assert!(reason.contains("colour"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let panics = bench.load("hostile", configured(json!({"do": "configure-panics"})));
    match panics.configure(&context()).await {
        Err(CallError::Trap { kind, message, .. }) => {
            assert_eq!(kind, TrapKind::Unreachable);
            assert!(
                message.contains("cannot be configured on a Saturday"),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_hooks_of_the_manifest_are_called() {
    let bench = Bench::new(10);
    let version = bench.load("all-hooks", good(Isolation::Pooled));
    assert!(version.has(Hook::Chat) && !version.has(Hook::Gifts));
    match version
        .catalog(&context(), &crate::support::user("ann"))
        .await
    {
        Err(CallError::NoFunction {
            interface,
            function,
        }) => assert_eq!((&*interface, &*function), ("gifts", "catalog")),
        other => panic!("{other:?}"),
    }
    let info = version.describe(&context()).await.unwrap();
    assert_eq!(info.name, "all-hooks");
}

#[test]
fn a_component_without_the_exports_does_not_load() {
    let bench = Bench::new(10);
    match bench.try_load("hostile", manifest("bad", &[Hook::Gifts], json!({}))) {
        Err(LoadError::Export { interface, .. }) => {
            assert_eq!(interface, "weir:filter/gifts@1.1.0");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_by_name_answers_with_values() {
    let bench = Bench::new(10);
    let version = bench.load("all-hooks", good(Isolation::Call));
    let info = version
        .call_dynamic(&context(), "lifecycle", "describe", &[])
        .await
        .unwrap();
    match info.as_slice() {
        [Val::Record(fields)] => {
            let name = ("name".to_owned(), Val::String("all-hooks".to_owned()));
            assert!(fields.contains(&name), "{fields:?}");
        }
        other => panic!("{other:?}"),
    }
    let missing = version
        .call_dynamic(&context(), "auth", "nothing", &[])
        .await;
    assert!(
        matches!(missing, Err(CallError::NoFunction { .. })),
        "{missing:?}"
    );
    let wrong = version
        .call_dynamic(&context(), "auth", "authorize", &[Val::Bool(true)])
        .await;
    assert!(matches!(wrong, Err(CallError::Trap { .. })), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_all_get_their_answer() {
    let bench = Bench::new(20);
    let mut manifest = good(Isolation::Call);
    manifest.limits.instances = 4;
    let version = bench.load("all-hooks", manifest);
    let go = Arc::new(Notify::new());
    let calls: Vec<_> = (0..32)
        .map(|_| {
            let (version, go) = (Arc::clone(&version), Arc::clone(&go));
            tokio::spawn(async move {
                go.notified().await;
                ask(&version, "!seen").await
            })
        })
        .collect();
    while !calls.iter().all(|call| call.is_finished()) {
        go.notify_waiters();
        tokio::task::yield_now().await;
    }
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), "1");
    }
    let usage = version.usage();
    assert_eq!((usage.running, usage.waiting, usage.busy), (0, 0, 0));
}
