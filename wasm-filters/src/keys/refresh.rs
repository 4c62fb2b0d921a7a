//! Keeps a JWK set fresh in the background.
//!
//! It fetches nothing itself: the caller gives it a function that does, over HTTP or from a file.
//! One call of [`refresh_jwks`] per source is the only one that fetches, so that there is at most one
//! fetch at a time however many tokens ask.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until, timeout};

use super::source::JwksSource;

/// Least time between two fetches that tokens of unknown keys ask for: anybody can make such tokens.
pub const UNKNOWN_KID_INTERVAL: Duration = Duration::from_secs(10);

/// Longest that one fetch may take.
pub const FETCH_TIME_MAX: Duration = Duration::from_secs(10);

/// How soon a failed fetch is tried again; twice as long after each further failure.
pub const RETRY_MIN: Duration = Duration::from_secs(1);

/// Longest pause between two tries while fetches fail.
pub const RETRY_MAX: Duration = Duration::from_secs(60);

/// How fresh a set is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshOptions {
    every: Duration,
    max_stale: Duration,
}

/// Why refresh options are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshOptionsError {
    /// More often than is fair to the server.
    #[error("a JWK set is fetched every {} s at the most", UNKNOWN_KID_INTERVAL.as_secs())]
    TooOften,
    /// A set would be too old before the next one is even asked for.
    #[error("max-stale must be at least twice the time between two fetches")]
    MaxStale,
}

/// When to fetch, and when to give up a set: no clock, no waiting.
#[derive(Debug)]
struct Schedule {
    options: RefreshOptions,
    attempt_at: Option<Instant>,
    success_at: Option<Instant>,
    failures: u32,
}

/// What ended a wait.
enum Woken {
    Fetch,
    Stale,
}

impl RefreshOptions {
    /// A set is fetched `every` so often, which is at least [`UNKNOWN_KID_INTERVAL`], and given up
    /// when the last good fetch is `max_stale` ago, at least twice that.
    pub fn new(every: Duration, max_stale: Duration) -> Result<Self, RefreshOptionsError> {
        if every < UNKNOWN_KID_INTERVAL {
            return Err(RefreshOptionsError::TooOften);
        }
        if max_stale / 2 < every {
            return Err(RefreshOptionsError::MaxStale);
        }
        Ok(Self { every, max_stale })
    }
}

impl Default for RefreshOptions {
    /// Every five minutes; given up after a day.
    fn default() -> Self {
        Self {
            every: Duration::from_secs(300),
            max_stale: Duration::from_secs(24 * 3_600),
        }
    }
}

impl Schedule {
    fn new(options: RefreshOptions) -> Self {
        Self {
            options,
            attempt_at: None,
            success_at: None,
            failures: 0,
        }
    }

    fn attempted(&mut self, now: Instant, good: bool) {
        self.attempt_at = Some(now);
        if good {
            self.success_at = Some(now);
            self.failures = 0;
        } else {
            self.failures = self.failures.saturating_add(1);
        }
    }

    /// When to fetch if no token asks. None: at once.
    fn due_at(&self) -> Option<Instant> {
        let pause = match self.failures {
            0 => self.options.every,
            failures => RETRY_MIN
                .saturating_mul(1 << (failures - 1).min(16))
                .min(RETRY_MAX)
                .min(self.options.every),
        };
        self.attempt_at.map(|at| at + pause)
    }

    /// When to fetch if a token asks.
    fn wanted_at(&self) -> Option<Instant> {
        self.attempt_at.map(|at| at + UNKNOWN_KID_INTERVAL)
    }

    /// When the set there is becomes too old.
    fn stale_at(&self) -> Option<Instant> {
        self.success_at.map(|at| at + self.options.max_stale)
    }
}

/// Keeps `source` fresh, until the future is dropped: at the start, then as `options` say, and when
/// a token names a key that the set does not have. `fetch` returns the document; it should stop
/// reading at [`JWKS_BYTES_MAX`](super::JWKS_BYTES_MAX), because what is larger is refused.
///
/// A failure leaves the set as it is until it is too old, and is tried again soon. Both are counted
/// and kept in [`JwksSource::status`].
pub async fn refresh_jwks<Fetch, Answer, E>(
    source: Arc<JwksSource>,
    options: RefreshOptions,
    mut fetch: Fetch,
) where
    Fetch: FnMut() -> Answer,
    Answer: Future<Output = Result<Bytes, E>>,
    E: Display,
{
    let mut schedule = Schedule::new(options);
    loop {
        match wait(&source, &schedule).await {
            Woken::Stale => {
                tracing::error!("a JWK set is too old and no longer used");
                source.clear();
            }
            Woken::Fetch => {
                // Counted from the start: a fetch that takes long does not make sets live longer.
                let now = Instant::now();
                source.fetching();
                let good = attempt(&source, fetch()).await;
                schedule.attempted(now, good);
            }
        }
    }
}

async fn attempt<E: Display>(
    source: &JwksSource,
    fetch: impl Future<Output = Result<Bytes, E>>,
) -> bool {
    let outcome = match timeout(FETCH_TIME_MAX, fetch).await {
        Ok(Ok(json)) => source.replace(&json).map_err(|error| error.to_string()),
        Ok(Err(error)) => {
            let error = error.to_string();
            source.failed(error.clone());
            Err(error)
        }
        Err(_) => {
            let error = format!("no answer within {} s", FETCH_TIME_MAX.as_secs());
            source.failed(error.clone());
            Err(error)
        }
    };
    if let Err(error) = &outcome {
        tracing::warn!(%error, "a JWK set could not be refreshed");
    }
    outcome.is_ok()
}

async fn wait(source: &JwksSource, schedule: &Schedule) -> Woken {
    let stale_at = schedule.stale_at().filter(|_| source.has_set());
    tokio::select! {
        biased;
        () = until(stale_at), if stale_at.is_some() => Woken::Stale,
        () = until(schedule.due_at()) => Woken::Fetch,
        () = async {
            source.wanted().await;
            until(schedule.wanted_at()).await;
        } => Woken::Fetch,
    }
}

async fn until(at: Option<Instant>) {
    if let Some(at) = at {
        sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests;
