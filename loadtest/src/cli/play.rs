//! The arguments of `play`.

use clap::Args;
use loadtest::client::Protocol;
use loadtest::{play, safety};

use super::{Common, seconds};

#[derive(Debug, Args)]
pub(super) struct PlayArgs {
    /// A Multivariant or a Media Playlist.
    url: String,
    /// h1, h2 or h3; without it h3 over https, h1 over http.
    #[arg(long)]
    protocol: Option<Protocol>,
    /// For how long.
    #[arg(long, default_value_t = 30.0, value_name = "SECONDS")]
    duration: f64,
}

pub(super) async fn watch(common: &Common, args: &PlayArgs) -> anyhow::Result<String> {
    safety::check_target(&args.url, common.allow_remote).await?;
    let plan = play::Plan {
        url: args.url.clone(),
        protocol: args.protocol.unwrap_or_else(|| {
            if args.url.starts_with("https:") {
                Protocol::H3
            } else {
                Protocol::H1
            }
        }),
        trust: common.trust(),
        duration: seconds(args.duration)?,
    };
    common.show(&play::run(&plan).await?)
}
