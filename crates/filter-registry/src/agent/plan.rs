//! What to run, given what is wanted and what is ready. Pure.

use serde::{Deserialize, Serialize};
use wasm_filters::manifest::VersionId;

use super::node::Routing;
use crate::wire::{NodeFilter, RolledBack};

/// What a node runs of one filter, by id.
pub(super) type Plan = Routing<VersionId>;

/// What ran, to fall back upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ran {
    pub(super) active: VersionId,
    pub(super) previous: Option<VersionId>,
    pub(super) since_generation: u64,
}

/// Decides what to run of one filter.
///
/// `rolled_back` is the node's own rollback; it holds until somebody activates anew. `ran` is what
/// ran until now: it goes on until what is wanted is ready.
pub(super) fn plan(
    filter: &NodeFilter,
    rolled_back: Option<&RolledBack>,
    ran: Option<Ran>,
    ready: impl Fn(VersionId) -> bool,
) -> Plan {
    let desired = &filter.desired;
    let mut plan = Plan {
        active: desired.active,
        previous: desired.previous,
        canary: desired
            .canary
            .map(|canary| (canary.version, canary.percent)),
        shadow: desired.shadow,
        bake_ms: desired.bake.map_or(0, |bake| bake.ms),
        since_generation: desired.since_generation,
        enabled: desired.enabled,
    };
    if let Some(own) = rolled_back.filter(|own| holds(own, filter)) {
        plan.bake_ms = 0;
        if plan.canary.is_some_and(|(canary, _)| canary == own.from) {
            plan.canary = None;
        } else if plan.active == Some(own.from) {
            plan.active = own.to;
            plan.previous = None;
        }
    }
    let is_ready = |version: &VersionId| ready(*version);
    if let Some(wanted) = plan.active
        && !ready(wanted)
    {
        // What it is to be compared with is not what was meant: no canary, nothing is judged.
        plan.canary = None;
        plan.bake_ms = 0;
        let ran = ran.filter(|ran| ready(ran.active));
        plan.active = ran.map(|ran| ran.active);
        plan.previous = ran.and_then(|ran| ran.previous);
        plan.since_generation = ran.map_or(0, |ran| ran.since_generation);
    }
    plan.previous = plan.previous.filter(is_ready);
    plan.previous = plan.previous.filter(|id| Some(*id) != plan.active);
    plan.canary = plan.canary.filter(|(canary, _)| ready(*canary));
    plan.shadow = plan.shadow.filter(is_ready);
    plan
}

/// Whether a node's own rollback is about the activation in force.
pub(super) fn holds(own: &RolledBack, filter: &NodeFilter) -> bool {
    own.since_generation == filter.desired.since_generation
}

/// Versions to make ready, the most urgent first, none twice: those in use, then the one pushed
/// last, so that activating it finds it ready.
pub(super) fn wanted(
    filter: &NodeFilter,
    rolled_back: Option<&RolledBack>,
    ran: Option<Ran>,
) -> Vec<VersionId> {
    let own = rolled_back
        .filter(|own| holds(own, filter))
        .and_then(|own| own.to);
    let newest = filter.newest().map(|version| version.id);
    let ran = ran
        .into_iter()
        .flat_map(|ran| [Some(ran.active), ran.previous]);
    let all = std::iter::once(own)
        .chain(filter.desired.versions().into_iter().map(Some))
        .chain(ran)
        .chain([newest]);
    let mut wanted = Vec::new();
    for id in all.flatten() {
        // What the catalogue has no longer cannot be fetched, but may be ready already.
        if !wanted.contains(&id) {
            wanted.push(id);
        }
    }
    wanted
}

#[cfg(test)]
mod tests;
