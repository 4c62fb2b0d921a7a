//! The arguments of `gifts`, and of `register`.

use std::path::PathBuf;

use clap::Args;
use loadtest::{chat, gifts, register, safety};

use super::chat::{CodecName, tokens};
use super::{Common, seconds};

#[derive(Debug, Args)]
pub(super) struct GiftsArgs {
    /// An edge: wss://host:port or ws://host:port; may be repeated. Screens and givers are spread
    /// over them in turn.
    #[arg(long, required = true)]
    url: Vec<String>,
    /// The room.
    #[arg(long, default_value = "demo")]
    room: String,
    /// How screens speak: json or binary.
    #[arg(long, default_value = "json")]
    codec: CodecName,
    /// Connections that watch.
    #[arg(long, default_value_t = 100)]
    screens: usize,
    /// Screens opened per second.
    #[arg(long, default_value_t = 500.0, value_name = "PER SECOND")]
    ramp: f64,
    /// One access token per line: who gives, in turn.
    #[arg(long, value_name = "FILE")]
    givers: PathBuf,
    /// What is given: an id of the catalogue.
    #[arg(long, value_name = "ID")]
    item: String,
    /// How many with each gift.
    #[arg(long, default_value_t = 1)]
    count: u32,
    /// Gifts per second.
    #[arg(long, default_value_t = 10.0, value_name = "PER SECOND")]
    rate: f64,
    /// Connections of givers to each edge: HTTP/2 over TLS, pools of HTTP/1.1 without.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Requests at once; more wait, and are counted.
    #[arg(long, default_value_t = 256)]
    in_flight: usize,
    /// Measured seconds.
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Seconds of load before the measured ones.
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS")]
    warm_up: f64,
    /// Charge the CPU time of this process and its children; may be repeated.
    #[arg(long, value_name = "PID")]
    server_pid: Vec<u32>,
    /// Write down what was given, every second and at the end, to be held against the ledger.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct RegisterArgs {
    /// An edge: https://host:port.
    #[arg(long)]
    url: String,
    /// How many.
    #[arg(long)]
    people: usize,
    /// Where their access tokens go, one per line.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The origin's admin listener, which credits them: http://host:port.
    #[arg(long, value_name = "URL", requires_all = ["admin_token", "coins"])]
    admin_url: Option<String>,
    /// Its `admin.token`.
    #[arg(long, value_name = "TOKEN", requires = "admin_url")]
    admin_token: Option<String>,
    /// What each gets.
    #[arg(long, requires = "admin_url", value_parser = clap::value_parser!(u64).range(1..))]
    coins: Option<u64>,
}

pub(super) async fn give(common: &Common, args: &GiftsArgs) -> anyhow::Result<String> {
    for url in &args.url {
        safety::check_target(&chat::http_url(url), common.allow_remote).await?;
    }
    let plan = gifts::Plan {
        urls: args.url.clone(),
        room: args.room.clone(),
        codec: args.codec.0,
        trust: common.trust(),
        screens: args.screens,
        ramp: args.ramp,
        givers: tokens(Some(&args.givers))?,
        item: args.item.clone(),
        count: args.count,
        rate: args.rate,
        connections: args.connections,
        in_flight: args.in_flight,
        warm_up: seconds(args.warm_up)?,
        duration: seconds(args.seconds)?,
        server_pids: args.server_pid.clone(),
        state: args.state.clone(),
    };
    common.show(&gifts::run(&plan).await?)
}

#[expect(clippy::print_stderr, reason = "what a long command waits for")]
fn tell(line: &str) {
    eprintln!("weir-loadtest: {line}");
}

pub(super) async fn enrol(common: &Common, args: &RegisterArgs) -> anyhow::Result<String> {
    safety::check_target(&args.url, common.allow_remote).await?;
    let mut treasury = None;
    if let Some(url) = &args.admin_url {
        safety::check_target(url, common.allow_remote).await?;
        treasury = Some(register::Treasury {
            url: url.clone(),
            token: args.admin_token.clone().unwrap_or_default(),
            coins: args.coins.unwrap_or_default(),
        });
    }
    let plan = register::Plan {
        url: args.url.clone(),
        trust: common.trust(),
        people: args.people,
        treasury,
        out: args.out.clone(),
        tell,
    };
    common.show(&register::run(&plan).await?)
}
