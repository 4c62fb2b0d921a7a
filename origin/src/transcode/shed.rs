//! How many rungs a child that falls behind may keep: the controller of load shedding. Pure.
//!
//! It neither stops nor starts anything, and knows no rung by name: rungs go in the ladder's
//! order, the first one first, and come back in the reverse order, one at a time. The last one
//! always stays.
//!
//! A rung goes when the lag is above [`ShedSettings::lag`] and has not shrunk for [`TREND`]: a
//! child that works off a backlog is left alone. It comes back once the lag has been low for the
//! settling time without a break. What a child could do is known only by trying, and each try
//! costs viewers a discontinuity; so a rung that has to go again soon after it came back doubles
//! the settling time, up to [`SETTLE_FACTOR_MAX`] times. That bounds the flapping.

use std::time::Duration;

use tokio::time::Instant;

/// A lag that has not shrunk for so long does not shrink.
const TREND: Duration = Duration::from_secs(1);
/// And this is how much it has to shrink by in that time: a tenth of the time.
const TREND_MIN: Duration = Duration::from_millis(100);
/// A child that has just started has a GOP to work off, and an encoder to open.
const START_GRACE: Duration = Duration::from_secs(2);
/// Below this fraction of the lag that sheds, a child is at its ease.
const CALM_FRACTION: u32 = 4;
/// The settling time is doubled up to so many times the configured one.
const SETTLE_FACTOR_MAX: u32 = 16;

/// When rungs go and come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShedSettings {
    /// A child this far behind gives up rungs; zero: never.
    pub lag: Duration,
    /// It has to be at its ease for so long before one comes back.
    pub settle: Duration,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// One rung less.
    Shed,
    /// One rung more.
    Restore,
}

/// The controller of one ladder. Tell it of every start of a child and of the lag at every frame;
/// carry out what it says, and tell it that with [`Self::apply`].
#[derive(Debug)]
pub(super) struct Shedder {
    settings: ShedSettings,
    /// Rungs of the whole ladder, and how many of them are shed.
    rungs: usize,
    shed: usize,
    started: Option<Instant>,
    /// When the lag was last measured while too long, and how long it was.
    high: Option<(Instant, Duration)>,
    calm_since: Option<Instant>,
    settle: Duration,
    restored: Option<Instant>,
}

impl Shedder {
    pub(super) fn new(settings: ShedSettings, rungs: usize) -> Self {
        Self {
            settings,
            rungs,
            shed: 0,
            started: None,
            high: None,
            calm_since: None,
            settle: settings.settle,
            restored: None,
        }
    }

    /// How many of the first rungs are not to be made.
    pub(super) fn shed(&self) -> usize {
        self.shed
    }

    /// A child starts, with whatever rungs.
    pub(super) fn started(&mut self, now: Instant) {
        self.started = Some(now);
        self.high = None;
        self.calm_since = None;
    }

    /// The child is `lag` behind. What it says is said until it is applied.
    pub(super) fn observe(&mut self, now: Instant, lag: Duration) -> Option<Verdict> {
        if lag <= self.settings.lag / CALM_FRACTION {
            self.calm_since.get_or_insert(now);
        } else {
            self.calm_since = None;
        }
        if lag <= self.settings.lag || !self.may_shed() {
            self.high = None;
            return self.may_restore(now).then_some(Verdict::Restore);
        }
        let starting = self.started.is_some_and(|at| now - at < START_GRACE);
        let (since, was) = *self.high.get_or_insert((now, lag));
        if starting || now - since < TREND {
            return None;
        }
        if lag + TREND_MIN > was {
            return Some(Verdict::Shed);
        }
        self.high = Some((now, lag));
        None
    }

    /// Whether a rung can go: asked by whoever kills a child that is too far behind.
    pub(super) fn may_shed(&self) -> bool {
        !self.settings.lag.is_zero() && self.shed + 1 < self.rungs
    }

    /// A rung goes or comes now.
    pub(super) fn apply(&mut self, now: Instant, verdict: Verdict) {
        match verdict {
            Verdict::Shed => {
                self.shed = (self.shed + 1).min(self.rungs.saturating_sub(1));
                self.punish(now);
            }
            Verdict::Restore => {
                self.shed = self.shed.saturating_sub(1);
                self.restored = Some(now);
            }
        }
        self.high = None;
        self.calm_since = None;
    }

    fn may_restore(&self, now: Instant) -> bool {
        self.shed > 0
            && self
                .calm_since
                .is_some_and(|since| now - since >= self.settle)
    }

    /// A rung that did not stay for the settling time came back too early.
    fn punish(&mut self, now: Instant) {
        let Some(restored) = self.restored.take() else {
            return;
        };
        let longest = self.settings.settle * SETTLE_FACTOR_MAX;
        self.settle = if now - restored < self.settle.max(self.settings.settle) {
            (self.settle * 2).min(longest)
        } else {
            self.settings.settle
        };
    }
}

#[cfg(test)]
mod tests;
