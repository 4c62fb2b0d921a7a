//! Grants that are taken back before their time.

use std::collections::HashMap;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use crate::manifest::Digest;

/// Most revocations that a node holds.
pub const REVOCATIONS_MAX: usize = 10_000;
/// Most bytes of a revocation's value.
pub const REVOCATION_VALUE_BYTES_MAX: usize = 256;

/// Something that grants no longer hold for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Of what `value` is.
    pub kind: RevocationKind,
    /// A user's id, a stream's name, or the SHA-256 of a token as 64 hexadecimal digits. Empty
    /// for `all`.
    #[serde(default)]
    pub value: String,
    /// Unix time in milliseconds until which new grants are refused; of two for the same value the
    /// later holds, and 0 lifts it. For `all` it only tells one revocation from the next.
    pub until_unix_ms: u64,
}

/// What is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RevocationKind {
    /// Every grant given so far. The filters are asked again; new grants are given.
    All,
    /// Everything that concerns a stream.
    Stream,
    /// Whatever came with a token.
    Token,
    /// Everything of a user.
    User,
}

/// A revocation that cannot be held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// [`REVOCATIONS_MAX`] are there, and none has ended. Nothing old is forgotten for a new one.
    #[error("{REVOCATIONS_MAX} revocations are in force; no more are held")]
    Full,
    /// The value is empty, too long, or no digest.
    #[error("{0}")]
    Value(&'static str),
}

/// The revocations in force.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    users: HashMap<String, u64>,
    streams: HashMap<String, u64>,
    tokens: HashMap<Digest, u64>,
    /// The revision with which everything was revoked last.
    all_since: u64,
    /// And its `until`, by which it is known when it comes again.
    all_until: Option<u64>,
}

impl Revocations {
    /// Takes one up as change number `revision`. Returns whether it says anything new.
    pub(super) fn add(
        &mut self,
        revocation: &Revocation,
        revision: u64,
        now_unix_ms: u64,
    ) -> Result<bool, RevocationError> {
        let Revocation {
            kind,
            value,
            until_unix_ms: until,
        } = revocation;
        if *kind == RevocationKind::All {
            let new = self.all_until != Some(*until);
            if new {
                (self.all_since, self.all_until) = (revision, Some(*until));
            }
            return Ok(new);
        }
        if value.is_empty() || value.len() > REVOCATION_VALUE_BYTES_MAX {
            return Err(RevocationError::Value("a value has 1 to 256 bytes"));
        }
        if *until == 0 {
            return Ok(self.lift(*kind, value));
        }
        if *until <= now_unix_ms {
            return Ok(false);
        }
        if self.held() >= REVOCATIONS_MAX {
            self.forget_ended(now_unix_ms);
        }
        let full = self.held() >= REVOCATIONS_MAX;
        match kind {
            RevocationKind::All => Ok(false),
            RevocationKind::Stream => put(&mut self.streams, value.clone(), *until, full),
            RevocationKind::User => put(&mut self.users, value.clone(), *until, full),
            RevocationKind::Token => {
                let refused =
                    RevocationError::Value("a token is given as its SHA-256 in hexadecimal");
                let token = value.parse().map_err(|_| refused)?;
                put(&mut self.tokens, token, *until, full)
            }
        }
    }

    fn lift(&mut self, kind: RevocationKind, value: &str) -> bool {
        match kind {
            RevocationKind::All => None,
            RevocationKind::Stream => self.streams.remove(value),
            RevocationKind::User => self.users.remove(value),
            RevocationKind::Token => value
                .parse()
                .ok()
                .and_then(|token: Digest| self.tokens.remove(&token)),
        }
        .is_some()
    }

    pub(super) const fn all_since(&self) -> u64 {
        self.all_since
    }

    pub(super) fn has_user(&self, user: &str, now_unix_ms: u64) -> bool {
        in_force(self.users.get(user), now_unix_ms)
    }

    pub(super) fn has_stream(&self, stream: &str, now_unix_ms: u64) -> bool {
        in_force(self.streams.get(stream), now_unix_ms)
    }

    pub(super) fn has_token(&self, token: &Digest, now_unix_ms: u64) -> bool {
        in_force(self.tokens.get(token), now_unix_ms)
    }

    pub(super) fn len(&self, now_unix_ms: u64) -> usize {
        let all = self
            .users
            .values()
            .chain(self.streams.values())
            .chain(self.tokens.values());
        all.filter(|until| **until > now_unix_ms).count()
    }

    /// Whether none is held but, perhaps, of everything.
    pub(super) fn is_empty(&self) -> bool {
        self.held() == 0
    }

    fn held(&self) -> usize {
        self.users.len() + self.streams.len() + self.tokens.len()
    }

    fn forget_ended(&mut self, now_unix_ms: u64) {
        self.users.retain(|_, until| *until > now_unix_ms);
        self.streams.retain(|_, until| *until > now_unix_ms);
        self.tokens.retain(|_, until| *until > now_unix_ms);
    }
}

fn in_force(until: Option<&u64>, now_unix_ms: u64) -> bool {
    until.is_some_and(|until| *until > now_unix_ms)
}

fn put<K: Eq + Hash>(
    map: &mut HashMap<K, u64>,
    key: K,
    until: u64,
    full: bool,
) -> Result<bool, RevocationError> {
    match map.get_mut(&key) {
        Some(held) => {
            let new = *held < until;
            *held = until.max(*held);
            Ok(new)
        }
        None if full => Err(RevocationError::Full),
        None => {
            map.insert(key, until);
            Ok(true)
        }
    }
}
