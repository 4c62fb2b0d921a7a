//! What is counted of limits and attacks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use limits::{Flood, Table};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{CounterVec, IntCounterVec, IntGaugeVec, Opts, Registry};
use telemetry::metrics::{self, RegisterError};

use super::{Inner, Scope};

const REFUSED: (&str, &str) = (
    "edge_limits_refused_total",
    "Connections and requests that a limit did not let in, by limit (connections, requests, bytes) and scope (ip, token, stream, tenant).",
);
const ATTACKS: (&str, &str) = (
    "edge_attacks_total",
    "Connections and requests that were ended because they attack, by kind.",
);
const PACED: (&str, &str) = (
    "edge_limits_paced_seconds_total",
    "Time that answers waited for their bandwidth, by the scope that they waited for.",
);

#[derive(Clone, Debug)]
pub(super) struct Metrics {
    refused: IntCounterVec,
    pub(super) attacks: IntCounterVec,
    paced: CounterVec,
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, RegisterError> {
        let paced = CounterVec::new(Opts::new(PACED.0, PACED.1), &["scope"])?;
        let metrics = Self {
            refused: metrics::counter_vec(registry, REFUSED.0, REFUSED.1, &["limit", "scope"])?,
            attacks: metrics::counter_vec(registry, ATTACKS.0, ATTACKS.1, &["kind"])?,
            paced: metrics::register(registry, paced)?,
        };
        // They stand at 0 before the first: rate() sees no rise in a series that begins at 1.
        for scope in Scope::ALL {
            for limit in ["requests", "bytes"] {
                metrics.refused.with_label_values(&[limit, scope.as_str()]);
            }
            metrics.paced.with_label_values(&[scope.as_str()]);
        }
        metrics
            .refused
            .with_label_values(&["connections", Scope::Ip.as_str()]);
        let floods = [Flood::Others, Flood::Pings, Flood::Resets, Flood::Settings];
        for kind in floods.map(Flood::as_str).into_iter().chain(["h3_resets"]) {
            metrics.attacks.with_label_values(&[kind]);
        }
        Ok(metrics)
    }

    pub(super) fn refused(&self, limit: &str, scope: Scope) {
        let labels = [limit, scope.as_str()];
        self.refused.with_label_values(&labels).inc();
    }

    pub(super) fn paced(&self, scope: Scope, wait: Duration) {
        let paced = self.paced.with_label_values(&[scope.as_str()]);
        paced.inc_by(wait.as_secs_f64());
    }
}

/// Nobody reads these: for limits that are none.
impl Default for Metrics {
    #[expect(clippy::expect_used, reason = "names and labels that are constants")]
    fn default() -> Self {
        Self::new(&Registry::new()).expect("good names in an empty registry")
    }
}

/// What happens in the tables, read when somebody asks.
pub(super) struct Tables {
    started: Instant,
    tables: Vec<(Scope, Arc<Table>)>,
    keys: IntGaugeVec,
    evicted: IntGaugeVec,
    untracked: IntGaugeVec,
}

impl Tables {
    pub(super) fn new(limits: &Arc<Inner>) -> Result<Self, RegisterError> {
        let gauge = |name, help| IntGaugeVec::new(Opts::new(name, help), &["scope"]);
        Ok(Self {
            started: limits.started,
            tables: Scope::ALL
                .map(|scope| (scope, Arc::clone(&limits.scope(scope).table)))
                .into(),
            keys: gauge(
                "edge_limits_keys",
                "Addresses, tokens, streams and tenants that hold connections or owe something.",
            )?,
            evicted: gauge(
                "edge_limits_evicted",
                "Keys that were forgotten although they owed something, because limits.keys_max was too small.",
            )?,
            untracked: gauge(
                "edge_limits_untracked",
                "Connections and requests that were let in uncounted, because limits.keys_max was too small.",
            )?,
        })
    }
}

impl Collector for Tables {
    fn desc(&self) -> Vec<&Desc> {
        let gauges = [&self.keys, &self.evicted, &self.untracked];
        gauges.into_iter().flat_map(|gauge| gauge.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let now = self.started.elapsed();
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for (scope, table) in &self.tables {
            let counts = table.counts();
            let label = [scope.as_str()];
            let in_use = table.in_use(now) as u64;
            self.keys.with_label_values(&label).set(number(in_use));
            let evicted = self.evicted.with_label_values(&label);
            evicted.set(number(counts.evicted));
            let untracked = self.untracked.with_label_values(&label);
            untracked.set(number(counts.untracked));
        }
        let gauges = [&self.keys, &self.evicted, &self.untracked];
        gauges.into_iter().flat_map(Collector::collect).collect()
    }
}
