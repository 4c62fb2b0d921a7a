//! `clock`: it stands still during a call.

use crate::contract::clock;
use crate::state::State;

impl clock::Host for State {
    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        self.budget.host_call()?;
        Ok(self.context.now_ms)
    }
}
