//! What operators do with versions: activate, shadow, roll back, enable, revoke.

use wasm_filters::manifest::{Digest, FilterName, VersionId};

use super::{
    Actor, AuditAction, BAKE_MS_DEFAULT, BAKE_MS_MAX, Bake, Canary, Catalogue, CatalogueError,
    Change, Changed, Desired, Entry, Event, HISTORY_MAX, Limits, NODE_FORGOTTEN_AFTER_MS,
    REVOCATION_SECONDS_MAX, REVOCATION_VALUE_BYTES_MAX, Revocation, RevocationKind, UnixMillis,
    Version,
};
use crate::wire::{
    Activate, NodeName, REASON_BYTES_MAX, Revoke, Rollback, SetEnabled, Shadow, VersionRef,
    VersionState, cut,
};

/// A transition that may find that nothing is to be done: the value says whether something was.
pub(super) type Operation = Result<Change<bool>, CatalogueError>;

/// A change of what is wanted of one filter, being made.
struct Draft {
    next: Catalogue,
    entry: Entry,
    name: FilterName,
}

impl Draft {
    /// Ends the change: a generation more, who did it, and the audit event.
    fn finish(
        mut self,
        actor: &Actor,
        now: UnixMillis,
        what: String,
        action: AuditAction,
    ) -> Change<bool> {
        self.next.generation += 1;
        let generation = self.next.generation;
        if self.entry.desired.since_generation == UNSET {
            self.entry.desired.since_generation = generation;
        }
        self.entry.changed = Some(Changed {
            generation,
            by: actor.name.clone(),
            at_unix_ms: now,
            what,
        });
        self.next.filters.insert(self.name, self.entry);
        let event = Event {
            actor: actor.clone(),
            at_unix_ms: now,
            generation,
            action,
        };
        Change::new(self.next, vec![event], true)
    }
}

/// Stands in a draft for the generation that it will make.
const UNSET: u64 = u64::MAX;

impl Catalogue {
    fn entry(&self, name: &FilterName) -> Result<&Entry, CatalogueError> {
        self.filters
            .get(name)
            .ok_or_else(|| CatalogueError::UnknownFilter(name.clone()))
    }

    fn draft(&self, name: &FilterName, entry: &Entry) -> Draft {
        Draft {
            next: self.clone(),
            entry: entry.clone(),
            name: name.clone(),
        }
    }

    fn unchanged(&self) -> Change<bool> {
        Change::new(self.clone(), Vec::new(), false)
    }

    /// Makes a version the active one, or a canary.
    ///
    /// # Errors
    /// Unknown, overtaken, rejected by a node, or a percentage with nothing to compare with.
    pub fn activate(
        &self,
        name: &FilterName,
        request: &Activate,
        actor: &Actor,
        now: UnixMillis,
    ) -> Operation {
        let entry = self.entry(name)?;
        entry.not_overtaken(request.if_generation)?;
        let percent = request.percent.unwrap_or(100);
        if !(1..=100).contains(&percent) {
            return Err(CatalogueError::Percent(percent));
        }
        let bake_ms = request.bake_ms.unwrap_or(BAKE_MS_DEFAULT);
        if bake_ms > BAKE_MS_MAX {
            return Err(CatalogueError::Bake(bake_ms));
        }
        let version = entry.version(name, request.version)?;
        let (id, number) = (version.id, version.number);
        self.no_node_rejected(name, id, now)?;
        let before = entry.number_of(entry.desired.active);
        let bake = (bake_ms > 0).then_some(Bake { ms: bake_ms });
        let mut draft = self.draft(name, entry);
        let desired = &mut draft.entry.desired;
        if percent < 100 {
            if desired.active.is_none() {
                return Err(CatalogueError::NothingActive(name.clone()));
            }
            if desired.active == Some(id) {
                return Err(CatalogueError::AlreadyActive);
            }
            let canary = Canary {
                version: id,
                percent,
            };
            if desired.canary == Some(canary) && desired.bake == bake {
                return Ok(self.unchanged());
            }
            desired.canary = Some(canary);
            desired.bake = bake;
        } else if desired.active == Some(id) {
            if desired.canary.take().is_none() {
                return Ok(self.unchanged());
            }
            desired.bake = None;
        } else {
            // Judging needs something to compare with.
            desired.bake = desired.active.and(bake);
            draft.entry.history.extend(desired.active);
            desired.active = Some(id);
            desired.canary = None;
        }
        draft.entry.desired.shadow = draft.entry.desired.shadow.filter(|shadow| *shadow != id);
        draft.entry.desired.since_generation = UNSET;
        draft.entry.settle();
        let bake_ms = draft.entry.desired.bake.map_or(0, |bake| bake.ms);
        let action = AuditAction::Activated {
            filter: name.clone(),
            number,
            id,
            percent,
            before,
            bake_ms,
        };
        let what = match percent {
            100 => format!("activated v{number}"),
            _ => format!("activated v{number} for {percent} %"),
        };
        Ok(draft.finish(actor, now, what, action))
    }

    /// Begins or ends a shadow.
    ///
    /// # Errors
    /// Unknown, overtaken, rejected by a node, in use already, or nothing active.
    pub fn shadow(
        &self,
        name: &FilterName,
        request: &Shadow,
        actor: &Actor,
        now: UnixMillis,
    ) -> Operation {
        let entry = self.entry(name)?;
        entry.not_overtaken(request.if_generation)?;
        let version = request
            .version
            .map(|wanted| entry.version(name, wanted))
            .transpose()?;
        if let Some(version) = version {
            self.no_node_rejected(name, version.id, now)?;
            if entry.desired.active.is_none() {
                return Err(CatalogueError::NothingActive(name.clone()));
            }
            if entry.desired.active == Some(version.id) {
                return Err(CatalogueError::AlreadyActive);
            }
        }
        let (id, number) = (version.map(|v| v.id), version.map(|v| v.number));
        if entry.desired.shadow == id {
            return Ok(self.unchanged());
        }
        let mut draft = self.draft(name, entry);
        draft.entry.desired.shadow = id;
        let what = number.map_or_else(
            || "ended the shadow".to_owned(),
            |number| format!("set v{number} as shadow"),
        );
        let filter = name.clone();
        let action = AuditAction::Shadowed { filter, number };
        Ok(draft.finish(actor, now, what, action))
    }

    /// Ends the canary if there is one, else goes back to the version that was active before.
    ///
    /// # Errors
    /// Unknown, overtaken, or nothing to go back to.
    pub fn rollback(
        &self,
        name: &FilterName,
        request: &Rollback,
        actor: &Actor,
        now: UnixMillis,
    ) -> Operation {
        let entry = self.entry(name)?;
        entry.not_overtaken(request.if_generation)?;
        let reason = request.reason.as_deref().unwrap_or_default();
        self.go_back(name, entry, reason, None, actor, now)
    }

    /// The rollback itself, whoever wants it.
    pub(super) fn go_back(
        &self,
        name: &FilterName,
        entry: &Entry,
        reason: &str,
        node: Option<&NodeName>,
        actor: &Actor,
        now: UnixMillis,
    ) -> Operation {
        let mut draft = self.draft(name, entry);
        let Entry {
            desired, history, ..
        } = &mut draft.entry;
        let (left, back) = if let Some(canary) = desired.canary.take() {
            (Some(canary.version), desired.active)
        } else {
            let back = history
                .pop()
                .ok_or_else(|| CatalogueError::NothingBefore(name.clone()))?;
            // It was left because it was bad: nothing goes back to it by itself.
            history.retain(|id| Some(*id) != desired.active);
            (desired.active.replace(back), Some(back))
        };
        desired.bake = None;
        desired.shadow = desired.shadow.filter(|shadow| Some(*shadow) != back);
        desired.since_generation = UNSET;
        draft.entry.settle();
        let (from, to) = (entry.number_of(left), entry.number_of(back));
        let shown =
            |number: Option<u32>| number.map_or_else(|| "nothing".to_owned(), |n| format!("v{n}"));
        let what = format!("went back from {} to {}", shown(from), shown(to));
        let action = AuditAction::RolledBack {
            filter: name.clone(),
            from,
            to,
            reason: cut(reason, REASON_BYTES_MAX).to_owned(),
            node: node.cloned(),
        };
        Ok(draft.finish(actor, now, what, action))
    }

    /// Takes a filter out of every chain, or back in.
    ///
    /// # Errors
    /// Unknown or overtaken.
    pub fn set_enabled(
        &self,
        name: &FilterName,
        request: &SetEnabled,
        actor: &Actor,
        now: UnixMillis,
    ) -> Operation {
        let entry = self.entry(name)?;
        entry.not_overtaken(request.if_generation)?;
        let enabled = request.enabled;
        if entry.desired.enabled == enabled {
            return Ok(self.unchanged());
        }
        let mut draft = self.draft(name, entry);
        draft.entry.desired.enabled = enabled;
        let what = if enabled { "enabled it" } else { "disabled it" };
        let filter = name.clone();
        let action = AuditAction::EnabledSet { filter, enabled };
        Ok(draft.finish(actor, now, what.to_owned(), action))
    }

    /// Makes grants void. The same again only makes it last longer.
    ///
    /// # Errors
    /// A value or a time outside its range, or too many at once.
    pub fn revoke(
        &self,
        request: &Revoke,
        actor: &Actor,
        now: UnixMillis,
        limits: &Limits,
    ) -> Operation {
        let Revoke {
            kind,
            value,
            seconds,
        } = request;
        if !(1..=REVOCATION_SECONDS_MAX).contains(seconds) {
            return Err(CatalogueError::RevocationSeconds(*seconds));
        }
        let fits = match kind {
            RevocationKind::All => value.is_empty(),
            RevocationKind::Token => value.parse::<Digest>().is_ok(),
            RevocationKind::User | RevocationKind::Stream => {
                (1..=REVOCATION_VALUE_BYTES_MAX).contains(&value.len())
            }
        };
        if !fits {
            return Err(CatalogueError::RevocationValue);
        }
        let mut next = self.expire(now);
        let same = |made: &Revocation| made.kind == *kind && made.value == *value;
        // Never sooner than it was, and never the same: by `until` nodes tell a new one.
        let until_before = next.revocations.iter().find(|made| same(made));
        let until_before = until_before.map_or(0, |made| made.until_unix_ms);
        let until_unix_ms = now
            .saturating_add(seconds.saturating_mul(1000))
            .max(until_before.saturating_add(1));
        next.revocations.retain(|made| !same(made));
        if next.revocations.len() >= limits.revocations_max {
            return Err(CatalogueError::TooMany {
                what: "revocations",
                max: limits.revocations_max,
            });
        }
        next.revocations.push(Revocation {
            kind: *kind,
            value: value.clone(),
            at_unix_ms: now,
            until_unix_ms,
        });
        next.generation += 1;
        let event = Event {
            actor: actor.clone(),
            at_unix_ms: now,
            generation: next.generation,
            action: AuditAction::Revoked {
                kind: *kind,
                value: value.clone(),
                seconds: *seconds,
            },
        };
        Ok(Change::new(next, vec![event], true))
    }

    /// Without the revocations that no longer hold and the nodes that fell silent. The generation
    /// stays: nodes forget by themselves.
    #[must_use]
    pub fn expire(&self, now: UnixMillis) -> Self {
        let mut next = self.clone();
        next.revocations.retain(|made| made.until_unix_ms > now);
        next.nodes.retain(|_, seen| seen.is_current(now));
        next
    }

    /// # Errors
    /// The first node that rejected the version.
    fn no_node_rejected(
        &self,
        name: &FilterName,
        id: VersionId,
        now: UnixMillis,
    ) -> Result<(), CatalogueError> {
        for (node, seen) in self.nodes.iter().filter(|(_, seen)| seen.is_current(now)) {
            let report = seen.report.filters.get(name);
            let state = report.and_then(|report| report.versions.get(&id));
            if let Some(VersionState::Rejected(rejection)) = state {
                return Err(CatalogueError::RejectedByNode {
                    node: node.clone(),
                    rejection: rejection.clone(),
                });
            }
        }
        Ok(())
    }
}

impl super::NodeSeen {
    pub(super) fn is_current(&self, now: UnixMillis) -> bool {
        now.saturating_sub(self.at_unix_ms) < NODE_FORGOTTEN_AFTER_MS
    }
}

impl Entry {
    fn not_overtaken(&self, if_generation: Option<u64>) -> Result<(), CatalogueError> {
        match (&self.changed, if_generation) {
            (Some(changed), Some(seen)) if changed.generation > seen => {
                Err(CatalogueError::Overtaken(changed.clone()))
            }
            _ => Ok(()),
        }
    }

    fn version(&self, name: &FilterName, wanted: VersionRef) -> Result<&Version, CatalogueError> {
        let version = match wanted {
            VersionRef::Number(number) => self.versions.get(&number),
            VersionRef::Id(id) => self.by_id(id),
        };
        version.ok_or_else(|| CatalogueError::UnknownVersion {
            filter: name.clone(),
            version: wanted,
        })
    }

    /// Brings `history` and `previous` in line with `active`.
    fn settle(&mut self) {
        self.history.dedup();
        while self.history.last().copied() == self.desired.active && !self.history.is_empty() {
            self.history.pop();
        }
        let excess = self.history.len().saturating_sub(HISTORY_MAX);
        self.history.drain(..excess);
        let Desired { previous, .. } = &mut self.desired;
        *previous = self.history.last().copied();
    }
}
