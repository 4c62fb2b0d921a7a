//! What is in service, and how it changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::breaker::{BreakerOptions, SharedBreaker};
use crate::compile::Compiler;
use crate::engine::FilterEngine;
use crate::grants::{GrantKey, Granted, Grants};
use crate::keyed::HashKey;
use crate::keys::KeyRing;
use crate::kv::KvStore;
use crate::log_ring::{LogRings, NewLine};
use crate::manifest::{FilterName, Hook, VersionId};
use crate::memo::Memo;
use crate::metrics::{Counters, FilterMetrics, VersionMetrics};
use crate::rollout::{
    Canary, Desired, Effective, Rollout, TakenBack, Verdict, Watch, Worse, judge,
};
use crate::services::Services;
use crate::shadow::{Comparison, ShadowPlaces};
use crate::sights::Sights;
use crate::stats::{self, VersionStats, Windows};
use crate::table::{Deployed, Table};
use crate::version::LoadedVersion;

use super::ask::AskError;
use super::calls::{CallInfo, Reply};
use super::{EVENTS_MAX, FilterRouting, HostError, HostOptions};

/// Something happened that others should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HostEvent {
    /// This node took a version back.
    RolledBack {
        /// Whose.
        filter: FilterName,
        /// The version.
        from: VersionId,
        /// What serves instead.
        to: VersionId,
        /// For people.
        reason: String,
        /// Whether the node did so by itself.
        automatic: bool,
    },
    /// A version failed so often that it is left alone for a while.
    Disabled {
        /// Whose.
        filter: FilterName,
        /// The version.
        version: VersionId,
        /// Its last failure.
        reason: String,
    },
}

/// A rollback that cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RollbackError {
    /// No such filter.
    #[error("this node has no filter {0}")]
    UnknownFilter(FilterName),
    /// Nothing before.
    #[error("{0} has no version to go back to")]
    NothingBefore(FilterName),
}

/// Everything of a host.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(super) options: HostOptions,
    pub(super) engine: FilterEngine,
    pub(super) compiler: Compiler,
    pub(super) services: Services,
    pub(super) table: ArcSwap<Table>,
    pub(super) filters: Mutex<Filters>,
    pub(super) grants: Grants,
    pub(super) memo: Memo,
    pub(super) shadow_places: ShadowPlaces,
    pub(super) log: Arc<LogRings>,
    pub(super) metrics: Arc<FilterMetrics>,
    pub(super) counters: Counters,
    pub(super) events: broadcast::Sender<HostEvent>,
    pub(super) unavailable: Arc<Reply>,
    hash_key: HashKey,
}

/// The filters, and how many tables there were.
#[derive(Debug, Default)]
pub(super) struct Filters {
    pub(super) filters: BTreeMap<FilterName, Filter>,
    generation: u64,
}

/// One filter.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) rollout: Rollout<VersionId>,
    /// Those that are desired, but shadows.
    pub(super) versions: BTreeMap<VersionId, Arc<Deployed>>,
    pub(super) shadow: Option<Arc<Deployed>>,
    /// What the watched version is measured from.
    measure: Option<Measure>,
}

/// Readings at the start of a watch.
#[derive(Debug)]
struct Measure {
    watch: Watch<VersionId>,
    new: Windows,
    old: Windows,
}

impl Inner {
    pub(super) fn new(
        options: HostOptions,
        keys: Arc<KeyRing>,
        registry: &prometheus::Registry,
    ) -> Result<Arc<Self>, HostError> {
        let engine = FilterEngine::new(&options.engine)?;
        let compiler = Compiler::new(&engine, options.compile.clone())?;
        let hash_key = HashKey::random().ok_or(HostError::Random)?;
        let log = Arc::new(LogRings::default());
        let metrics = Arc::new(FilterMetrics::default());
        let services = Services {
            kv: Arc::new(KvStore::new(options.kv_bytes_max)),
            keys,
            log: Arc::clone(&log) as _,
            metrics: Arc::clone(&metrics) as _,
        };
        let inner = Arc::new(Self {
            table: ArcSwap::from_pointee(Table::new(0, hash_key, [])),
            filters: Mutex::default(),
            grants: Grants::new(options.grants_bytes_max, options.denials_max),
            memo: Memo::new(options.memo_bytes_max),
            shadow_places: ShadowPlaces::new(options.shadow_calls_max),
            counters: Counters::new(registry)?,
            events: broadcast::Sender::new(EVENTS_MAX),
            unavailable: Arc::new(super::http::unavailable()),
            options,
            engine,
            compiler,
            services,
            log,
            metrics,
            hash_key,
        });
        let weak = Arc::downgrade(&inner);
        registry.register(Box::new(VersionMetrics::new(weak)?))?;
        Ok(inner)
    }

    pub(super) fn cached_grant(&self, key: &GrantKey, now: Instant) -> Option<Arc<Granted>> {
        let granted = self.grants.cached(key, now)?;
        self.counters.grants_reused.inc();
        Some(granted)
    }

    /// A version that is loaded already.
    pub(super) fn in_service(&self, id: VersionId) -> Option<Arc<LoadedVersion>> {
        let filters = self.filters.lock();
        filters.filters.values().find_map(|filter| {
            let shadow = filter.shadow.as_ref().filter(|shadow| shadow.id == id);
            let deployed = filter.versions.get(&id).or(shadow)?;
            Some(Arc::clone(&deployed.version))
        })
    }

    pub(super) fn apply(&self, desired: BTreeMap<FilterName, FilterRouting>, now: Instant) {
        let mut state = self.filters.lock();
        state.filters.retain(|name, _| desired.contains_key(name));
        self.metrics.retain(|name| desired.contains_key(name));
        for (name, routing) in desired {
            let filter = state.filters.entry(name.clone()).or_default();
            filter.take_over(&name, &routing, now, |version, shadow| {
                Arc::new(self.deploy(&name, version, shadow))
            });
        }
        self.swap(&mut state);
    }

    pub(super) fn rollback(
        &self,
        name: &FilterName,
        reason: &str,
    ) -> Result<TakenBack<VersionId>, RollbackError> {
        let mut state = self.filters.lock();
        let filter = state
            .filters
            .get_mut(name)
            .ok_or_else(|| RollbackError::UnknownFilter(name.clone()))?;
        let taken = filter
            .take_back()
            .ok_or_else(|| RollbackError::NothingBefore(name.clone()))?;
        self.swap(&mut state);
        drop(state);
        self.tell_rollback(name, taken, reason, false);
        Ok(taken)
    }

    pub(super) fn tick(&self, now: Instant) {
        self.judge(now);
        // What nobody calls or asks for any more goes only here.
        for deployed in self.deployed() {
            deployed.version.trim(now);
        }
        self.grants.sweep(now);
        self.memo.sweep(now);
        // What is more than a sweep takes goes with the next ticks.
        self.services.kv.sweep(crate::grants::unix_ms());
    }

    /// Takes back the versions that do worse than those before them.
    fn judge(&self, now: Instant) {
        let mut state = self.filters.lock();
        let mut taken = Vec::new();
        for (name, filter) in &mut state.filters {
            for deployed in filter.versions.values() {
                deployed.stats.tick(now);
            }
            filter.rollout.poll(now);
            if let Some(worse) = filter.verdict()
                && let Some(back) = filter.take_back()
            {
                taken.push((name.clone(), back, worse));
            }
        }
        if taken.is_empty() {
            return;
        }
        self.swap(&mut state);
        drop(state);
        for (name, back, worse) in taken {
            self.tell_rollback(&name, back, &worse.to_string(), true);
        }
    }

    /// The breaker of a version opened. If the version is being watched it is taken back: there
    /// will not be enough calls to judge it by.
    pub(super) fn disabled(&self, version: &Arc<Deployed>, error: &AskError) {
        let reason = error.to_string();
        tracing::warn!(
            filter = %version.filter,
            version = %version.id,
            error = reason,
            "a filter failed so often that it is left alone for a while"
        );
        self.counters.disabled.inc();
        // Nobody listens: then nobody wants to know.
        drop(self.events.send(HostEvent::Disabled {
            filter: version.filter.clone(),
            version: version.id,
            reason,
        }));
        let mut state = self.filters.lock();
        let Some(filter) = state.filters.get_mut(&version.filter) else {
            return;
        };
        let watched = filter.rollout.watch().map(|watch| watch.version);
        if watched != Some(version.id) {
            return;
        }
        let Some(back) = filter.take_back() else {
            return;
        };
        self.swap(&mut state);
        drop(state);
        self.tell_rollback(&version.filter, back, &Worse::Disabled.to_string(), true);
    }

    fn tell_rollback(
        &self,
        filter: &FilterName,
        taken: TakenBack<VersionId>,
        reason: &str,
        automatic: bool,
    ) {
        let TakenBack { from, to } = taken;
        tracing::warn!(%filter, %from, %to, reason, automatic, "took a version of a filter back");
        self.counters.rollbacks.inc();
        self.log.push(&NewLine {
            filter,
            version: from,
            shadow: false,
            at_unix_ms: crate::grants::unix_ms(),
            level: "warn",
            source: "host",
            request_id: "",
            message: &format!("taken back: {reason}"),
        });
        drop(self.events.send(HostEvent::RolledBack {
            filter: filter.clone(),
            from,
            to,
            reason: reason.to_owned(),
            automatic,
        }));
    }

    /// Makes the table anew and lets requests have it from now on.
    fn swap(&self, state: &mut Filters) {
        state.generation += 1;
        let filters = state
            .filters
            .iter()
            .map(|(name, filter)| (name.clone(), filter.routed()));
        let table = Table::new(state.generation, self.hash_key, filters);
        self.table.store(Arc::new(table));
        self.counters.swaps.inc();
    }

    fn deploy(&self, filter: &FilterName, version: &Arc<LoadedVersion>, shadow: bool) -> Deployed {
        let manifest = version.manifest();
        let mut hasher = self.hash_key.hasher();
        hasher.text(filter.as_str());
        hasher.bytes(version.id().as_bytes());
        let breaker = manifest.disable_after.map(|after| BreakerOptions {
            failures: after.failures as usize,
            within: Duration::from_millis(u64::from(after.within_ms)),
        });
        Deployed {
            filter: filter.clone(),
            id: version.id(),
            shadow,
            breaker: SharedBreaker::new(breaker),
            stats: VersionStats::default(),
            comparison: Comparison::default(),
            auth_sights: Sights::of(manifest.sees(Hook::Auth)),
            http_sights: Sights::of(manifest.sees(Hook::HttpRequest)),
            key_word: hasher.finish_word(),
            version: Arc::clone(version),
        }
    }
}

impl Filter {
    fn take_over(
        &mut self,
        name: &FilterName,
        routing: &FilterRouting,
        now: Instant,
        deploy: impl Fn(&Arc<LoadedVersion>, bool) -> Arc<Deployed>,
    ) {
        // The registry would have to be wrong; calling another filter's code would be worse.
        let ours = |version: &&Arc<LoadedVersion>| version.name() == name;
        let canary = routing.canary.as_ref();
        let canary = canary.filter(|canary| canary.version.name() == name);
        let active = routing.active.as_ref().filter(ours);
        let previous = routing.previous.as_ref().filter(ours);
        let serving = [active, previous, canary.map(|canary| &canary.version)];
        let anew = routing.activation != self.rollout.desired().activation;
        let mut versions = BTreeMap::new();
        for version in serving.into_iter().flatten() {
            let id = version.id();
            // Somebody wants a version that was taken back after all: it begins with a clean sheet,
            // or its breaker would still be open.
            let deployed = self
                .versions
                .get(&id)
                .filter(|_| !anew || !self.rollout.is_taken_back(id));
            let deployed = deployed.map(Arc::clone);
            versions.insert(id, deployed.unwrap_or_else(|| deploy(version, false)));
        }
        self.versions = versions;
        // A version that serves is no shadow of itself.
        let shadow = routing
            .shadow
            .as_ref()
            .filter(ours)
            .filter(|shadow| active.is_none_or(|active| active.id() != shadow.id()));
        self.shadow = shadow.map(|version| match &self.shadow {
            Some(deployed) if deployed.id == version.id() => Arc::clone(deployed),
            _ => deploy(version, true),
        });
        let desired = Desired {
            enabled: routing.enabled,
            active: active.map(|version| version.id()),
            previous: previous.map(|version| version.id()),
            canary: canary.map(|canary| Canary {
                version: canary.version.id(),
                percent: canary.percent,
            }),
            shadow: shadow.map(|version| version.id()),
            bake: routing.bake,
            activation: routing.activation,
        };
        self.rollout.apply(desired, now);
        self.measure();
    }

    fn take_back(&mut self) -> Option<TakenBack<VersionId>> {
        let taken = self.rollout.take_back()?;
        self.measure = None;
        Some(taken)
    }

    /// Takes the readings from which a watch that has begun is measured.
    fn measure(&mut self) {
        let watch = self.rollout.watch().copied();
        if self.measure.as_ref().map(|measure| measure.watch) == watch {
            return;
        }
        self.measure = watch.and_then(|watch| {
            let new = self.versions.get(&watch.version)?;
            let old = self.versions.get(&watch.against)?;
            Some(Measure {
                watch,
                new: new.stats.windows(),
                // One that serves beside it is measured from now on; one that it replaced, by what
                // it did before.
                old: if watch.side_by_side {
                    old.stats.windows()
                } else {
                    old.stats.baseline()
                },
            })
        });
    }

    /// Whether the watched version is to be taken back.
    fn verdict(&mut self) -> Option<Worse> {
        if self.rollout.watch().is_none() {
            self.measure = None;
        }
        let Measure {
            watch,
            new: start,
            old,
        } = self.measure.as_ref()?;
        let new = self.versions.get(&watch.version)?.stats.windows();
        let new = stats::since(&new, start);
        let old = if watch.side_by_side {
            stats::since(&self.versions.get(&watch.against)?.stats.windows(), old)
        } else {
            old.clone()
        };
        old.iter()
            .zip(&new)
            .find_map(|(old, new)| match judge(old, new) {
                Verdict::Worse(worse) => Some(worse),
                _ => None,
            })
    }

    /// The versions by which requests are routed.
    pub(super) fn routed(&self) -> Effective<Arc<Deployed>> {
        let effective = self.rollout.effective();
        let shadow = effective.shadow.and_then(|_| self.shadow.clone());
        let versions = effective.map(|id| self.versions.get(id).map(Arc::clone));
        Effective { shadow, ..versions }
    }
}

impl LogRings {
    /// What the node says about a failure, beside the filter's own lines.
    pub(super) fn failure(
        &self,
        version: &Deployed,
        info: &CallInfo<'_>,
        hook: Hook,
        error: &AskError,
    ) {
        self.push(&NewLine {
            filter: &version.filter,
            version: version.id,
            shadow: version.shadow,
            at_unix_ms: info.now_unix_ms,
            level: "error",
            source: "host",
            request_id: info.request_id,
            message: &format!("{hook}: {error}"),
        });
    }
}
