//! One instance: a store, what runs in it, and when it has served enough.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::Instance as Handle;
use wasmtime::{Store, UpdateDeadline};

use super::{Exports, LoadedVersion};
use crate::contract::{auth, chat, gifts, http, lifecycle, types};
use crate::engine::FilterEngine;
use crate::limits::{Budget, HANDLES_MAX, hostcall_bytes_max};
use crate::state::State;

/// Calls after which an instance is replaced: what leaks, leaks at most so often.
pub const CALLS_MAX: u32 = 1000;

/// Age at which an instance is replaced.
pub const AGE_MAX: Duration = Duration::from_secs(60);

/// Ticks until a running guest is looked at again.
const TICKS: u64 = 1;

/// An instance between or in calls.
pub(crate) struct Instance {
    pub(crate) store: Store<State>,
    /// None until it has started.
    handle: Option<Handle>,
    auth: Option<auth::Guest>,
    chat: Option<chat::Guest>,
    gifts: Option<gifts::Guest>,
    http: Option<http::Guest>,
    calls: u32,
    born: Instant,
    /// Its place among the engine's instances that are kept; from the first time that it is set aside to its end.
    kept: Option<Kept>,
}

/// A place among the instances that are kept between calls.
struct Kept(FilterEngine);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.release_kept();
    }
}

/// What is missing: reaching it is a fault of the host's, which asks for no interface that the manifest does not have.
#[derive(Debug, thiserror::Error)]
enum InstanceError {
    #[error("the instance has not started")]
    NotStarted,
    #[error("the version has no interface `{0}`")]
    NoInterface(&'static str),
}

macro_rules! guest {
    ($name:ident, $text:literal) => {
        /// The functions of an interface. Their types are checked when they are first asked for.
        pub(crate) fn $name(
            &mut self,
            exports: &Exports,
        ) -> wasmtime::Result<(&$name::Guest, &mut Store<State>)> {
            let handle = self.handle.as_ref().ok_or(InstanceError::NotStarted)?;
            let guest = match &mut self.$name {
                Some(guest) => guest,
                empty => {
                    let indices = exports
                        .$name
                        .as_ref()
                        .ok_or(InstanceError::NoInterface($text))?;
                    empty.insert(indices.load(&mut self.store, handle)?)
                }
            };
            Ok((guest, &mut self.store))
        }
    };
}

impl Instance {
    /// A store with its limits. The guest's code has not run yet.
    pub(crate) fn new(
        version: &LoadedVersion,
        budget: Budget,
        context: Arc<types::Context>,
        now: Instant,
    ) -> Self {
        let limits = version.limits();
        let value_bytes = version.manifest().kv.value_bytes;
        let state = State::new(Arc::clone(&version.shared), budget, context);
        let mut store = Store::new(version.engine.engine(), state);
        store.limiter(|state| &mut state.holdings);
        store.set_hostcall_fuel(hostcall_bytes_max(limits, value_bytes));
        store.set_max_component_handles(HANDLES_MAX);
        store.epoch_deadline_callback(|mut store| {
            store.data_mut().budget.tick(Instant::now())?;
            // The worker thread gets to others at every tick.
            Ok(UpdateDeadline::Yield(TICKS))
        });
        store.set_epoch_deadline(TICKS);
        Self {
            store,
            handle: None,
            auth: None,
            chat: None,
            gifts: None,
            http: None,
            calls: 0,
            born: now,
            kept: None,
        }
    }

    /// Instantiates the component and gives it its configuration. `Ok(Err(..))`: it refused that.
    pub(crate) async fn start(
        &mut self,
        version: &LoadedVersion,
    ) -> wasmtime::Result<Result<(), String>> {
        let handle = version.pre.instantiate_async(&mut self.store).await?;
        self.handle = Some(handle);
        let lifecycle = self.lifecycle(&version.exports)?;
        let config = version.shared.config.as_str();
        lifecycle.call_configure(&mut self.store, config).await
    }

    /// Prepares for another call.
    pub(crate) fn again(&mut self, budget: Budget, context: Arc<types::Context>) {
        let state = self.store.data_mut();
        state.budget = budget;
        state.context = context;
        self.store.set_epoch_deadline(TICKS);
    }

    /// Whether it may take a call for this tenant. An instance never sees two: what one left in its memory is no
    /// business of the other.
    pub(crate) fn serves(&self, tenant: &str, now: Instant) -> bool {
        self.store.data().context.tenant == tenant && !self.is_old(now)
    }

    /// After a good call: whether it has served enough.
    pub(crate) fn is_spent(&mut self, now: Instant) -> bool {
        self.calls = self.calls.saturating_add(1);
        self.calls >= CALLS_MAX || self.is_old(now) || self.store.data().holdings.is_swollen()
    }

    pub(crate) fn is_old(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.born) >= AGE_MAX
    }

    /// Whether it may be kept for another call: no, when the engine has enough that are.
    pub(crate) fn keep(&mut self, engine: &FilterEngine) -> bool {
        if self.kept.is_none() && engine.reserve_kept() {
            self.kept = Some(Kept(engine.clone()));
        }
        self.kept.is_some()
    }

    pub(crate) fn lifecycle(&mut self, exports: &Exports) -> wasmtime::Result<lifecycle::Guest> {
        let handle = self.handle.as_ref().ok_or(InstanceError::NotStarted)?;
        exports.lifecycle.load(&mut self.store, handle)
    }

    pub(crate) fn handle(&self) -> wasmtime::Result<Handle> {
        Ok(self.handle.ok_or(InstanceError::NotStarted)?)
    }

    guest!(auth, "auth");
    guest!(chat, "chat");
    guest!(gifts, "gifts");
    guest!(http, "http");
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("calls", &self.calls)
            .field("born", &self.born)
            .finish_non_exhaustive()
    }
}
