//! What hostile and broken filters do to a node: nothing. The operator is told what happened, and a
//! good filter answers all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use wasm_encoder::{
    BlockType, CodeSection, Component, Function, FunctionSection, Instruction, Module,
    ModuleSection, TypeSection, ValType,
};
use wasm_filters::call::{CallError, TrapKind};
use wasm_filters::contract::chat::Verdict;
use wasm_filters::host::Host;
use wasm_filters::manifest::{Hook, Manifest};
use wasm_filters::version::LoadedVersion;

use crate::support::{context, guest, host, manifest, message, prepare, refusal};

/// A good filter that is called over and over, while something else goes on.
struct Witness {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<Result<(), CallError>>,
}

impl Witness {
    async fn start(host: &Host) -> Self {
        let mut manifest = manifest("witness", &[Hook::Chat], json!({"words": ["bad"]}));
        // It shows that it is not disturbed, not that two cores are enough for all tests at once.
        manifest.limits.cpu_ms = 100;
        let version = prepare(host, &guest("all-hooks"), manifest)
            .await
            .expect("a good filter");
        let (stop, answered) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let task = tokio::spawn({
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            async move {
                while !stop.load(Ordering::Relaxed) {
                    let outcome = version
                        .on_message(&context(), &message("a bad word"))
                        .await?;
                    assert!(matches!(outcome.verdict, Verdict::Drop(_)), "{outcome:?}");
                    answered.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
        });
        Self {
            stop,
            answered,
            task,
        }
    }

    /// That it goes on answering: at least one whole call from now.
    async fn still_answers(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        let until = Instant::now() + Duration::from_secs(20);
        while self.answered.load(Ordering::Relaxed) < before + 2 {
            assert!(!self.task.is_finished(), "the good filter failed");
            assert!(Instant::now() < until, "the good filter is stuck");
            tokio::task::yield_now().await;
        }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("no panic").expect("no failed call");
    }
}

/// The hostile guest with a configuration, which may be enough to be refused.
fn hostile(what: &str) -> Manifest {
    manifest("hostile", &[Hook::Chat], json!({ "do": what }))
}

/// A component with one module in it, and nothing that the manifest asks for.
fn component_of(module: &Module) -> Bytes {
    let mut component = Component::new();
    component.section(&ModuleSection(module));
    component.finish().into()
}

/// Functions of so many nested blocks and locals.
fn bomb(functions: u32, depth: usize, locals: u32) -> Bytes {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    module.section(&types);
    let (mut declared, mut code) = (FunctionSection::new(), CodeSection::new());
    for _ in 0..functions {
        declared.function(0);
        let mut function = Function::new([(locals, ValType::I64)]);
        for _ in 0..depth {
            function.instruction(&Instruction::Block(BlockType::Empty));
        }
        for _ in 0..=depth {
            function.instruction(&Instruction::End);
        }
        code.function(&function);
    }
    module.section(&declared);
    module.section(&code);
    component_of(&module)
}

/// The bytes with every occurrence of a text replaced by another of the same length.
fn replaced(wasm: &Bytes, from: &[u8], to: &[u8]) -> Bytes {
    assert_eq!(from.len(), to.len());
    let mut bytes = wasm.to_vec();
    let mut at = 0;
    let mut count = 0;
    while let Some(found) = bytes[at..]
        .windows(from.len())
        .position(|window| window == from)
    {
        bytes[at + found..at + found + to.len()].copy_from_slice(to);
        at += found + to.len();
        count += 1;
    }
    assert!(count > 0, "nothing to replace");
    bytes.into()
}

/// Everything that is refused before it could do anything, with the words that tell why.
#[expect(clippy::too_many_lines, reason = "a table")]
fn refused_at_upload() -> Vec<(&'static str, Bytes, Manifest, Vec<&'static str>)> {
    let good = guest("hostile");
    let mut small = hostile("");
    small.limits.memory_bytes = 128 << 10;
    let mut greedy = hostile("");
    greedy.limits.cpu_ms = 10_000;
    let mut other = hostile("");
    other.hooks = vec![Hook::Auth];
    let empty = Component::new().finish();
    let native = wasmtime::Engine::default()
        .precompile_component(&empty)
        .expect("an empty component compiles");
    let half = good.slice(..good.len() / 2);
    let unknown = replaced(&good, b"weir:filter/kv@", b"weir:filter/kw@");
    let future = replaced(&good, b"@1.1.0", b"@1.7.0");
    vec![
        (
            "core module",
            Module::new().finish().into(),
            hostile(""),
            vec!["check: ", "core module"],
        ),
        (
            ".cwasm",
            native.into(),
            hostile(""),
            vec!["check: ", "native code", "upload the .wasm"],
        ),
        (
            "cut in half",
            half,
            hostile(""),
            vec!["check: ", "cut off after"],
        ),
        (
            "unknown import",
            unknown,
            hostile(""),
            vec!["check: ", "weir:filter/kw@1.1.0"],
        ),
        (
            "newer contract",
            future,
            hostile(""),
            vec!["check: ", "newer than this node, which has 1.1.0"],
        ),
        (
            "missing export",
            good.clone(),
            other,
            vec!["check: ", "weir:filter/auth@1.1.0"],
        ),
        (
            "memory",
            good.clone(),
            small,
            vec!["check: ", "limits.memory_bytes is 131072"],
        ),
        (
            "cap",
            good,
            greedy,
            vec!["manifest: ", "limits.cpu_ms is 10000", "at most 100"],
        ),
        (
            "nested blocks",
            bomb(1, 20_000, 300),
            hostile(""),
            vec!["check: ", "nested blocks: 4001"],
        ),
        (
            "functions",
            bomb(500_000, 0, 0),
            hostile(""),
            vec!["check: ", "functions: 500000"],
        ),
        (
            "locals",
            bomb(1, 1, 40_000),
            hostile(""),
            vec!["check: ", "locals in a function: 40000"],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_filter_is_refused_with_a_plain_reason() {
    let host = host();
    let witness = Witness::start(&host).await;
    for (name, wasm, manifest, expected) in refused_at_upload() {
        let refusal = refusal(&host, &wasm, manifest).await;
        for words in expected {
            assert!(
                refusal.contains(words),
                "{name}: {refusal:?} does not say {words:?}"
            );
        }
        assert!(refusal.len() < 2000, "{name}: too long to read");
        witness.still_answers().await;
    }
    witness.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_at_the_start_is_refused_with_a_plain_reason() {
    let host = host();
    let witness = Witness::start(&host).await;
    for (what, expected) in [
        (
            "configure-panics",
            &[
                "probe: configure: unreachable",
                "cannot be configured on a Saturday",
            ][..],
        ),
        ("configure-loops", &["probe: configure: cpu", "10 ms"]),
        (
            "configure-refuses",
            &["probe: configure: colour must be one of red, green"],
        ),
        ("configure-floods", &["probe: configure: "]),
        (
            "describe-panics",
            &["probe: describe: unreachable", "no description"],
        ),
        ("describe-loops", &["probe: describe: cpu", "10 ms"]),
        ("describe-floods", &["probe: describe: "]),
        (
            "describe-nothing",
            &["probe: describe: name has 0 bytes; it must have 1 to 64"],
        ),
    ] {
        let refusal = refusal(&host, &guest("hostile"), hostile(what)).await;
        for words in expected {
            assert!(
                refusal.contains(words),
                "{what}: {refusal:?} does not say {words:?}"
            );
        }
        assert!(
            refusal.len() < 5000,
            "{what}: {} bytes are too long to read",
            refusal.len()
        );
        witness.still_answers().await;
    }
    witness.end().await;
}

async fn outcome(version: &LoadedVersion, text: &str) -> Result<Verdict, CallError> {
    let outcome = version.on_message(&context(), &message(text)).await?;
    Ok(outcome.verdict)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_goes_too_far_ends_and_nothing_else_does() {
    let host = host();
    let witness = Witness::start(&host).await;
    let mut manifest = hostile("");
    // Enough to take all the memory that it may have, on a machine that does other things.
    manifest.limits.cpu_ms = 100;
    let version = prepare(&host, &growing_table(), manifest)
        .await
        .expect("it starts well");
    for (text, kind, words) in [
        ("loop", TrapKind::Cpu, "100 ms"),
        ("recursion", TrapKind::Stack, "stack"),
        ("memory", TrapKind::Memory, "16777216 is the most"),
        ("table", TrapKind::Table, "10000 is the most"),
        ("panic", TrapKind::Unreachable, "asked to panic"),
        ("exit", TrapKind::Other, "exit"),
        ("host-calls", TrapKind::HostCalls, "256"),
        ("kv-calls", TrapKind::HostCalls, "256"),
        ("result", TrapKind::Result, ""),
        ("error", TrapKind::Result, ""),
        ("long-log", TrapKind::Result, ""),
    ] {
        let started = Instant::now();
        match outcome(&version, text).await {
            Err(CallError::Trap {
                kind: is,
                message,
                backtrace,
            }) => {
                assert_eq!(is, kind, "{text}: {message}");
                assert!(
                    message.contains(words),
                    "{text}: {message:?} does not say {words:?}"
                );
                if text == "panic" || text == "loop" {
                    let names = backtrace.join("\n");
                    assert!(
                        names.contains("on_message") || names.contains("on-message"),
                        "{names}"
                    );
                }
            }
            other => panic!("{text}: {other:?}"),
        }
        // The budget is 100 ms; the rest is for a machine that does other things.
        let took = started.elapsed();
        assert!(took < Duration::from_secs(2), "{text} took {took:?}");
        let after = outcome(&version, "hello").await;
        assert!(
            matches!(after, Ok(Verdict::Allow)),
            "after {text}: {after:?}"
        );
        witness.still_answers().await;
    }
    witness.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_are_cut_and_counted() {
    let host = host();
    let witness = Witness::start(&host).await;
    let mut manifest = hostile("");
    // Writing two hundred lines takes an unoptimized host on a busy machine longer than its own 10 ms.
    manifest.limits.cpu_ms = 100;
    manifest.limits.host_calls = 10_000;
    let version = prepare(&host, &guest("hostile"), manifest)
        .await
        .expect("it starts well");
    for text in ["log", "stderr", "metrics"] {
        let verdict = outcome(&version, text).await;
        assert!(matches!(verdict, Ok(Verdict::Allow)), "{text}: {verdict:?}");
        witness.still_answers().await;
    }
    let dropped = version.usage().log_lines_dropped;
    // `log` and `stderr`, each two hundred lines of which a call may log 32.
    assert_eq!(dropped, 2 * (200 - 32));
    match version.on_message(&context(), &message("commands")).await {
        Err(CallError::Limit {
            what: "commands",
            is: 10_000,
            max: 64,
        }) => {}
        Err(CallError::Trap {
            kind: TrapKind::Result,
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
    match outcome(&version, "kv-fill").await {
        Ok(Verdict::Hold(told)) => assert!(told.contains("quota"), "{told}"),
        other => panic!("{other:?}"),
    }
    match outcome(&version, "random").await {
        Ok(Verdict::Hold(told)) => assert_eq!(told, "4096 bytes"),
        Err(CallError::Trap { message, .. }) => assert!(message.contains("4096"), "{message}"),
        other => panic!("{other:?}"),
    }
    witness.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_finds_nothing_of_the_node() {
    let host = host();
    let version = prepare(&host, &guest("hostile"), hostile(""))
        .await
        .expect("it starts well");
    match outcome(&version, "look-around").await {
        Ok(Verdict::Hold(told)) => assert_eq!(
            told,
            "files 0, variables 0, arguments 0, wrote false, connected false, bound false, resolved false"
        ),
        other => panic!("{other:?}"),
    }
    assert!(!std::path::Path::new("/tmp/weir-was-here").exists());
    match outcome(&version, "clock").await {
        Ok(Verdict::Hold(told)) => {
            assert_eq!(told, "wall 0, monotonic 0, contract 0, unix true");
        }
        other => panic!("{other:?}"),
    }
}

/// The hostile guest, with the body of its `grow_table` replaced by a `table.grow`, which Rust cannot
/// say. What is behind it is unreachable, and keeps the size as it was.
fn growing_table() -> Bytes {
    let wasm = guest("hostile");
    // i32.const 0x5eed7ab, in LEB128: once in the file.
    let marker = [0x41, 0xab, 0xaf, 0xbb, 0x2f];
    let positions: Vec<usize> = wasm
        .windows(marker.len())
        .enumerate()
        .filter_map(|(at, window)| (window == marker).then_some(at))
        .collect();
    let &[marked] = positions.as_slice() else {
        panic!("the marker is in {} places", positions.len())
    };
    let body = code_bodies(&wasm)
        .find(|body| body.contains(&marked))
        .expect("the function");
    let mut code = vec![
        0x00, // no locals
        0xd0, 0x70, // ref.null func
        0x20, 0x00, // local.get 0
        0xfc, 0x0f, 0x00, // table.grow 0
        0x0f, // return
    ];
    code.resize(body.len() - 2, 0x01); // nop
    code.extend([0x00, 0x0b]); // unreachable, end
    let mut bytes = wasm.to_vec();
    bytes[body].copy_from_slice(&code);
    bytes.into()
}

/// Where the functions of a component's core modules are.
fn code_bodies(wasm: &[u8]) -> impl Iterator<Item = std::ops::Range<usize>> {
    wasmparser::Parser::new(0)
        .parse_all(wasm)
        .filter_map(|payload| match payload.expect("a component") {
            wasmparser::Payload::CodeSectionEntry(body) => Some(body.range()),
            _ => None,
        })
}
