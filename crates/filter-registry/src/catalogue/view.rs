//! The catalogue as nodes and as people see it.

use wasm_filters::manifest::FilterName;

use super::{Catalogue, Entry, UnixMillis, Version};
use crate::wire::{
    FilterOverview, NodeCatalogue, NodeFilter, NodeOverview, NodeVersion, Overview,
    VersionOverview, VersionState,
};

impl Catalogue {
    /// For nodes.
    pub fn for_nodes(&self, now: UnixMillis) -> NodeCatalogue {
        let filters = self.filters.iter().map(|(name, entry)| {
            let versions = entry.versions.values().map(|version| NodeVersion {
                id: version.id,
                number: version.number,
                component: version.component,
                serial: version.serial,
                signature: version.signature.clone(),
            });
            let filter = NodeFilter {
                versions: versions.collect(),
                desired: entry.desired.clone(),
            };
            (name.clone(), filter)
        });
        NodeCatalogue {
            generation: self.generation,
            filters: filters.collect(),
            revocations: self.expire(now).revocations,
        }
    }

    /// For people.
    pub fn overview(&self, now: UnixMillis) -> Overview {
        let current = self.expire(now);
        let filters = current
            .filters
            .iter()
            .map(|(name, entry)| (name.clone(), current.filter_overview(name, entry)));
        let nodes = current.nodes.iter().map(|(name, seen)| {
            let node = NodeOverview {
                seen_unix_ms: seen.at_unix_ms,
                peer: seen.peer.clone(),
                report: seen.report.as_ref().clone(),
            };
            (name.clone(), node)
        });
        Overview {
            generation: current.generation,
            now_unix_ms: now,
            filters: filters.collect(),
            nodes: nodes.collect(),
            revocations: current.revocations.clone(),
        }
    }

    fn filter_overview(&self, name: &FilterName, entry: &Entry) -> FilterOverview {
        let versions = entry.versions.values().rev();
        FilterOverview {
            versions: versions
                .map(|version| self.version_overview(name, entry, version))
                .collect(),
            desired: entry.desired.clone(),
            changed: entry.changed.clone(),
            last_serial: entry.last_serial,
        }
    }

    fn version_overview(
        &self,
        name: &FilterName,
        entry: &Entry,
        version: &Version,
    ) -> VersionOverview {
        let states = self.nodes.iter().filter_map(|(node, seen)| {
            let report = seen.report.filters.get(name)?;
            Some((node, report.versions.get(&version.id)?))
        });
        let mut overview = VersionOverview {
            number: version.number,
            id: version.id,
            component: version.component,
            size: version.size,
            label: version.label.clone(),
            hooks: version.hooks.clone(),
            pushed_by: version.pushed_by.clone(),
            pushed_at_unix_ms: version.pushed_at_unix_ms,
            serial: version.serial,
            key_id: version.signature.as_ref().map(|s| s.key_id.clone()),
            roles: entry
                .desired
                .roles(version.id)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            ready_on: Vec::new(),
            rejected_on: std::collections::BTreeMap::new(),
        };
        for (node, state) in states {
            match state {
                VersionState::Ready => overview.ready_on.push(node.clone()),
                VersionState::Rejected(rejection) => {
                    let rejection = rejection.clone();
                    overview.rejected_on.insert(node.clone(), rejection);
                }
                VersionState::Preparing | VersionState::Unavailable { .. } => {}
            }
        }
        overview
    }
}
