//! What the registry and the agent count.

use prometheus::core::Collector;
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts};

use crate::catalogue::Catalogue;

fn register<C: Collector + Clone + 'static>(
    registry: &prometheus::Registry,
    metric: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn gauge(
    registry: &prometheus::Registry,
    name: &str,
    help: &str,
) -> Result<IntGauge, prometheus::Error> {
    register(registry, IntGauge::new(name, help)?)
}

/// Of the registry.
#[derive(Clone, Debug)]
pub(crate) struct RegistryMetrics {
    generation: IntGauge,
    filters: IntGauge,
    nodes: IntGauge,
    revocations: IntGauge,
    blob_bytes: IntGauge,
    audit_waiting: IntGauge,
    refused: IntCounterVec,
}

impl RegistryMetrics {
    pub(crate) fn register(to: &prometheus::Registry) -> Result<Self, prometheus::Error> {
        let refused = Opts::new(
            "filter_registry_refused_total",
            "Pushed versions that did not pass, by stage.",
        );
        Ok(Self {
            generation: gauge(
                to,
                "filter_registry_generation",
                "Generation of the catalogue.",
            )?,
            filters: gauge(to, "filter_registry_filters", "Filters in the catalogue.")?,
            nodes: gauge(
                to,
                "filter_registry_nodes",
                "Nodes that reported in the last ten minutes.",
            )?,
            revocations: gauge(
                to,
                "filter_registry_revocations",
                "Revocations that hold or held.",
            )?,
            blob_bytes: gauge(
                to,
                "filter_registry_blob_bytes",
                "Bytes of all components kept.",
            )?,
            audit_waiting: gauge(
                to,
                "filter_registry_audit_waiting",
                "Audit records that wait for the disk.",
            )?,
            refused: register(to, IntCounterVec::new(refused, &["stage"])?)?,
        })
    }

    pub(crate) fn state(&self, catalogue: &Catalogue, blob_bytes: u64) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.generation
            .set(i64::try_from(catalogue.generation).unwrap_or(i64::MAX));
        self.filters.set(count(catalogue.filters.len()));
        self.nodes.set(count(catalogue.nodes.len()));
        self.revocations.set(count(catalogue.revocations.len()));
        self.blob_bytes
            .set(i64::try_from(blob_bytes).unwrap_or(i64::MAX));
    }

    pub(crate) fn audit_waiting(&self, records: usize) {
        self.audit_waiting
            .set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    pub(crate) fn refused(&self, stage: &str) {
        self.refused.with_label_values(&[stage]).inc();
    }
}

/// Of the agent.
#[derive(Clone, Debug)]
pub(crate) struct AgentMetrics {
    pub(crate) generation: IntGauge,
    pub(crate) last_contact: IntGauge,
    pub(crate) failures: IntCounterVec,
    pub(crate) filters: IntGaugeVec,
}

impl AgentMetrics {
    pub(crate) fn register(to: &prometheus::Registry) -> Result<Self, prometheus::Error> {
        let failures = Opts::new(
            "filter_agent_failures_total",
            "Requests to the registry that failed, by kind.",
        );
        let filters = Opts::new("filter_agent_filters", "Filters on this node, by state.");
        Ok(Self {
            generation: gauge(
                to,
                "filter_agent_generation",
                "Generation of the catalogue that was acted upon last.",
            )?,
            last_contact: gauge(
                to,
                "filter_agent_last_contact_timestamp_seconds",
                "When the registry answered last; its age is time() minus this.",
            )?,
            failures: register(to, IntCounterVec::new(failures, &["kind"])?)?,
            filters: register(to, IntGaugeVec::new(filters, &["state"])?)?,
        })
    }
}
