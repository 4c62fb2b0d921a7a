//! Keys of the caches of answers: 128 bits of SipHash-1-3 under a secret of this process.
//!
//! A key stands for the whole request: nobody compares what was hashed. With a secret and 128 bits,
//! a viewer can neither find two requests with one key nor fill one bucket of a map.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

/// A secret to hash with.
#[derive(Clone, Copy)]
pub(crate) struct HashKey(u64, u64);

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey")
    }
}

impl HashKey {
    /// A new secret; `None` when the system has no randomness to give.
    pub(crate) fn random() -> Option<Self> {
        use ring::rand::SecureRandom as _;
        let mut bytes = [0; 16];
        ring::rand::SystemRandom::new().fill(&mut bytes).ok()?;
        let both = u128::from_le_bytes(bytes);
        // Casts: the two halves.
        Some(Self(both as u64, (both >> 64) as u64))
    }

    /// The same every time.
    #[cfg(test)]
    pub(crate) const fn fixed() -> Self {
        Self(1, 2)
    }

    pub(crate) fn hasher(self) -> KeyHasher {
        KeyHasher(SipHasher13::new_with_keys(self.0, self.1))
    }
}

/// Takes what a key is made of.
pub(crate) struct KeyHasher(SipHasher13);

impl KeyHasher {
    /// Bytes and how many.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.write(&(bytes.len() as u64).to_le_bytes());
        self.0.write(bytes);
    }

    /// A text and its length.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// One byte.
    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.write(&[byte]);
    }

    /// A number.
    pub(crate) fn word(&mut self, word: u64) {
        self.0.write(&word.to_le_bytes());
    }

    /// Half a key, for use within another one.
    pub(crate) fn finish_word(&self) -> u64 {
        self.0.finish128().as_u64().0
    }

    /// The key.
    pub(crate) fn finish(&self) -> u128 {
        self.0.finish128().as_u128()
    }
}
