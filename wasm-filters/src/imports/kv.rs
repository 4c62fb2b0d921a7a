//! `kv`: memory of the node that outlives a call.

use crate::contract::kv;
use crate::kv::{KvError, KvSpace};
use crate::state::State;

impl kv::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, kv::KvError>> {
        self.on_kv(|space, now_ms| space.get(&key, now_ms))
    }

    fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<Result<(), kv::KvError>> {
        self.on_kv(|space, now_ms| space.set(&key, value, ttl_ms, now_ms))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<Result<bool, kv::KvError>> {
        self.on_kv(|space, now_ms| space.delete(&key, now_ms))
    }

    fn add(
        &mut self,
        key: String,
        delta: i64,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<Result<i64, kv::KvError>> {
        self.on_kv(|space, now_ms| space.add(&key, delta, ttl_ms, now_ms))
    }

    fn compare_and_set(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<Result<bool, kv::KvError>> {
        self.on_kv(|space, now_ms| {
            space.compare_and_set(&key, expected.as_deref(), new, ttl_ms, now_ms)
        })
    }

    fn take_token(
        &mut self,
        key: String,
        capacity: u32,
        refill_per_minute: u32,
    ) -> wasmtime::Result<Result<Option<u32>, kv::KvError>> {
        self.on_kv(|space, now_ms| space.take_token(&key, capacity, refill_per_minute, now_ms))
    }
}

impl State {
    fn on_kv<A>(
        &mut self,
        operation: impl FnOnce(&KvSpace, u64) -> Result<A, KvError>,
    ) -> wasmtime::Result<Result<A, kv::KvError>> {
        self.budget.host_call()?;
        let now_ms = self.context.now_ms;
        let done = self
            .kv_space()
            .and_then(|space| operation(space, now_ms))
            .map_err(|error| match error {
                KvError::Quota => kv::KvError::Quota,
                KvError::TooLarge => kv::KvError::TooLarge,
                KvError::Unavailable => kv::KvError::Unavailable,
            });
        Ok(done)
    }
}
