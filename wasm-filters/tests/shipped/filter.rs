//! A shipped filter, loaded as a node loads it, and asked in JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use wasm_filters::Services;
use wasm_filters::call::CallContext;
use wasm_filters::check::check;
use wasm_filters::compile::{CompileOptions, Compiler};
use wasm_filters::contract::interface_name;
use wasm_filters::engine::{EngineOptions, FilterEngine};
use wasm_filters::keys::{JwksSource, Key, KeyRing, Secrets};
use wasm_filters::kv::KvStore;
use wasm_filters::manifest::{Digest, Limits, Manifest, SampleCall, VersionDocument};
use wasm_filters::probe::json::{from_val, to_val};
use wasm_filters::probe::{differences, probe};
use wasm_filters::services::Discard;
use wasm_filters::version::LoadedVersion;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentFunc, ComponentItem};

use crate::cases::{self, Case};
use crate::vectors::{ec_jwk, ed_jwk, jwks, rsa_jwk};

/// The key `playback`.
pub(crate) const PLAYBACK_SECRET: &str = "0123456789abcdef0123456789abcdef";
/// The key `urls`.
pub(crate) const URL_SECRET: &str = "the secret of the site that signs URLs";

/// Longest that a call of a test may wait on a busy machine; the manifest's deadline is shorter.
const CALL_MAX: Duration = Duration::from_secs(10);

/// A filter of `wasm-filters/filters`, built and compiled.
pub(crate) struct Filter {
    name: String,
    wasm: Bytes,
    manifest: Manifest,
    engine: FilterEngine,
    component: Component,
}

impl Filter {
    /// Reads and compiles it.
    pub(crate) async fn open(name: &str) -> Self {
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/filters");
        let read = |file: String| {
            std::fs::read(built.join(&file))
                .unwrap_or_else(|error| panic!("{file}: {error}; scripts/filters.sh all builds it"))
        };
        let wasm = Bytes::from(read(format!("{name}.wasm")));
        let manifest = String::from_utf8(read(format!("{name}.toml"))).expect("UTF-8");
        let manifest: Manifest = toml::from_str(&manifest).expect(name);
        let engine = engine().clone();
        let options = CompileOptions {
            program: PathBuf::from(env!("CARGO_BIN_EXE_weir-compile-filter")),
            // Python takes half a minute; once is enough.
            cache_dir: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("shipped")),
            // The compiler of a debug build takes many times as long over 18 MB from Python.
            cpu_seconds_max: 280,
            wall_max: Duration::from_secs(290),
            ..CompileOptions::default()
        };
        let compiler = Compiler::new(&engine, options).expect("a compiler");
        let component = compiler.compile(wasm.clone()).await.expect(name);
        Self {
            name: name.to_owned(),
            wasm,
            manifest,
            engine,
            component,
        }
    }

    /// Checks, probes with the samples, and runs the cases.
    pub(crate) async fn passes_everything(&self) {
        assert_eq!(self.manifest.name.as_str(), self.name);
        self.manifest
            .validate(&Limits::NODE_MAX)
            .expect("a manifest that nodes obey");
        check(&self.wasm, &self.manifest).expect("a component that nodes take");
        let version = self.version(None);
        let report = probe(&version).await.expect("a version that nodes use");
        assert_eq!(report.name, self.name);
        assert_eq!(report.version, self.manifest.version);
        assert!(report.samples > 0);
        let memory_max = self.manifest.limits.memory_bytes;
        // An instance that grows past half is replaced after each call.
        assert!(
            report.memory_bytes * 2 <= memory_max,
            "{} of {memory_max}",
            report.memory_bytes
        );
        let cases = cases::read(&self.name);
        assert!(!cases.is_empty());
        for case in cases {
            self.run(&case).await;
        }
    }

    async fn run(&self, case: &Case) {
        let version = self.unhurried(case.config.as_ref());
        for (key, value) in &case.kv {
            let space = version
                .services()
                .kv
                .open("", &self.name, &self.manifest.kv);
            let space = space.expect("room for a filter");
            space
                .set(key, value.clone().into_bytes(), None, case.now_ms)
                .expect("room for a value");
        }
        let mut now_ms = case.now_ms;
        for (at, step) in case.steps.iter().enumerate() {
            now_ms += step.after_ms;
            let answer = self.ask(&version, step.call, now_ms, &step.input).await;
            let mut found = differences(&step.expect, &answer);
            if let Some(commands) = &step.commands {
                let got = match step.call {
                    SampleCall::OnMessage => &answer["ok"]["commands"],
                    _ => &answer["ok"],
                };
                found.extend(differences(&Value::from(commands.clone()), got));
            }
            let name = &case.name;
            assert!(
                found.is_empty(),
                "{}: {name}, step {at}: {found:?} in {answer}",
                self.name
            );
        }
    }

    /// The filter as it ships, or with another configuration, and with keys for it.
    pub(crate) fn version(&self, config: Option<&Value>) -> Arc<LoadedVersion> {
        self.load(config, self.manifest.limits.clone())
    }

    /// The same with time enough on a machine that does other things: what is asked here is what a
    /// filter answers, not how fast. The probe has patience of its own.
    pub(crate) fn unhurried(&self, config: Option<&Value>) -> Arc<LoadedVersion> {
        let mut limits = self.manifest.limits.clone();
        limits.deadline_ms = u32::try_from(CALL_MAX.as_millis()).expect("a few seconds");
        limits.cpu_ms = limits.deadline_ms;
        self.load(config, limits)
    }

    fn load(&self, config: Option<&Value>, limits: Limits) -> Arc<LoadedVersion> {
        let mut manifest = self.manifest.clone();
        manifest.limits = limits;
        if let Some(config) = config {
            manifest.config = config.clone();
        }
        manifest.keys = ["playback", "urls", "accounts", "nowhere"]
            .map(|key| key.parse().expect(key))
            .to_vec();
        let document = VersionDocument {
            component: Digest::of(&self.wasm),
            manifest,
        };
        let services = Services {
            kv: Arc::new(KvStore::new(1 << 30)),
            keys: Arc::new(keys()),
            log: Arc::new(Discard),
            metrics: Arc::new(Discard),
        };
        let component = self.component.clone();
        LoadedVersion::load(&self.engine, Arc::new(document), component, services)
            .expect("a component that links")
    }

    /// Calls a hook.
    pub(crate) async fn ask(
        &self,
        version: &LoadedVersion,
        call: SampleCall,
        now_ms: u64,
        input: &Value,
    ) -> Value {
        let interface = call.hook().interface();
        let function = self.function(interface, call.as_str());
        let mut ctx = json!({ "request-id": "test", "now-ms": now_ms, "deadline-ms": 1000 });
        if let Some(given) = input.get("ctx").and_then(Value::as_object) {
            ctx.as_object_mut()
                .expect("an object")
                .extend(given.clone());
        }
        let room = ctx["room"].as_str().unwrap_or_default().to_owned();
        let given: BTreeMap<&str, &Value> = input
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value))
            .collect();
        let args: Vec<_> = function
            .params()
            .map(|(name, ty)| {
                let value = if name == "ctx" {
                    &ctx
                } else {
                    given.get(name).copied().unwrap_or(&Value::Null)
                };
                to_val(&ty, value).unwrap_or_else(|error| panic!("{name}: {error}"))
            })
            .collect();
        let context = CallContext {
            request_id: "test".to_owned(),
            tenant: String::new(),
            room,
            now_ms,
            deadline: Instant::now() + CALL_MAX,
            shadow: false,
            attrs: Vec::new(),
        };
        let results = version
            .call_dynamic(&context, interface, call.as_str(), &args)
            .await;
        let results = results.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let ty = function.results().next().expect("a result");
        from_val(&ty, results.first().expect("a result"))
    }

    fn function(&self, interface: &str, name: &str) -> ComponentFunc {
        let instance = self
            .component
            .get_export_index(None, interface_name(interface).as_str());
        match self.component.get_export(instance.as_ref(), name) {
            Some((ComponentItem::ComponentFunc(function), _)) => function,
            _ => panic!("{} has no {interface}.{name}", self.name),
        }
    }
}

fn engine() -> &'static FilterEngine {
    static ENGINE: OnceLock<FilterEngine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let options = EngineOptions {
            instances_max: 32,
            ..EngineOptions::default()
        };
        FilterEngine::new(&options).expect("an engine")
    })
}

/// `playback` and `urls` are secrets, `accounts` is a set of public keys, `nowhere` is not there.
fn keys() -> KeyRing {
    let secret = |text: &str| Key::Secrets(Secrets::new([text]).expect("long enough"));
    let set = jwks(&[ed_jwk(""), ec_jwk(""), rsa_jwk("")]);
    let accounts = JwksSource::fixed(set.as_bytes()).expect("a set of keys");
    let name = |text: &str| text.parse().expect("a name");
    KeyRing::new([
        (name("playback"), secret(PLAYBACK_SECRET)),
        (name("urls"), secret(URL_SECRET)),
        (name("accounts"), Key::Jwks(Arc::new(accounts))),
    ])
}
