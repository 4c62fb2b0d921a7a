//! The arguments of `publish`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use loadtest::client::Protocol;
use loadtest::{publish, safety};

use super::{Common, seconds};

#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    /// Where to: rtmp://host:port/app.
    #[arg(long, default_value = "rtmp://127.0.0.1:1935/live")]
    url: String,
    /// The publish key of each, with {n} for 1, 2, 3...
    #[arg(long, default_value = "k-{n}", value_name = "PATTERN")]
    key_pattern: String,
    /// How many publishers.
    #[arg(long, default_value_t = 1)]
    publishers: usize,
    /// Publishers that begin per second.
    #[arg(long, default_value_t = 20.0, value_name = "PER SECOND")]
    ramp: f64,
    /// What each sends, over and over: an FLV file that begins with a keyframe. A length of whole GOPs and
    /// whole audio frames has no seam: 8 s, for AAC at 48 kHz.
    #[arg(long, value_name = "FILE")]
    recording: PathBuf,
    /// Frames leave up to so many milliseconds later than they are due, at random.
    #[arg(long, default_value_t = 0, value_name = "MILLISECONDS")]
    jitter_ms: u64,
    /// Each connection is dropped without a word after about so many seconds, and comes back.
    #[arg(long, value_name = "SECONDS")]
    flap: Option<f64>,
    /// After so many milliseconds.
    #[arg(long, default_value_t = 1_000, value_name = "MILLISECONDS")]
    flap_pause_ms: u64,
    /// Measured seconds, from when all have begun.
    #[arg(long, default_value_t = 30.0, value_name = "SECONDS")]
    duration: f64,
    /// Play each stream, and count late parts: a playlist's URL with {n}.
    #[arg(long, value_name = "URL")]
    watch: Option<String>,
    /// Over h1, h2 or h3; without it h2 over https, h1 over http.
    #[arg(long)]
    protocol: Option<Protocol>,
    /// Charge the CPU time and memory of this process and its children; may be repeated.
    #[arg(long, value_name = "PID")]
    server_pid: Vec<u32>,
}

pub(super) async fn publish(common: &Common, args: &PublishArgs) -> anyhow::Result<String> {
    safety::check_publish_target(&args.url, common.allow_remote).await?;
    if let Some(url) = &args.watch {
        safety::check_target(&url.replace(publish::NUMBER, "1"), common.allow_remote).await?;
    }
    let plan = publish::Plan {
        url: args.url.clone(),
        key_pattern: args.key_pattern.clone(),
        publishers: args.publishers,
        ramp: args.ramp,
        recording: args.recording.clone(),
        jitter: Duration::from_millis(args.jitter_ms),
        flap: args.flap.map(seconds).transpose()?,
        flap_pause: Duration::from_millis(args.flap_pause_ms),
        duration: seconds(args.duration)?,
        watch: args.watch.clone(),
        protocol: args
            .protocol
            .unwrap_or_else(|| Protocol::of_edge(args.watch.as_deref().unwrap_or_default())),
        trust: common.trust(),
        server_pids: args.server_pid.clone(),
    };
    common.show(&publish::run(&plan).await?)
}
