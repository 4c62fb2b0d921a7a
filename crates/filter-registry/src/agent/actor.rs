//! The agent's task: one loop that hears of everything and owns all state.
//!
//! After each thing it heard of it converges ([`Actor::converge`]): starts what is missing,
//! switches to what is ready, remembers, and has a report sent when something changed. Fetching,
//! preparing and reporting run beside it and never hold it up.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use wasm_filters::manifest::{FilterName, VersionId};

use super::fetch::Workshop;
use super::follow::{News, follow};
use super::local::{Local, Memory, OwnRollback};
use super::node::{Node, NodeEvent, Routing};
use super::plan::{Plan, Ran, holds, plan, wanted};
use super::report::{AgentStatus, FilterState, FilterStatus, LINES_BYTES_MAX, fitting};
use super::slots::{Failure, Key, Slots, pause};
use super::{AgentOptions, PREPARING_MAX, REPORT_INTERVAL, RETRY_MAX, RETRY_MIN};
use crate::catalogue::Rejection;
use crate::metrics::AgentMetrics;
use crate::source::{Source, SourceError};
use crate::wire::{FilterReport, NodeReport, ReportTaken, RolledBack};

/// The end of something that ran beside the loop.
enum Done<V> {
    Prepared(Key, Result<V, Failure>),
    Reported(Result<ReportTaken, SourceError>, NodeReport),
}

type Jobs<V> = JoinSet<Done<V>>;

/// All of an agent's state.
pub(super) struct Actor<N: Node> {
    options: AgentOptions,
    workshop: Arc<Workshop<N>>,
    metrics: AgentMetrics,
    status: watch::Sender<AgentStatus>,
    /// None: neither the own copy nor the registry had a catalogue yet.
    memory: Option<Memory>,
    saved: Option<Memory>,
    slots: Slots<N::Version>,
    /// What the node was told to run.
    applied: BTreeMap<FilterName, Plan>,
    /// Versions that are being prepared, by task.
    tasks: HashMap<task::Id, Key>,
    connected: bool,
    problem: Option<String>,
    /// The last generation of which everything was settled.
    settled_generation: u64,
    /// Old versions may be in the local copy.
    untidy: bool,
    reports: Reports,
}

/// Where reporting stands.
struct Reports {
    in_flight: bool,
    due: Instant,
    failures: u32,
    /// The last one that was taken, without what always changes.
    taken: Option<NodeReport>,
    /// The last log line of each filter that was taken.
    logs_after: BTreeMap<FilterName, u64>,
}

impl<N: Node> Actor<N> {
    pub(super) fn new(
        options: AgentOptions,
        node: Arc<N>,
        source: Arc<dyn Source>,
        mut local: Local,
        metrics: AgentMetrics,
        status: watch::Sender<AgentStatus>,
    ) -> Self {
        let memory = local.memory.take();
        let workshop = Workshop {
            node,
            source,
            local,
            signatures: options.signatures.clone(),
        };
        Self {
            options,
            workshop: Arc::new(workshop),
            metrics,
            status,
            saved: memory.clone(),
            memory,
            slots: Slots::default(),
            applied: BTreeMap::new(),
            tasks: HashMap::new(),
            connected: false,
            problem: None,
            settled_generation: 0,
            untidy: true,
            reports: Reports {
                in_flight: false,
                due: Instant::now() + REPORT_INTERVAL,
                failures: 0,
                taken: None,
                logs_after: BTreeMap::new(),
            },
        }
    }

    /// Works until it is told to stop.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let (sender, mut news) = mpsc::channel(1);
        // It ends when `news` is dropped.
        let source = Arc::clone(&self.workshop.source);
        tokio::spawn(follow(source, self.metrics.clone(), sender));
        let mut events = self.workshop.node.events();
        let mut jobs = Jobs::new();
        self.revoke();
        loop {
            self.converge(&mut jobs).await;
            let retry = self.slots.next_retry(|key| self.in_use(key));
            let retry = retry.unwrap_or_else(|| Instant::now() + REPORT_INTERVAL);
            tokio::select! {
                () = stop.cancelled() => return,
                Some(news) = news.recv() => self.hear(news),
                Some(done) = jobs.join_next_with_id() => self.finish(done),
                Some(event) = events.recv() => self.own_doing(event),
                () = sleep_until(self.reports.due), if !self.reports.in_flight => {
                    self.report(&mut jobs);
                }
                () = sleep_until(retry) => {}
            }
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Alive => self.reached(),
            News::Catalogue(catalogue) => {
                self.reached();
                let generation = catalogue.generation;
                tracing::debug!(generation, "the filter catalogue changed");
                let memory = self.memory.get_or_insert_default();
                memory.catalogue = catalogue;
                self.untidy = true;
                self.revoke();
            }
            News::Lost(error) => {
                if self.connected || self.problem.is_none() {
                    tracing::warn!(%error, "the filter registry is away; what runs goes on running");
                }
                self.connected = false;
                self.problem = Some(error.to_string());
            }
        }
    }

    fn reached(&mut self) {
        if !self.connected {
            tracing::info!("the filter registry answers");
        }
        self.connected = true;
        self.problem = None;
    }

    /// Nodes take the same revocation more than once.
    fn revoke(&self) {
        let revocations = self.memory.iter().flat_map(|m| &m.catalogue.revocations);
        for revocation in revocations {
            self.workshop.node.revoke(revocation);
        }
    }

    fn finish(&mut self, done: Result<(task::Id, Done<N::Version>), JoinError>) {
        let now = Instant::now();
        match done {
            Ok((id, Done::Prepared(key, outcome))) => {
                self.tasks.remove(&id);
                match &outcome {
                    Ok(_) => {
                        tracing::info!(filter = %key.0, version = %key.1, "a version is ready")
                    }
                    Err(failure) => {
                        tracing::warn!(filter = %key.0, version = %key.1, ?failure, "a version is not ready");
                    }
                }
                self.slots.end(&key, outcome, now);
            }
            Ok((_, Done::Reported(result, report))) => self.reported(result, report, now),
            Err(error) => match self.tasks.remove(&error.id()) {
                Some(key) => {
                    tracing::error!(filter = %key.0, version = %key.1, %error, "preparing a version panicked");
                    let rejection = Rejection {
                        stage: "node".to_owned(),
                        reason: "the node failed while it prepared this version".to_owned(),
                    };
                    self.slots.end(&key, Err(Failure::Rejected(rejection)), now);
                }
                None => self.reports.in_flight = false,
            },
        }
    }

    fn own_doing(&mut self, event: NodeEvent) {
        let NodeEvent::RolledBack {
            filter,
            from,
            to,
            reason,
        } = event
        else {
            self.report_now();
            return;
        };
        let Some(plan) = self.applied.get(&filter) else {
            return;
        };
        let canary = plan.canary.map(|(canary, _)| canary);
        if plan.active != Some(from) && canary != Some(from) {
            return;
        }
        tracing::warn!(%filter, %from, to = ?to, reason, "this node went back by itself");
        let what = RolledBack {
            from,
            to,
            reason,
            since_generation: plan.since_generation,
        };
        if let Some(memory) = &mut self.memory {
            let acknowledged = false;
            memory
                .rolled_back
                .insert(filter, OwnRollback { what, acknowledged });
        }
        self.report_now();
    }

    fn report_now(&mut self) {
        if self.reports.failures == 0 {
            self.reports.due = Instant::now();
        }
    }

    /// Brings the node as near to what is wanted as it can be now.
    async fn converge(&mut self, jobs: &mut Jobs<N::Version>) {
        let Some(memory) = &mut self.memory else {
            return;
        };
        let catalogue = &memory.catalogue;
        memory.rolled_back.retain(|name, own| {
            let filter = catalogue.filters.get(name);
            filter.is_some_and(|filter| holds(&own.what, filter))
        });
        memory
            .ran
            .retain(|name, _| catalogue.filters.contains_key(name));
        self.prepare(jobs);
        self.apply();
        self.tell();
        if self.memory != self.saved
            && let Some(memory) = &self.memory
        {
            self.workshop.local.save(memory.clone()).await;
            self.saved = self.memory.clone();
        }
        if self.untidy && self.slots.preparing() == 0 {
            self.untidy = false;
            let wanted: BTreeSet<VersionId> = self.wanted().into_iter().map(|key| key.1).collect();
            self.workshop.local.keep_only(&wanted).await;
        }
    }

    /// Every version that is worth having ready, the most urgent of all filters first.
    fn wanted(&self) -> Vec<Key> {
        let Some(memory) = &self.memory else {
            return Vec::new();
        };
        let mut ranked: Vec<(usize, Key)> = Vec::new();
        for (name, filter) in &memory.catalogue.filters {
            let own = memory.rolled_back.get(name).map(|own| &own.what);
            let ids = wanted(filter, own, memory.ran.get(name).copied());
            let keys = ids.into_iter().map(|id| (name.clone(), id));
            ranked.extend(keys.enumerate());
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, key)| key).collect()
    }

    /// Whether what is wanted of a filter names the version.
    fn in_use(&self, (name, id): &Key) -> bool {
        let filter = self
            .memory
            .as_ref()
            .and_then(|memory| memory.catalogue.filters.get(name));
        filter.is_some_and(|filter| filter.desired.versions().contains(id))
    }

    fn prepare(&mut self, jobs: &mut Jobs<N::Version>) {
        let wanted = self.wanted();
        let set: BTreeSet<&Key> = wanted.iter().collect();
        self.slots.retain(|key| set.contains(key));
        let Some(memory) = &self.memory else {
            return;
        };
        let now = Instant::now();
        for key in wanted {
            if self.tasks.len() >= PREPARING_MAX {
                return;
            }
            // A version that was dropped while it was prepared, and is wanted again.
            if self.tasks.values().any(|running| *running == key) {
                continue;
            }
            let in_use = self.in_use(&key);
            if !self.slots.begin(&key, in_use, now) {
                continue;
            }
            let filter = memory.catalogue.filters.get(&key.0);
            let version = filter.and_then(|filter| filter.version(key.1)).cloned();
            let workshop = Arc::clone(&self.workshop);
            let task = jobs.spawn({
                let key = key.clone();
                async move {
                    let outcome = workshop.prepare(&key, version.as_ref()).await;
                    Done::Prepared(key, outcome)
                }
            });
            self.tasks.insert(task.id(), key);
        }
    }

    fn apply(&mut self) {
        let Some(memory) = &mut self.memory else {
            return;
        };
        let mut plans = BTreeMap::new();
        for (name, filter) in &memory.catalogue.filters {
            let own = memory.rolled_back.get(name).map(|own| &own.what);
            let ready = |id| self.slots.ready(&(name.clone(), id)).is_some();
            let plan = plan(filter, own, memory.ran.get(name).copied(), ready);
            match plan.active {
                Some(active) => {
                    let ran = Ran {
                        active,
                        previous: plan.previous,
                        since_generation: plan.since_generation,
                    };
                    memory.ran.insert(name.clone(), ran);
                }
                None if filter.desired.active.is_none() => {
                    memory.ran.remove(name);
                }
                // Not ready again after a restart: it is still what ran.
                None => {}
            }
            plans.insert(name.clone(), plan);
        }
        if plans == self.applied {
            return;
        }
        let routing = plans.iter().map(|(name, plan)| {
            let ready = |id: VersionId| self.slots.ready(&(name.clone(), id));
            (name.clone(), with_versions(plan, ready))
        });
        self.workshop.node.apply(routing.collect());
        self.applied = plans;
    }

    /// Status and metrics, and a report when something is new.
    fn tell(&mut self) {
        let Some(memory) = &self.memory else {
            return;
        };
        let catalogue = &memory.catalogue;
        let open = |(name, id): (&FilterName, VersionId)| self.slots.is_open(&(name.clone(), id));
        let settled = !catalogue
            .filters
            .iter()
            .filter_map(|(name, filter)| Some((name, filter.desired.active?)))
            .any(open);
        if settled {
            self.settled_generation = catalogue.generation;
        }
        let filters: BTreeMap<FilterName, FilterStatus> = catalogue
            .filters
            .keys()
            .map(|name| (name.clone(), self.filter_status(memory, name)))
            .collect();
        self.metrics
            .generation
            .set(i64::try_from(self.settled_generation).unwrap_or(i64::MAX));
        for state in FilterState::ALL {
            let count = filters.values().filter(|filter| filter.state == state);
            let gauge = self.metrics.filters.with_label_values(&[state.as_str()]);
            gauge.set(i64::try_from(count.count()).unwrap_or(i64::MAX));
        }
        let status = AgentStatus {
            generation: catalogue.generation,
            connected: self.connected,
            problem: self.problem.clone(),
            settled,
            filters,
        };
        self.status.send_if_modified(|told| {
            let news = *told != status;
            *told = status;
            news
        });
        if self.reports.taken.as_ref() != Some(&self.state_report()) {
            self.report_now();
        }
    }

    fn filter_status(&self, memory: &Memory, name: &FilterName) -> FilterStatus {
        let desired = memory.catalogue.filters.get(name).map(|f| &f.desired);
        let wanted = desired.and_then(|desired| desired.active);
        let active = self.applied.get(name).and_then(|plan| plan.active);
        let state = match (desired, active) {
            (Some(desired), _) if !desired.enabled => FilterState::Disabled,
            (_, None) if wanted.is_none() => FilterState::Idle,
            (_, None) => FilterState::Missing,
            _ if memory.rolled_back.contains_key(name) => FilterState::RolledBack,
            _ if active == wanted => FilterState::Running,
            _ => FilterState::Behind,
        };
        FilterStatus {
            state,
            active,
            wanted,
        }
    }

    /// The report without what always changes.
    fn state_report(&self) -> NodeReport {
        let memory = self.memory.as_ref();
        let names = memory.iter().flat_map(|m| m.catalogue.filters.keys());
        let filters = names.map(|name| {
            let own = memory.and_then(|memory| memory.rolled_back.get(name));
            let own = own.filter(|own| !own.acknowledged);
            let report = FilterReport {
                active: self.applied.get(name).and_then(|plan| plan.active),
                versions: self.slots.states(name),
                rolled_back: own.map(|own| own.what.clone()),
                ..FilterReport::default()
            };
            (name.clone(), report)
        });
        NodeReport {
            generation: self.settled_generation,
            role: self.options.role.clone(),
            filters: filters.collect(),
        }
    }

    fn report(&mut self, jobs: &mut Jobs<N::Version>) {
        if self.memory.is_none() {
            self.reports.due = Instant::now() + REPORT_INTERVAL;
            return;
        }
        let node = &self.workshop.node;
        let mut report = self.state_report();
        let mut stats = node.stats();
        let mut bytes_left = LINES_BYTES_MAX;
        for (name, filter) in &mut report.filters {
            filter.stats = stats.remove(name).unwrap_or_default();
            let after = self.reports.logs_after.get(name).copied();
            let lines = node.logs(name, after.unwrap_or_default());
            filter.logs = fitting(lines, &mut bytes_left);
        }
        self.reports.in_flight = true;
        let source = Arc::clone(&self.workshop.source);
        let node = self.options.node.clone();
        jobs.spawn(async move {
            let result = source.report(&node, &report).await;
            Done::Reported(result, report)
        });
    }

    fn reported(
        &mut self,
        result: Result<ReportTaken, SourceError>,
        mut report: NodeReport,
        now: Instant,
    ) {
        self.reports.in_flight = false;
        if let Err(error) = result {
            let pause = pause(self.reports.failures, RETRY_MIN, RETRY_MAX);
            if self.reports.failures == 0 {
                tracing::warn!(%error, "the filter registry did not take a report");
            }
            self.reports.failures += 1;
            self.reports.due = now + pause;
            self.metrics.failures.with_label_values(&["report"]).inc();
            return;
        }
        self.reports.failures = 0;
        self.reports.due = now + REPORT_INTERVAL;
        for (name, filter) in &mut report.filters {
            if let Some(line) = filter.logs.last() {
                self.reports.logs_after.insert(name.clone(), line.seq);
            }
            filter.logs.clear();
            filter.stats = serde_json::Value::Null;
            let memory = self.memory.as_mut();
            let own = memory.and_then(|memory| memory.rolled_back.get_mut(name));
            if let (Some(told), Some(own)) = (filter.rolled_back.take(), own)
                && own.what == told
            {
                own.acknowledged = true;
            }
        }
        self.reports.taken = Some(report);
    }
}

/// A plan with versions in the place of ids. All of them are ready: the plan says so.
fn with_versions<V>(plan: &Plan, ready: impl Fn(VersionId) -> Option<V>) -> Routing<V> {
    Routing {
        active: plan.active.and_then(&ready),
        previous: plan.previous.and_then(&ready),
        canary: plan
            .canary
            .and_then(|(canary, percent)| Some((ready(canary)?, percent))),
        shadow: plan.shadow.and_then(&ready),
        bake_ms: plan.bake_ms,
        since_generation: plan.since_generation,
        enabled: plan.enabled,
    }
}
