//! `config`: the manifest's `config`.

use crate::contract::config;
use crate::state::State;

impl config::Host for State {
    fn document(&mut self) -> wasmtime::Result<String> {
        self.budget.host_call()?;
        Ok(self.shared.config.clone())
    }
}
