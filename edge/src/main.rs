//! `weir-edge`: reads its configuration, runs an edge, or signs a playback token.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use edge::server::Options;
use edge::upgrade::taking::Taking;
use edge::{clock, config};
use playback_token::Scope;
use settings::EXIT_USAGE;

/// A request costs some forty small allocations, most of them in h2 and pingora, freed on other
/// threads than they were made on: the C library's allocator took a tenth of the CPU.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A caching edge for live streams: HTTP/3, HTTP/2 and HTTP/1.1 in front of an origin or of other
/// edges.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file (TOML); without it the defaults.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// Where the id of the process that serves is written: another one after an upgrade in place.
    #[arg(long)]
    pid_file: Option<PathBuf>,
    /// Check the configuration and exit: 0, or 64 with file, line and reason.
    #[arg(long)]
    check_config: bool,
    /// Print the default configuration, every key explained, and exit.
    #[arg(long)]
    print_default_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sign a playback token with the first of the configuration's playback.token_keys.
    Token {
        /// The stream it opens, or `*` for all.
        stream: String,
        /// How long it is valid, in seconds.
        #[arg(long, default_value_t = 3600)]
        seconds: u64,
    },
}

fn main() -> ExitCode {
    // A filter is compiled in a child process, with this program as the compiler.
    if let Some(code) = wasm_filters::compile::run_if_child() {
        return code;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            return ExitCode::from(code);
        }
    };
    if arguments.print_default_config {
        return print(config::DEFAULT_TOML);
    }
    let loaded = match config::read(arguments.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(error) => return fail(EXIT_USAGE, &error),
    };
    let settings = &loaded.settings;
    if arguments.check_config {
        return ExitCode::SUCCESS;
    }
    if let Some(Command::Token { stream, seconds }) = arguments.command {
        return sign(settings, stream, seconds);
    }
    transport::memcpy::avoid_slow_copies();
    if let Err(error) = telemetry::log::init(settings.log.format) {
        return fail(1, &error);
    }
    transport::tls::install_crypto_provider();
    let taking = match Taking::begin() {
        Ok(taking) => taking,
        Err(error) => return fail(1, &error),
    };
    let options = Options {
        file: arguments.config,
        pid_file: arguments.pid_file,
        taking,
    };
    match edge::server::run(loaded, options) {
        Ok(never) => match never {},
        Err(error) => fail(1, &error),
    }
}

fn sign(settings: &config::Settings, stream: String, seconds: u64) -> ExitCode {
    let Some(keys) = &settings.playback.keys else {
        return fail(
            EXIT_USAGE,
            &"playback.token_keys is empty: there is nothing to sign with",
        );
    };
    let scope = if stream == "*" {
        Scope::All
    } else {
        Scope::Stream(stream)
    };
    let expiry = clock::unix_seconds().saturating_add(seconds);
    match keys.viewers.sign(&scope, expiry) {
        Ok(token) => print(&format!("{token}\n")),
        Err(error) => fail(EXIT_USAGE, &error),
    }
}

#[expect(clippy::print_stdout, reason = "what was asked for goes to stdout")]
fn print(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "there may be no logger yet")]
fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("weir-edge: {error}");
    ExitCode::from(code)
}
