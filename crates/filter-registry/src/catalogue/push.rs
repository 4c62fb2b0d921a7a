//! A new version, and the oldest ones that make room for it.

use wasm_filters::manifest::{FilterName, VersionDocument};

use super::{
    Actor, AuditAction, Catalogue, CatalogueError, Change, Entry, Event, Limits, RESERVED_NAMES,
    UnixMillis, Version,
};
use crate::signature::Signature;

/// A version that passed everything but the catalogue's own rules.
#[derive(Clone, Debug)]
pub struct Push<'a> {
    /// Component and manifest.
    pub document: &'a VersionDocument,
    /// The component's size in bytes.
    pub size: u64,
    /// Higher than all before.
    pub serial: u64,
    /// Checked already.
    pub signature: Option<Signature>,
}

impl Catalogue {
    /// Whether a push with this serial could be accepted: worth asking before the costly checks.
    ///
    /// # Errors
    /// As [`Self::push`] has.
    pub fn may_push(
        &self,
        name: &FilterName,
        serial: u64,
        limits: &Limits,
    ) -> Result<(), CatalogueError> {
        if RESERVED_NAMES.contains(&name.as_str()) {
            return Err(CatalogueError::ReservedName(name.clone()));
        }
        match self.filters.get(name) {
            Some(entry) if serial <= entry.last_serial => Err(CatalogueError::Replayed {
                serial,
                last: entry.last_serial,
            }),
            None if serial == 0 => Err(CatalogueError::Replayed { serial, last: 0 }),
            None if self.filters.len() >= limits.filters_max => Err(CatalogueError::TooMany {
                what: "filters",
                max: limits.filters_max,
            }),
            _ => Ok(()),
        }
    }

    /// Takes a version in. The value is its number and whether it is new: the same version pushed
    /// again keeps its number, and only the serial moves on.
    ///
    /// # Errors
    /// A replayed serial, a reserved name, too many filters.
    pub fn push(
        &self,
        push: Push<'_>,
        actor: &Actor,
        now: UnixMillis,
        limits: &Limits,
    ) -> Result<Change<(u32, bool)>, CatalogueError> {
        let name = &push.document.manifest.name;
        self.may_push(name, push.serial, limits)?;
        let id = push.document.id();
        let mut next = self.clone();
        next.generation += 1;
        let entry = next.filters.entry(name.clone()).or_default();
        entry.last_serial = push.serial;
        let key_id = push.signature.as_ref().map(|signed| signed.key_id.clone());
        let known = entry.number_of(Some(id));
        let number = known.unwrap_or(entry.last_number + 1);
        entry.last_number = entry.last_number.max(number);
        let manifest = &push.document.manifest;
        if let Some(version) = entry.versions.get_mut(&number) {
            // A key may have been retired since: nodes check the signature too.
            version.serial = push.serial;
            version.signature = push.signature;
        } else {
            let version = Version {
                number,
                id,
                component: push.document.component,
                size: push.size,
                label: manifest.version.clone(),
                hooks: manifest.hooks.clone(),
                pushed_by: actor.name.clone(),
                pushed_at_unix_ms: now,
                serial: push.serial,
                signature: push.signature,
            };
            entry.versions.insert(number, version);
        }
        let dropped = entry.drop_oldest(limits.versions_max);
        let generation = next.generation;
        let event = |action| Event {
            actor: actor.clone(),
            at_unix_ms: now,
            generation,
            action,
        };
        let mut events = vec![event(AuditAction::Pushed {
            filter: name.clone(),
            number,
            id,
            serial: push.serial,
            key_id,
        })];
        events.extend(dropped.iter().map(|version| {
            event(AuditAction::Dropped {
                filter: name.clone(),
                number: version.number,
                id: version.id,
            })
        }));
        let mut change = Change::new(next, events, (number, known.is_none()));
        change.dropped = dropped;
        Ok(change)
    }
}

impl Entry {
    /// Takes out the oldest versions that are not in use, until `max` are left. The newest stays.
    fn drop_oldest(&mut self, max: usize) -> Vec<Version> {
        let used = self.desired.versions();
        let excess = self.versions.len().saturating_sub(max);
        let unused: Vec<u32> = self
            .versions
            .values()
            .filter(|version| version.number != self.last_number && !used.contains(&version.id))
            .map(|version| version.number)
            .take(excess)
            .collect();
        let dropped: Vec<Version> = unused
            .iter()
            .filter_map(|number| self.versions.remove(number))
            .collect();
        self.history
            .retain(|id| dropped.iter().all(|version| version.id != *id));
        self.history.dedup();
        dropped
    }
}
