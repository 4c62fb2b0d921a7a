//! Registering metrics, with the error returned instead of unwrapped.
//!
//! A name that is invalid or taken is the caller's bug, found at start: pass the error up to
//! `main`.

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

use crate::process::ProcessCollector;

/// Why a metric could not be registered.
pub type RegisterError = prometheus::Error;

/// What is running, for the `weir_build_info` gauge.
#[derive(Clone, Copy, Debug)]
pub struct BuildInfo {
    /// The binary's name, such as `weir-edge`.
    pub binary: &'static str,
    /// Its version: `env!("CARGO_PKG_VERSION")`.
    pub version: &'static str,
}

/// A registry that already holds the process metrics and `weir_build_info`.
pub fn registry(build: BuildInfo) -> Result<Registry, RegisterError> {
    let registry = Registry::new();
    registry.register(Box::new(ProcessCollector::new()?))?;
    gauge_vec(
        &registry,
        "weir_build_info",
        "What is running; always 1.",
        &["binary", "version"],
    )?
    .with_label_values(&[build.binary, build.version])
    .set(1);
    Ok(registry)
}

/// Registers a counter.
pub fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, RegisterError> {
    register(registry, IntCounter::new(name, help)?)
}

/// Registers a counter with labels.
pub fn counter_vec(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, RegisterError> {
    register(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
}

/// Registers a gauge of whole numbers.
pub fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, RegisterError> {
    register(registry, IntGauge::new(name, help)?)
}

/// Registers a gauge of whole numbers with labels.
pub fn gauge_vec(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, RegisterError> {
    register(registry, IntGaugeVec::new(Opts::new(name, help), labels)?)
}

/// Registers a gauge of real numbers.
pub fn float_gauge(registry: &Registry, name: &str, help: &str) -> Result<Gauge, RegisterError> {
    register(registry, Gauge::new(name, help)?)
}

/// Registers a gauge of real numbers with labels.
pub fn float_gauge_vec(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<GaugeVec, RegisterError> {
    register(registry, GaugeVec::new(Opts::new(name, help), labels)?)
}

/// Registers a histogram with the given upper bounds.
pub fn histogram(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
) -> Result<Histogram, RegisterError> {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    register(registry, Histogram::with_opts(options)?)
}

/// Registers a histogram with labels and the given upper bounds.
pub fn histogram_vec(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: &[f64],
) -> Result<HistogramVec, RegisterError> {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    register(registry, HistogramVec::new(options, labels)?)
}

/// Registers any other collector and hands it back.
pub fn register<C>(registry: &Registry, metric: C) -> Result<C, RegisterError>
where
    C: Collector + Clone + 'static,
{
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILD: BuildInfo = BuildInfo {
        binary: "weir-test",
        version: "1.2.3",
    };

    #[test]
    fn a_taken_name_is_an_error() {
        let registry = Registry::new();
        counter(&registry, "edge_things_total", "Things.")
            .unwrap()
            .inc();
        assert!(counter(&registry, "edge_things_total", "Things.").is_err());
        assert!(counter(&registry, "not a name", "Things.").is_err());
    }

    #[test]
    fn registry_has_process_metrics_and_build_info() {
        let registry = registry(BUILD).unwrap();
        histogram_vec(
            &registry,
            "edge_wait_seconds",
            "Waits.",
            &["kind"],
            &[0.1, 1.0],
        )
        .unwrap()
        .with_label_values(&["part"])
        .observe(0.5);
        let text = prometheus::TextEncoder::new()
            .encode_to_string(&registry.gather())
            .unwrap();
        for needle in [
            "weir_build_info{binary=\"weir-test\",version=\"1.2.3\"} 1",
            "edge_wait_seconds_bucket{kind=\"part\",le=\"1\"} 1",
            "process_resident_memory_bytes ",
            "process_cpu_seconds_total ",
        ] {
            assert!(text.contains(needle), "{needle} not in:\n{text}");
        }
    }
}
