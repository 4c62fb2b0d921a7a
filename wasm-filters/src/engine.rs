//! The one wasmtime engine of a process: how code is generated, where instances lie, what a guest may import.
//!
//! It loads and runs nothing by itself: [`LoadedVersion`](crate::version::LoadedVersion) does.

mod linker;
mod ticker;

#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use wasmtime::component::Linker;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    WasmBacktraceDetails, WasmFeatures,
};

use ticker::{Running, Ticker};

use crate::state::State;

/// Stack of a guest, in bytes. Deep recursion ends as [`TrapKind::Stack`](crate::call::TrapKind::Stack).
pub const GUEST_STACK_BYTES_MAX: usize = 256 << 10;

/// Stack of the fiber that a call runs on: the guest's and, below it, what the host's own functions need.
const FIBER_STACK_BYTES: usize = 512 << 10;

/// Frames in a backtrace. More helps nobody and costs time while a guest that recurses is being stopped.
pub const BACKTRACE_FRAMES_MAX: usize = 20;

/// Dirty memory of a slot that is cleared by hand instead of being given back to the kernel. It makes a fresh instance
/// twice as fast, and is resident for at most [`WARM_SLOTS_MAX`] slots.
const MEMORY_KEEP_RESIDENT_BYTES: usize = 4 << 20;
const TABLE_KEEP_RESIDENT_BYTES: usize = 64 << 10;
const WARM_SLOTS_MAX: u32 = 100;

/// Core instances in one component. Rust has 4; a Python one, linked from shared libraries, about 20.
pub const CORE_INSTANCES_MAX: u32 = 64;
/// Linear memories in one component.
pub const MEMORIES_MAX: u32 = 4;
/// Tables in one component.
pub const TABLES_MAX: u32 = 16;
/// Bytes of wasmtime's own bookkeeping for one instance.
const INSTANCE_STATE_BYTES_MAX: usize = 1 << 20;

/// What an engine is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineOptions {
    /// Instances of all filters at once, 1 to 20,000. Each takes 4 GiB of address space, of which 128 TiB are there.
    pub instances_max: u32,
    /// Linear memory of one instance, in bytes: the node's cap on a manifest's `limits.memory_bytes`.
    pub memory_bytes_max: usize,
    /// Elements of one table: the node's cap on a manifest's `limits.table_elements`.
    pub table_elements_max: u32,
    /// Whether to reserve the instances' memory at the start. An engine that cannot does without.
    pub pool: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            instances_max: 1000,
            memory_bytes_max: 64 << 20,
            table_elements_max: 100_000,
            pool: true,
        }
    }
}

/// An engine that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// An option is out of its range.
    #[error("{option} = {value} is outside {range}")]
    Option {
        /// Which.
        option: &'static str,
        /// What it was.
        value: u64,
        /// What it may be.
        range: &'static str,
    },
    /// wasmtime refused the configuration, or this machine.
    #[error("wasmtime: {0:#}")]
    Wasmtime(wasmtime::Error),
    /// The thread that counts time could not be started.
    #[error("the ticker's thread: {0}")]
    Ticker(#[source] std::io::Error),
}

/// How compiled code reaches linear memory. It is part of the code: an engine loads what was compiled for its own only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemoryModel {
    /// 4 GiB of address space for each memory, and no bounds checks in the code.
    Reserved,
    /// As much address space as the memory has, and checks: for processes whose address space is limited. About 8 %
    /// slower.
    Compact,
}

impl MemoryModel {
    /// As the compiling child takes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Compact => "compact",
        }
    }
}

impl fmt::Display for MemoryModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Neither `reserved` nor `compact`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no memory model: reserved or compact")]
pub struct MemoryModelError(String);

impl FromStr for MemoryModel {
    type Err = MemoryModelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "reserved" => Ok(Self::Reserved),
            "compact" => Ok(Self::Compact),
            _ => Err(MemoryModelError(text.chars().take(80).collect())),
        }
    }
}

/// The engine, its linker and its ticker. Clones are the same engine; the ticker ends with the last of them.
#[derive(Clone)]
pub struct FilterEngine {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    options: EngineOptions,
    memory: MemoryModel,
    ticker: Arc<Ticker>,
    /// Instances that are kept between calls, of all versions.
    kept: AtomicU32,
}

impl FilterEngine {
    /// Makes the engine and starts its ticker.
    ///
    /// Where the pool's address space cannot be had (`RLIMIT_AS`, strict overcommit) the engine does without a pool, as
    /// [`FilterEngine::pooling`] tells: calls are slower, and the node runs.
    ///
    /// # Errors
    /// An option out of range, or a machine that wasmtime cannot run on at all.
    pub fn new(options: &EngineOptions) -> Result<Self, EngineError> {
        options.validate()?;
        let pooled = options
            .pool
            .then(|| {
                let mut config = codegen_config(MemoryModel::Reserved);
                config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
                Engine::new(&config)
            })
            .and_then(|made| {
                made.inspect_err(|error| {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        instances_max = options.instances_max,
                        "no room for the pool of filter instances; running without one"
                    );
                })
                .ok()
            });
        let (engine, memory) = match pooled {
            Some(engine) => (engine, MemoryModel::Reserved),
            None => {
                let mut config = codegen_config(MemoryModel::Compact);
                config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
                let engine = Engine::new(&config).map_err(EngineError::Wasmtime)?;
                (engine, MemoryModel::Compact)
            }
        };
        let linker = linker::linker(&engine).map_err(EngineError::Wasmtime)?;
        let ticker = Ticker::start(&engine).map_err(EngineError::Ticker)?;
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                linker,
                options: options.clone(),
                memory,
                ticker,
                kept: AtomicU32::new(0),
            }),
        })
    }

    /// To be held while a guest runs: its limits are looked at.
    pub(crate) fn watch(&self) -> Running<'_> {
        self.inner.ticker.watch()
    }

    /// Whether instances lie in a pool that was reserved at the start.
    #[must_use]
    pub fn pooling(&self) -> bool {
        self.inner.memory == MemoryModel::Reserved
    }

    /// What code has to be compiled for.
    #[must_use]
    pub fn memory_model(&self) -> MemoryModel {
        self.inner.memory
    }

    /// wasmtime's engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// What it was made for.
    #[must_use]
    pub fn options(&self) -> &EngineOptions {
        &self.inner.options
    }

    pub(crate) fn linker(&self) -> &Linker<State> {
        &self.inner.linker
    }

    /// Takes a place among the instances that are kept. Half of the pool at most: the rest is for calls that need a
    /// fresh one.
    pub(crate) fn reserve_kept(&self) -> bool {
        let max = self.inner.options.instances_max.div_ceil(2);
        self.inner
            .kept
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |kept| {
                (kept < max).then(|| kept + 1)
            })
            .is_ok()
    }

    /// Gives a place back.
    pub(crate) fn release_kept(&self) {
        self.inner.kept.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for FilterEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilterEngine")
            .field("options", &self.inner.options)
            .field("memory", &self.inner.memory)
            .finish_non_exhaustive()
    }
}

impl EngineOptions {
    fn validate(&self) -> Result<(), EngineError> {
        let check = |option, value: u64, range: std::ops::RangeInclusive<u64>, text| {
            if range.contains(&value) {
                Ok(())
            } else {
                Err(EngineError::Option {
                    option,
                    value,
                    range: text,
                })
            }
        };
        check(
            "instances_max",
            self.instances_max.into(),
            1..=20_000,
            "1 to 20000",
        )?;
        check(
            "memory_bytes_max",
            self.memory_bytes_max as u64,
            (64 << 10)..=(4 << 30),
            "65536 to 4294967296",
        )?;
        check(
            "table_elements_max",
            self.table_elements_max.into(),
            1..=10_000_000,
            "1 to 10000000",
        )
    }
}

/// Features of WebAssembly beyond the first edition that a filter may use. `check` validates with the same set.
pub(crate) fn wasm_features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::SIMD
        | WasmFeatures::FLOATS
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::COMPONENT_MODEL
}

/// The part of the configuration that compiled code depends on. The engine and the compiling child must use the same,
/// or the engine refuses the code.
pub(crate) fn codegen_config(memory: MemoryModel) -> Config {
    let mut config = Config::new();
    config
        .wasm_features(WasmFeatures::all(), false)
        .wasm_features(wasm_features(), true)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK_BYTES_MAX)
        .async_stack_size(FIBER_STACK_BYTES)
        .memory_init_cow(true)
        // Names of functions come from the name section; DWARF is an attack surface and helps nobody in production.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES_MAX))
        // For debuggers only. Registering them is a good part of the time that loading takes.
        .native_unwind_info(false);
    match memory {
        MemoryModel::Reserved => config.memory_reservation(4 << 30),
        MemoryModel::Compact => config
            .memory_reservation(0)
            .memory_reservation_for_growth(1 << 20)
            .memory_guard_size(64 << 10)
            .guard_before_linear_memory(false)
            .memory_may_move(true),
    };
    config
}

fn pool(options: &EngineOptions) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(options.instances_max)
        .total_core_instances(options.instances_max.saturating_mul(16))
        .total_memories(options.instances_max)
        .total_tables(options.instances_max.saturating_mul(4))
        .total_stacks(options.instances_max)
        .max_component_instance_size(INSTANCE_STATE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_STATE_BYTES_MAX)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_memory_size(options.memory_bytes_max)
        .table_elements(options.table_elements_max as usize)
        .max_unused_warm_slots(WARM_SLOTS_MAX)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}
