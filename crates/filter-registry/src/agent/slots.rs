//! How far each version is on this node.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng as _;
use tokio::time::Instant;
use wasm_filters::manifest::{FilterName, VersionId};

use super::{RETRY_MAX, RETRY_MIN};
use crate::catalogue::Rejection;
use crate::wire::VersionState;

/// First pause before a version in use that was rejected is tried again. Another node took it, so
/// it may have been this one's memory, or its load.
const REJECTED_RETRY_MIN: Duration = Duration::from_secs(30);
/// Longest such pause.
const REJECTED_RETRY_MAX: Duration = Duration::from_secs(600);

/// A version of a filter.
pub(super) type Key = (FilterName, VersionId);

/// A pause that doubles from attempt to attempt, less up to half by chance, so that nodes which
/// lost the same registry do not come back together.
pub(super) fn pause(attempt: u32, min: Duration, max: Duration) -> Duration {
    let doubled = min.saturating_mul(2_u32.saturating_pow(attempt.min(16)));
    let longest = doubled.min(max);
    longest.mul_f64(rand::rng().random_range(0.5..=1.0))
}

/// How far one version is.
#[derive(Debug)]
pub(super) enum Slot<V> {
    Preparing {
        /// Failed attempts before this one.
        attempts: u32,
        /// Of the attempt before: that is what the node says until it knows better.
        rejection: Option<Rejection>,
    },
    Ready(V),
    Unavailable {
        reason: String,
        attempts: u32,
        retry_at: Instant,
    },
    Rejected {
        rejection: Rejection,
        attempts: u32,
        retry_at: Instant,
    },
}

/// Why a version is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It could not be fetched.
    Unavailable(String),
    /// It did not pass.
    Rejected(Rejection),
}

/// All versions that this node knows of.
#[derive(Debug)]
pub(super) struct Slots<V> {
    slots: BTreeMap<Key, Slot<V>>,
}

impl<V> Default for Slots<V> {
    fn default() -> Self {
        Self {
            slots: BTreeMap::new(),
        }
    }
}

impl<V: Clone> Slots<V> {
    /// Keeps those that are wanted.
    pub(super) fn retain(&mut self, mut wanted: impl FnMut(&Key) -> bool) {
        self.slots.retain(|key, _| wanted(key));
    }

    pub(super) fn ready(&self, key: &Key) -> Option<V> {
        match self.slots.get(key) {
            Some(Slot::Ready(version)) => Some(version.clone()),
            _ => None,
        }
    }

    /// Whether the outcome of a version is still open.
    pub(super) fn is_open(&self, key: &Key) -> bool {
        !matches!(
            self.slots.get(key),
            Some(Slot::Ready(_) | Slot::Rejected { .. } | Slot::Unavailable { .. })
        ) && !self.was_rejected(key)
    }

    fn was_rejected(&self, key: &Key) -> bool {
        matches!(
            self.slots.get(key),
            Some(Slot::Preparing {
                rejection: Some(_),
                ..
            })
        )
    }

    pub(super) fn preparing(&self) -> usize {
        let preparing = |slot: &&Slot<V>| matches!(slot, Slot::Preparing { .. });
        self.slots.values().filter(preparing).count()
    }

    /// Takes note that an attempt begins, if it is time for one. `in_use`: what was rejected is
    /// worth another try.
    pub(super) fn begin(&mut self, key: &Key, in_use: bool, now: Instant) -> bool {
        let (attempts, rejection) = match self.slots.get(key) {
            None => (0, None),
            Some(Slot::Unavailable {
                attempts, retry_at, ..
            }) if *retry_at <= now => (*attempts, None),
            Some(Slot::Rejected {
                rejection,
                attempts,
                retry_at,
            }) if in_use && worth_another(rejection) && *retry_at <= now => {
                (*attempts, Some(rejection.clone()))
            }
            Some(_) => return false,
        };
        let slot = Slot::Preparing {
            attempts,
            rejection,
        };
        self.slots.insert(key.clone(), slot);
        true
    }

    /// Takes note of an attempt's end. A version that is no longer wanted is forgotten.
    pub(super) fn end(&mut self, key: &Key, outcome: Result<V, Failure>, now: Instant) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        let attempts = match slot {
            Slot::Preparing { attempts, .. } => *attempts,
            _ => 0,
        };
        *slot = match outcome {
            Ok(version) => Slot::Ready(version),
            Err(Failure::Unavailable(reason)) => Slot::Unavailable {
                reason,
                attempts: attempts + 1,
                retry_at: now + pause(attempts, RETRY_MIN, RETRY_MAX),
            },
            Err(Failure::Rejected(rejection)) => Slot::Rejected {
                rejection,
                attempts: attempts + 1,
                retry_at: now + pause(attempts, REJECTED_RETRY_MIN, REJECTED_RETRY_MAX),
            },
        };
    }

    /// When the next attempt is due.
    pub(super) fn next_retry(&self, in_use: impl Fn(&Key) -> bool) -> Option<Instant> {
        let due = self.slots.iter().filter_map(|(key, slot)| match slot {
            Slot::Unavailable { retry_at, .. } => Some(*retry_at),
            Slot::Rejected {
                rejection,
                retry_at,
                ..
            } => (in_use(key) && worth_another(rejection)).then_some(*retry_at),
            Slot::Preparing { .. } | Slot::Ready(_) => None,
        });
        due.min()
    }

    /// How far every version of a filter is.
    pub(super) fn states(&self, filter: &FilterName) -> BTreeMap<VersionId, VersionState> {
        let of_filter = self.slots.iter().filter(|((name, _), _)| name == filter);
        let states = of_filter.map(|((_, id), slot)| {
            let state = match slot {
                Slot::Preparing {
                    rejection: Some(rejection),
                    ..
                }
                | Slot::Rejected { rejection, .. } => VersionState::Rejected(rejection.clone()),
                Slot::Preparing { .. } => VersionState::Preparing,
                Slot::Ready(_) => VersionState::Ready,
                Slot::Unavailable { reason, .. } => VersionState::Unavailable {
                    reason: reason.clone(),
                },
            };
            (*id, state)
        });
        states.collect()
    }
}

/// What a component is does not change; what a node can do at the moment does.
fn worth_another(rejection: &Rejection) -> bool {
    !matches!(rejection.stage.as_str(), "check" | "signature")
}
