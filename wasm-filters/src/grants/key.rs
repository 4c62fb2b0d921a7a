//! What makes two requests the same to the auth chain.

use std::hash::{BuildHasher, Hasher};

use crate::host::AuthCall;
use crate::manifest::FilterName;
use crate::table::Table;

use super::CREDENTIALS_MAX;

/// Stands for everything of a request that the auth chain may see, and for the versions that it
/// would ask. Requests with one key may be given one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GrantKey(u128);

impl GrantKey {
    /// The key of a request. Allocates nothing.
    #[must_use]
    pub fn of(table: &Table, call: &AuthCall<'_>) -> Self {
        let mut hasher = table.hash_key.hasher();
        hasher.text(call.info.tenant);
        hasher.byte(call.action as u8);
        hasher.text(call.app);
        hasher.text(call.stream);
        let credentials = call.credentials.iter().take(CREDENTIALS_MAX);
        for credential in credentials {
            hasher.byte(1 + credential.source as u8);
            hasher.text(credential.value);
        }
        hasher.byte(0);
        let sights = &table.auth_sights;
        sights.hash_parameters(&mut hasher, call.query);
        sights.hash(&mut hasher, &call.client, call.headers);
        // The versions, and so whatever of them changes. A change elsewhere keeps the grants.
        for link in table.routes.auth_chain(call.action, call.info.pin) {
            if let Some(version) = link.version {
                hasher.word(version.key_word);
            }
        }
        Self(hasher.finish())
    }

    /// For tests.
    #[cfg(test)]
    pub(crate) const fn from_number(number: u128) -> Self {
        Self(number)
    }
}

/// Which requests of a filter go to its canary: the same on every node.
pub(crate) fn salt_of(filter: &FilterName) -> u64 {
    let mut hasher = siphasher::sip::SipHasher13::new_with_keys(0, 1);
    hasher.write(filter.as_str().as_bytes());
    hasher.finish()
}

/// Maps by keys that are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyState;

/// Takes the lower half of a key.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lower(u64);

impl BuildHasher for KeyState {
    type Hasher = Lower;

    fn build_hasher(&self) -> Lower {
        Lower(0)
    }
}

impl Hasher for Lower {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.0 ^= u64::from_le_bytes(word);
        }
    }

    // Casts: half of a hash is a hash.
    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
