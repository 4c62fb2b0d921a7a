//! The node's keys, which filters use by name and never see.
//!
//! It knows neither where secrets are kept nor how sets of keys are fetched, and it does not check
//! which filter may use which key: that is the manifest's.

mod jwk;
mod jwks;
mod jwt;
mod refresh;
mod secrets;
mod source;
mod strict;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ring::digest;

use crate::manifest::KeyName;

pub use jwk::{Algorithm, JwkError, KID_BYTES_MAX, PublicKey};
pub use jwks::{IgnoredKey, JWKS_BYTES_MAX, JWKS_KEYS_MAX, JwksError, KeySet};
pub use jwt::{JWT_BYTES_MAX, JWT_LEEWAY_MS, JwtError, verify_with_secrets, verify_with_set};
pub use refresh::{
    FETCH_TIME_MAX, RETRY_MAX, RETRY_MIN, RefreshOptions, RefreshOptionsError,
    UNKNOWN_KID_INTERVAL, refresh_jwks,
};
pub use secrets::{SECRET_BYTES_MIN, SECRETS_MAX, Secrets, SecretsError};
pub use source::{JwksSource, JwksStatus};

/// Why an operation with a key failed: the contract's `crypto-error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The node has no key of this name, or its set of keys has not come or is too old.
    #[error("there is no such key")]
    UnknownKey,
    /// Not a token.
    #[error("the token is malformed")]
    Malformed,
    /// No key of this name made it.
    #[error("the signature is wrong")]
    BadSignature,
    /// `exp` has passed, or `nbf` has not come.
    #[error("the token has expired, or is not valid yet")]
    Expired,
    /// A key of this kind cannot do that.
    #[error("a key of this kind cannot do that")]
    WrongKind,
}

/// What a name stands for. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Key {
    /// Shared secrets: MACs, and tokens with HS256.
    Secrets(Secrets),
    /// Public keys: tokens with EdDSA, ES256 and RS256.
    Jwks(Arc<JwksSource>),
}

/// Keys by name. Its operations are the contract's `crypto`; they never block, not even while keys
/// are replaced.
#[derive(Default)]
pub struct KeyRing {
    keys: ArcSwap<HashMap<String, Key>>,
}

impl KeyRing {
    /// A ring with these keys; of two with one name the last one counts.
    pub fn new(keys: impl IntoIterator<Item = (KeyName, Key)>) -> Self {
        Self {
            keys: ArcSwap::from_pointee(by_name(keys)),
        }
    }

    /// Puts these keys in the place of all that there are, as when the configuration was changed.
    pub fn replace(&self, keys: impl IntoIterator<Item = (KeyName, Key)>) {
        self.keys.store(Arc::new(by_name(keys)));
    }

    /// Puts a key in the place of the one of this name, or takes it away.
    pub fn set(&self, name: &KeyName, key: Option<&Key>) {
        self.keys.rcu(|keys| {
            let mut keys = HashMap::clone(keys);
            match key {
                Some(key) => keys.insert(name.to_string(), key.clone()),
                None => keys.remove(&name.to_string()),
            };
            keys
        });
    }

    /// Whether there is a key of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.keys.load().contains_key(name)
    }

    /// The sets of keys, by name, in order: to be refreshed, and for the operator.
    pub fn jwks(&self) -> Vec<(String, Arc<JwksSource>)> {
        let mut sources: Vec<(String, Arc<JwksSource>)> = (self.keys.load().iter())
            .filter_map(|(name, key)| match key {
                Key::Jwks(source) => Some((name.clone(), Arc::clone(source))),
                Key::Secrets(_) => None,
            })
            .collect();
        sources.sort_by(|(a, _), (b, _)| a.cmp(b));
        sources
    }

    /// HMAC-SHA-256 of `data`, by the key's first secret.
    pub fn hmac_sha256(&self, name: &str, data: &[u8]) -> Result<[u8; 32], CryptoError> {
        match self.keys.load().get(name) {
            Some(Key::Secrets(secrets)) => Ok(secrets.sign(data)),
            Some(Key::Jwks(_)) => Err(CryptoError::WrongKind),
            None => Err(CryptoError::UnknownKey),
        }
    }

    /// Whether `tag` is the HMAC-SHA-256 of `data` by any of the key's secrets, compared in constant
    /// time. A tag of another length is not.
    pub fn verify_hmac_sha256(
        &self,
        name: &str,
        data: &[u8],
        tag: &[u8],
    ) -> Result<bool, CryptoError> {
        match self.keys.load().get(name) {
            Some(Key::Secrets(secrets)) => Ok(secrets.verify(data, tag)),
            Some(Key::Jwks(_)) => Err(CryptoError::WrongKind),
            None => Err(CryptoError::UnknownKey),
        }
    }

    /// The claims of a token that this key signed, as JSON. `now_ms` is Unix time; clocks may be
    /// [`JWT_LEEWAY_MS`] apart.
    pub fn verify_jwt(&self, name: &str, token: &str, now_ms: u64) -> Result<String, CryptoError> {
        let verified = match self.keys.load().get(name) {
            Some(Key::Secrets(secrets)) => verify_with_secrets(token, secrets, now_ms),
            Some(Key::Jwks(source)) => source.verify_jwt(token, now_ms),
            None => return Err(CryptoError::UnknownKey),
        };
        verified.map_err(|error| {
            tracing::debug!(key = name, reason = error.as_str(), "token refused");
            CryptoError::from(error)
        })
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyRing").field(&*self.keys.load()).finish()
    }
}

/// What a filter is told.
impl From<JwtError> for CryptoError {
    fn from(error: JwtError) -> Self {
        match error {
            JwtError::TooLong | JwtError::Malformed | JwtError::Critical => Self::Malformed,
            JwtError::Algorithm | JwtError::UnknownKid | JwtError::BadSignature => {
                Self::BadSignature
            }
            JwtError::Expired | JwtError::NotYetValid => Self::Expired,
            JwtError::NoKeys => Self::UnknownKey,
        }
    }
}

/// SHA-256 of `data`.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    hash
}

/// Whether both are the same. The time it takes depends on the lengths alone.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    // Every difference is kept; `black_box` keeps the compiler from leaving early at the first.
    let different = a
        .iter()
        .zip(b)
        .fold(0, |seen, (a, b)| std::hint::black_box(seen | (a ^ b)));
    std::hint::black_box(different) == 0
}

fn by_name(keys: impl IntoIterator<Item = (KeyName, Key)>) -> HashMap<String, Key> {
    keys.into_iter()
        .map(|(name, key)| (name.as_str().to_owned(), key))
        .collect()
}
