//! The contract's imports, one file for each interface, and the clocks and random numbers of WASI.
//!
//! Each is a thin layer: it counts the call, checks what the guest passed, and asks a [`Services`](crate::Services) part.

mod clock;
mod config;
mod crypto;
mod kv;
mod log;
mod metrics;
mod random;
mod wasi;

use wasmtime::component::{HasSelf, Linker};

use crate::contract;
use crate::state::State;

pub use log::MESSAGE_BYTES_MAX;
pub use random::RANDOM_BYTES_MAX;

/// Gives a linker everything that a filter may import. A component that asks for more does not link.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasi::add_to_linker(linker)?;
    contract::log::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    contract::metrics::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    contract::config::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    contract::clock::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    contract::random::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    contract::kv::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    contract::crypto::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    Ok(())
}
