//! Which version of a filter a request gets, and when a node takes a version back by itself.
//!
//! Pure: time and figures come in. It calls nothing and knows no WebAssembly: a version is whatever
//! `V` is.
//!
//! A node obeys what is desired of it with one exception: a version that did worse than the one
//! before it (see [`judge`]) is taken back at once, and stays taken back until somebody asks for it
//! anew, that is, until [`Desired::activation`] changes. Whoever decides for all nodes hears of it
//! and makes it the rule.

mod judge;

use std::time::{Duration, Instant};

pub use judge::{
    CALLS_MIN, ERROR_RATE_MARGIN, ERRORS_MIN, LATENCY_CALLS_MIN, LATENCY_FACTOR, LATENCY_MARGIN,
    Verdict, Window, Worse, judge,
};

/// Requests fall into so many buckets.
pub const BUCKETS: u16 = 10_000;

/// What a request is told from others by, for the choice between a version and its canary.
///
/// One pin and one table give one version of each filter, from the start of a request to its end,
/// and the same viewer the same version from request to request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestPin(u64);

impl RequestPin {
    /// The pin of everything that belongs to `key`: a user, a session, an address.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        use std::hash::Hasher as _;
        // No secret: all nodes must put the same viewer into the same bucket.
        let mut hasher = siphasher::sip::SipHasher13::new_with_keys(0, 0);
        hasher.write(key);
        Self(hasher.finish())
    }

    /// The bucket for one filter, below [`BUCKETS`]. `salt` is the filter's own, so that it is not
    /// the same viewers who try every canary.
    #[must_use]
    // Casts: the remainder is below 10000.
    pub const fn bucket(self, salt: u64) -> u16 {
        // The finalizer of SplitMix64: every bit of both reaches every bit of the sum.
        let mut mixed = self.0 ^ salt;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed % BUCKETS as u64) as u16
    }
}

/// A share of all requests, 1 to 99 of 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u8);

impl Percent {
    /// `None` unless 1..=99.
    #[must_use]
    pub const fn new(percent: u8) -> Option<Self> {
        match percent {
            1..=99 => Some(Self(percent)),
            _ => None,
        }
    }

    /// 1 to 99.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether a bucket is within the share. Who is within a share is within every larger one.
    #[must_use]
    pub const fn contains(self, bucket: u16) -> bool {
        bucket < self.0 as u16 * (BUCKETS / 100)
    }
}

/// A version that serves a share of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canary<V> {
    /// The version.
    pub version: V,
    /// Its share.
    pub percent: Percent,
}

/// What is wanted of a node for one filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired<V> {
    /// Whether the filter is called at all.
    pub enabled: bool,
    /// Serves everybody whom the canary does not.
    pub active: Option<V>,
    /// What `active` is taken back to; kept loaded.
    pub previous: Option<V>,
    /// Serves a share.
    pub canary: Option<Canary<V>>,
    /// Is called too, without effect.
    pub shadow: Option<V>,
    /// How long a newly activated version is watched. Zero: not at all, as for a rollback.
    pub bake: Duration,
    /// Another number for every time that somebody activated something.
    pub activation: u64,
}

impl<V> Default for Desired<V> {
    fn default() -> Self {
        Self {
            enabled: false,
            active: None,
            previous: None,
            canary: None,
            shadow: None,
            bake: Duration::ZERO,
            activation: 0,
        }
    }
}

/// What a node does for one filter: what is desired, less what was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective<V> {
    /// Serves everybody whom the canary does not.
    pub active: Option<V>,
    /// What `active` would be taken back to.
    pub previous: Option<V>,
    /// Serves a share.
    pub canary: Option<Canary<V>>,
    /// Is called too, without effect.
    pub shadow: Option<V>,
}

impl<V> Effective<V> {
    /// The version that serves a bucket.
    #[must_use]
    pub const fn choose(&self, bucket: u16) -> Option<&V> {
        match &self.canary {
            Some(canary) if canary.percent.contains(bucket) => Some(&canary.version),
            _ => self.active.as_ref(),
        }
    }

    /// The same, with what `to` finds for each version.
    pub fn map<W>(&self, mut to: impl FnMut(&V) -> Option<W>) -> Effective<W> {
        Effective {
            active: self.active.as_ref().and_then(&mut to),
            previous: self.previous.as_ref().and_then(&mut to),
            canary: self.canary.as_ref().and_then(|canary| {
                let version = to(&canary.version)?;
                Some(Canary {
                    version,
                    percent: canary.percent,
                })
            }),
            shadow: self.shadow.as_ref().and_then(&mut to),
        }
    }
}

/// A version that is compared with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch<V> {
    /// The one that has to prove itself.
    pub version: V,
    /// What it is measured against, and taken back to.
    pub against: V,
    /// Whether both serve now (a canary). Else `against` served before.
    pub side_by_side: bool,
    /// When it began.
    pub since: Instant,
    /// When it has proved itself. A canary is watched for as long as it is one.
    pub until: Option<Instant>,
}

/// A version that was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenBack<V> {
    /// The version.
    pub from: V,
    /// What serves instead.
    pub to: V,
}

/// One filter's versions on this node.
///
/// The driver calls [`Self::apply`] with every change of what is desired, [`Self::poll`] about once
/// a second, judges what [`Self::watch`] says is to be judged, and calls [`Self::take_back`] when the
/// verdict, or a person, says so. After each it routes by [`Self::effective`].
#[derive(Clone, Debug)]
pub struct Rollout<V> {
    desired: Desired<V>,
    /// Of the present activation: at most its active version and its canary.
    taken_back: Vec<V>,
    watch: Option<Watch<V>>,
}

impl<V> Default for Rollout<V> {
    fn default() -> Self {
        Self {
            desired: Desired::default(),
            taken_back: Vec::new(),
            watch: None,
        }
    }
}

impl<V: Copy + Eq> Rollout<V> {
    /// Takes over what is desired at `now`.
    ///
    /// A version is watched when it replaces another on this node; not when the node has only just
    /// started, because then there is nothing to compare it with.
    pub fn apply(&mut self, desired: Desired<V>, now: Instant) {
        let before = self.effective();
        if desired.activation != self.desired.activation {
            self.taken_back.clear();
        }
        self.desired = desired;
        let after = self.effective();
        self.watch = self.watch_for(&before, &after, now);
    }

    /// Lets time pass: a version whose bake time is over has proved itself.
    pub fn poll(&mut self, now: Instant) {
        self.watch
            .take_if(|watch| watch.until.is_some_and(|until| now >= until));
    }

    /// What is to be judged.
    #[must_use]
    pub const fn watch(&self) -> Option<&Watch<V>> {
        self.watch.as_ref()
    }

    /// Takes the newest version back: the canary where there is one, else the active version.
    /// `None` when there is nothing to go back to.
    pub fn take_back(&mut self) -> Option<TakenBack<V>> {
        let now = self.effective();
        let taken = match now.canary {
            Some(canary) => TakenBack {
                from: canary.version,
                to: now.active?,
            },
            None => TakenBack {
                from: now.active?,
                to: now.previous?,
            },
        };
        self.taken_back.push(taken.from);
        self.watch = None;
        Some(taken)
    }

    /// What this node does.
    #[must_use]
    pub fn effective(&self) -> Effective<V> {
        let Desired {
            enabled,
            active,
            previous,
            canary,
            shadow,
            ..
        } = self.desired;
        if !enabled {
            return Effective {
                active: None,
                previous: None,
                canary: None,
                shadow: None,
            };
        }
        let canary = canary.filter(|canary| !self.is_taken_back(canary.version));
        match (active, previous) {
            (Some(active), Some(previous)) if self.is_taken_back(active) => Effective {
                active: Some(previous),
                previous: None,
                canary,
                shadow,
            },
            _ => Effective {
                active,
                previous,
                canary,
                shadow,
            },
        }
    }

    /// What is desired.
    #[must_use]
    pub const fn desired(&self) -> &Desired<V> {
        &self.desired
    }

    /// Whether this node has taken the version back.
    #[must_use]
    pub fn is_taken_back(&self, version: V) -> bool {
        self.taken_back.contains(&version)
    }

    fn watch_for(
        &self,
        before: &Effective<V>,
        after: &Effective<V>,
        now: Instant,
    ) -> Option<Watch<V>> {
        let running = |version, against, side_by_side| {
            self.watch.filter(|watch| {
                (watch.version, watch.against, watch.side_by_side)
                    == (version, against, side_by_side)
            })
        };
        if let (Some(canary), Some(active)) = (after.canary, after.active) {
            return running(canary.version, active, true).or(Some(Watch {
                version: canary.version,
                against: active,
                side_by_side: true,
                since: now,
                until: None,
            }));
        }
        let (active, previous) = (after.active?, after.previous?);
        if let Some(watch) = running(active, previous, false) {
            return Some(watch);
        }
        let replaced = before.active.is_some() && before.active != Some(active);
        (replaced && !self.desired.bake.is_zero()).then(|| Watch {
            version: active,
            against: previous,
            side_by_side: false,
            since: now,
            until: Some(now + self.desired.bake),
        })
    }
}

#[cfg(test)]
mod tests;
