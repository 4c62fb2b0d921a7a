//! `weir-loadtest`: load, herds, players and the benchmark, from the command line.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
