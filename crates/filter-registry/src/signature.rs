//! Signed uploads: ed25519 over a filter's name, the push's serial and the version's id.
//!
//! The id covers component and manifest, so the signature covers both. The serial rises with every
//! push, so an old signed version cannot be brought back as if it were new. Keys are made here
//! and by `openssl genpkey -algorithm ed25519`; which of them may sign is configuration.
//!
//! A key file is a PKCS#8 `PRIVATE KEY` in PEM. A public key is base64 of its 32 bytes.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use wasm_filters::manifest::{FilterName, VersionId};

/// Longest key id in bytes.
pub const KEY_ID_BYTES_MAX: usize = 64;
/// Largest key file in bytes: one of ed25519 has about 120.
const KEY_FILE_BYTES_MAX: usize = 4096;
const PUBLIC_KEY_BYTES: usize = 32;
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// The signature of a push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Which public key verifies it.
    pub key_id: String,
    /// Base64 of the 64 bytes.
    pub value: String,
}

/// Why a push's signature is not good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// There is none, and the policy wants one.
    #[error("uploads have to be signed here, and this one is not")]
    Missing,
    /// The key is not in the allow list.
    #[error("no public key {0:?} is configured")]
    UnknownKey(String),
    /// It is not by this key, or is over something else.
    #[error(
        "the signature does not fit: another key, filter name, serial, manifest or component was signed"
    )]
    Wrong,
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a PEM file with one private key.
    #[error("the key file is no PEM file with a PKCS#8 PRIVATE KEY")]
    NotPem,
    /// Another algorithm, or damaged.
    #[error("the key file holds no ed25519 key")]
    NotEd25519,
    /// Not base64 of 32 bytes.
    #[error("public key {0:?} is not base64 of 32 bytes")]
    PublicKey(String),
    /// Empty, too long, or unprintable.
    #[error("a key id has 1 to {KEY_ID_BYTES_MAX} visible ASCII characters, not {0:?}")]
    KeyId(String),
    /// Two keys with one id.
    #[error("key id {0:?} is there twice")]
    Twice(String),
    /// The system's generator gave nothing.
    #[error("the system's random generator failed")]
    Random,
}

/// The bytes that are signed.
fn envelope(name: &FilterName, serial: u64, id: VersionId) -> Vec<u8> {
    format!("weir-filter-v1\n{name}\n{serial}\n{id}\n").into_bytes()
}

/// A private key, for `weirctl`.
pub struct SigningKey {
    key_id: String,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// Makes a key. Returns the contents of its file, which is a secret.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate_pem() -> Result<String, KeyError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let document = document.map_err(|_| KeyError::Random)?;
        // RFC 7468: lines of 64 characters.
        let mut pem = String::from(PEM_BEGIN);
        for (place, character) in STANDARD.encode(document.as_ref()).chars().enumerate() {
            if place % 64 == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem.push('\n');
        pem.push_str(PEM_END);
        pem.push('\n');
        Ok(pem)
    }

    /// Reads a key file's contents. `key_id` is what the registry's configuration calls its
    /// public key.
    ///
    /// # Errors
    /// It is no such file, or the id is not allowed.
    pub fn from_pem(key_id: &str, pem: &str) -> Result<Self, KeyError> {
        check_key_id(key_id)?;
        if pem.len() > KEY_FILE_BYTES_MAX {
            return Err(KeyError::NotPem);
        }
        let (_, rest) = pem.split_once(PEM_BEGIN).ok_or(KeyError::NotPem)?;
        let (body, _) = rest.split_once(PEM_END).ok_or(KeyError::NotPem)?;
        let body: String = body.split_ascii_whitespace().collect();
        let document = STANDARD.decode(body).map_err(|_| KeyError::NotPem)?;
        // OpenSSL leaves the public key out, which the stricter reader refuses.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&document)
            .map_err(|_| KeyError::NotEd25519)?;
        let key_id = key_id.to_owned();
        Ok(Self { key_id, pair })
    }

    /// Signs a push.
    pub fn sign(&self, name: &FilterName, serial: u64, id: VersionId) -> Signature {
        let signature = self.pair.sign(&envelope(name, serial, id));
        Signature {
            key_id: self.key_id.clone(),
            value: STANDARD.encode(signature.as_ref()),
        }
    }

    /// The public key in base64, as configuration has it.
    pub fn public_key(&self) -> String {
        STANDARD.encode(self.pair.public_key().as_ref())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("SigningKey");
        out.field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// Who may sign, and whether everybody has to.
#[derive(Clone, Debug, Default)]
pub struct SignaturePolicy {
    required: bool,
    keys: BTreeMap<String, [u8; PUBLIC_KEY_BYTES]>,
}

impl SignaturePolicy {
    /// `keys` are pairs of key id and public key in base64.
    ///
    /// # Errors
    /// A key that cannot be used.
    pub fn new<'a>(
        required: bool,
        keys: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, KeyError> {
        let mut policy = Self {
            required,
            keys: BTreeMap::new(),
        };
        for (key_id, key) in keys {
            check_key_id(key_id)?;
            let bytes = STANDARD.decode(key).ok();
            let bytes = bytes.and_then(|bytes| <[u8; PUBLIC_KEY_BYTES]>::try_from(bytes).ok());
            let bytes = bytes.ok_or_else(|| KeyError::PublicKey(key.to_owned()))?;
            if policy.keys.insert(key_id.to_owned(), bytes).is_some() {
                return Err(KeyError::Twice(key_id.to_owned()));
            }
        }
        Ok(policy)
    }

    /// Checks a push. A signature that is there has to be good even where none is required.
    ///
    /// # Errors
    /// Missing where required, by an unknown key, or wrong.
    pub fn check(
        &self,
        name: &FilterName,
        serial: u64,
        id: VersionId,
        signature: Option<&Signature>,
    ) -> Result<(), SignatureError> {
        let Some(signature) = signature else {
            return if self.required {
                Err(SignatureError::Missing)
            } else {
                Ok(())
            };
        };
        let key = self.keys.get(&signature.key_id).ok_or_else(|| {
            let shown = signature.key_id.chars().take(KEY_ID_BYTES_MAX).collect();
            SignatureError::UnknownKey(shown)
        })?;
        let value = STANDARD
            .decode(&signature.value)
            .map_err(|_| SignatureError::Wrong)?;
        UnparsedPublicKey::new(&ED25519, key)
            .verify(&envelope(name, serial, id), &value)
            .map_err(|_| SignatureError::Wrong)
    }
}

fn check_key_id(key_id: &str) -> Result<(), KeyError> {
    let fits = (1..=KEY_ID_BYTES_MAX).contains(&key_id.len());
    if fits && key_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(KeyError::KeyId(key_id.to_owned()))
    }
}

#[cfg(test)]
mod tests;
