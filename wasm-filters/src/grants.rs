//! Grants that are given again: the answers of the auth chain, for requests that look the same to it.
//!
//! A viewer asks for a part every third of a second. The filters decide once; then a request costs
//! a hash and a lookup until the grant ends, the versions change, or it is revoked.
//!
//! **A revocation is effective at once**: [`Grants::cached`] looks at it before it answers.

mod flight;
mod key;
mod revocation;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;

use crate::answer_cache::AnswerCache;
use crate::contract::types;
use crate::host::{AuthAnswer, AuthCall};
use crate::manifest::{Digest, FilterName, VersionId};

pub(crate) use flight::{Flights, Joined};
pub use key::GrantKey;
pub(crate) use key::{KeyState, salt_of};
use revocation::Revocations;
pub use revocation::{
    REVOCATION_VALUE_BYTES_MAX, REVOCATIONS_MAX, Revocation, RevocationError, RevocationKind,
};

/// A filter may have its grants kept for as long; a longer `cache-ms` is cut.
pub const GRANT_CACHE_MAX: Duration = Duration::from_secs(3600);
/// A denial is kept for as long: a bad token costs a call a second, and a token that has become
/// good waits no longer than that.
pub const DENIAL_CACHE_MAX: Duration = Duration::from_secs(1);
/// Most credentials of a request that the chain is given; the least trusted are left out.
pub const CREDENTIALS_MAX: usize = 8;

/// What a grant takes, about, in bytes.
const ENTRY_BYTES: u64 = 512;

/// Somebody may do what was asked.
#[derive(Debug)]
pub struct Granted {
    /// Who it is, as the filter knows it.
    pub user: types::User,
    /// The stream that is opened, where it is not the one asked for.
    pub stream: Option<String>,
    /// Unix time in milliseconds.
    pub expires_at_ms: Option<u64>,
    /// Index of the credential that was good.
    pub accepted: Option<usize>,
    /// Whatever else the filter said.
    pub attrs: Vec<types::Attr>,
    /// The filter that said yes. None: all that failed were to fail open, and no other said no.
    pub by: Option<(FilterName, VersionId)>,
    pub(crate) facts: GrantFacts,
}

/// What a grant is found by when something is revoked, and how long it is kept.
#[derive(Debug)]
pub(crate) struct GrantFacts {
    /// The stream that was asked for.
    pub(crate) asked: String,
    /// SHA-256 of the credential that was good, or of all.
    pub(crate) tokens: Vec<Digest>,
    /// Kept until then; `None`: not at all.
    pub(crate) kept_until: Option<Instant>,
    /// The revocations that were there when the filters were asked.
    pub(crate) asked_at: u64,
    /// The revocations that it was checked against last.
    pub(crate) checked_at: AtomicU64,
}

impl Granted {
    /// Whether it may be given again.
    fn is_kept(&self, now: Instant) -> bool {
        self.facts.kept_until.is_some_and(|until| now < until)
    }

    /// Whether the revocations that count for it are among these.
    fn is_revoked(&self, revocations: &Revocations, now_unix_ms: u64) -> bool {
        let streams = [Some(self.facts.asked.as_str()), self.stream.as_deref()];
        revocations.all_since() > self.facts.asked_at
            || revocations.has_user(&self.user.id, now_unix_ms)
            || streams
                .into_iter()
                .flatten()
                .any(|stream| revocations.has_stream(stream, now_unix_ms))
            || self
                .facts
                .tokens
                .iter()
                .any(|token| revocations.has_token(token, now_unix_ms))
    }

    /// About how many bytes it takes.
    fn weight(&self) -> u32 {
        let attrs = self.attrs.iter().chain(&self.user.attrs);
        let bytes = size_of::<Self>()
            + self.user.id.len()
            + self.user.name.len()
            + self.facts.asked.len()
            + self.stream.as_ref().map_or(0, String::len)
            + self.facts.tokens.len() * size_of::<Digest>()
            + attrs
                .map(|attr| size_of::<types::Attr>() + attr.key.len() + attr.value.len())
                .sum::<usize>();
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

/// A no, and until when it is repeated.
#[derive(Clone, Debug)]
struct Refused {
    answer: AuthAnswer,
    until: Instant,
}

/// The caches and the revocations of a node.
#[derive(Debug)]
pub(crate) struct Grants {
    granted: AnswerCache<GrantKey, Arc<Granted>>,
    /// On its own, so that a flood of bad tokens drives out no viewer's grant.
    refused: AnswerCache<GrantKey, Refused>,
    revocations: RwLock<Revocations>,
    /// Counts changes of `revocations`; written under its lock.
    revision: AtomicU64,
    pub(crate) flights: Flights<GrantKey, AuthAnswer>,
}

impl Grants {
    /// Caches of at most so many bytes of grants, and so many denials.
    pub(crate) fn new(bytes_max: u64, denials_max: u64) -> Self {
        Self {
            granted: AnswerCache::new(bytes_max, ENTRY_BYTES, |granted: &Arc<Granted>| {
                granted.weight()
            }),
            refused: AnswerCache::new(denials_max, 1, |_| 1),
            revocations: RwLock::default(),
            revision: AtomicU64::new(0),
            flights: Flights::default(),
        }
    }

    /// The grant that was given to an equal request, if it still holds.
    pub(crate) fn cached(&self, key: &GrantKey, now: Instant) -> Option<Arc<Granted>> {
        let granted = self.granted.get(key)?;
        if !granted.is_kept(now) {
            return None;
        }
        let revision = self.revision.load(Ordering::Acquire);
        if granted.facts.checked_at.load(Ordering::Relaxed) == revision {
            return Some(granted);
        }
        self.check_again(key, granted)
    }

    /// Off the fast path: something was revoked since this grant was last looked at.
    #[cold]
    fn check_again(&self, key: &GrantKey, granted: Arc<Granted>) -> Option<Arc<Granted>> {
        if self.is_revoked(&granted, unix_ms()) {
            self.granted.remove(key);
            return None;
        }
        Some(granted)
    }

    /// The refusal that was given to an equal request a moment ago.
    pub(crate) fn refused(&self, key: &GrantKey, now: Instant) -> Option<AuthAnswer> {
        let refused = self.refused.get(key)?;
        (now < refused.until).then_some(refused.answer)
    }

    /// Keeps a grant, if it may be kept.
    pub(crate) fn keep(&self, key: GrantKey, granted: &Arc<Granted>) {
        if granted.facts.kept_until.is_some() {
            self.granted.insert(key, Arc::clone(granted));
        }
    }

    /// Keeps a refusal.
    pub(crate) fn keep_refusal(&self, key: GrantKey, answer: AuthAnswer, until: Instant) {
        self.refused.insert(key, Refused { answer, until });
    }

    /// Whether a grant is revoked. Remembers that it is not.
    pub(crate) fn is_revoked(&self, granted: &Granted, now_unix_ms: u64) -> bool {
        let revocations = self.revocations.read();
        // Read under the lock: the revision belongs to what is checked.
        let revision = self.revision.load(Ordering::Acquire);
        let revoked = granted.is_revoked(&revocations, now_unix_ms);
        if !revoked {
            granted.facts.checked_at.store(revision, Ordering::Relaxed);
        }
        revoked
    }

    /// Whether nobody needs to be asked: the stream, or every token, is revoked.
    pub(crate) fn is_revoked_already(&self, call: &AuthCall<'_>) -> bool {
        let now_unix_ms = call.info.now_unix_ms;
        let revocations = self.revocations.read();
        if revocations.is_empty() {
            return false;
        }
        let mut tokens = call.credentials.iter().take(CREDENTIALS_MAX).peekable();
        let any_token = tokens.peek().is_some();
        revocations.has_stream(call.stream, now_unix_ms)
            || any_token
                && tokens.all(|token| {
                    revocations.has_token(&Digest::of(token.value.as_bytes()), now_unix_ms)
                })
    }

    /// To be read before the filters are asked: grants asked for earlier than "revoke all" end.
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Revokes. The same revocation again changes nothing.
    pub(crate) fn revoke(
        &self,
        revocation: &Revocation,
        now_unix_ms: u64,
    ) -> Result<(), RevocationError> {
        let mut revocations = self.revocations.write();
        let next = self.revision.load(Ordering::Acquire) + 1;
        if revocations.add(revocation, next, now_unix_ms)? {
            self.revision.store(next, Ordering::Release);
        }
        Ok(())
    }

    /// Revocations that have not ended.
    pub(crate) fn revocations(&self, now_unix_ms: u64) -> usize {
        self.revocations.read().len(now_unix_ms)
    }

    /// Gives the room of what has ended back.
    pub(crate) fn sweep(&self, now: Instant) {
        self.granted.sweep(|granted| granted.is_kept(now));
        self.refused.sweep(|refused| now < refused.until);
    }

    /// Grants and denials that are kept.
    pub(crate) fn len(&self) -> (u64, u64) {
        (self.granted.len(), self.refused.len())
    }
}

/// How long a grant is kept: what the filter says, and never beyond its own end.
pub(crate) fn kept_until(
    cache_ms: u32,
    expires_at_ms: Option<u64>,
    now: Instant,
    now_unix_ms: u64,
) -> Option<Instant> {
    let left = expires_at_ms.map_or(Duration::MAX, |expires| {
        Duration::from_millis(expires.saturating_sub(now_unix_ms))
    });
    let kept = Duration::from_millis(u64::from(cache_ms))
        .min(left)
        .min(GRANT_CACHE_MAX);
    (!kept.is_zero()).then(|| now + kept)
}

/// Unix time in milliseconds.
pub(crate) fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests;
