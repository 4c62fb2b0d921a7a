//! Keys to publish with, secrets to sign with, and ids: random, and written so that people can read them.

use std::fmt;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::error::Error;
use crate::limits::KEY_BYTES;

/// Crockford's base32 in small letters: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Letters of a key: five bits each.
const KEY_LETTERS: usize = (KEY_BYTES * 8).div_ceil(5);
/// Random bytes of an id.
const ID_BYTES: usize = 10;
/// Random bytes of a webhook's secret.
const SECRET_BYTES: usize = 32;

/// A key to publish with: `k-` and 160 random bits. It is shown once, and stored as its SHA-256.
#[derive(Clone, PartialEq, Eq)]
pub struct PublishKey(String);

/// With which deliveries are signed: `whsec_` and 256 random bits. Stored as it is, because signing
/// needs it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(String);

impl PublishKey {
    /// A new one.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn random() -> Result<Self, Error> {
        Ok(Self(format!("k-{}", text::<KEY_BYTES>()?)))
    }

    /// As its encoder shows it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether somebody shows what could be one: the store need not be asked for anything else.
    pub fn is_one(shown: &str) -> bool {
        let letters = shown.strip_prefix("k-").unwrap_or_default();
        letters.len() == KEY_LETTERS && letters.bytes().all(|byte| ALPHABET.contains(&byte))
    }

    /// What is stored, of whatever somebody shows.
    pub fn hash(shown: &str) -> [u8; SHA256_OUTPUT_LEN] {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        for (to, from) in hash
            .iter_mut()
            .zip(digest(&SHA256, shown.as_bytes()).as_ref())
        {
            *to = *from;
        }
        hash
    }
}

impl SigningSecret {
    /// A new one.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn random() -> Result<Self, Error> {
        Ok(Self(format!("whsec_{}", text::<SECRET_BYTES>()?)))
    }

    pub(crate) fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The key of the HMAC, as text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PublishKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublishKey")
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret")
    }
}

/// An id that begins with `prefix`: 80 random bits, so that none comes twice.
///
/// # Errors
/// The system gives no random bytes.
pub fn random_id(prefix: &str) -> Result<String, Error> {
    Ok(format!("{prefix}{}", text::<ID_BYTES>()?))
}

fn text<const N: usize>() -> Result<String, Error> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::unavailable("the system gives no random bytes"))?;
    Ok(base32(&bytes))
}

fn base32(bytes: &[u8]) -> String {
    let (mut text, mut bits, mut count) = (String::new(), 0_u32, 0_u32);
    for byte in bytes {
        bits = (bits << 8 | u32::from(*byte)) & 0xffff;
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(letter(bits >> count));
        }
    }
    if count > 0 {
        text.push(letter(bits << (5 - count)));
    }
    text
}

fn letter(bits: u32) -> char {
    let index = usize::try_from(bits & 31).unwrap_or(0);
    char::from(ALPHABET.get(index).copied().unwrap_or(b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_and_read_well() {
        let (one, other) = (PublishKey::random().unwrap(), PublishKey::random().unwrap());
        assert_ne!(one, other);
        assert!(PublishKey::is_one(one.expose()));
        assert!(!PublishKey::is_one("demo-key"));
        assert_eq!(one.expose().len(), 2 + 32, "five bits a letter");
        let secret = one.expose().strip_prefix("k-").unwrap();
        assert!(
            secret.bytes().all(|byte| ALPHABET.contains(&byte)),
            "{secret}"
        );
        assert_ne!(
            PublishKey::hash(one.expose()),
            PublishKey::hash(other.expose())
        );
        assert!(!format!("{one:?}").contains(secret));
    }

    #[test]
    fn base32_has_all_bits() {
        for (bytes, text) in [
            (&[][..], ""),
            (&[0], "00"),
            (&[0xff], "zw"),
            (&[0xff; 5], "zzzzzzzz"),
            (&[0x00, 0x44, 0x32, 0x14, 0xc7], "01234567"),
        ] {
            assert_eq!(base32(bytes), text);
        }
    }
}
