//! How a node's filters do, for its admin page and its reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::grants::unix_ms;
use crate::kv::KvFigures;
use crate::manifest::{FilterName, Hook, VersionId};
use crate::metrics::FilterMetrics;
use crate::shadow::ComparisonStatus;
use crate::stats::LastFailure;
use crate::table::Deployed;

use super::state::{Filter, Inner};

/// All filters of a node.
#[derive(Clone, Debug, Serialize)]
pub struct HostStatus {
    /// Counts the tables so far.
    pub generation: u64,
    /// Whether instances come from a pool.
    pub pooling: bool,
    /// By name.
    pub filters: BTreeMap<FilterName, FilterStatus>,
    /// Grants that are kept, about.
    pub grants: u64,
    /// Denials that are kept, about.
    pub denials: u64,
    /// Questions that are being asked.
    pub asking: usize,
    /// Answers of `http` filters that are kept, about.
    pub answers: u64,
    /// Revocations in force.
    pub revocations: usize,
}

/// One filter.
#[derive(Clone, Debug, Serialize)]
pub struct FilterStatus {
    /// Whether it is called.
    pub enabled: bool,
    /// The activation that the node follows.
    pub activation: u64,
    /// Serves everybody whom the canary does not. What the node took back is not here.
    pub active: Option<VersionId>,
    /// What `active` would be taken back to.
    pub previous: Option<VersionId>,
    /// Serves a share.
    pub canary: Option<VersionId>,
    /// Its share, of 100.
    pub canary_percent: Option<u8>,
    /// Is called without effect.
    pub shadow: Option<VersionId>,
    /// What is being judged.
    pub watched: Option<VersionId>,
    /// What is desired, and was taken back by this node.
    pub taken_back: Vec<VersionId>,
    /// Log lines over the limit of a call.
    pub log_lines_dropped: u64,
    /// All that are loaded.
    pub versions: Vec<VersionStatus>,
}

/// One version.
#[derive(Clone, Debug, Serialize)]
pub struct VersionStatus {
    /// Which.
    pub id: VersionId,
    /// The author's label.
    pub label: String,
    /// Whether it is called without effect.
    pub shadow: bool,
    /// `closed`, `open` or `half-open`.
    pub breaker: &'static str,
    /// How often it was disabled.
    pub disabled: u64,
    /// Linear memory of the largest instance there was, in bytes.
    pub memory_bytes_max: usize,
    /// Calls that run.
    pub running: usize,
    /// Instances that wait.
    pub idle: usize,
    /// Instances that were made.
    pub instances_made: u64,
    /// Processor time in milliseconds, as an estimate.
    pub cpu_ms: u64,
    /// Its hooks.
    pub hooks: Vec<HookStatus>,
    /// What failed last.
    pub last_failure: Option<LastFailure>,
    /// Of a shadow: how it compares.
    pub comparison: Option<ComparisonStatus>,
}

/// One hook of a version.
#[derive(Clone, Debug, Serialize)]
pub struct HookStatus {
    /// Which.
    pub hook: Hook,
    /// Calls that were made.
    pub calls: u64,
    /// Answers that were given again without a call.
    pub reused: u64,
    /// What it decided, without zeros.
    pub decisions: BTreeMap<&'static str, u64>,
    /// How it failed, without zeros.
    pub failures: BTreeMap<&'static str, u64>,
    /// Half of the calls took no longer, in microseconds.
    pub p50_us: u64,
    /// 99 of 100 calls took no longer, in microseconds.
    pub p99_us: u64,
}

impl Inner {
    pub(super) fn status(&self) -> HostStatus {
        let (grants, denials) = self.grants.len();
        let state = self.filters.lock();
        let filters = state.filters.iter();
        HostStatus {
            generation: self.table.load().generation(),
            pooling: self.engine.pooling(),
            filters: filters
                .map(|(name, filter)| (name.clone(), self.filter_status(name, filter)))
                .collect(),
            grants,
            denials,
            asking: self.grants.flights.len(),
            answers: self.memo.len(),
            revocations: self.grants.revocations(unix_ms()),
        }
    }

    fn filter_status(&self, name: &FilterName, filter: &Filter) -> FilterStatus {
        let desired = filter.rollout.desired();
        let effective = filter.rollout.effective();
        let canary = desired.canary.map(|canary| canary.version);
        let wanted = [desired.active, canary];
        FilterStatus {
            enabled: desired.enabled,
            activation: desired.activation,
            active: effective.active,
            previous: effective.previous,
            canary: effective.canary.map(|canary| canary.version),
            canary_percent: effective.canary.map(|canary| canary.percent.get()),
            shadow: effective.shadow,
            watched: filter.rollout.watch().map(|watch| watch.version),
            taken_back: wanted
                .into_iter()
                .flatten()
                .filter(|version| filter.rollout.is_taken_back(*version))
                .collect(),
            log_lines_dropped: self.log.dropped(name),
            versions: filter
                .deployed()
                .map(|version| version_status(version))
                .collect(),
        }
    }

    /// Everything that is loaded for service.
    pub(crate) fn deployed(&self) -> Vec<Arc<Deployed>> {
        let state = self.filters.lock();
        let filters = state.filters.values();
        filters.flat_map(Filter::deployed).map(Arc::clone).collect()
    }

    /// What filters count themselves.
    pub(crate) fn own_metrics(&self) -> &FilterMetrics {
        &self.metrics
    }

    /// What filters keep in `kv`.
    pub(crate) fn kv_figures(&self) -> KvFigures {
        self.services.kv.figures()
    }
}

impl Filter {
    fn deployed(&self) -> impl Iterator<Item = &Arc<Deployed>> {
        self.versions.values().chain(&self.shadow)
    }
}

fn version_status(version: &Deployed) -> VersionStatus {
    let usage = version.version.usage();
    let hooks = Hook::ALL
        .into_iter()
        .filter(|hook| version.version.has(*hook));
    VersionStatus {
        id: version.id,
        label: version.version.manifest().version.clone(),
        shadow: version.shadow,
        breaker: version.breaker.state().as_str(),
        disabled: version.breaker.opened(),
        memory_bytes_max: usage.memory_bytes_max,
        running: usage.running,
        idle: usage.idle,
        instances_made: usage.fresh,
        cpu_ms: usage.cpu_ms,
        hooks: hooks.map(|hook| hook_status(version, hook)).collect(),
        last_failure: version.stats.last_failure(),
        comparison: version.shadow.then(|| version.comparison.read()),
    }
}

fn hook_status(version: &Deployed, hook: Hook) -> HookStatus {
    let read = version.stats.hook(hook).read();
    let us = |quantile| {
        let duration = read.durations.quantile(quantile);
        u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
    };
    HookStatus {
        hook,
        calls: read.calls,
        reused: read.reused,
        p50_us: us(0.5),
        p99_us: us(0.99),
        decisions: read
            .decisions
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(decision, count)| (decision.as_str(), count))
            .collect(),
        failures: read
            .failures
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| (kind.as_str(), count))
            .collect(),
    }
}
