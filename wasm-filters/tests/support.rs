//! What the tests share: guests, which are built when they are first asked for, and a node.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use wasm_filters::call::CallContext;
use wasm_filters::compile::CompileOptions;
use wasm_filters::contract::chat::Message;
use wasm_filters::contract::types::{Roles, User};
use wasm_filters::engine::EngineOptions;
use wasm_filters::host::{FilterRouting, Host, HostOptions, Rejected};
use wasm_filters::keys::KeyRing;
use wasm_filters::manifest::{Digest, Hook, Manifest, VersionDocument};
use wasm_filters::version::LoadedVersion;

/// The time of all calls.
pub(crate) const NOW_MS: u64 = 1_800_000_000_000;

/// The program that compiles for the tests, whose own binary is the test harness.
pub(crate) const COMPILER: &str = env!("CARGO_BIN_EXE_weir-compile-filter");

/// A guest's component, by the name of its package.
pub(crate) fn guest(name: &str) -> Bytes {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let file = format!("{}.wasm", name.replace('-', "_"));
    let path = BUILT.get_or_init(build).join(file);
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .into()
}

/// Builds all guests, in one process at a time, and returns the folder that they are in.
fn build() -> PathBuf {
    let target = target_dir();
    std::fs::create_dir_all(&target).expect("the guests' target folder");
    let lock = File::create(target.join("tests.lock")).expect("the lock file");
    lock.lock().expect("the lock");
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args([
            "build",
            "--release",
            "--locked",
            "--target",
            "wasm32-wasip2",
        ])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(guests);
    // What is meant for the tests is not meant for another target.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(variable);
    }
    let output = cargo.output().expect("cargo to start");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !said.contains("target may not be installed"),
        "the tests need a target more: rustup target add wasm32-wasip2"
    );
    assert!(output.status.success(), "the guests do not build:\n{said}");
    target.join("wasm32-wasip2/release")
}

fn target_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/target")
}

/// A manifest with room for a machine under load, and the default processor time.
pub(crate) fn manifest(name: &str, hooks: &[Hook], config: Value) -> Manifest {
    let mut manifest = Manifest::new(name.parse().expect("a name"), "1.0.0", hooks.to_vec());
    manifest.limits.deadline_ms = 1000;
    manifest.config = config;
    manifest
}

/// Options of a small node. Machine code is kept between runs, because the compiler of a debug build
/// takes seconds.
pub(crate) fn options() -> HostOptions {
    HostOptions {
        engine: EngineOptions {
            instances_max: 100,
            ..EngineOptions::default()
        },
        compile: CompileOptions {
            program: COMPILER.into(),
            cache_dir: Some(target_dir().join("tests-code")),
            ..CompileOptions::default()
        },
        chain_budget: Duration::from_secs(5),
        ..HostOptions::default()
    }
}

pub(crate) fn host() -> Host {
    host_with(KeyRing::new([]))
}

pub(crate) fn host_with(keys: KeyRing) -> Host {
    let registry = prometheus::Registry::new();
    Host::new(options(), Arc::new(keys), &registry).expect("a host")
}

/// A version as it would be uploaded.
pub(crate) async fn prepare(
    host: &Host,
    wasm: &Bytes,
    manifest: Manifest,
) -> Result<Arc<LoadedVersion>, Rejected> {
    let component = Digest::of(wasm);
    let document = VersionDocument {
        component,
        manifest,
    };
    host.prepare(document, wasm.clone()).await
}

/// What the operator reads about a version that is refused.
pub(crate) async fn refusal(host: &Host, wasm: &Bytes, manifest: Manifest) -> String {
    match prepare(host, wasm, manifest).await {
        Ok(version) => panic!("{version:?} must be refused"),
        Err(rejected) => rejected.to_string(),
    }
}

/// Makes these versions, of as many filters, the active ones.
pub(crate) fn activate(host: &Host, versions: &[&Arc<LoadedVersion>]) {
    static ACTIVATION: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let routing = |version: &Arc<LoadedVersion>| FilterRouting {
        enabled: true,
        active: Some(Arc::clone(version)),
        activation: ACTIVATION.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
        ..FilterRouting::default()
    };
    let desired: BTreeMap<_, _> = versions
        .iter()
        .map(|version| (version.name().clone(), routing(version)))
        .collect();
    host.apply(desired, Instant::now());
}

pub(crate) fn context() -> CallContext {
    CallContext {
        request_id: "r1".to_owned(),
        tenant: "default".to_owned(),
        room: "lobby".to_owned(),
        now_ms: NOW_MS,
        deadline: Instant::now() + Duration::from_secs(10),
        shadow: false,
        attrs: vec![],
    }
}

pub(crate) fn user(id: &str) -> User {
    User {
        id: id.to_owned(),
        name: id.to_uppercase(),
        roles: Roles::empty(),
        level: 1,
        attrs: vec![],
    }
}

pub(crate) fn message(text: &str) -> Message {
    Message {
        id: "m1".to_owned(),
        sender: user("ann"),
        text: text.to_owned(),
        kind: "text".to_owned(),
        reply_to: None,
        attrs: vec![],
    }
}
