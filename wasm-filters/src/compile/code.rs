//! Machine code, and the one place where it becomes executable.

use wasmtime::Engine;
use wasmtime::component::Component;

/// Machine code that a compiler of ours wrote.
///
/// There are two ways to get one: the output of a child that this process started
/// ([`Code::of_child`]), and a file of which the MAC was found right ([`Code::of_cache`]).
#[derive(Debug)]
pub(super) struct Code(Vec<u8>);

impl Code {
    /// What the child wrote.
    pub(super) fn of_child(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// What a file holds; the caller has verified its MAC.
    pub(super) fn of_cache(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Makes it executable. wasmtime itself refuses code of another version or configuration.
#[expect(
    unsafe_code,
    reason = "wasmtime cannot tell machine code that it wrote from any other"
)]
pub(super) fn load(engine: &Engine, code: &Code) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must be those that `Engine::precompile_component` returned. A `Code` is made
    // of the output of our own compiler only: directly, or read back from a file with a MAC by a key
    // that only this user can read. They are in memory, where nobody alters them after the check.
    unsafe { Component::deserialize(engine, code.as_bytes()) }
}
