//! What the node's filters keep in `kv`, all together.
//!
//! Read when somebody asks, as the versions' series are: it is never older than the answer.

use prometheus::proto::{MetricFamily, MetricType};

use crate::kv::KvFigures;

use super::versions::{counter, family, float, gauge, label};

type Family = (
    &'static str,
    &'static str,
    MetricType,
    &'static [&'static str],
);

const ENTRIES: Family = (
    "weir_filter_kv_entries",
    "Entries of all filters' kv, with those that have expired and were not yet taken out.",
    MetricType::GAUGE,
    &[],
);
const BYTES: Family = (
    "weir_filter_kv_bytes",
    "Memory of all filters' kv, as estimated; filters.kv_bytes_max is the most.",
    MetricType::GAUGE,
    &[],
);
const REFUSED: Family = (
    "weir_filter_kv_refused_total",
    "Operations on kv that were refused, by reason: the filter's own quota, a size, or the node's room.",
    MetricType::COUNTER,
    &["reason"],
);

pub(super) const FAMILIES: [Family; 3] = [ENTRIES, BYTES, REFUSED];

pub(super) fn collect(figures: &KvFigures) -> Vec<MetricFamily> {
    let refused = [
        ("quota", figures.refused_quota),
        ("too-large", figures.refused_too_large),
        ("unavailable", figures.refused_unavailable),
    ];
    let refused =
        refused.map(|(reason, count)| counter(vec![label("reason", reason)], float(count)));
    [
        (ENTRIES, vec![gauge(Vec::new(), float(figures.entries))]),
        (BYTES, vec![gauge(Vec::new(), float(figures.bytes))]),
        (REFUSED, refused.to_vec()),
    ]
    .into_iter()
    .map(|((name, help, kind, _), series)| family(name, help, kind, series))
    .collect()
}
