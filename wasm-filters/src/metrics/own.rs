//! What filters count and measure themselves, in a bounded number of series.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use prometheus::proto::{MetricFamily, MetricType};

use crate::manifest::FilterName;
use crate::services::{Caller, MetricSink};

use super::versions::{counter, family, float, gauge, label, points};

/// Most series that a filter makes.
pub const SERIES_OF_FILTER_MAX: usize = 64;
/// Most series that all filters make.
pub const SERIES_MAX: usize = 2048;

/// Of each series.
pub(super) const LABELS: [&str; 2] = ["filter", "name"];
/// The families, by place.
pub(super) const FAMILIES: [(&str, &str, MetricType); 4] = [
    (
        "weir_filter_own_total",
        "What filters count.",
        MetricType::COUNTER,
    ),
    (
        "weir_filter_own_value",
        "What filters set.",
        MetricType::GAUGE,
    ),
    (
        "weir_filter_own_observed",
        "What filters observe.",
        MetricType::HISTOGRAM,
    ),
    (
        "weir_filter_own_refused_total",
        "Samples of filters that were dropped: a bad name, one name for two kinds, or too many names.",
        MetricType::COUNTER,
    ),
];

/// Bounds of observed values: filters measure what they like.
const BOUNDS: [f64; 10] = [0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e6, 1e9];

/// One series.
#[derive(Debug)]
enum Own {
    Count(AtomicU64),
    /// The bits of a double.
    Value(AtomicU64),
    Observed(Mutex<Observed>),
}

#[derive(Debug, Default)]
struct Observed {
    below: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

#[derive(Debug, Default)]
struct OfFilter {
    series: RwLock<HashMap<String, Own>>,
    refused: AtomicU64,
}

/// The series of all filters.
#[derive(Debug, Default)]
pub(crate) struct FilterMetrics {
    filters: RwLock<HashMap<FilterName, Arc<OfFilter>>>,
    count: AtomicUsize,
}

impl FilterMetrics {
    /// Drops the series of filters that are gone.
    pub(crate) fn retain(&self, is_there: impl Fn(&FilterName) -> bool) {
        let mut filters = self.filters.write();
        filters.retain(|name, of_filter| {
            let stays = is_there(name);
            if !stays {
                self.count
                    .fetch_sub(of_filter.series.read().len(), Ordering::Relaxed);
            }
            stays
        });
    }

    /// What filters made so far.
    pub(crate) fn collect(&self) -> Vec<MetricFamily> {
        let mut metrics: [Vec<_>; FAMILIES.len()] = Default::default();
        let [counts, values, observations, refusals] = &mut metrics;
        let filters = self.filters.read();
        for (filter, of_filter) in filters.iter() {
            let filter = label("filter", filter.as_str());
            for (name, own) in of_filter.series.read().iter() {
                let labels = vec![filter.clone(), label("name", name)];
                match own {
                    Own::Count(count) => {
                        counts.push(counter(labels, float(count.load(Ordering::Relaxed))));
                    }
                    Own::Value(bits) => {
                        let value = f64::from_bits(bits.load(Ordering::Relaxed));
                        values.push(gauge(labels, value));
                    }
                    Own::Observed(observed) => {
                        let observed = observed.lock();
                        let below = BOUNDS.into_iter().zip(observed.below);
                        observations.push(points(labels, below, observed.count, observed.sum));
                    }
                }
            }
            let refused = of_filter.refused.load(Ordering::Relaxed);
            if refused > 0 {
                let labels = vec![filter, label("name", "")];
                refusals.push(counter(labels, float(refused)));
            }
        }
        drop(filters);
        FAMILIES
            .into_iter()
            .zip(metrics)
            .map(|((name, help, kind), metrics)| family(name, help, kind, metrics))
            .collect()
    }

    /// Does something to a series, which is made where there is room. `update` says whether the
    /// series is of its kind.
    fn with(
        &self,
        caller: Caller<'_>,
        name: &str,
        new: impl FnOnce() -> Own,
        update: impl Fn(&Own) -> bool,
    ) {
        // What a shadow version does must not be seen among what counts.
        if caller.shadow {
            return;
        }
        let of_filter = self.of_filter(caller.filter);
        let series = of_filter.series.read();
        let known = series.get(name).map(&update);
        let room = series.len() < SERIES_OF_FILTER_MAX;
        drop(series);
        match known {
            Some(true) => return,
            None if room && self.count.load(Ordering::Relaxed) < SERIES_MAX => {
                let mut series = of_filter.series.write();
                let before = series.len();
                let done = update(series.entry(name.to_owned()).or_insert_with(new));
                self.count
                    .fetch_add(series.len() - before, Ordering::Relaxed);
                if done {
                    return;
                }
            }
            _ => {}
        }
        of_filter.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn of_filter(&self, filter: &FilterName) -> Arc<OfFilter> {
        if let Some(of_filter) = self.filters.read().get(filter) {
            return Arc::clone(of_filter);
        }
        Arc::clone(self.filters.write().entry(filter.clone()).or_default())
    }
}

impl MetricSink for FilterMetrics {
    fn count(&self, caller: Caller<'_>, name: &str, delta: u64) {
        let new = || Own::Count(AtomicU64::new(0));
        self.with(caller, name, new, |own| {
            let Own::Count(count) = own else { return false };
            count.fetch_add(delta, Ordering::Relaxed);
            true
        });
    }

    fn gauge(&self, caller: Caller<'_>, name: &str, value: f64) {
        let new = || Own::Value(AtomicU64::new(0));
        self.with(caller, name, new, |own| {
            let Own::Value(bits) = own else { return false };
            bits.store(value.to_bits(), Ordering::Relaxed);
            true
        });
    }

    fn observe(&self, caller: Caller<'_>, name: &str, value: f64) {
        let new = || Own::Observed(Mutex::default());
        self.with(caller, name, new, |own| {
            let Own::Observed(observed) = own else {
                return false;
            };
            let mut observed = observed.lock();
            observed.count += 1;
            observed.sum += value;
            for (below, bound) in observed.below.iter_mut().zip(BOUNDS) {
                *below += u64::from(value <= bound);
            }
            true
        });
    }

    fn refused(&self, caller: Caller<'_>) {
        self.of_filter(caller.filter)
            .refused
            .fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Digest;

    fn caller(filter: &FilterName) -> Caller<'_> {
        Caller {
            filter,
            version: Digest::of(b"v").into(),
            tenant: "default",
            shadow: false,
        }
    }

    fn values(metrics: &FilterMetrics, family: &str) -> Vec<f64> {
        let families = metrics.collect();
        let family = families.iter().find(|each| each.name() == family).unwrap();
        let metrics = family.get_metric().iter();
        match family.get_field_type() {
            MetricType::GAUGE => metrics
                .map(|metric| metric.get_gauge().get_value())
                .collect(),
            MetricType::HISTOGRAM => metrics
                .map(|metric| metric.get_histogram().get_sample_sum())
                .collect(),
            _ => metrics
                .map(|metric| metric.get_counter().get_value())
                .collect(),
        }
    }

    #[test]
    fn filters_count_set_and_observe() {
        let metrics = FilterMetrics::default();
        let filter: FilterName = "chat".parse().unwrap();
        metrics.count(caller(&filter), "words", 3);
        metrics.count(caller(&filter), "words", 4);
        metrics.gauge(caller(&filter), "mood", 0.5);
        metrics.observe(caller(&filter), "length", 12.0);
        metrics.observe(caller(&filter), "length", 0.5);
        assert_eq!(values(&metrics, "weir_filter_own_total"), [7.0]);
        assert_eq!(values(&metrics, "weir_filter_own_value"), [0.5]);
        assert_eq!(values(&metrics, "weir_filter_own_observed"), [12.5]);
        // A name has one kind.
        metrics.gauge(caller(&filter), "words", 1.0);
        assert_eq!(values(&metrics, "weir_filter_own_refused_total"), [1.0]);
        // A shadow leaves no trace.
        metrics.count(
            Caller {
                shadow: true,
                ..caller(&filter)
            },
            "words",
            100,
        );
        assert_eq!(values(&metrics, "weir_filter_own_total"), [7.0]);
    }

    #[test]
    fn series_are_bounded_and_go_with_their_filter() {
        let metrics = FilterMetrics::default();
        let filter: FilterName = "chat".parse().unwrap();
        for series in 0..SERIES_OF_FILTER_MAX + 10 {
            metrics.count(caller(&filter), &format!("s{series}"), 1);
        }
        assert_eq!(
            values(&metrics, "weir_filter_own_total").len(),
            SERIES_OF_FILTER_MAX
        );
        assert_eq!(values(&metrics, "weir_filter_own_refused_total"), [10.0]);
        metrics.retain(|_| false);
        assert!(values(&metrics, "weir_filter_own_total").is_empty());
        assert_eq!(metrics.count.load(Ordering::Relaxed), 0);
    }
}
