//! The arguments of `conform`.

use std::time::Duration;

use clap::Args;
use loadtest::client::Protocol;
use loadtest::{conform, play, safety};

use super::{Common, Output};

#[derive(Debug, Args)]
pub(super) struct ConformArgs {
    /// The Multivariant Playlist of a stream that runs.
    url: String,
    /// h1, h2 or h3; without it h2 over https, h1 over http.
    #[arg(long)]
    protocol: Option<Protocol>,
    /// How long to watch.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(6..=120))]
    seconds: u64,
    /// Which Media Playlist single requests are about: a piece of its URI. The first variant
    /// without it; all are watched.
    #[arg(long, value_name = "NAME")]
    rendition: Option<String>,
    /// Lateness that is this machine's, and not the server's: more on a busy one.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 150, value_parser = clap::value_parser!(u64).range(0..=2_000))]
    slack: u64,
}

#[expect(clippy::print_stderr, reason = "what a long command does")]
fn tell(line: &str) {
    eprintln!("weir-loadtest: {line}");
}

pub(super) async fn probe(common: &Common, args: &ConformArgs) -> anyhow::Result<Output> {
    safety::check_target(&args.url, common.allow_remote).await?;
    let plan = conform::Plan {
        stream: play::Plan {
            url: args.url.clone(),
            protocol: args
                .protocol
                .unwrap_or_else(|| Protocol::of_edge(&args.url)),
            trust: common.trust(),
            duration: Duration::from_secs(args.seconds),
        },
        rendition: args.rendition.clone(),
        slack: Duration::from_millis(args.slack),
        tell,
    };
    let report = conform::run(&plan).await?;
    Ok(Output {
        text: common.show(&report)?,
        good: report.failed == 0,
    })
}
