//! A version of a filter, compiled, linked and ready to be called.
//!
//! It makes and keeps instances; what happens inside a call is in [`call`](crate::call).

mod exports;
mod instance;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam_queue::ArrayQueue;
use tokio::sync::Semaphore;
use wasmtime::component::{Component, InstancePre};

use crate::engine::FilterEngine;
use crate::manifest::{FilterName, Hook, Isolation, Limits, Manifest, VersionDocument, VersionId};
use crate::services::Services;
use crate::state::{Shared, Spaces, State};

pub(crate) use exports::{Exports, find};
pub(crate) use instance::Instance;
pub use instance::{AGE_MAX, CALLS_MAX};

/// A component that cannot be a version of a filter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It imports what the host does not give, or something of another type.
    #[error("does not link: {0}")]
    Link(String),
    /// It does not export what its manifest's hooks need.
    #[error("does not export {interface}: {reason}")]
    Export {
        /// An interface of the contract, with its version.
        interface: String,
        /// What is missing of it.
        reason: String,
    },
}

/// One version of one filter on this node. Always in an [`Arc`]: who holds it may call it, and when the last one lets
/// go, the code and all instances are gone.
pub struct LoadedVersion {
    pub(crate) shared: Arc<Shared>,
    pub(crate) engine: FilterEngine,
    pub(crate) pre: InstancePre<State>,
    pub(crate) exports: Exports,
    pub(crate) isolation: Isolation,
    /// One permit for each instance that may exist; a call holds one.
    pub(crate) places: Semaphore,
    /// Calls that wait for a place.
    pub(crate) waiting: AtomicU32,
    /// Boxed, because they are moved in and out at each call.
    pub(crate) idle: ArrayQueue<Box<Instance>>,
    pub(crate) counters: Counters,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) fresh: AtomicU64,
    pub(crate) busy: AtomicU64,
    pub(crate) cpu_ticks: AtomicU64,
    pub(crate) log_lines_dropped: AtomicU64,
    pub(crate) memory_bytes_max: AtomicUsize,
}

/// What a version's instances have used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Instances that were made.
    pub fresh: u64,
    /// Calls that found no instance in time.
    pub busy: u64,
    /// Milliseconds in which an instance was found running: an estimate of processor time, which leaves out calls of
    /// less than a millisecond.
    pub cpu_ms: u64,
    /// Log lines over `limits.log_lines`.
    pub log_lines_dropped: u64,
    /// Linear memory of the largest instance there was, in bytes.
    pub memory_bytes_max: usize,
    /// Calls that run now.
    pub running: usize,
    /// Calls that wait for an instance now.
    pub waiting: u32,
    /// Instances that wait for a call now.
    pub idle: usize,
}

impl LoadedVersion {
    /// Links a compiled component. Nothing of it runs yet.
    ///
    /// `document` must be the component's: the manifest says which exports it needs and how much it may use.
    ///
    /// # Errors
    /// It asks for imports that are not there, or lacks exports.
    pub fn load(
        engine: &FilterEngine,
        document: Arc<VersionDocument>,
        component: Component,
        services: Services,
    ) -> Result<Arc<Self>, LoadError> {
        let pre = engine
            .linker()
            .instantiate_pre(&component)
            .map_err(|error| LoadError::Link(format!("{error:#}")))?;
        let exports = Exports::new(&pre, &document.manifest)?;
        let instances = document.manifest.limits.instances.max(1) as usize;
        let isolation = document.manifest.isolation();
        let shared = Arc::new(Shared {
            id: document.id(),
            config: document.manifest.config.to_string(),
            document,
            services,
            spaces: Spaces::default(),
        });
        Ok(Arc::new(Self {
            shared,
            engine: engine.clone(),
            pre,
            exports,
            isolation,
            places: Semaphore::new(instances),
            waiting: AtomicU32::new(0),
            idle: ArrayQueue::new(instances),
            counters: Counters::default(),
        }))
    }

    /// Which version it is.
    #[must_use]
    pub fn id(&self) -> VersionId {
        self.shared.id
    }

    /// The component's digest and the manifest.
    #[must_use]
    pub fn document(&self) -> &Arc<VersionDocument> {
        &self.shared.document
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.shared.document.manifest
    }

    /// The filter that it is a version of.
    #[must_use]
    pub fn name(&self) -> &FilterName {
        &self.shared.document.manifest.name
    }

    /// Whether it is called at a hook.
    #[must_use]
    pub fn has(&self, hook: Hook) -> bool {
        self.manifest().has(hook)
    }

    /// What it reaches of the node.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.shared.services
    }

    /// What its instances have used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let counters = &self.counters;
        let places = self.limits().instances.max(1) as usize;
        Usage {
            fresh: counters.fresh.load(Ordering::Relaxed),
            busy: counters.busy.load(Ordering::Relaxed),
            cpu_ms: counters.cpu_ticks.load(Ordering::Relaxed),
            log_lines_dropped: counters.log_lines_dropped.load(Ordering::Relaxed),
            memory_bytes_max: counters.memory_bytes_max.load(Ordering::Relaxed),
            running: places.saturating_sub(self.places.available_permits()),
            waiting: self.waiting.load(Ordering::Relaxed),
            idle: self.idle.len(),
        }
    }

    /// Throws away instances that wait and are older than [`AGE_MAX`]: those of a filter that nobody calls any more. To
    /// be called every few seconds. Returns how many there were.
    pub fn trim(&self, now: Instant) -> usize {
        let mut gone = 0;
        for _ in 0..self.idle.len() {
            match self.idle.pop() {
                Some(instance) if instance.is_old(now) => gone += 1,
                // It has room for as many as there are places.
                Some(instance) => drop(self.idle.push(instance)),
                None => break,
            }
        }
        gone
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.document.manifest.limits
    }
}

impl fmt::Debug for LoadedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedVersion")
            .field("filter", self.name())
            .field("id", &self.shared.id)
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}
