//! A JWK set that can be replaced while it is in use.
//!
//! A call never waits for a replacement: it verifies with the set there is. Who fetches a new one is
//! `refresh`'s business, or the node's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::jwks::{IgnoredKey, JwksError, KeySet};
use super::jwt::{self, JwtError};

/// The current set of one key of the ring, if there is one.
#[derive(Debug, Default)]
pub struct JwksSource {
    current: ArcSwapOption<KeySet>,
    /// A token named a key that the set does not have, since the last fetch began.
    wanted: AtomicBool,
    /// Woken when `wanted` is set.
    waiter: Notify,
    figures: Mutex<Figures>,
}

/// How a source is, for the operator and for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JwksStatus {
    /// Keys that verify. 0: no token can be verified.
    pub keys: usize,
    /// Keys of the set that are not used.
    pub ignored: Vec<IgnoredKey>,
    /// Sets taken since the start.
    pub refreshes: u64,
    /// Sets refused and fetches that failed since the start.
    pub failures: u64,
    /// What was wrong the last time; none when the last time was good.
    pub last_error: Option<String>,
}

#[derive(Debug, Default)]
struct Figures {
    refreshes: u64,
    failures: u64,
    last_error: Option<String>,
}

impl JwksSource {
    /// One without a set: until [`JwksSource::replace`], no token is verified.
    pub fn new() -> Self {
        Self::default()
    }

    /// One with this set.
    pub fn fixed(json: &[u8]) -> Result<Self, JwksError> {
        let source = Self::new();
        source.replace(json)?;
        Ok(source)
    }

    /// Puts a set in the place of the one there is, which stays when the new one is refused: an
    /// empty answer of a broken server must not lock everybody out.
    pub fn replace(&self, json: &[u8]) -> Result<(), JwksError> {
        match KeySet::parse(json) {
            Ok(set) => {
                self.current.store(Some(Arc::new(set)));
                let mut figures = self.figures.lock();
                figures.refreshes += 1;
                figures.last_error = None;
                Ok(())
            }
            Err(error) => {
                self.failed(error.to_string());
                Err(error)
            }
        }
    }

    /// Counts a fetch that brought nothing. The set stays.
    pub fn failed(&self, error: String) {
        let mut figures = self.figures.lock();
        figures.failures += 1;
        figures.last_error = Some(error);
    }

    /// Forgets the set, as when it is too old to be trusted.
    pub fn clear(&self) {
        self.current.store(None);
    }

    /// How it is.
    pub fn status(&self) -> JwksStatus {
        let current = self.current.load();
        let figures = self.figures.lock();
        JwksStatus {
            keys: current.as_ref().map_or(0, |set| set.keys().len()),
            ignored: current
                .as_ref()
                .map_or_else(Vec::new, |set| set.ignored().to_vec()),
            refreshes: figures.refreshes,
            failures: figures.failures,
            last_error: figures.last_error.clone(),
        }
    }

    /// The claims of a token that a key of the set signed. A token of an unknown key asks for a new
    /// set in the background, and is refused.
    pub fn verify_jwt(&self, token: &str, now_ms: u64) -> Result<String, JwtError> {
        let current = self.current.load();
        let set = current.as_deref().ok_or(JwtError::NoKeys)?;
        jwt::verify_with_set(token, set, now_ms).inspect_err(|error| {
            if *error == JwtError::UnknownKid {
                // Of a flood, the first wakes.
                if !self.wanted.swap(true, Ordering::Relaxed) {
                    self.waiter.notify_one();
                }
            }
        })
    }

    /// Until a token names a key that the set does not have; at once when one has since the last fetch
    /// began.
    pub(super) async fn wanted(&self) {
        while !self.wanted.load(Ordering::Relaxed) {
            self.waiter.notified().await;
        }
    }

    /// A fetch begins: it answers all who asked so far.
    pub(super) fn fetching(&self) {
        self.wanted.store(false, Ordering::Relaxed);
    }

    pub(super) fn has_set(&self) -> bool {
        self.current.load().is_some()
    }
}
