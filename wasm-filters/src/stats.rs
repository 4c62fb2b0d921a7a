//! What is counted of a version in service: calls, decisions, failures, durations, by hook.
//!
//! Counting takes no lock. What failed last is kept whole, for people.

mod histogram;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;

use crate::call::{CallError, TrapKind};
use crate::manifest::Hook;
use crate::rollout::Window;

pub use histogram::{Histogram, SharedHistogram};

/// A version is compared with what another did in the last so long, to within [`READING_EVERY`].
pub const BASELINE: Duration = Duration::from_secs(300);
/// How often a baseline's reading is taken.
pub const READING_EVERY: Duration = Duration::from_secs(30);
/// Readings that are kept.
const READINGS_MAX: usize = (BASELINE.as_secs() / READING_EVERY.as_secs()) as usize + 1;

/// What a filter decided, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Yes: a grant, a message, a gift.
    Allow,
    /// No.
    Deny,
    /// Ask elsewhere.
    Redirect,
    /// No opinion, or nothing to change.
    Pass,
    /// Changed.
    Modify,
    /// Answered by the filter itself.
    Respond,
    /// Shown to the sender alone.
    ShadowDrop,
    /// For a moderator.
    Hold,
    /// A call that decides nothing: somebody came or left, a catalogue.
    Done,
}

impl Decision {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Allow,
        Self::Deny,
        Self::Redirect,
        Self::Pass,
        Self::Modify,
        Self::Respond,
        Self::ShadowDrop,
        Self::Hold,
        Self::Done,
    ];

    /// As in a metric.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Redirect => "redirect",
            Self::Pass => "pass",
            Self::Modify => "modify",
            Self::Respond => "respond",
            Self::ShadowDrop => "shadow_drop",
            Self::Hold => "hold",
            Self::Done => "done",
        }
    }
}

/// Why a filter gave no answer that could be used, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It was stopped.
    Trap(TrapKind),
    /// It said that it could not decide.
    Filter,
    /// An instance refused the configuration that its probe had taken.
    Config,
    /// No instance was free in time.
    Busy,
    /// It answered more than it may.
    Limit,
    /// It answered what cannot be done: a bad header field, a plan that does not add up.
    Answer,
    /// It was not asked: its breaker was open.
    Disabled,
    /// It was not asked: the filters before it had used up the chain's time.
    Late,
    /// It has no such function.
    NoFunction,
}

/// Kinds that are no trap.
const OTHER_KINDS: [FailureKind; 8] = [
    FailureKind::Filter,
    FailureKind::Config,
    FailureKind::Busy,
    FailureKind::Limit,
    FailureKind::Answer,
    FailureKind::Disabled,
    FailureKind::Late,
    FailureKind::NoFunction,
];
const KINDS: usize = TrapKind::ALL.len() + OTHER_KINDS.len();

impl FailureKind {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let traps = TrapKind::ALL.into_iter().map(Self::Trap);
        traps.chain(OTHER_KINDS)
    }

    /// As in a metric.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trap(kind) => kind.as_str(),
            Self::Filter => "filter_error",
            Self::Config => "config",
            Self::Busy => "busy",
            Self::Limit => "limit",
            Self::Answer => "answer",
            Self::Disabled => "disabled",
            Self::Late => "late",
            Self::NoFunction => "no_function",
        }
    }

    /// Whether the version is to blame: such failures open its breaker and count when it is judged.
    /// A node without a free instance, and a call that was never made, say nothing about the code.
    #[must_use]
    pub const fn is_the_versions(self) -> bool {
        !matches!(self, Self::Busy | Self::Disabled | Self::Late)
    }

    fn index(self) -> usize {
        Self::all()
            .position(|kind| kind == self)
            .unwrap_or(KINDS - 1)
    }
}

impl From<&CallError> for FailureKind {
    fn from(error: &CallError) -> Self {
        match error {
            CallError::Trap { kind, .. } => Self::Trap(*kind),
            CallError::Filter(_) => Self::Filter,
            CallError::Config(_) => Self::Config,
            CallError::Busy => Self::Busy,
            CallError::Limit { .. } => Self::Limit,
            CallError::NoFunction { .. } => Self::NoFunction,
        }
    }
}

/// The counters of one hook.
#[derive(Debug, Default)]
pub(crate) struct HookStats {
    calls: AtomicU64,
    reused: AtomicU64,
    decisions: [AtomicU64; Decision::ALL.len()],
    failures: [AtomicU64; KINDS],
    durations: SharedHistogram,
}

impl HookStats {
    /// A call was answered.
    pub(crate) fn answered(&self, decision: Decision, took: Duration) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.durations.record(took);
        if let Some(count) = self.decisions.get(decision as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A call failed; `took` is `None` for one that was not made.
    pub(crate) fn failed(&self, kind: FailureKind, took: Option<Duration>) {
        if let Some(took) = took {
            self.calls.fetch_add(1, Ordering::Relaxed);
            self.durations.record(took);
        }
        if let Some(count) = self.failures.get(kind.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An answer was given again without a call.
    pub(crate) fn reused(&self) {
        self.reused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> HookReading {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        HookReading {
            calls: load(&self.calls),
            reused: load(&self.reused),
            decisions: Decision::ALL
                .into_iter()
                .zip(self.decisions.iter().map(load))
                .collect(),
            failures: FailureKind::all()
                .zip(self.failures.iter().map(load))
                .collect(),
            durations: self.durations.read(),
        }
    }

    fn window(&self) -> Window {
        let to_blame = FailureKind::all()
            .zip(&self.failures)
            .filter(|(kind, _)| kind.is_the_versions());
        Window {
            calls: self.calls.load(Ordering::Relaxed),
            errors: to_blame
                .map(|(_, count)| count.load(Ordering::Relaxed))
                .sum(),
            durations: self.durations.read(),
        }
    }
}

/// The counters of one hook, read.
#[derive(Clone, Debug)]
pub(crate) struct HookReading {
    pub(crate) calls: u64,
    pub(crate) reused: u64,
    pub(crate) decisions: Vec<(Decision, u64)>,
    pub(crate) failures: Vec<(FailureKind, u64)>,
    pub(crate) durations: Histogram,
}

/// A failure, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastFailure {
    /// Where.
    pub hook: Hook,
    /// As in the metrics.
    pub kind: &'static str,
    /// What happened.
    pub message: String,
    /// Functions that ran, innermost first. Empty when it was no trap.
    pub backtrace: Vec<String>,
    /// The request that it happened to.
    pub request_id: String,
    /// Unix time in milliseconds.
    pub at_unix_ms: u64,
}

/// Windows of all hooks, in the order of [`Hook::ALL`].
pub(crate) type Windows = [Window; Hook::ALL.len()];

/// The counters of a version.
#[derive(Debug, Default)]
pub(crate) struct VersionStats {
    hooks: [HookStats; Hook::ALL.len()],
    last_failure: Mutex<Option<LastFailure>>,
    /// Older readings, oldest first.
    readings: Mutex<VecDeque<(Instant, Windows)>>,
}

impl VersionStats {
    pub(crate) fn hook(&self, hook: Hook) -> &HookStats {
        let [auth, chat, gifts, http_request, http_response] = &self.hooks;
        match hook {
            Hook::Auth => auth,
            Hook::Chat => chat,
            Hook::Gifts => gifts,
            Hook::HttpRequest => http_request,
            Hook::HttpResponse => http_response,
        }
    }

    pub(crate) fn remember(&self, failure: LastFailure) {
        *self.last_failure.lock() = Some(failure);
    }

    pub(crate) fn last_failure(&self) -> Option<LastFailure> {
        self.last_failure.lock().clone()
    }

    /// Everything so far.
    pub(crate) fn windows(&self) -> Windows {
        Hook::ALL.map(|hook| self.hook(hook).window())
    }

    /// Takes a reading for [`Self::baseline`], if it is time for one.
    pub(crate) fn tick(&self, now: Instant) {
        let mut readings = self.readings.lock();
        let due = readings
            .back()
            .is_none_or(|(at, _)| now.saturating_duration_since(*at) >= READING_EVERY);
        if due {
            if readings.len() == READINGS_MAX {
                readings.pop_front();
            }
            readings.push_back((now, self.windows()));
        }
    }

    /// What happened in the last [`BASELINE`].
    pub(crate) fn baseline(&self) -> Windows {
        let windows = self.windows();
        let readings = self.readings.lock();
        // A version that was not there so long ago began with nothing.
        match readings.front() {
            Some((_, oldest)) if readings.len() == READINGS_MAX => since(&windows, oldest),
            _ => windows,
        }
    }
}

/// What happened between two readings.
pub(crate) fn since(windows: &Windows, earlier: &Windows) -> Windows {
    let mut since = windows.clone();
    for (window, earlier) in since.iter_mut().zip(earlier) {
        *window = window.since(earlier);
    }
    since
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_counter_and_a_name_of_its_own() {
        let mut names: Vec<_> = FailureKind::all().map(FailureKind::as_str).collect();
        assert_eq!(names.len(), KINDS);
        for (place, kind) in FailureKind::all().enumerate() {
            assert_eq!(kind.index(), place);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KINDS);
    }

    #[test]
    fn only_the_versions_own_failures_are_errors() {
        let stats = HookStats::default();
        let took = Some(Duration::from_micros(5));
        stats.answered(Decision::Allow, Duration::from_micros(5));
        stats.failed(FailureKind::Trap(TrapKind::Cpu), took);
        stats.failed(FailureKind::Answer, took);
        stats.failed(FailureKind::Busy, took);
        stats.failed(FailureKind::Disabled, None);
        let window = stats.window();
        assert_eq!((window.calls, window.errors), (4, 2));
        assert_eq!(window.durations.count(), 4);
    }

    #[test]
    fn a_baseline_forgets_what_is_too_old() {
        let stats = VersionStats::default();
        let mut now = Instant::now();
        let call = |times: u64| {
            for _ in 0..times {
                stats
                    .hook(Hook::Chat)
                    .answered(Decision::Allow, Duration::from_micros(3));
            }
        };
        let calls = |windows: &Windows| windows.iter().map(|window| window.calls).sum::<u64>();
        call(100);
        stats.tick(now);
        assert_eq!(calls(&stats.baseline()), 100);
        for _ in 0..20 {
            now += READING_EVERY;
            call(1);
            stats.tick(now);
        }
        assert_eq!(calls(&stats.baseline()), 10);
    }
}
