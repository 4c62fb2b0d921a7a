//! `weir-origin`: parse, bind, log what is bound, serve until told to drain.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use origin::app::App;
use origin::config::{self, ConfigError, DEFAULT_TOML, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Takes RTMP, makes the ladder, packages Low-Latency HLS, serves it to edges and players.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The configuration, TOML. Without one every setting has its default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration and exit: 0 when it can be used, 64 when not.
    #[arg(long)]
    check_config: bool,
    /// Print every key with its default, commented, and exit.
    #[arg(long)]
    print_default_config: bool,
}

fn main() -> ExitCode {
    // Filters are compiled in a child of this program.
    if let Some(code) = wasm_filters::compile::run_if_child() {
        return code;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            drop(error.print());
            let code = if error.use_stderr() {
                settings::EXIT_USAGE
            } else {
                0
            };
            return ExitCode::from(code);
        }
    };
    if arguments.print_default_config {
        let printed = std::io::stdout().write_all(DEFAULT_TOML.as_bytes());
        return ExitCode::from(u8::from(printed.is_err()));
    }
    let settings = match load(arguments.config.as_deref()) {
        Ok(settings) => settings,
        Err(error) => {
            complain(&format!("weir-origin: {error}"));
            return ExitCode::from(settings::EXIT_USAGE);
        }
    };
    if arguments.check_config {
        return ExitCode::SUCCESS;
    }
    match run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("weir-origin: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn load(file: Option<&Path>) -> Result<Settings, ConfigError> {
    match file {
        Some(file) => config::load_for_use(file),
        None => config::parse(Path::new("(defaults)"), ""),
    }
}

/// Before the logger is there, and for what ends the process.
fn complain(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

fn run(settings: Settings) -> anyhow::Result<()> {
    transport::memcpy::avoid_slow_copies();
    telemetry::log::init(settings.log_format)?;
    transport::tls::install_crypto_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be built")?;
    let outcome = runtime.block_on(serve(settings));
    // A drain that took too long leaves tasks behind: they must not hold the exit.
    runtime.shutdown_background();
    outcome
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    if settings.streams.is_empty() && settings.control.is_none() {
        tracing::warn!("no [[streams]] are configured: nobody can publish");
    }
    let app = App::bind(settings).await?;
    let addresses = app.addresses()?;
    tracing::info!(
        rtmp = addresses.rtmp.map(tracing::field::display),
        rtmps = addresses.rtmps.map(tracing::field::display),
        http = %addresses.http,
        admin = %addresses.admin,
        "listening"
    );
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = shutdown.clone();
    let mut app = tokio::spawn(app.run(shutdown));
    for patience in ["draining; a second signal exits at once", "exiting at once"] {
        tokio::select! {
            ended = &mut app => return Ok(ended??),
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("signal received: {patience}");
        stop.cancel();
    }
    anyhow::bail!("stopped before the drain was done")
}
