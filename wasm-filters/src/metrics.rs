//! Figures of filters for Prometheus: the host's own, those of every version, and what filters
//! count themselves and keep in `kv`.
//!
//! The series of a version are made when somebody asks, from the versions in service: those of a
//! version that has left are gone with it. Versions are named by the short form of their id.

mod kv;
mod own;
mod versions;

use prometheus::{IntCounter, Registry};

pub(crate) use own::FilterMetrics;
pub use own::{SERIES_MAX, SERIES_OF_FILTER_MAX};
pub(crate) use versions::VersionMetrics;

/// What the host counts.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    /// `weir_filter_grants_reused_total`
    pub(crate) grants_reused: IntCounter,
    /// `weir_filter_refusals_reused_total`
    pub(crate) refusals_reused: IntCounter,
    /// `weir_filter_authorize_collapsed_total`
    pub(crate) collapsed: IntCounter,
    /// `weir_filter_authorize_waits_given_up_total`
    pub(crate) waits_given_up: IntCounter,
    /// `weir_filter_swaps_total`
    pub(crate) swaps: IntCounter,
    /// `weir_filter_rollbacks_total`
    pub(crate) rollbacks: IntCounter,
    /// `weir_filter_disabled_total`
    pub(crate) disabled: IntCounter,
}

impl Counters {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name, help| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        Ok(Self {
            grants_reused: counter(
                "weir_filter_grants_reused_total",
                "Requests that were given a grant from the cache.",
            )?,
            refusals_reused: counter(
                "weir_filter_refusals_reused_total",
                "Requests that were refused as an equal one was a moment ago.",
            )?,
            collapsed: counter(
                "weir_filter_authorize_collapsed_total",
                "Requests that were given the answer to an equal one that was being asked.",
            )?,
            waits_given_up: counter(
                "weir_filter_authorize_waits_given_up_total",
                "Requests that waited for the answer to an equal one in vain.",
            )?,
            swaps: counter("weir_filter_swaps_total", "Changes of the routing table.")?,
            rollbacks: counter(
                "weir_filter_rollbacks_total",
                "Versions that this node took back.",
            )?,
            disabled: counter(
                "weir_filter_disabled_total",
                "Versions that failed so often that they were left alone for a while.",
            )?,
        })
    }
}
