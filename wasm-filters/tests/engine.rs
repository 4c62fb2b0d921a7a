//! The engine where there is little room, and after its end.

use std::process::Command;
use std::sync::Arc;

use serde_json::json;
use wasm_filters::Services;
use wasm_filters::contract::chat::Verdict;
use wasm_filters::engine::{EngineError, EngineOptions, FilterEngine, MemoryModel};
use wasm_filters::keys::KeyRing;
use wasm_filters::kv::KvStore;
use wasm_filters::manifest::{Digest, Hook, VersionDocument};
use wasm_filters::services::Discard;
use wasm_filters::version::LoadedVersion;
use wasmtime::component::Component;

use crate::support::{context, guest, manifest, message};

/// Set in the child process of a test that needs a limit on its address space.
const CHILD: &str = "WEIR_TEST_LITTLE_ROOM";

/// For the child: enough for a test binary and its compiler, and too little for one memory of 4 GiB.
const ROOM_KIB: u32 = 3 << 20;

async fn calls(engine: &FilterEngine) {
    let wasm = guest("all-hooks");
    let component = Component::new(engine.engine(), &wasm).expect("it compiles");
    let mut manifest = manifest("good", &[Hook::Chat], json!({"words": ["bad"]}));
    manifest.limits.cpu_ms = 1000;
    let document = Arc::new(VersionDocument {
        component: Digest::of(&wasm),
        manifest,
    });
    let services = Services {
        kv: Arc::new(KvStore::new(1 << 20)),
        keys: Arc::new(KeyRing::new([])),
        log: Arc::new(Discard),
        metrics: Arc::new(Discard),
    };
    let version = LoadedVersion::load(engine, document, component, services).expect("it loads");
    for _ in 0..3 {
        let outcome = version.on_message(&context(), &message("a bad word")).await;
        let outcome = outcome.expect("an answer");
        assert!(matches!(outcome.verdict, Verdict::Drop(_)), "{outcome:?}");
    }
}

#[tokio::test]
async fn where_the_pool_has_no_room_the_engine_does_without() {
    if std::env::var_os(CHILD).is_some() {
        let engine = FilterEngine::new(&EngineOptions::default()).expect("an engine");
        assert!(!engine.pooling());
        assert_eq!(engine.memory_model(), MemoryModel::Compact);
        calls(&engine).await;
        return;
    }
    // Built here, where there is room for cargo.
    guest("all-hooks");
    let output = Command::new("sh")
        .args(["-c", r#"ulimit -v "$0" && exec "$@""#])
        .arg(ROOM_KIB.to_string())
        .arg(std::env::current_exe().expect("this test's binary"))
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("engine::where_the_pool_has_no_room_the_engine_does_without")
        .env(CHILD, "1")
        .output()
        .expect("sh");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn an_operator_can_do_without_the_pool() {
    let options = EngineOptions {
        pool: false,
        ..EngineOptions::default()
    };
    let engine = FilterEngine::new(&options).expect("an engine");
    assert!(!engine.pooling());
    calls(&engine).await;
}

#[tokio::test]
async fn with_room_there_is_a_pool() {
    let engine = FilterEngine::new(&EngineOptions::default()).expect("an engine");
    assert!(engine.pooling());
    assert_eq!(engine.memory_model(), MemoryModel::Reserved);
    calls(&engine).await;
}

#[test]
fn options_out_of_range_are_named() {
    let options = EngineOptions {
        instances_max: 0,
        ..EngineOptions::default()
    };
    match FilterEngine::new(&options) {
        Err(EngineError::Option { option, value, .. }) => {
            assert_eq!((option, value), ("instances_max", 0));
        }
        other => panic!("{other:?}"),
    }
}
