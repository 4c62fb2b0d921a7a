//! The state of the catalogue, as it is kept on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wasm_filters::manifest::{Digest, FilterName, Hook, VersionId};

use super::UnixMillis;
use crate::signature::Signature;
use crate::wire::{NodeName, NodeReport};

/// Bounds of everything in the catalogue that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Filters.
    pub filters_max: usize,
    /// Versions of one filter; at least 6, for the five that can be in use and a new one.
    pub versions_max: usize,
    /// Revocations at once.
    pub revocations_max: usize,
    /// Nodes that report.
    pub nodes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            filters_max: 256,
            versions_max: 20,
            revocations_max: 4096,
            nodes_max: 1024,
        }
    }
}

/// The whole state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    pub(crate) generation: u64,
    pub(crate) filters: BTreeMap<FilterName, Entry>,
    pub(crate) revocations: Vec<Revocation>,
    /// What nodes said last. Not kept on disk: they say it again within seconds.
    #[serde(skip)]
    pub(crate) nodes: BTreeMap<NodeName, NodeSeen>,
}

/// One filter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// By number.
    pub(crate) versions: BTreeMap<u32, Version>,
    /// Of the version pushed last; never reused.
    pub(crate) last_number: u32,
    /// Of the last push.
    pub(crate) last_serial: u64,
    pub(crate) desired: Desired,
    /// What was active before, the latest last; its last is `desired.previous`.
    pub(crate) history: Vec<VersionId>,
    pub(crate) changed: Option<Changed>,
}

/// A numbered version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Within its filter.
    pub number: u32,
    /// Hash of component and manifest.
    pub id: VersionId,
    /// Where its bytes are.
    pub component: Digest,
    /// The component's size in bytes.
    pub size: u64,
    /// The author's label.
    pub label: String,
    /// From the manifest.
    pub hooks: Vec<Hook>,
    /// Operator.
    pub pushed_by: String,
    /// When.
    pub pushed_at_unix_ms: UnixMillis,
    /// Of its push.
    pub serial: u64,
    /// Of its push.
    pub signature: Option<Signature>,
}

/// What is to run of one filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// For everybody, less the canary's share.
    pub active: Option<VersionId>,
    /// What a rollback goes to; nodes keep it ready.
    pub previous: Option<VersionId>,
    /// For a share of the calls.
    pub canary: Option<Canary>,
    /// Called, but without effect.
    pub shadow: Option<VersionId>,
    /// How long nodes judge the newcomer: the canary, or else the active version.
    pub bake: Option<Bake>,
    /// Whether the filter is in any chain.
    pub enabled: bool,
    /// When `active` or `canary` changed last. Not raised by a shadow or by `enabled`.
    pub since_generation: u64,
}

impl Default for Desired {
    fn default() -> Self {
        Self {
            active: None,
            previous: None,
            canary: None,
            shadow: None,
            bake: None,
            enabled: true,
            since_generation: 0,
        }
    }
}

impl Desired {
    /// Versions that are in use, or may be in an instant; none twice.
    pub fn versions(&self) -> Vec<VersionId> {
        let canary = self.canary.map(|canary| canary.version);
        let all = [self.active, canary, self.previous, self.shadow];
        let mut versions = Vec::with_capacity(all.len());
        for version in all.into_iter().flatten() {
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
        versions
    }

    /// What `version` is: "active", "canary", "shadow", "previous".
    pub fn roles(&self, version: VersionId) -> Vec<&'static str> {
        let canary = self.canary.map(|canary| canary.version);
        [
            ("active", self.active),
            ("canary", canary),
            ("shadow", self.shadow),
            ("previous", self.previous),
        ]
        .into_iter()
        .filter_map(|(role, id)| (id == Some(version)).then_some(role))
        .collect()
    }
}

/// A version for a share of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// Which.
    pub version: VersionId,
    /// 1..=99.
    pub percent: u8,
}

/// The time in which a newcomer is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bake {
    /// From the moment a node switches to it.
    pub ms: u64,
}

/// Who changed what is wanted, for the one who was slower.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The generation it made.
    pub generation: u64,
    /// Operator or node.
    pub by: String,
    /// When.
    pub at_unix_ms: UnixMillis,
    /// Such as "activated v3".
    pub what: String,
}

/// A version that did not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// "check", "signature", "compile", "load", "probe"...
    pub stage: String,
    /// Why.
    pub reason: String,
}

/// What is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationKind {
    /// Whatever a user was granted.
    User,
    /// Whatever was granted on a stream.
    Stream,
    /// What one token was granted.
    Token,
    /// Everything.
    All,
}

impl RevocationKind {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Stream => "stream",
            Self::Token => "token",
            Self::All => "all",
        }
    }
}

/// Grants that no longer hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revocation {
    /// What `value` names.
    pub kind: RevocationKind,
    /// Empty for all.
    pub value: String,
    /// When it was made: grants made before are void.
    pub at_unix_ms: UnixMillis,
    /// When it can be forgotten.
    pub until_unix_ms: UnixMillis,
}

/// What a node said last.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeSeen {
    /// When.
    pub at_unix_ms: UnixMillis,
    /// From where.
    pub peer: Option<String>,
    /// Without its log lines.
    pub report: Arc<NodeReport>,
}

impl Catalogue {
    /// Rises with every change that nodes must see.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// A filter.
    pub fn filter(&self, name: &FilterName) -> Option<&Entry> {
        self.filters.get(name)
    }

    /// Whether any filter has a version with this component.
    pub fn uses(&self, component: Digest) -> bool {
        self.filters
            .values()
            .flat_map(|entry| entry.versions.values())
            .any(|version| version.component == component)
    }

    /// Every filter with every version it keeps.
    pub fn versions(&self) -> impl Iterator<Item = (&FilterName, &Version)> {
        self.filters
            .iter()
            .flat_map(|(name, entry)| entry.versions.values().map(move |version| (name, version)))
    }

    /// What must be true of every state; a file that breaks it is not taken.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn check(&self) -> Result<(), String> {
        for (name, entry) in &self.filters {
            entry
                .check(self.generation)
                .map_err(|reason| format!("filter {name}: {reason}"))?;
        }
        Ok(())
    }
}

impl Entry {
    /// What is to run.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// The serial of the last push.
    pub fn last_serial(&self) -> u64 {
        self.last_serial
    }

    /// The versions that are kept, lowest number first.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = &Version> {
        self.versions.values()
    }

    /// The version of that id.
    pub fn by_id(&self, id: VersionId) -> Option<&Version> {
        self.versions.values().find(|version| version.id == id)
    }

    pub(super) fn number_of(&self, id: Option<VersionId>) -> Option<u32> {
        id.and_then(|id| self.by_id(id))
            .map(|version| version.number)
    }

    fn check(&self, generation: u64) -> Result<(), String> {
        for (number, version) in &self.versions {
            if *number != version.number || *number == 0 || *number > self.last_number {
                return Err(format!("version {} has number {number}", version.number));
            }
            if version.serial > self.last_serial {
                return Err(format!("v{number} has a serial from the future"));
            }
            if self.by_id(version.id) != Some(version) {
                return Err(format!("v{number} is there twice"));
            }
        }
        let desired = &self.desired;
        let kept = desired.versions().into_iter().chain(self.history.clone());
        for id in kept {
            if self.by_id(id).is_none() {
                return Err(format!("{id} is wanted and not there"));
            }
        }
        if desired.previous != self.history.last().copied() {
            return Err("previous is not what was active before".to_owned());
        }
        if desired.active.is_some() && desired.previous == desired.active {
            return Err("the active version is its own predecessor".to_owned());
        }
        if desired.active.is_none() && (desired.canary.is_some() || desired.previous.is_some()) {
            return Err("nothing is active, yet something came before or after".to_owned());
        }
        if desired.canary.is_some_and(|canary| {
            Some(canary.version) == desired.active || !(1..=99).contains(&canary.percent)
        }) {
            return Err("the canary is the active version, or has no share".to_owned());
        }
        if desired.since_generation > generation {
            return Err("an activation from the future".to_owned());
        }
        Ok(())
    }
}
