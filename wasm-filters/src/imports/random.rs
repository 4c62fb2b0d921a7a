//! `random`: from the system's generator.

use ring::rand::{SecureRandom, SystemRandom};

use crate::contract::random;
use crate::state::State;

/// Most bytes at once.
pub const RANDOM_BYTES_MAX: usize = 4096;

/// What a guest asked for in vain.
#[derive(Debug, thiserror::Error)]
enum RandomError {
    #[error("asked for {0} random bytes; {RANDOM_BYTES_MAX} is the most")]
    TooMany(u64),
    #[error("the system has no random numbers")]
    Unavailable,
}

impl random::Host for State {
    /// Whoever asks for more gets the most there is, as the contract has it.
    fn bytes(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(u64::from(len).min(RANDOM_BYTES_MAX as u64))
    }

    fn next_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_u64()
    }
}

impl State {
    /// Exactly so many, as WASI promises, or a trap.
    pub(super) fn random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.budget.host_call()?;
        let len = usize::try_from(len)
            .ok()
            .filter(|len| *len <= RANDOM_BYTES_MAX)
            .ok_or(RandomError::TooMany(len))?;
        let mut bytes = vec![0; len];
        fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn random_u64(&mut self) -> wasmtime::Result<u64> {
        self.budget.host_call()?;
        let mut bytes = [0; 8];
        fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), RandomError> {
    SystemRandom::new()
        .fill(bytes)
        .map_err(|_| RandomError::Unavailable)
}
