//! Secrets, and the set of them in use during a rotation.

use std::fmt;

use ring::hmac;

/// The shortest secret, in bytes: the length of the hash, as RFC 2104 3 advises.
pub const SECRET_BYTES_MIN: usize = 32;

/// How many keys may verify at once; each costs an HMAC per request.
pub const KEYS_MAX: usize = 8;

/// What the keys of the tiers' own tokens are derived with. Not in the alphabet of a token's
/// payload, and under another hash than the tokens': neither a token's signature nor whoever may
/// have SHA-256 MACs made with the secret (a filter, by the key's name) ever yields such a key.
const TIERS_LABEL: &[u8] = b"weir: playback tokens of the tiers themselves, 1";

/// One secret. Its `Debug` does not show it.
#[derive(Clone)]
pub struct Key {
    id: Option<String>,
    hmac: hmac::Key,
    /// The same secret, for deriving other keys only.
    derive: hmac::Key,
}

/// Why a secret is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Too short to be safe; an empty one is the most common mistake.
    #[error("the secret has {bytes} bytes, at least {SECRET_BYTES_MIN} are needed")]
    TooShort {
        /// Its length.
        bytes: usize,
    },
}

/// The keys in use: the first signs, every one verifies.
///
/// To rotate: add the new key at the end everywhere, then move it to the front, then remove the
/// old one when the last token signed with it has expired.
#[derive(Clone, Debug)]
pub struct Keyring {
    first: Key,
    others: Vec<Key>,
}

/// Why a set of keys is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// Without a key nothing can be signed.
    #[error("there is no key")]
    Empty,
    /// More than [`KEYS_MAX`].
    #[error("there are {count} keys, at most {KEYS_MAX} are allowed")]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

impl Key {
    /// Takes a secret, and a name for it to tell it from others in logs.
    pub fn new(id: Option<String>, secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(KeyError::TooShort {
                bytes: secret.len(),
            });
        }
        Ok(Self {
            id,
            hmac: hmac::Key::new(hmac::HMAC_SHA256, secret),
            derive: hmac::Key::new(hmac::HMAC_SHA512, secret),
        })
    }

    /// The key of the tiers' own tokens: those with which an edge asks its parents. It verifies no
    /// token that this one signed, and the other way round, so that a viewer's token is never taken
    /// for a tier's.
    #[must_use]
    pub fn for_tiers(&self) -> Self {
        let derived = hmac::sign(&self.derive, TIERS_LABEL);
        Self {
            id: self.id.clone(),
            hmac: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
            derive: hmac::Key::new(hmac::HMAC_SHA512, derived.as_ref()),
        }
    }

    /// Its name.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> hmac::Tag {
        hmac::sign(&self.hmac, message)
    }

    /// In constant time.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        hmac::verify(&self.hmac, message, signature).is_ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Keyring {
    /// Takes the keys in order; the first one signs.
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Result<Self, KeyringError> {
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(KeyringError::Empty)?;
        let others: Vec<Key> = keys.collect();
        let count = others.len() + 1;
        if count > KEYS_MAX {
            return Err(KeyringError::TooMany { count });
        }
        Ok(Self { first, others })
    }

    /// The keys of the tiers' own tokens, in the same order: see [`Key::for_tiers`]. Every tier that
    /// is given the same secrets derives the same ones.
    #[must_use]
    pub fn for_tiers(&self) -> Self {
        Self {
            first: self.first.for_tiers(),
            others: self.others.iter().map(Key::for_tiers).collect(),
        }
    }

    pub(crate) fn signer(&self) -> &Key {
        &self.first
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_secrets_are_refused() {
        for bytes in [0, 1, SECRET_BYTES_MIN - 1] {
            let refused = Key::new(None, &vec![7; bytes]).unwrap_err();
            assert_eq!(refused, KeyError::TooShort { bytes });
        }
        assert!(Key::new(None, &[7; SECRET_BYTES_MIN]).is_ok());
    }

    #[test]
    fn a_keyring_has_one_to_eight_keys() {
        let key = Key::new(None, &[7; SECRET_BYTES_MIN]).unwrap();
        let ring =
            |count: usize| Keyring::new(vec![key.clone(); count]).map(|ring| ring.iter().count());
        assert_eq!(ring(0), Err(KeyringError::Empty));
        assert_eq!(ring(1), Ok(1));
        assert_eq!(ring(KEYS_MAX), Ok(KEYS_MAX));
        assert_eq!(
            ring(KEYS_MAX + 1),
            Err(KeyringError::TooMany {
                count: KEYS_MAX + 1
            })
        );
    }

    #[test]
    fn debug_does_not_show_the_secret() {
        let secret = b"correct horse battery staple, twice over";
        let key = Key::new(Some("2026-11".to_owned()), secret).unwrap();
        assert_eq!(key.id(), Some("2026-11"));
        let shown = format!("{key:?} {:?}", Keyring::new([key.clone()]).unwrap());
        assert!(shown.contains("2026-11"), "{shown}");
        assert!(
            !shown.contains("horse") && !shown.contains("99, 111"),
            "{shown}"
        );
    }
}
