//! The arguments of `chat`, and of the benchmark's chat room.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use clap::Args;
use loadtest::bench;
use loadtest::chat::{self, Dialect};
use loadtest::safety;
use rooms::Codec;

use super::{Common, seconds};

/// Most bytes of a file of tokens.
const TOKENS_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Debug, Args)]
pub(super) struct ChatArgs {
    /// The server: wss://host:port or ws://host:port; with the path, if it is not Weir.
    #[arg(long)]
    url: String,
    /// weir, nchan or socketio.
    #[arg(long, default_value = "weir")]
    protocol: Protocol,
    /// How Weir is spoken to: json or binary.
    #[arg(long, default_value = "json")]
    codec: CodecName,
    /// The room.
    #[arg(long, default_value = "demo")]
    room: String,
    /// Connections, those of publishers and moderators included.
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
    /// Connections opened per second.
    #[arg(long, default_value_t = 500.0, value_name = "PER SECOND")]
    ramp: f64,
    /// Messages per second.
    #[arg(long, default_value_t = 10.0, value_name = "PER SECOND")]
    rate: f64,
    /// Measured seconds.
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Seconds of load before the measured ones.
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS")]
    warm_up: f64,
    /// Silent seconds before the memory of idle connections is read.
    #[arg(long, default_value_t = 5.0)]
    idle_seconds: f64,
    /// Connections that publish, in turn; for nchan, those that post.
    #[arg(long, default_value_t = 1)]
    publishers: usize,
    /// One JWT per line, for the publishers.
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// One JWT per line; each gets a connection that moderates, in turn.
    #[arg(long, value_name = "FILE")]
    moderators: Option<PathBuf>,
    /// Acts per second: settings and unpins.
    #[arg(long, default_value_t = 0.0, value_name = "PER SECOND")]
    control_rate: f64,
    /// Where nchan takes messages: http://host:port/path.
    #[arg(long, value_name = "URL")]
    post_url: Option<String>,
    /// Bytes of an event as Weir renders it in JSON; of the whole payload for others.
    #[arg(long, default_value_t = 200)]
    message_bytes: usize,
    /// Of a hundred listeners so many read a byte per second, until the talk is over.
    #[arg(long, default_value_t = 0)]
    slow_percent: usize,
    /// Connections that decode everything and measure latencies.
    #[arg(long, default_value_t = 200)]
    samples: usize,
    /// Drop all listeners after so many measured seconds, and let them come back at once.
    #[arg(long, value_name = "SECONDS")]
    drop_all_at: Option<f64>,
    /// Charge the CPU time and memory of this process and its children; may be repeated.
    #[arg(long, value_name = "PID")]
    server_pid: Vec<u32>,
}

/// A chat room beside nchan and Socket.IO.
#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Nobody but: weir-json, weir-binary, nchan, socketio; may be repeated.
    #[arg(long, value_name = "NAME")]
    chat_server: Vec<bench::ChatServer>,
    /// Connections x messages per second; may be repeated.
    #[arg(long, value_name = "SHAPE", default_values = ["1000x20", "10000x2"])]
    chat_shape: Vec<bench::Shape>,
    /// Measured seconds of one run of the chat room.
    #[arg(long, default_value_t = 20.0, value_name = "SECONDS")]
    chat_seconds: f64,
    /// Silent seconds before the memory of idle connections is read.
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS")]
    chat_idle: f64,
    /// Connections opened per second.
    #[arg(long, default_value_t = 500.0, value_name = "PER SECOND")]
    chat_ramp: f64,
    /// The edge whose rooms take part: wss://host:port.
    #[arg(long, value_name = "URL")]
    chat_url: Option<String>,
    /// Its processes, the origin's too, if it runs already; may be repeated.
    #[arg(long, value_name = "PID", requires = "chat_url")]
    chat_pid: Vec<u32>,
    /// Otherwise --origin and --edge are started with these.
    #[arg(
        long,
        value_name = "FILE",
        requires = "chat_url",
        requires = "chat_edge_config"
    )]
    chat_origin_config: Option<PathBuf>,
    /// That of the edge.
    #[arg(long, value_name = "FILE", requires = "chat_origin_config")]
    chat_edge_config: Option<PathBuf>,
    /// The room.
    #[arg(long, default_value = "demo")]
    chat_room: String,
    /// One JWT per line; each gets a connection that publishes, in turn.
    #[arg(long, value_name = "FILE")]
    chat_tokens: Option<PathBuf>,
    /// nginx's module.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/usr/lib/nginx/modules/ngx_nchan_module.so"
    )]
    nchan_module: PathBuf,
    /// Where Socket.IO's server.js and its packages are.
    #[arg(
        long,
        value_name = "DIRECTORY",
        default_value = "loadtest/contestants/socketio"
    )]
    socketio: PathBuf,
}

impl BenchArgs {
    pub(super) fn settings(&self) -> anyhow::Result<bench::ChatSettings> {
        let configs = self
            .chat_origin_config
            .clone()
            .zip(self.chat_edge_config.clone());
        let tokens = tokens(self.chat_tokens.as_deref())?;
        let weir = self.chat_url.clone().map(|url| bench::Weir {
            url,
            pids: self.chat_pid.clone(),
            configs,
            room: self.chat_room.clone(),
            tokens,
        });
        Ok(bench::ChatSettings {
            servers: self.chat_server.clone(),
            shapes: self.chat_shape.clone(),
            weir,
            nchan_module: self.nchan_module.clone(),
            socketio: self.socketio.clone(),
            ramp: self.chat_ramp,
            idle: seconds(self.chat_idle)?,
            duration: seconds(self.chat_seconds)?,
        })
    }
}

#[derive(Debug, Clone, Copy)]
enum Protocol {
    Weir,
    Nchan,
    SocketIo,
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "weir" => Ok(Self::Weir),
            "nchan" => Ok(Self::Nchan),
            "socketio" => Ok(Self::SocketIo),
            _ => Err(format!("'{text}' is none of weir, nchan, socketio")),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct CodecName(pub(super) Codec);

impl FromStr for CodecName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "json" => Ok(Self(Codec::Json)),
            "binary" => Ok(Self(Codec::Binary)),
            _ => Err(format!("'{text}' is neither json nor binary")),
        }
    }
}

pub(super) async fn chat(common: &Common, args: &ChatArgs) -> anyhow::Result<String> {
    let url = chat::http_url(&args.url);
    safety::check_target(&url, common.allow_remote).await?;
    if let Some(url) = &args.post_url {
        safety::check_target(url, common.allow_remote).await?;
    }
    let plan = chat::Plan {
        url: args.url.clone(),
        dialect: match args.protocol {
            Protocol::Weir => Dialect::Weir(args.codec.0),
            Protocol::Nchan => Dialect::Nchan,
            Protocol::SocketIo => Dialect::SocketIo,
        },
        room: args.room.clone(),
        trust: common.trust(),
        connections: args.connections,
        ramp: args.ramp,
        publishers: args.publishers,
        tokens: tokens(args.tokens.as_deref())?,
        moderators: tokens(args.moderators.as_deref())?,
        post_url: args.post_url.clone(),
        rate: args.rate,
        control_rate: args.control_rate,
        message_bytes: args.message_bytes,
        slow_percent: args.slow_percent,
        samples: args.samples,
        idle: seconds(args.idle_seconds)?,
        warm_up: seconds(args.warm_up)?,
        duration: seconds(args.seconds)?,
        drop_all_at: args.drop_all_at.map(seconds).transpose()?,
        server_pids: args.server_pid.clone(),
    };
    common.show(&chat::run(&plan).await?)
}

/// The lines of a file; none without one.
pub(super) fn tokens(path: Option<&Path>) -> anyhow::Result<Vec<String>> {
    let Some(path) = path else {
        return Ok(Vec::new());
    };
    let read = || {
        let length = std::fs::metadata(path)?.len();
        anyhow::ensure!(length <= TOKENS_BYTES_MAX, "too long");
        anyhow::Ok(std::fs::read_to_string(path)?)
    };
    let text = read().with_context(|| path.display().to_string())?;
    let lines = text.lines().map(str::trim);
    Ok(lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
}
