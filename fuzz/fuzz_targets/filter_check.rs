//! The check of uploaded components: whatever the bytes, there is an answer, and a good one is given
//! only to what is valid and within its bounds.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

use check::CheckError;
use manifest::{Hook, Limits, Manifest};
use source::{check, manifest};

// By path: the crate brings a compiler with it, which would take minutes to instrument.
#[path = "../../wasm-filters/src"]
#[expect(dead_code, unused_imports, reason = "the rest of the crate uses it")]
mod source {
    pub mod check;
    pub mod manifest;
}

/// What the check asks of the rest of the crate.
mod contract {
    pub const VERSION: &str = "1.1.0";

    pub fn interface_name(interface: &str) -> String {
        format!("weir:filter/{interface}@{VERSION}")
    }
}

mod engine {
    use wasmparser::WasmFeatures;

    pub const MEMORIES_MAX: u32 = 4;
    pub const TABLES_MAX: u32 = 16;

    pub fn wasm_features() -> WasmFeatures {
        WasmFeatures::WASM2 | WasmFeatures::COMPONENT_MODEL | WasmFeatures::TAIL_CALL
    }
}

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
    let name = "fuzz".parse().expect("a name");
    let manifest = Manifest::new(name, "1", vec![Hook::Chat]);
    manifest
        .validate(&Limits::NODE_MAX)
        .expect("a good manifest");
    manifest
});

/// What a component begins with: without it almost nothing is tried.
const PREAMBLE: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];

fuzz_target!(|data: &[u8]| {
    for wasm in [data.to_vec(), [&PREAMBLE, data].concat()] {
        match check::check(&wasm, &MANIFEST) {
            Ok(report) => {
                assert_eq!(report.bytes, wasm.len() as u64);
                assert!(report.functions <= check::FUNCTIONS_MAX);
                assert!(report.data_bytes <= report.bytes && report.code_bytes <= report.bytes);
                assert!(report.memory_bytes <= MANIFEST.limits.memory_bytes);
                assert!(report.exports.len() >= 2);
                // Whatever was cut off its end was needed.
                let half = wasm.get(..wasm.len() / 2).unwrap_or_default();
                if let Ok(half) = check::check(half, &MANIFEST) {
                    assert!(half.bytes < report.bytes && half.exports.len() >= 2);
                }
            }
            Err(CheckError::Cut { bytes, .. }) => assert_eq!(bytes, wasm.len()),
            // An operator reads it.
            Err(error) => assert!(error.to_string().len() < 8000, "{error}"),
        }
    }
});
