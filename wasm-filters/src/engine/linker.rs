//! The linker, built once for each engine: all versions of all filters import the same.

use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::imports;
use crate::state::State;

pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    imports::add_to_linker(&mut linker)?;
    Ok(linker)
}
