//! When a version that fails is left alone, and for how long.
//!
//! Pure: the time comes in. One breaker belongs to one version, so that the failures of a version
//! are never held against the next one.
//!
//! ```text
//!            `failures` within `within`                    the pause has passed
//!   Closed ────────────────────────────▶ Open(until) ──────────────────────────▶ HalfOpen
//!      ▲                                     ▲                                      │ one call
//!      │                                     └────────────── it failed ─────────────┤
//!      └──────────────────────────────────────────────────── it worked ─────────────┘
//! ```

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The first pause.
pub const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause. A version that has worked for so long starts again with [`PAUSE_MIN`].
pub const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Most failures that a breaker remembers; a manifest that asks for more gets this.
pub const FAILURES_MAX: usize = 1000;

/// When a breaker opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerOptions {
    /// It opens with so many failures. 1..=[`FAILURES_MAX`].
    pub failures: usize,
    /// Within so long.
    pub within: Duration,
}

/// What a breaker says to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Go on.
    Call,
    /// Go on; whether this call works decides. Whoever gets this owes [`Breaker::succeeded`],
    /// [`Breaker::failed`] or [`Breaker::abandoned`].
    Trial,
    /// Don't: the version is disabled for now.
    Refused,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// No calls until then.
    Open(Instant),
    /// One call is being tried.
    HalfOpen,
}

impl BreakerState {
    /// The name in status and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open(_) => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// Counts the failures of one version.
#[derive(Debug)]
pub struct Breaker {
    options: BreakerOptions,
    state: BreakerState,
    /// When the last failures were, oldest first; at most `options.failures`.
    failures: VecDeque<Instant>,
    /// The next pause.
    pause: Duration,
    closed_since: Option<Instant>,
    opened: u64,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(options: BreakerOptions) -> Self {
        let failures = options.failures.clamp(1, FAILURES_MAX);
        Self {
            options: BreakerOptions {
                failures,
                ..options
            },
            state: BreakerState::Closed,
            failures: VecDeque::with_capacity(failures),
            pause: PAUSE_MIN,
            closed_since: None,
            opened: 0,
        }
    }

    /// Whether a call may go through at `now`.
    pub fn admit(&mut self, now: Instant) -> Admission {
        match self.state {
            BreakerState::Closed => Admission::Call,
            BreakerState::Open(until) if now >= until => {
                self.state = BreakerState::HalfOpen;
                Admission::Trial
            }
            BreakerState::Open(_) | BreakerState::HalfOpen => Admission::Refused,
        }
    }

    /// A call worked.
    pub fn succeeded(&mut self, now: Instant) {
        // A call that began before the breaker opened proves nothing about now.
        if self.state == BreakerState::HalfOpen {
            self.state = BreakerState::Closed;
            self.closed_since = Some(now);
            self.failures.clear();
        }
    }

    /// A call failed. Returns whether the breaker opened because of it.
    pub fn failed(&mut self, now: Instant) -> bool {
        match self.state {
            BreakerState::Open(_) => false,
            BreakerState::HalfOpen => {
                self.open(now);
                true
            }
            BreakerState::Closed => {
                if self.failures.len() == self.options.failures {
                    self.failures.pop_front();
                }
                self.failures.push_back(now);
                let full = self.failures.len() == self.options.failures;
                let first = self.failures.front().copied().unwrap_or(now);
                let opens = full && now.saturating_duration_since(first) <= self.options.within;
                if opens {
                    if self
                        .closed_since
                        .is_none_or(|since| now.saturating_duration_since(since) >= PAUSE_MAX)
                    {
                        self.pause = PAUSE_MIN;
                    }
                    self.open(now);
                }
                opens
            }
        }
    }

    /// The call that was tried ended without saying anything: its request went away. The next one
    /// tries.
    pub fn abandoned(&mut self, now: Instant) {
        if self.state == BreakerState::HalfOpen {
            self.state = BreakerState::Open(now);
        }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> BreakerState {
        self.state
    }

    /// How often it has opened.
    #[must_use]
    pub const fn opened(&self) -> u64 {
        self.opened
    }

    fn open(&mut self, now: Instant) {
        self.state = BreakerState::Open(now + self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.failures.clear();
        self.opened += 1;
    }
}

/// A [`Breaker`] for many threads, that costs one atomic read while all is well.
#[derive(Debug)]
pub struct SharedBreaker {
    /// None: the version is never disabled.
    breaker: Option<Mutex<Breaker>>,
    /// Mirrors "not closed"; written under the lock.
    tripped: AtomicBool,
}

impl SharedBreaker {
    /// A closed breaker; without options one that never opens.
    #[must_use]
    pub fn new(options: Option<BreakerOptions>) -> Self {
        Self {
            breaker: options.map(|options| Mutex::new(Breaker::new(options))),
            tripped: AtomicBool::new(false),
        }
    }

    /// The permission for one call, or `None` while the version is disabled.
    pub fn admit(&self, now: Instant) -> Option<Permit<'_>> {
        let trial = match &self.breaker {
            Some(breaker) if self.tripped.load(Ordering::Acquire) => {
                match breaker.lock().admit(now) {
                    Admission::Call => false,
                    Admission::Trial => true,
                    Admission::Refused => return None,
                }
            }
            _ => false,
        };
        Some(Permit {
            breaker: self,
            trial,
            settled: false,
        })
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.breaker
            .as_ref()
            .map_or(BreakerState::Closed, |breaker| breaker.lock().state())
    }

    /// How often it has opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.breaker
            .as_ref()
            .map_or(0, |breaker| breaker.lock().opened())
    }

    fn update<R>(&self, change: impl FnOnce(&mut Breaker) -> R) -> Option<R> {
        let breaker = self.breaker.as_ref()?;
        let mut breaker = breaker.lock();
        let result = change(&mut breaker);
        let tripped = breaker.state() != BreakerState::Closed;
        self.tripped.store(tripped, Ordering::Release);
        Some(result)
    }
}

/// Permission for one call. Dropped without a word, it counts as a request that went away.
#[derive(Debug)]
#[must_use]
pub struct Permit<'a> {
    breaker: &'a SharedBreaker,
    trial: bool,
    settled: bool,
}

impl Permit<'_> {
    /// The call worked.
    pub fn succeeded(mut self, now: Instant) {
        self.settled = true;
        if self.trial {
            self.breaker.update(|breaker| breaker.succeeded(now));
        }
    }

    /// The call failed. Returns whether that disabled the version.
    pub fn failed(mut self, now: Instant) -> bool {
        self.settled = true;
        self.breaker
            .update(|breaker| breaker.failed(now))
            .unwrap_or(false)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.trial && !self.settled {
            self.breaker
                .update(|breaker| breaker.abandoned(Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests;
