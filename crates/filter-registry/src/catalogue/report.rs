//! What a node says, and what follows from it.

use std::sync::Arc;

use wasm_filters::manifest::FilterName;

use super::{
    Actor, AuditAction, Catalogue, CatalogueError, Change, Event, Limits, NodeSeen, UnixMillis,
};
use crate::wire::{NodeName, NodeReport, REASON_BYTES_MAX, RolledBack, VersionState, cut};

impl Catalogue {
    /// Takes a node's report. The value is whether what is wanted changed: a rollback that a node
    /// made by itself becomes the wish for all, if it is about the activation in force.
    ///
    /// # Errors
    /// Too many nodes.
    pub fn report(
        &self,
        node: &NodeName,
        mut report: NodeReport,
        peer: Option<String>,
        now: UnixMillis,
        limits: &Limits,
    ) -> Result<Change<bool>, CatalogueError> {
        let mut next = self.expire(now);
        if !next.nodes.contains_key(node) && next.nodes.len() >= limits.nodes_max {
            return Err(CatalogueError::TooMany {
                what: "nodes",
                max: limits.nodes_max,
            });
        }
        shorten(&mut report);
        let actor = Actor {
            name: node.to_string(),
            peer: peer.clone(),
        };
        let mut events = self.new_rejections(node, &report, &actor, now);
        let report = Arc::new(report);
        next.nodes.insert(
            node.clone(),
            NodeSeen {
                at_unix_ms: now,
                peer,
                report: Arc::clone(&report),
            },
        );
        let mut changed = false;
        for (name, filter) in &report.filters {
            let Some(rolled_back) = &filter.rolled_back else {
                continue;
            };
            if let Some(change) = next.follow(node, name, rolled_back, &actor, now) {
                next = change.next;
                events.extend(change.events);
                changed = true;
            }
        }
        Ok(Change::new(next, events, changed))
    }

    /// The change that makes a node's rollback the wish for all, if it still means something.
    fn follow(
        &self,
        node: &NodeName,
        name: &FilterName,
        rolled_back: &RolledBack,
        actor: &Actor,
        now: UnixMillis,
    ) -> Option<Change<bool>> {
        let entry = self.filters.get(name)?;
        let desired = &entry.desired;
        let newcomer = desired.canary.map(|canary| canary.version);
        let in_force = desired.since_generation == rolled_back.since_generation
            && newcomer.or(desired.active) == Some(rolled_back.from);
        if !in_force {
            return None;
        }
        // Where nothing came before there is nothing to go back to; the report shows what happened.
        self.go_back(name, entry, &rolled_back.reason, Some(node), actor, now)
            .ok()
    }

    /// An event for each version that this node rejects and did not reject in its last report.
    fn new_rejections(
        &self,
        node: &NodeName,
        report: &NodeReport,
        actor: &Actor,
        now: UnixMillis,
    ) -> Vec<Event> {
        let before = self.nodes.get(node).map(|seen| &seen.report);
        let mut events = Vec::new();
        for (name, filter) in &report.filters {
            let entry = self.filters.get(name);
            let before = before.and_then(|report| report.filters.get(name));
            for (id, state) in &filter.versions {
                let VersionState::Rejected(rejection) = state else {
                    continue;
                };
                let known = before.is_some_and(|before| before.versions.get(id) == Some(state));
                let number = entry.and_then(|entry| entry.number_of(Some(*id)));
                if let (false, Some(number)) = (known, number) {
                    events.push(Event {
                        actor: actor.clone(),
                        at_unix_ms: now,
                        generation: self.generation,
                        action: AuditAction::Rejected {
                            node: node.clone(),
                            filter: name.clone(),
                            number,
                            rejection: rejection.clone(),
                        },
                    });
                }
            }
        }
        events
    }
}

/// Cuts what a node wrote freely, and takes the log lines out: the registry keeps those elsewhere.
fn shorten(report: &mut NodeReport) {
    let shorten = |text: &mut String| text.truncate(cut(text, REASON_BYTES_MAX).len());
    shorten(&mut report.role);
    for filter in report.filters.values_mut() {
        filter.logs.clear();
        for state in filter.versions.values_mut() {
            match state {
                VersionState::Rejected(rejection) => {
                    shorten(&mut rejection.stage);
                    shorten(&mut rejection.reason);
                }
                VersionState::Unavailable { reason } => shorten(reason),
                VersionState::Preparing | VersionState::Ready => {}
            }
        }
    }
}
