//! `weirctl`: operates Weir's nodes, filters, people and money over their admin APIs, and helps to
//! write filters.
//!
//! It holds no state and serves nothing. The same program is the child that compiles filters for
//! `filter test`.

mod args;
mod author;
mod config;
mod control;
mod failure;
mod input;
mod node;
mod operate;
mod output;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use args::{Arguments, Command, FilterCommand};
use config::Target;
use failure::Failure;
use output::Output;

/// How long what is left may take to end.
const LINGER: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
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
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(line) = failure.line() {
                drop(writeln!(std::io::stderr(), "weirctl: {line}"));
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let target = Target::resolve(&arguments.global, |name| std::env::var(name).ok())?;
    transport::tls::install_crypto_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::failed)?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = dispatch(&arguments.command, &target) => outcome,
            // Children of ours get the signal too, or end with us (`kill_on_drop`).
            _ = tokio::signal::ctrl_c() => Err(Failure::Shown),
        }
    });
    // A thread may wait for a line of stdin that nobody will type any more.
    runtime.shutdown_timeout(LINGER);
    outcome
}

async fn dispatch(command: &Command, target: &Target) -> Result<(), Failure> {
    let output = Output::new(target.json);
    match command {
        Command::Filter(command) => filter(command, target, output).await,
        Command::Room(command) => node::rooms::run(target, output, command).await,
        Command::User(command) => control::users::run(target, output, command).await,
        Command::Gift(command) => control::gifts::run(target, output, command).await,
        Command::Ledger(command) => control::ledger::run(target, output, command).await,
        Command::Key(command) => control::keys::run(target, output, command).await,
        Command::Status(wanted) => node::status::run(target, output, wanted).await,
        Command::Streams(wanted) => node::streams::run(target, output, wanted).await,
        Command::Purge(wanted) => node::purge::run(target, output, wanted).await,
    }
}

async fn filter(command: &FilterCommand, target: &Target, output: Output) -> Result<(), Failure> {
    use FilterCommand as F;
    // Every command but the first five asks the registry; those need neither it nor a token.
    let client = || operate::client(target);
    match command {
        F::New(new) => author::new::run(output, new),
        F::Build(build) => author::build::run(output, &build.dir).await,
        F::Test(test) => author::test::run(output, test).await,
        F::Keygen { file } => operate::keys::keygen(output, file),
        F::Sign(sign) => operate::keys::sign(output, sign).await,
        F::Run(run) => author::watch::run(&client()?, output, run).await,
        F::Push(push) => operate::push::run(&client()?, output, push).await,
        F::List => operate::list::run(&client()?, output).await,
        F::Status { name } => operate::status::run(&client()?, output, name.as_ref()).await,
        F::Activate(wanted) => operate::change::activate(&client()?, output, wanted).await,
        F::Shadow(wanted) => operate::change::shadow(&client()?, output, wanted).await,
        F::Rollback(wanted) => operate::change::rollback(&client()?, output, wanted).await,
        F::Enable(wanted) => operate::change::switch(&client()?, output, wanted, true).await,
        F::Disable(wanted) => operate::change::switch(&client()?, output, wanted, false).await,
        F::Logs(wanted) => operate::logs::run(&client()?, output, wanted).await,
        F::Audit(wanted) => operate::audit::run(&client()?, output, wanted).await,
        F::Revoke(wanted) => operate::change::revoke(&client()?, output, wanted).await,
    }
}
