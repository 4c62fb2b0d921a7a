//! Runs a filter's cases on the host that nodes have: the same engine, limits, imports and probe.
//!
//! The clock and the `kv` are the case's. Keys come from `cases/keys.json`, since a node's are
//! not at hand.

mod keys;
mod log;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use wasm_filters::Services;
use wasm_filters::call::{CallError, TrapKind};
use wasm_filters::compile::{CompileOptions, Compiler};
use wasm_filters::engine::{EngineOptions, FilterEngine};
use wasm_filters::keys::KeyRing;
use wasm_filters::kv::KvStore;
use wasm_filters::manifest::{Manifest, Sample, VersionDocument};
use wasm_filters::probe::{Difference, ProbeError, Sequence, probe};
use wasm_filters::services::Discard;
use wasm_filters::version::LoadedVersion;
use wasmtime::component::Component;

use crate::author::cases::{Case, Step};
use crate::failure::Failure;
use crate::operate::push::Candidate;

pub(crate) use keys::FILE as KEYS_FILE;
pub(crate) use log::Line;
use log::Lines;

/// Instances at once: a case has one, and a probe another.
const INSTANCES_MAX: u32 = 8;
/// How often a case is run that had no time: a machine that builds at the same time is slow.
const TRIES_MAX: u32 = 3;

/// Engine, compiler and keys, for as many checks as are wanted.
#[derive(Debug)]
pub(crate) struct Bench {
    engine: FilterEngine,
    compiler: Compiler,
}

/// A component that nodes would take so far.
#[derive(Debug)]
pub(crate) struct Subject {
    component: Component,
    candidate: Candidate,
    keys: Arc<KeyRing>,
    /// What compiling took; next to nothing when it was compiled before.
    pub(crate) compiled_in: Duration,
}

/// How a case ended.
#[derive(Debug)]
pub(crate) struct Tested {
    /// The case.
    pub(crate) name: String,
    /// Of each step that was run, what its call took.
    pub(crate) took: Vec<Duration>,
    /// Why it did not pass.
    pub(crate) failure: Option<CaseFailure>,
    /// What the filter logged meanwhile.
    pub(crate) log: Vec<Line>,
}

/// Why a case did not pass.
#[derive(Debug)]
pub(crate) enum CaseFailure {
    /// Another answer than expected.
    Answer {
        /// Which step, from 1; none where there is one only.
        step: Option<usize>,
        /// Where and what.
        differences: Vec<Difference>,
        /// All of it.
        answer: serde_json::Value,
    },
    /// No answer.
    Error {
        /// Which step, from 1; none where there is one only.
        step: Option<usize>,
        /// In words.
        reason: String,
        /// The functions that ran, innermost first.
        backtrace: Vec<String>,
    },
}

impl Bench {
    /// An engine and a compiler. `cache_dir` keeps machine code from run to run.
    ///
    /// # Errors
    /// This machine cannot run filters, or the directory cannot be used.
    pub(crate) fn new(cache_dir: Option<PathBuf>) -> Result<Self, Failure> {
        let options = EngineOptions {
            instances_max: INSTANCES_MAX,
            ..EngineOptions::default()
        };
        let engine = FilterEngine::new(&options).map_err(Failure::failed)?;
        let options = CompileOptions {
            cache_dir,
            ..CompileOptions::default()
        };
        let compiler = Compiler::new(&engine, options).map_err(Failure::failed)?;
        Ok(Self { engine, compiler })
    }

    /// Compiles a component as a node does.
    ///
    /// # Errors
    /// A node would not take it.
    pub(crate) async fn compile(
        &self,
        candidate: Candidate,
        dir: &Path,
    ) -> Result<Subject, Failure> {
        let keys = Arc::new(keys::read(&dir.join("cases").join(keys::FILE))?);
        let begun = Instant::now();
        let wasm = Bytes::from(candidate.wasm.clone());
        let component = self.compiler.compile(wasm).await.map_err(Failure::failed)?;
        Ok(Subject {
            component,
            candidate,
            keys,
            compiled_in: begun.elapsed(),
        })
    }

    /// Configures it and asks what it is, as a node does before it is ready. Its samples are
    /// among the cases.
    ///
    /// # Errors
    /// A node would refuse it.
    pub(crate) async fn probe(&self, subject: &Subject) -> Result<(), Failure> {
        let mut manifest = subject.candidate.document.manifest.clone();
        manifest.samples.clear();
        let lines = Lines::default();
        let version = self.load(subject, manifest, &lines)?;
        probe(&version).await.map(drop).map_err(|error| {
            let mut reason = error.to_string();
            for line in lines.take() {
                reason.push_str(&format!("; it logged: {}", line.message));
            }
            Failure::Failed(reason)
        })
    }

    /// Runs a case.
    pub(crate) async fn run(&self, subject: &Subject, case: &Case) -> Tested {
        let mut tested = self.attempt(subject, case).await;
        for _ in 1..TRIES_MAX {
            match tested {
                (_, true) => tested = self.attempt(subject, case).await,
                (tested, false) => return tested,
            }
        }
        tested.0
    }

    /// Runs a case once; true: it failed for want of time alone.
    async fn attempt(&self, subject: &Subject, case: &Case) -> (Tested, bool) {
        let lines = Lines::default();
        let mut tested = Tested {
            name: case.name.clone(),
            took: Vec::new(),
            failure: None,
            log: Vec::new(),
        };
        let mut late = false;
        let mut manifest = subject.candidate.document.manifest.clone();
        if let Some(config) = &case.config {
            manifest.config = config.clone();
        }
        let sequence = self
            .load(subject, manifest, &lines)
            .and_then(|version| Sequence::new(&version).map_err(Failure::failed));
        match sequence {
            Ok(sequence) => {
                late = run_steps(&sequence, case, &mut tested).await;
            }
            Err(failure) => {
                let reason = failure.line().unwrap_or_default();
                tested.failure = Some(CaseFailure::Error {
                    step: None,
                    reason,
                    backtrace: Vec::new(),
                });
            }
        }
        tested.log = lines.take();
        (tested, late)
    }

    fn load(
        &self,
        subject: &Subject,
        manifest: Manifest,
        lines: &Lines,
    ) -> Result<Arc<LoadedVersion>, Failure> {
        let document = VersionDocument {
            component: subject.candidate.document.component,
            manifest,
        };
        let services = Services {
            kv: Arc::new(KvStore::new(document.manifest.kv.bytes.saturating_mul(2))),
            keys: Arc::clone(&subject.keys),
            log: Arc::new(lines.clone()),
            metrics: Arc::new(Discard),
        };
        let component = subject.component.clone();
        LoadedVersion::load(&self.engine, Arc::new(document), component, services)
            .map_err(Failure::failed)
    }
}

async fn run_steps(sequence: &Sequence, case: &Case, tested: &mut Tested) -> bool {
    let several = case.steps.len() > 1;
    for (index, step) in case.steps.iter().enumerate() {
        let place = several.then_some(index + 1);
        match sequence.run(&sample(case, index, step)).await {
            Ok(ran) => {
                tested.took.push(ran.took);
                if !ran.differences.is_empty() {
                    tested.failure = Some(CaseFailure::Answer {
                        step: place,
                        differences: ran.differences,
                        answer: ran.answer,
                    });
                    return false;
                }
            }
            Err(error) => {
                let late = is_late(&error);
                tested.failure = Some(CaseFailure::Error {
                    step: place,
                    backtrace: error.backtrace().to_vec(),
                    reason: plain(&error),
                });
                return late;
            }
        }
    }
    false
}

/// A step as the sample that a node would run; only the first brings the `kv`.
fn sample(case: &Case, index: usize, step: &Step) -> Sample {
    Sample {
        name: case.name.clone(),
        call: step.call,
        now_ms: step.now_ms,
        kv: if index == 0 {
            case.kv.clone()
        } else {
            [].into()
        },
        input: step.input.clone(),
        expect: step.expect.clone(),
        commands: step.commands.clone(),
    }
}

/// Without the sample's name, which stands before it anyway.
fn plain(error: &ProbeError) -> String {
    match error {
        ProbeError::Call { error, call, .. } => format!("{call}: {error}"),
        ProbeError::Input { error, .. } => format!("input {error}"),
        ProbeError::Argument {
            call,
            argument,
            takes,
            ..
        } => {
            format!("{call} takes no {argument:?}, but {}", takes.join(", "))
        }
        other => other.to_string(),
    }
}

fn is_late(error: &ProbeError) -> bool {
    let ProbeError::Call { error, .. } = error else {
        return false;
    };
    matches!(
        error,
        CallError::Busy
            | CallError::Trap {
                kind: TrapKind::Deadline,
                ..
            }
    )
}
