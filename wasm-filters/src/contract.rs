//! The WIT contract as Rust types, generated from `wit/filter.wit`.
//!
//! The generated modules lie deep (`exports::weir::filter::auth`); what the rest of the project uses is re-exported
//! here by the name that the interface has in the contract.
//!
//! All of them are read and written by serde, for nodes that send each other a gift and its plan. Fields have their Rust
//! names, and roles are a list of the contract's. For what people write, `probe::json` has the contract's own names.

mod roles;

/// The version of the contract that this host gives and asks for.
pub const VERSION: &str = "1.1.0";

pub use bindings::exports::weir::filter::{auth, chat, gifts, http, lifecycle};
pub use bindings::weir::filter::types;

pub(crate) use bindings::weir::filter::{clock, config, crypto, kv, log, metrics, random};

/// The full name of an interface of the contract, as components export it.
///
/// `interface_name("auth")` is `weir:filter/auth@1.1.0`. A component that was built against an older minor version has it
/// too: wasmtime looks names up by their semver track.
pub fn interface_name(interface: &str) -> String {
    format!("weir:filter/{interface}@{VERSION}")
}

#[expect(
    missing_docs,
    reason = "generated; the comments of the contract are the documentation"
)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "wit/filter.wit",
        world: "any-filter",
        imports: { default: trappable },
        exports: { default: async },
        additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
    });
}
