//! `crypto`: the node's keys, by the names that the manifest lists.

use crate::contract::crypto;
use crate::keys::{CryptoError, KeyRing, constant_time_eq, sha256};
use crate::state::State;

type Done<A> = wasmtime::Result<Result<A, crypto::CryptoError>>;

impl crypto::Host for State {
    fn sha256(&mut self, data: Vec<u8>) -> wasmtime::Result<Vec<u8>> {
        self.budget.host_call()?;
        Ok(sha256(&data).to_vec())
    }

    fn hmac_sha256(&mut self, key: String, data: Vec<u8>) -> Done<Vec<u8>> {
        self.with_key(&key, |keys, _| {
            keys.hmac_sha256(&key, &data).map(|mac| mac.to_vec())
        })
    }

    fn verify_hmac_sha256(&mut self, key: String, data: Vec<u8>, tag: Vec<u8>) -> Done<bool> {
        self.with_key(&key, |keys, _| keys.verify_hmac_sha256(&key, &data, &tag))
    }

    fn verify_jwt(&mut self, key: String, token: String) -> Done<String> {
        self.with_key(&key, |keys, now_ms| keys.verify_jwt(&key, &token, now_ms))
    }

    fn constant_time_eq(&mut self, a: Vec<u8>, b: Vec<u8>) -> wasmtime::Result<bool> {
        self.budget.host_call()?;
        Ok(constant_time_eq(&a, &b))
    }
}

impl State {
    /// Lets a key be used, if the manifest lists it. A filter cannot tell a key that it may not name from one that the
    /// node does not have.
    fn with_key<A>(
        &mut self,
        key: &str,
        operation: impl FnOnce(&KeyRing, u64) -> Result<A, CryptoError>,
    ) -> Done<A> {
        self.budget.host_call()?;
        if !self.shared.may_use(key) {
            return Ok(Err(crypto::CryptoError::UnknownKey));
        }
        let done = operation(&self.shared.services.keys, self.context.now_ms);
        Ok(done.map_err(|error| match error {
            CryptoError::UnknownKey => crypto::CryptoError::UnknownKey,
            CryptoError::Malformed => crypto::CryptoError::Malformed,
            CryptoError::BadSignature => crypto::CryptoError::BadSignature,
            CryptoError::Expired => crypto::CryptoError::Expired,
            CryptoError::WrongKind => crypto::CryptoError::WrongKind,
        }))
    }
}
