//! Compiles components in a child process, and keeps the machine code on disk.
//!
//! A compiler is the largest part of a node that reads hostile bytes: there are small components
//! that take it minutes and gigabytes. So it runs in a child that the kernel limits, one at a time,
//! which gives way when it takes long, and what it can do at worst is fail. The child is the same program:
//! **whoever makes a [`Compiler`] calls [`run_if_child`] first thing in `main`**, or names a program
//! that does.
//!
//! It does not decide whether a component is worth compiling: [`check`](crate::check) does.

mod cache;
mod child;
mod code;
mod parent;

#[cfg(test)]
mod tests;

use std::hash::{Hash, Hasher};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use wasmtime::component::Component;

use crate::engine::FilterEngine;
use crate::manifest::Digest;
use cache::{Cache, Found};
use code::Code;

pub use child::{CHILD_COMMAND, run_child, run_if_child};

/// Most components that wait for the compiler. It takes a second for most and 20 for the largest, so
/// that the last one waits for minutes.
pub const WAITING_MAX: usize = 64;

/// How components are compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileOptions {
    /// Started as `program compile-filter ...`; it must call [`run_if_child`] or [`run_child`].
    pub program: PathBuf,
    /// Longest time from start to machine code.
    pub wall_max: Duration,
    /// Most processor time, in seconds.
    pub cpu_seconds_max: u32,
    /// Most address space that the compiler may take beyond what its process has at the start.
    pub address_space_bytes_max: u64,
    /// Most bytes of machine code.
    pub code_bytes_max: u64,
    /// Where machine code is kept. None: nowhere, every start compiles anew.
    pub cache_dir: Option<PathBuf>,
    /// Most bytes that are kept there; the least recently used go first.
    pub cache_bytes_max: u64,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self {
            // Not a path on disk: after an upgrade there lies another version of the program.
            program: PathBuf::from("/proc/self/exe"),
            wall_max: Duration::from_secs(120),
            // 18 MB from Python take 17 s.
            cpu_seconds_max: 60,
            // The same take 382 MiB.
            address_space_bytes_max: 1536 << 20,
            code_bytes_max: 256 << 20,
            cache_dir: None,
            cache_bytes_max: 1 << 30,
        }
    }
}

/// Why there is no machine code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// Too many wait already.
    #[error("{WAITING_MAX} components wait for the compiler already; try again later")]
    Busy,
    /// The compiler could not be started or spoken to.
    #[error("the compiler {program}: {source}")]
    Start {
        /// What was started.
        program: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
    /// The program is none: it does not call [`run_if_child`].
    #[error("{program} is not a compiler: it answered with something else")]
    Program {
        /// What was started.
        program: PathBuf,
    },
    /// It took too long.
    #[error("compiling takes longer than {} s", .0.as_secs_f64())]
    Wall(Duration),
    /// It took too much processor time.
    #[error("compiling takes more than {0} s of processor time")]
    Cpu(u32),
    /// It took too much memory.
    #[error("compiling takes more than {} MiB of memory", .0 >> 20)]
    Memory(u64),
    /// The machine code is too large.
    #[error("the machine code has more than {0} bytes")]
    CodeSize(u64),
    /// The compiler refuses the component.
    #[error("the compiler refuses it: {0}")]
    Refused(String),
    /// The compiler died.
    #[error("the compiler died ({status}): {words}")]
    Died {
        /// How.
        status: std::process::ExitStatus,
        /// Its last words.
        words: String,
    },
    /// The machine code does not load into this engine.
    #[error("the machine code does not load: {0}")]
    Load(String),
}

/// A compiler that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompilerError {
    /// The directory for machine code cannot be used.
    #[error("{dir}: {source}")]
    Cache {
        /// Which.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What a compiler has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompileStats {
    /// Components that were compiled.
    pub compiled: u64,
    /// Components that could not be.
    pub failed: u64,
    /// Components whose machine code was on disk.
    pub cache_hits: u64,
    /// Files with machine code that were not as they had been written, and were not used.
    pub cache_damaged: u64,
    /// Machine code that could not be written, on a full disk perhaps, and was used from memory.
    pub cache_write_failures: u64,
    /// Components that wait for the compiler now.
    pub waiting: usize,
}

/// Makes components loadable. Clones share the queue and the directory.
#[derive(Clone, Debug)]
pub struct Compiler {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: FilterEngine,
    options: CompileOptions,
    cache: Option<Cache>,
    /// Of the engine, in the names of files: code for another one is not even looked at.
    compatibility: u64,
    /// The child takes a core for seconds; viewers have the others.
    one: Semaphore,
    waiting: AtomicUsize,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    compiled: AtomicU64,
    failed: AtomicU64,
    cache_hits: AtomicU64,
    cache_damaged: AtomicU64,
    cache_write_failures: AtomicU64,
}

impl Compiler {
    /// Opens the directory for machine code, and makes it where it is not there.
    ///
    /// # Errors
    ///
    /// It is not a directory of this user's, or cannot be written to.
    pub fn new(engine: &FilterEngine, options: CompileOptions) -> Result<Self, CompilerError> {
        let open = |dir: &PathBuf| {
            Cache::open(dir, options.cache_bytes_max).map_err(|source| CompilerError::Cache {
                dir: dir.clone(),
                source,
            })
        };
        let cache = options.cache_dir.as_ref().map(open).transpose()?;
        // wasmtime gives something to hash, with any hasher; this one is the same in every build.
        let mut hasher = siphasher::sip::SipHasher13::new();
        engine
            .engine()
            .precompile_compatibility_hash()
            .hash(&mut hasher);
        engine.memory_model().hash(&mut hasher);
        Ok(Self {
            inner: Arc::new(Inner {
                engine: engine.clone(),
                options,
                cache,
                compatibility: hasher.finish(),
                one: Semaphore::new(1),
                waiting: AtomicUsize::new(0),
                counters: Counters::default(),
            }),
        })
    }

    /// A component that can be loaded: from disk when it was compiled before, else compiled now.
    ///
    /// Dropping the future kills the child.
    ///
    /// # Errors
    ///
    /// The reason for the operator, with the number that was passed.
    pub async fn compile(&self, wasm: Bytes) -> Result<Component, CompileError> {
        let inner = &self.inner;
        let (digest, wasm) = blocking(move || (Digest::of(&wasm), wasm)).await?;
        let name = format!("{digest}-{:016x}.cwasm", inner.compatibility);
        if let Some(component) = self.cached(&name).await? {
            return Ok(component);
        }
        let _waiting = Waiting::enter(&inner.waiting).ok_or(CompileError::Busy)?;
        // The semaphore is never closed.
        let _turn = inner.one.acquire().await.map_err(|_| CompileError::Busy)?;
        // Somebody may have compiled the same while this one waited.
        if let Some(component) = self.cached(&name).await? {
            return Ok(component);
        }
        let counters = &inner.counters;
        let made = parent::compile(&inner.options, inner.engine.memory_model(), wasm).await;
        let count = if made.is_ok() {
            &counters.compiled
        } else {
            &counters.failed
        };
        count.fetch_add(1, Ordering::Relaxed);
        let (this, code) = (Arc::clone(inner), made?);
        blocking(move || {
            this.keep(&name, &code);
            this.load(&code)
        })
        .await?
    }

    /// What it has done so far.
    #[must_use]
    pub fn stats(&self) -> CompileStats {
        let counters = &self.inner.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CompileStats {
            compiled: read(&counters.compiled),
            failed: read(&counters.failed),
            cache_hits: read(&counters.cache_hits),
            cache_damaged: read(&counters.cache_damaged),
            cache_write_failures: read(&counters.cache_write_failures),
            waiting: self.inner.waiting.load(Ordering::Relaxed),
        }
    }

    async fn cached(&self, name: &str) -> Result<Option<Component>, CompileError> {
        if self.inner.cache.is_none() {
            return Ok(None);
        }
        let (this, name) = (Arc::clone(&self.inner), name.to_owned());
        blocking(move || this.find(&name)).await
    }
}

impl Inner {
    fn find(&self, name: &str) -> Option<Component> {
        let code = match self.cache.as_ref()?.find(name) {
            Found::Absent => return None,
            Found::Damaged(reason) => {
                tracing::warn!(
                    file = name,
                    reason,
                    "kept machine code is not used; compiling anew"
                );
                self.counters.cache_damaged.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            Found::Code(code) => code,
        };
        // Code that is ours and yet does not load was written for an engine of the same hash that
        // differs all the same; compiling anew is always right.
        match self.load(&code) {
            Ok(component) => {
                self.counters.cache_hits.fetch_add(1, Ordering::Relaxed);
                Some(component)
            }
            Err(error) => {
                tracing::warn!(file = name, %error, "kept machine code is not used; compiling anew");
                self.counters.cache_damaged.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    fn keep(&self, name: &str, code: &Code) {
        let Some(cache) = &self.cache else { return };
        if let Err(error) = cache.keep(name, code) {
            tracing::warn!(file = name, %error, "machine code is not kept; the next start compiles anew");
            self.counters
                .cache_write_failures
                .fetch_add(1, Ordering::Relaxed);
        }
    }

    fn load(&self, code: &Code) -> Result<Component, CompileError> {
        code::load(self.engine.engine(), code)
            .map_err(|error| CompileError::Load(format!("{error:#}")))
    }
}

/// Runs what takes long or touches the disk where that is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CompileError> {
    // A runtime that shuts down refuses it; nobody waits for the answer then.
    spawn_blocking(work).await.map_err(|_| CompileError::Busy)
}

/// A place in the queue.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize) -> Option<Self> {
        let free = |waiting| (waiting < WAITING_MAX).then_some(waiting + 1);
        waiting
            .try_update(Ordering::Relaxed, Ordering::Relaxed, free)
            .ok()?;
        Some(Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
