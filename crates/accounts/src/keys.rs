//! The keys that sign access tokens: a set that rotates, pure.
//!
//! A key signs from `signs_from_ms` on, until the next does: which one signs follows from the time
//! alone, so that all origins that have read the same set agree without talking. A planned key is
//! published [`KEY_PUBLISHED_AHEAD_MS`] before it signs, and checks until its last token has ended.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::error::Error;
use crate::limits::{KEY_PUBLISHED_AHEAD_MS, LEEWAY_SECONDS, TOKEN_BYTES_MAX};
use crate::random;
use crate::token::{ALGORITHM, Claims, Header, TokenError, TokenSettings};

/// Of the thumbprint of a public key, as many bytes as tell keys apart.
const KID_BYTES: usize = 9;

/// How a new key comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// As always: published first, and the present keys go on checking.
    Planned,
    /// A key is known to others: it signs at once, and all before it count no longer. Whoever has
    /// only an access token has to refresh.
    Compromised,
}

/// A key as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoredKey {
    pub(crate) pkcs8: Vec<u8>,
    pub(crate) signs_from_ms: u64,
}

/// The key is not shown.
impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey")
            .field("signs_from_ms", &self.signs_from_ms)
            .finish_non_exhaustive()
    }
}

impl StoredKey {
    pub(crate) fn generate(signs_from_ms: u64) -> Result<Self, Error> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let document = document.map_err(|_| Error::unavailable("no random bytes for a key"))?;
        Ok(Self {
            pkcs8: document.as_ref().to_vec(),
            signs_from_ms,
        })
    }

    /// The id under which it is published.
    #[cfg(test)]
    pub(crate) fn kid(&self) -> Result<String, Error> {
        SigningKey::read(self).map(|key| key.kid)
    }
}

/// What a rotation does to what is stored: keys to remove, and whether one is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Those that sign from then on.
    pub(crate) removed: Vec<u64>,
    /// The new one signs from then on.
    pub(crate) added: Option<u64>,
}

/// Decides on a rotation. `keys` are the times from which the present ones sign; `lifetime_ms` is
/// that of tokens. A planned one while another waits to sign adds nothing.
pub(crate) fn rotate(keys: &[u64], rotation: Rotation, lifetime_ms: u64, now_ms: u64) -> Change {
    if rotation == Rotation::Compromised || keys.is_empty() {
        return Change {
            removed: keys.to_vec(),
            added: Some(now_ms),
        };
    }
    let over =
        |from: &&u64| checks_until(keys, **from, lifetime_ms).is_some_and(|end| end < now_ms);
    let removed: Vec<u64> = keys.iter().filter(over).copied().collect();
    let waits = keys.iter().any(|from| *from > now_ms);
    Change {
        removed,
        added: (!waits).then(|| now_ms.saturating_add(KEY_PUBLISHED_AHEAD_MS)),
    }
}

/// When the last token of the key that signs from `from` has ended; `None` while no other follows.
fn checks_until(keys: &[u64], from: u64, lifetime_ms: u64) -> Option<u64> {
    let next = keys.iter().filter(|other| **other > from).min()?;
    // An origin may sign by it until it has read the next one, which it has
    // KEY_PUBLISHED_AHEAD_MS for; a clock may differ by the leeway.
    let end = next.saturating_add(lifetime_ms);
    Some(end.saturating_add(2 * LEEWAY_SECONDS * 1_000))
}

#[derive(Debug)]
struct SigningKey {
    pair: Ed25519KeyPair,
    kid: String,
    signs_from_ms: u64,
}

impl SigningKey {
    fn read(stored: &StoredKey) -> Result<Self, Error> {
        let pair = Ed25519KeyPair::from_pkcs8(&stored.pkcs8);
        let pair = pair.map_err(|_| Error::damaged("signing key"))?;
        let thumbprint = random::sha256(pair.public_key().as_ref());
        let short: [u8; KID_BYTES] = random::array(&thumbprint);
        Ok(Self {
            kid: BASE64.encode(short),
            pair,
            signs_from_ms: stored.signs_from_ms,
        })
    }
}

/// The keys of one moment.
#[derive(Debug)]
pub(crate) struct KeySet {
    keys: Vec<SigningKey>,
    from: Vec<u64>,
    settings: TokenSettings,
}

impl KeySet {
    pub(crate) fn new(stored: &[StoredKey], settings: TokenSettings) -> Result<Self, Error> {
        let keys: Result<Vec<_>, _> = stored.iter().map(SigningKey::read).collect();
        let from = stored.iter().map(|key| key.signs_from_ms).collect();
        Ok(Self {
            keys: keys?,
            from,
            settings,
        })
    }

    pub(crate) fn settings(&self) -> &TokenSettings {
        &self.settings
    }

    /// From when on the newest signs.
    pub(crate) fn newest_ms(&self) -> u64 {
        self.from.iter().copied().max().unwrap_or_default()
    }

    fn lifetime_ms(&self) -> u64 {
        self.settings.lifetime_seconds.saturating_mul(1_000)
    }

    /// The newest whose time has come; with the clock set back, the oldest.
    fn signing(&self, now_ms: u64) -> Option<&SigningKey> {
        let come = self.keys.iter().filter(|key| key.signs_from_ms <= now_ms);
        let oldest = || self.keys.iter().min_by_key(|key| key.signs_from_ms);
        come.max_by_key(|key| key.signs_from_ms).or_else(oldest)
    }

    fn checks(&self, key: &SigningKey, now_ms: u64) -> bool {
        let until = checks_until(&self.from, key.signs_from_ms, self.lifetime_ms());
        until.is_none_or(|end| now_ms <= end)
    }

    /// The set to publish (RFC 7517): all that check, or will.
    pub(crate) fn jwks(&self, now_ms: u64) -> serde_json::Value {
        let keys = self.keys.iter().filter(|key| self.checks(key, now_ms));
        let keys = keys.map(|key| {
            serde_json::json!({
                "kty": "OKP",
                "crv": "Ed25519",
                "alg": ALGORITHM,
                "use": "sig",
                "kid": key.kid,
                "x": BASE64.encode(key.pair.public_key().as_ref()),
            })
        });
        serde_json::json!({ "keys": keys.collect::<Vec<_>>() })
    }

    pub(crate) fn sign(&self, claims: &Claims, now_ms: u64) -> Result<String, Error> {
        let key = self.signing(now_ms);
        let key = key.ok_or_else(|| Error::unavailable("there is no signing key"))?;
        let header = serde_json::to_vec(&Header::new(&key.kid)).map_err(Error::unavailable)?;
        let claims = serde_json::to_vec(claims).map_err(Error::unavailable)?;
        let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let signature = key.pair.sign(signed.as_bytes());
        Ok(format!("{signed}.{}", BASE64.encode(signature.as_ref())))
    }

    pub(crate) fn verify(&self, token: &str, now_ms: u64) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let malformed = || TokenError::Malformed;
        let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
        let decode = |part| BASE64.decode(part).map_err(|_| TokenError::Malformed);
        let header: Header = parse(&decode(header)?)?;
        let kid = header.kid()?;
        let known = self.keys.iter().find(|key| key.kid == kid);
        let key = known.filter(|key| self.checks(key, now_ms));
        let key = key.ok_or(TokenError::Key)?;
        let signature = decode(signature)?;
        let public = UnparsedPublicKey::new(&ED25519, key.pair.public_key().as_ref());
        let verified = public.verify(signed.as_bytes(), &signature);
        verified.map_err(|_| TokenError::Signature)?;
        let claims: Claims = parse(&decode(claims)?)?;
        self.check(&claims, now_ms / 1_000)?;
        Ok(claims)
    }

    fn check(&self, claims: &Claims, now: u64) -> Result<(), TokenError> {
        if claims.iss != self.settings.issuer {
            return Err(TokenError::Issuer);
        }
        if claims.aud != self.settings.audience {
            return Err(TokenError::Audience);
        }
        let lifetime = claims.exp.checked_sub(claims.iat);
        let possible = lifetime.is_some_and(|lifetime| lifetime <= self.settings.lifetime_seconds);
        if !possible || claims.iat > now.saturating_add(LEEWAY_SECONDS) {
            return Err(TokenError::Times);
        }
        if now >= claims.exp.saturating_add(LEEWAY_SECONDS) {
            return Err(TokenError::Expired);
        }
        Ok(())
    }
}

fn parse<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, TokenError> {
    serde_json::from_slice(json).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests;
