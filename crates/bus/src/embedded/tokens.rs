//! Which tokens open the bus.

use ring::{hmac, rand};
use settings::Secret;

use crate::error::BusError;

/// Compared in constant time: what is compared are tags under a key that nobody knows, all of
/// them each time.
pub(super) struct Tokens {
    key: hmac::Key,
    tags: Vec<hmac::Tag>,
}

impl Tokens {
    pub(super) fn new(tokens: &[Secret]) -> Result<Self, BusError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new())
            .map_err(|_| BusError::Options("the system has no randomness".to_owned()))?;
        let tag = |token: &Secret| hmac::sign(&key, token.expose().as_bytes());
        let tags = tokens.iter().map(tag).collect();
        Ok(Self { key, tags })
    }

    pub(super) fn contains(&self, token: &str) -> bool {
        let known = |tag: &hmac::Tag| hmac::verify(&self.key, token.as_bytes(), tag.as_ref());
        let matches = self.tags.iter().filter(|tag| known(tag).is_ok());
        matches.count() > 0
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.tags.len())
    }
}
