//! The compiler of filters as a program of its own: for tests, and for programs that embed the host
//! and cannot be their own compiler.

use std::process::ExitCode;

fn main() -> ExitCode {
    wasm_filters::compile::run_child()
}
