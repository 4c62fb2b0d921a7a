//! The series of the versions in service.

use std::sync::{Arc, Weak};
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram as Points, LabelPair, Metric, MetricFamily, MetricType,
};

use crate::breaker::BreakerState;
use crate::host::Inner;
use crate::manifest::Hook;
use crate::stats::Histogram;
use crate::table::Deployed;

/// Bounds of the buckets of durations, in microseconds: from a call of a reused instance to the
/// longest deadline.
const BOUNDS_US: [u64; 14] = [
    2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 1_000_000,
];

/// The families, by place.
const FAMILIES: [(&str, &str, MetricType, &[&str]); 11] = [
    (
        "weir_filter_calls_total",
        "Calls of a filter that were answered, by what it decided.",
        MetricType::COUNTER,
        &["filter", "version", "shadow", "hook", "decision"],
    ),
    (
        "weir_filter_failures_total",
        "Calls of a filter without an answer that could be used, and calls that were not made, by kind.",
        MetricType::COUNTER,
        &["filter", "version", "shadow", "hook", "kind"],
    ),
    (
        "weir_filter_call_seconds",
        "How long calls took.",
        MetricType::HISTOGRAM,
        &["filter", "version", "shadow", "hook"],
    ),
    (
        "weir_filter_answers_reused_total",
        "Answers of an http filter that were given again without a call.",
        MetricType::COUNTER,
        &["filter", "version", "shadow", "hook"],
    ),
    (
        "weir_filter_memory_bytes_max",
        "Linear memory of the largest instance there was.",
        MetricType::GAUGE,
        &["filter", "version", "shadow"],
    ),
    (
        "weir_filter_instances",
        "Instances, by state.",
        MetricType::GAUGE,
        &["filter", "version", "shadow", "state"],
    ),
    (
        "weir_filter_instances_made_total",
        "Instances that were made.",
        MetricType::COUNTER,
        &["filter", "version", "shadow"],
    ),
    (
        "weir_filter_cpu_seconds_total",
        "Processor time, as an estimate that leaves out calls of less than a millisecond.",
        MetricType::COUNTER,
        &["filter", "version", "shadow"],
    ),
    (
        "weir_filter_disabled",
        "1 while a version is left alone because it failed too often.",
        MetricType::GAUGE,
        &["filter", "version", "shadow"],
    ),
    (
        "weir_filter_log_lines_dropped_total",
        "Log lines over the limit of a call.",
        MetricType::COUNTER,
        &["filter", "version", "shadow"],
    ),
    (
        "weir_filter_shadow_answers_total",
        "Answers of a shadow version, by how they compare.",
        MetricType::COUNTER,
        &["filter", "version", "shadow", "result"],
    ),
];

const CALLS: usize = 0;
const FAILURES: usize = 1;
const SECONDS: usize = 2;
const REUSED: usize = 3;
const MEMORY: usize = 4;
const INSTANCES: usize = 5;
const MADE: usize = 6;
const CPU: usize = 7;
const DISABLED: usize = 8;
const DROPPED: usize = 9;
const COMPARED: usize = 10;

/// Reads the versions of a host.
pub(crate) struct VersionMetrics {
    host: Weak<Inner>,
    descriptions: Vec<Desc>,
}

impl VersionMetrics {
    pub(crate) fn new(host: Weak<Inner>) -> Result<Self, prometheus::Error> {
        let describe = |name: &str, help: &str, labels: &[&str]| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            Desc::new(name.to_owned(), help.to_owned(), labels, Default::default())
        };
        let own = super::own::FAMILIES;
        let descriptions = FAMILIES
            .iter()
            .map(|(name, help, _, labels)| describe(name, help, labels))
            .chain(own.map(|(name, help, _)| describe(name, help, &super::own::LABELS)))
            .chain(super::kv::FAMILIES.map(|(name, help, _, labels)| describe(name, help, labels)))
            .collect::<Result<_, _>>()?;
        Ok(Self { host, descriptions })
    }
}

impl Collector for VersionMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Some(host) = self.host.upgrade() else {
            return Vec::new();
        };
        let mut series = Series::default();
        for deployed in host.deployed() {
            series.version(&deployed);
        }
        let mut families: Vec<_> = FAMILIES
            .into_iter()
            .zip(series.families)
            .map(|((name, help, kind, _), metrics)| family(name, help, kind, metrics))
            .collect();
        families.extend(host.own_metrics().collect());
        families.extend(super::kv::collect(&host.kv_figures()));
        // A family without series is not one to the text format.
        families.retain(|family| !family.get_metric().is_empty());
        families
    }
}

/// A family of series.
pub(super) fn family(
    name: &str,
    help: &str,
    kind: MetricType,
    metrics: Vec<Metric>,
) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

pub(super) fn label(name: &str, value: &str) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(name.to_owned());
    label.set_value(value.to_owned());
    label
}

pub(super) fn counter(labels: Vec<LabelPair>, value: f64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value);
    let mut metric = Metric::from_label(labels);
    metric.set_counter(counter);
    metric
}

pub(super) fn gauge(labels: Vec<LabelPair>, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(labels);
    metric.set_gauge(gauge);
    metric
}

/// A histogram of counts below bounds, ascending.
pub(super) fn points(
    labels: Vec<LabelPair>,
    below: impl IntoIterator<Item = (f64, u64)>,
    count: u64,
    sum: f64,
) -> Metric {
    let buckets = below.into_iter().map(|(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut points = Points::default();
    points.set_bucket(buckets.collect());
    points.set_sample_count(count);
    points.set_sample_sum(sum);
    let mut metric = Metric::from_label(labels);
    metric.set_histogram(points);
    metric
}

fn durations(labels: Vec<LabelPair>, histogram: &Histogram) -> Metric {
    let below = BOUNDS_US.map(|bound| {
        let bound = Duration::from_micros(bound);
        (bound.as_secs_f64(), histogram.count_below(bound))
    });
    points(
        labels,
        below,
        histogram.count(),
        histogram.sum().as_secs_f64(),
    )
}

// Casts: Prometheus counts in doubles.
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

#[derive(Default)]
struct Series {
    families: [Vec<Metric>; FAMILIES.len()],
}

impl Series {
    fn add(&mut self, family: usize, metric: Metric) {
        if let Some(family) = self.families.get_mut(family) {
            family.push(metric);
        }
    }

    fn version(&mut self, deployed: &Arc<Deployed>) {
        let short = deployed.id.short();
        let base = [
            label("filter", deployed.filter.as_str()),
            label("version", &short),
            label("shadow", if deployed.shadow { "true" } else { "false" }),
        ];
        let with = |more: &[(&str, &str)]| {
            let more = more.iter().map(|(name, value)| label(name, value));
            base.iter().cloned().chain(more).collect::<Vec<_>>()
        };
        for hook in Hook::ALL
            .into_iter()
            .filter(|hook| deployed.version.has(*hook))
        {
            self.hook(deployed, hook, with);
        }
        let usage = deployed.version.usage();
        let bytes = float(usage.memory_bytes_max as u64);
        self.add(MEMORY, gauge(with(&[]), bytes));
        for (state, count) in [("running", usage.running), ("idle", usage.idle)] {
            self.add(
                INSTANCES,
                gauge(with(&[("state", state)]), float(count as u64)),
            );
        }
        self.add(MADE, counter(with(&[]), float(usage.fresh)));
        self.add(CPU, counter(with(&[]), float(usage.cpu_ms) / 1000.0));
        let disabled = deployed.breaker.state() != BreakerState::Closed;
        self.add(DISABLED, gauge(with(&[]), f64::from(u8::from(disabled))));
        self.add(DROPPED, counter(with(&[]), float(usage.log_lines_dropped)));
        if deployed.shadow {
            let compared = deployed.comparison.read();
            for (result, count) in [
                ("equal", compared.equal),
                ("different", compared.different),
                ("failed", compared.failed),
                ("skipped", compared.skipped),
            ] {
                self.add(COMPARED, counter(with(&[("result", result)]), float(count)));
            }
        }
    }

    fn hook(
        &mut self,
        deployed: &Deployed,
        hook: Hook,
        with: impl Fn(&[(&str, &str)]) -> Vec<LabelPair>,
    ) {
        let read = deployed.stats.hook(hook).read();
        let hook = ("hook", hook.as_str());
        for (decision, count) in read.decisions.into_iter().filter(|(_, count)| *count > 0) {
            let labels = with(&[hook, ("decision", decision.as_str())]);
            self.add(CALLS, counter(labels, float(count)));
        }
        for (kind, count) in read.failures.into_iter().filter(|(_, count)| *count > 0) {
            let labels = with(&[hook, ("kind", kind.as_str())]);
            self.add(FAILURES, counter(labels, float(count)));
        }
        self.add(SECONDS, durations(with(&[hook]), &read.durations));
        if read.reused > 0 {
            self.add(REUSED, counter(with(&[hook]), float(read.reused)));
        }
    }
}
