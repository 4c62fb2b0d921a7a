//! Calls without effect: a version that is not trusted yet is asked what the others were asked, and
//! what it says is compared with what they said.
//!
//! They run after the answer, off the request's path, at most so many at a time; those beyond are
//! left out and counted.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::manifest::Hook;

/// Differences that are kept of a shadow version, the newest.
pub const DIFFERENCES_MAX: usize = 50;
/// Most bytes that are kept of each side of a difference.
pub const DIFFERENCE_BYTES_MAX: usize = 1024;

/// What comes instead of a credential in what is recorded.
const HIDDEN: &str = "[credential]";

/// How a shadow version compares with what serves.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    equal: AtomicU64,
    different: AtomicU64,
    failed: AtomicU64,
    skipped: AtomicU64,
    differences: Mutex<VecDeque<Difference>>,
}

/// The same, read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ComparisonStatus {
    /// Answers that were the same.
    pub equal: u64,
    /// Answers that were not, and those to which there was nothing to compare.
    pub different: u64,
    /// Calls without an answer.
    pub failed: u64,
    /// Calls that were not made, because too many were running.
    pub skipped: u64,
    /// The newest differences, oldest first.
    pub differences: Vec<Difference>,
}

/// A case in which a shadow version answered something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where.
    pub hook: Hook,
    /// The request.
    pub request_id: String,
    /// Unix time in milliseconds.
    pub at_unix_ms: u64,
    /// The answer that counted; `None` when there was none.
    pub live: Option<String>,
    /// The answer that did not count.
    pub shadow: String,
}

impl Comparison {
    /// An answer to compare. `secrets` are kept out of what is recorded.
    pub(crate) fn compare<A: PartialEq + Debug>(
        &self,
        live: Option<&A>,
        shadow: &A,
        secrets: &[String],
        case: impl FnOnce() -> (Hook, String, u64),
    ) {
        if live == Some(shadow) {
            self.equal.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.different.fetch_add(1, Ordering::Relaxed);
        let (hook, request_id, at_unix_ms) = case();
        let difference = Difference {
            hook,
            request_id,
            at_unix_ms,
            live: live.map(|live| told(live, secrets)),
            shadow: told(shadow, secrets),
        };
        let mut differences = self.differences.lock();
        if differences.len() == DIFFERENCES_MAX {
            differences.pop_front();
        }
        differences.push_back(difference);
    }

    /// A call without an answer.
    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// A call that was not made.
    pub(crate) fn skipped(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> ComparisonStatus {
        ComparisonStatus {
            equal: self.equal.load(Ordering::Relaxed),
            different: self.different.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            differences: self.differences.lock().iter().cloned().collect(),
        }
    }
}

/// An answer in words, without credentials, cut.
fn told(answer: &impl Debug, secrets: &[String]) -> String {
    let mut text = format!("{answer:?}");
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        // As Debug writes it.
        let quoted = format!("{secret:?}");
        let inner = quoted.trim_matches('"');
        if text.contains(inner) {
            text = text.replace(inner, HIDDEN);
        }
    }
    text.truncate(text.floor_char_boundary(DIFFERENCE_BYTES_MAX));
    text
}

/// The right to run shadow calls.
#[derive(Clone, Debug)]
pub(crate) struct ShadowPlaces(Arc<Semaphore>);

impl ShadowPlaces {
    pub(crate) fn new(calls_max: usize) -> Self {
        Self(Arc::new(Semaphore::new(
            calls_max.min(Semaphore::MAX_PERMITS),
        )))
    }

    /// A place, if there is one.
    pub(crate) fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case() -> (Hook, String, u64) {
        (Hook::Auth, "r1".to_owned(), 7)
    }

    #[test]
    fn answers_are_compared_and_differences_kept() {
        let comparison = Comparison::default();
        comparison.compare(Some(&"a"), &"a", &[], case);
        comparison.compare(Some(&"a"), &"b", &[], case);
        comparison.compare(None, &"b", &[], case);
        comparison.failed();
        comparison.skipped();
        let read = comparison.read();
        assert_eq!(
            (read.equal, read.different, read.failed, read.skipped),
            (1, 2, 1, 1)
        );
        assert_eq!(read.differences[0].live.as_deref(), Some("\"a\""));
        assert_eq!(read.differences[1].live, None);
    }

    #[test]
    fn differences_are_bounded_and_hold_no_credentials() {
        let comparison = Comparison::default();
        let secret = "se\"cret".to_owned();
        let long = "x".repeat(5000);
        for _ in 0..DIFFERENCES_MAX + 10 {
            let answer = format!("deny: token se\"cret is bad {long}");
            comparison.compare(None, &answer, std::slice::from_ref(&secret), case);
        }
        let differences = comparison.read().differences;
        assert_eq!(differences.len(), DIFFERENCES_MAX);
        assert!(differences[0].shadow.contains("token [credential] is bad"));
        assert!(differences[0].shadow.len() <= DIFFERENCE_BYTES_MAX);
    }

    #[test]
    fn places_are_bounded() {
        let places = ShadowPlaces::new(1);
        let place = places.take();
        assert!(place.is_some());
        assert!(places.take().is_none());
        drop(place);
        assert!(places.take().is_some());
    }
}
