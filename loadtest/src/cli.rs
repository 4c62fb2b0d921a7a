//! The command line.

mod chat;
mod conform;
mod gifts;
mod play;
mod publish;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use loadtest::client::{Client, Protocol, Target, Trust};
use loadtest::{bench, herd, load, safety};

/// Load generator, prober and headless player for LL-HLS over HTTP/1.1, HTTP/2 and HTTP/3.
#[derive(Debug, Parser)]
#[command(name = "weir-loadtest", version)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Common {
    /// Print the result as JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Allow a target that is not a loopback address.
    #[arg(long, global = true)]
    allow_remote: bool,
    /// Trust certificates signed by this PEM file, and no others. Without it, trust any.
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Worker threads of this client.
    #[arg(long, global = true, default_value_t = 1)]
    threads: usize,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask for one URL over and over.
    Http(HttpArgs),
    /// Ask for the same URLs from many clients in the same instant.
    Herd(HerdArgs),
    /// Watch a stream the way a player does, without a picture.
    Play(play::PlayArgs),
    /// Publish a recording from many connections at once, in real time.
    Publish(publish::PublishArgs),
    /// Check a running stream against the rules for LL-HLS servers; exit code 1 if any is broken.
    Conform(conform::ConformArgs),
    /// Fill a chat room, and check what each connection gets.
    Chat(chat::ChatArgs),
    /// Give in a room at a fixed rate, and check that each gift is on every screen once.
    Gifts(gifts::GiftsArgs),
    /// Register people who give, and credit them.
    Register(gifts::RegisterArgs),
    /// Compare weir-edge with nginx and Caddy on cached objects; measure a live stream, and filters.
    Bench(BenchArgs),
}

#[derive(Debug, Args)]
struct HttpArgs {
    /// What to ask for.
    url: String,
    /// h1, h2 or h3; without it h2 over https, h1 over http.
    #[arg(long)]
    protocol: Option<Protocol>,
    /// Connections.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Requests in flight per connection (h1: always 1).
    #[arg(long, default_value_t = 4)]
    streams: usize,
    /// Measured seconds.
    #[arg(long, default_value_t = 4.0, value_name = "SECONDS")]
    duration: f64,
    /// Seconds of load before the measured ones.
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    warm_up: f64,
    /// Charge the CPU time of this process, its threads and children; may be repeated.
    #[arg(long, value_name = "PID")]
    server_pid: Vec<u32>,
}

#[derive(Debug, Args)]
struct HerdArgs {
    /// What to ask for. Several URLs of one server share the herd out among themselves.
    #[arg(required = true)]
    urls: Vec<String>,
    /// h1, h2 or h3; may be repeated.
    #[arg(long, default_value = "h2")]
    protocol: Vec<Protocol>,
    /// Requests in the same instant.
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// Connections per protocol (h1 opens one per request, whatever this says).
    #[arg(long, default_value_t = 10)]
    connections: usize,
    /// Give up after so many seconds.
    #[arg(long, default_value_t = 30.0, value_name = "SECONDS")]
    patience: f64,
}

#[derive(Debug, Args)]
struct BenchArgs {
    /// The weir-edge program (a release build). Without it, only the others run.
    #[arg(long, value_name = "FILE")]
    edge: Option<PathBuf>,
    /// The weir-origin program (a release build). Without it, no live stream is measured.
    #[arg(long, value_name = "FILE")]
    origin: Option<PathBuf>,
    /// The weirctl program. Without it, and edge and origin, no filters are measured.
    #[arg(long, value_name = "FILE")]
    weirctl: Option<PathBuf>,
    /// Where the filters are that ship, each with its manifest.
    #[arg(long, value_name = "DIRECTORY", default_value = "target/filters")]
    filters: PathBuf,
    /// Measure nothing but this: live, filters, objects or chat. Chat is measured only so.
    #[arg(long)]
    only: Option<bench::Section>,
    #[command(flatten)]
    chat: chat::BenchArgs,
    /// Repetitions of every cell, interleaved.
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Measured seconds of one run.
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    duration: f64,
    /// Seconds of load before them.
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    warm_up: f64,
    /// The first of forty free ports on 127.0.0.1.
    #[arg(long, default_value_t = 27_100)]
    base_port: u16,
    /// Directory for bench.md, bench.json, configurations and logs.
    #[arg(long, default_value = "bench-out", value_name = "DIRECTORY")]
    out: PathBuf,
}

/// What a command prints, and whether it found nothing wrong.
struct Output {
    text: String,
    good: bool,
}

/// Parses the arguments and runs the command.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    // The contestants that it starts inherit this: whoever copies by the C library gains by it.
    transport::memcpy::avoid_slow_copies();
    match run(&cli) {
        Ok(output) => {
            print(&output.text);
            if output.good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            print_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<Output> {
    let mut builder = if cli.common.threads > 1 {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(cli.common.threads);
        builder
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = builder.enable_all().build()?;
    runtime.block_on(async {
        let text = match &cli.command {
            Command::Conform(args) => return conform::probe(&cli.common, args).await,
            Command::Http(args) => http(&cli.common, args).await,
            Command::Herd(args) => stampede(&cli.common, args).await,
            Command::Play(args) => play::watch(&cli.common, args).await,
            Command::Publish(args) => publish::publish(&cli.common, args).await,
            Command::Chat(args) => chat::chat(&cli.common, args).await,
            Command::Gifts(args) => gifts::give(&cli.common, args).await,
            Command::Register(args) => gifts::enrol(&cli.common, args).await,
            Command::Bench(args) => compare(&cli.common, args).await,
        }?;
        Ok(Output { text, good: true })
    })
}

async fn http(common: &Common, args: &HttpArgs) -> anyhow::Result<String> {
    safety::check_target(&args.url, common.allow_remote).await?;
    let protocol = args
        .protocol
        .unwrap_or_else(|| Protocol::of_edge(&args.url));
    let plan = load::Plan {
        url: args.url.clone(),
        protocol,
        trust: common.trust(),
        fields: Vec::new(),
        expected: None,
        connections: args.connections,
        streams: match protocol {
            Protocol::H1 => 1,
            _ => args.streams,
        },
        pause: Duration::ZERO,
        warm_up: seconds(args.warm_up)?,
        duration: seconds(args.duration)?,
        server_pids: args.server_pid.clone(),
    };
    common.show(&load::run(&plan).await?)
}

async fn stampede(common: &Common, args: &HerdArgs) -> anyhow::Result<String> {
    let mut server: Option<Target> = None;
    let mut paths = Vec::new();
    for url in &args.urls {
        safety::check_target(url, common.allow_remote).await?;
        let (target, path) = Target::split(url)?;
        let server = server.get_or_insert_with(|| target.clone());
        anyhow::ensure!(*server == target, "the URLs name several servers");
        paths.push(path);
    }
    let url = args.urls.first().map_or("", String::as_str);
    let mut clients = Vec::new();
    for &protocol in &args.protocol {
        let count = match protocol {
            Protocol::H1 => 1,
            _ => args.connections,
        };
        clients.extend(Client::connect_many(url, protocol, &common.trust(), count).await?);
    }
    let patience = seconds(args.patience)?;
    common.show(&herd::run(&clients, &paths, args.clients, patience).await?)
}

async fn compare(common: &Common, args: &BenchArgs) -> anyhow::Result<String> {
    // It takes minutes: every run is told on stderr.
    telemetry::log::init(telemetry::log::LogFormat::Text)?;
    let settings = bench::Settings {
        edge: args
            .edge
            .clone()
            .map(|binary| bench::EdgeCommand { binary }),
        origin: args.origin.clone(),
        weirctl: args.weirctl.clone(),
        filters: args.filters.clone(),
        chat: args.chat.settings()?,
        only: args.only,
        repetitions: args.repetitions,
        duration: seconds(args.duration)?,
        warm_up: seconds(args.warm_up)?,
        base_port: args.base_port,
        directory: std::path::absolute(args.out.join("servers"))?,
    };
    let report = bench::run(&settings).await?;
    std::fs::write(args.out.join("bench.md"), report.to_string())?;
    std::fs::write(
        args.out.join("bench.json"),
        serde_json::to_string_pretty(&report)?,
    )?;
    common.show(&report)
}

impl Common {
    fn trust(&self) -> Trust {
        match &self.ca {
            Some(path) => Trust::Ca(path.clone()),
            None => Trust::Insecure,
        }
    }

    fn show<T: serde::Serialize + std::fmt::Display>(&self, report: &T) -> anyhow::Result<String> {
        Ok(if self.json {
            serde_json::to_string_pretty(report)?
        } else {
            report.to_string()
        })
    }
}

fn seconds(value: f64) -> anyhow::Result<Duration> {
    Ok(Duration::try_from_secs_f64(value)?)
}

#[expect(clippy::print_stdout, reason = "the command's result")]
fn print(output: &str) {
    println!("{output}");
}

#[expect(clippy::print_stderr, reason = "the command's failure")]
fn print_error(error: &anyhow::Error) {
    eprintln!("weir-loadtest: {error:#}");
}
