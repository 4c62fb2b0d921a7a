//! A set of public keys (RFC 7517 5).
//!
//! What it cannot use it leaves out and names; where the set comes from is not its business.

use serde::Deserialize;
use serde_json::Value;

use super::jwk::{Algorithm, JwkError, PublicKey};
use super::strict;

/// Largest set, in bytes.
pub const JWKS_BYTES_MAX: usize = 256 * 1024;

/// Most keys of a set, usable or not.
pub const JWKS_KEYS_MAX: usize = 64;

/// How many keys a token is tried with, because it names none or several have its name. A
/// signature costs up to a millisecond to check, and the token is anybody's.
const CANDIDATES_MAX: usize = 4;

/// Public keys, at least one.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<PublicKey>,
    ignored: Vec<IgnoredKey>,
}

/// A key of the set that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IgnoredKey {
    /// Its place in the set, from 0.
    pub index: usize,
    /// Its name, where it has one.
    pub kid: Option<String>,
    /// Why.
    pub reason: JwkError,
}

/// Why a set is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// Larger than [`JWKS_BYTES_MAX`].
    #[error("the JWK set has {bytes} bytes, at most {JWKS_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not a JSON object, or one with two members of one name.
    #[error("the JWK set is not a JSON object without repeated members")]
    Json,
    /// No array `keys`.
    #[error("the JWK set has no array of keys: {0}")]
    Form(String),
    /// More than [`JWKS_KEYS_MAX`].
    #[error("the JWK set has {count} keys, at most {JWKS_KEYS_MAX} are allowed")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// Nothing to verify with.
    #[error("the JWK set has no usable key{}", first_reason(.0))]
    NoUsableKey(Vec<IgnoredKey>),
}

/// Keys that may have made a token.
pub(super) enum Candidates<'a> {
    /// Those that the token names.
    Named(Vec<&'a PublicKey>),
    /// Those of its algorithm; the set has none with its name.
    Unnamed(Vec<&'a PublicKey>),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a set.
    pub fn parse(json: &[u8]) -> Result<Self, JwksError> {
        if json.len() > JWKS_BYTES_MAX {
            return Err(JwksError::TooLarge { bytes: json.len() });
        }
        let text = std::str::from_utf8(json).map_err(|_| JwksError::Json)?;
        if !strict::is_unambiguous_object(text) {
            return Err(JwksError::Json);
        }
        let document: Document =
            serde_json::from_str(text).map_err(|error| JwksError::Form(error.to_string()))?;
        let count = document.keys.len();
        if count > JWKS_KEYS_MAX {
            return Err(JwksError::TooMany { count });
        }
        let mut set = Self {
            keys: Vec::with_capacity(count),
            ignored: Vec::new(),
        };
        for (index, value) in document.keys.into_iter().enumerate() {
            let kid = value.get("kid").and_then(Value::as_str).map(str::to_owned);
            match PublicKey::from_value(value) {
                Ok(key) => set.keys.push(key),
                Err(reason) => set.ignored.push(IgnoredKey { index, kid, reason }),
            }
        }
        if set.keys.is_empty() {
            return Err(JwksError::NoUsableKey(set.ignored));
        }
        Ok(set)
    }

    /// The keys that verify.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// The keys that do not, and why: for the operator.
    pub fn ignored(&self) -> &[IgnoredKey] {
        &self.ignored
    }

    /// Which keys to try for a token. More than [`CANDIDATES_MAX`] are none: which of them are
    /// tried must not hang on their order.
    pub(super) fn candidates(&self, algorithm: Algorithm, kid: Option<&str>) -> Candidates<'_> {
        let named = kid.is_some() && self.keys.iter().any(|key| key.kid() == kid);
        let keys: Vec<&PublicKey> = (self.keys.iter())
            .filter(|key| key.algorithm() == algorithm)
            .filter(|key| match kid {
                Some(_) if named => key.kid() == kid,
                Some(_) => key.kid().is_none(),
                None => true,
            })
            .take(CANDIDATES_MAX + 1)
            .collect();
        let keys = if keys.len() > CANDIDATES_MAX {
            Vec::new()
        } else {
            keys
        };
        if named {
            Candidates::Named(keys)
        } else {
            Candidates::Unnamed(keys)
        }
    }
}

fn first_reason(ignored: &[IgnoredKey]) -> String {
    match ignored {
        [] => String::new(),
        [first, ..] => format!("; the first: {}", first.reason),
    }
}
