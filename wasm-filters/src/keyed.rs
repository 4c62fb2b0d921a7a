//! Keys of the caches of answers: 128 bits of HighwayHash under a secret of this process.
//!
//! A key stands for the whole request: nobody compares what was hashed. With a secret and 128 bits,
//! a viewer can neither find two requests with one key nor fill one bucket of a map. HighwayHash is
//! made for hostile input, as SipHash is, and a request with a token of 300 bytes takes it 0.7 of the time.

use highway::{HighwayHash as _, HighwayHasher, Key};

/// A secret to hash with.
#[derive(Clone, Copy)]
pub(crate) struct HashKey([u64; 4]);

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey")
    }
}

impl HashKey {
    /// A new secret; `None` when the system has no randomness to give.
    pub(crate) fn random() -> Option<Self> {
        use ring::rand::SecureRandom as _;
        let mut words = [0; 4];
        for word in &mut words {
            let mut bytes = [0; 8];
            ring::rand::SystemRandom::new().fill(&mut bytes).ok()?;
            *word = u64::from_le_bytes(bytes);
        }
        Some(Self(words))
    }

    /// The same every time.
    #[cfg(test)]
    pub(crate) const fn fixed() -> Self {
        Self([1, 2, 3, 4])
    }

    pub(crate) fn hasher(self) -> KeyHasher {
        KeyHasher {
            hasher: HighwayHasher::new(Key(self.0)),
            pending: [0; PENDING_BYTES],
            pending_len: 0,
        }
    }
}

/// Bytes that are gathered before they are hashed: most requests' fit. A multiple of the 32 that the
/// hash takes at a time; many short pieces given to it one by one take as long again.
const PENDING_BYTES: usize = 512;

/// Takes what a key is made of.
pub(crate) struct KeyHasher {
    hasher: HighwayHasher,
    pending: [u8; PENDING_BYTES],
    pending_len: usize,
}

impl KeyHasher {
    /// Bytes and how many.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        if let Some(room) = self.room(bytes.len()) {
            room.copy_from_slice(bytes);
        } else {
            self.append_much(bytes);
        }
    }

    /// A text and its length.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// One byte.
    pub(crate) fn byte(&mut self, byte: u8) {
        self.word(u64::from(byte));
    }

    /// A number.
    #[inline]
    pub(crate) fn word(&mut self, word: u64) {
        let bytes = word.to_le_bytes();
        if let Some(room) = self.room(bytes.len()) {
            room.copy_from_slice(&bytes);
        } else {
            self.append_much(&bytes);
        }
    }

    /// Room for so many bytes among the pending ones.
    #[inline]
    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        let room = self.pending.get_mut(self.pending_len..)?.get_mut(..len)?;
        self.pending_len += len;
        Some(room)
    }

    #[cold]
    fn append_much(&mut self, mut bytes: &[u8]) {
        loop {
            let left = PENDING_BYTES.saturating_sub(self.pending_len);
            let (now, later) = bytes.split_at(bytes.len().min(left));
            if let Some(room) = self.room(now.len()) {
                room.copy_from_slice(now);
            }
            if later.is_empty() {
                return;
            }
            self.hasher.append(&self.pending);
            self.pending_len = 0;
            bytes = later;
        }
    }

    fn end(mut self) -> HighwayHasher {
        let pending = self.pending.get(..self.pending_len);
        self.hasher.append(pending.unwrap_or_default());
        self.hasher
    }

    /// Half a key, for use within another one.
    pub(crate) fn finish_word(self) -> u64 {
        self.end().finalize64()
    }

    /// The key.
    pub(crate) fn finish(self) -> u128 {
        let [low, high] = self.end().finalize128();
        u128::from(high) << 64 | u128::from(low)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn key(pieces: &[&[u8]]) -> u128 {
        let mut hasher = HashKey::fixed().hasher();
        for piece in pieces {
            hasher.bytes(piece);
        }
        hasher.finish()
    }

    /// Lengths and contents of pieces count, wherever the gathered bytes are full.
    #[test]
    fn no_two_inputs_have_one_key() {
        let long = vec![7; 3 * PENDING_BYTES];
        let mut keys = HashSet::new();
        for len in 0..long.len() {
            let (head, tail) = long.split_at(len);
            assert!(keys.insert(key(&[head])), "the first {len}");
            assert!(keys.insert(key(&[head, tail])), "cut at {len}");
            let mut other = long.clone();
            other[len] = 8;
            assert!(keys.insert(key(&[&other])), "another byte at {len}");
        }
        assert!(!keys.insert(key(&[&long[..10]])), "the same again");
    }

    #[test]
    fn another_secret_gives_another_key() {
        let (a, b) = (HashKey::random().unwrap(), HashKey::random().unwrap());
        let key = |secret: HashKey| {
            let mut hasher = secret.hasher();
            hasher.text("the same");
            (hasher.finish(), secret.hasher().finish_word())
        };
        assert_eq!(key(a), key(a));
        assert_ne!(key(a).0, key(b).0);
        assert_ne!(key(a).1, key(b).1);
    }
}
