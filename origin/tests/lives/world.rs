//! The origin between the RTMP session and HTTP, with streams whose sources pass through.

use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use origin::config;
use origin::control::Herald;
use origin::filters::PublishAsk;
use origin::metrics::Metrics;
use origin::numbers::Numbers;
use origin::packager::{Shows, Studio, WallClock};
use origin::publish::{Publication, Streams};
use origin::thumbnails::Thumbnails;
use origin::transcode::{Abilities, Jobs};
use origin::window::Catalog;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Streams side by side.
pub(crate) const STREAMS: u64 = 8;
pub(crate) const GRACE: Duration = Duration::from_secs(30);
pub(crate) const LINGER: Duration = Duration::from_secs(20);
pub(crate) const WINDOW_BYTES_MAX: usize = 16 << 20;

/// Every source of the publishers is below the one rung, and passes through; what cannot meets an encoder that
/// is not there.
const CONFIGURATION: &str = r#"
[transcode]
ffmpeg = "/nonexistent/ffmpeg"
failures_max = 1
[[ladder]]
name = "2160p"
height = 2160
video_bitrate_kbps = 8000
[packaging]
state_dir = ""
linger_seconds = 20
window_bytes_max = 16777216
"#;

pub(crate) struct World {
    pub(crate) studio: Studio,
    pub(crate) streams: Streams,
}

impl World {
    /// Streams `s0` and so on, whose dates are told by that clock.
    pub(crate) fn new(wall_clock: WallClock) -> Self {
        let mut text = CONFIGURATION.to_owned();
        for stream in 0..STREAMS {
            text.push_str(&format!(
                "[[streams]]\nname = \"s{stream}\"\npublish_key = \"{}\"\n",
                key(stream)
            ));
        }
        let settings = config::parse(Path::new("lives.toml"), &text).unwrap();
        let metrics = Metrics::register(&telemetry::Registry::new()).unwrap();
        let studio = Studio {
            abilities: Abilities::default(),
            jobs: Jobs::new(NonZeroUsize::MIN, metrics.jobs()),
            transcode: settings.transcode.clone(),
            thumbnails: Thumbnails::new(None, settings.transcode.ffmpeg.clone()),
            packaging: settings.packaging.clone(),
            catalog: Catalog::default(),
            metrics,
            herald: Herald::default(),
            numbers: Numbers::open(None).unwrap(),
            wall_clock,
            reconnect_grace: GRACE,
            slate: None,
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
            shows: Shows::default(),
        };
        let begin = studio.clone();
        let start = Box::new(move |claim| begin.begin(claim));
        let streams = Streams::new(&settings.streams, None, start);
        Self { studio, streams }
    }

    /// A publisher of a stream.
    pub(crate) async fn publish(&self, stream: u64) -> Publication {
        let key = key(stream);
        let ask = PublishAsk {
            app: "live",
            key: &key,
            peer: (Ipv4Addr::LOCALHOST, 1).into(),
            tls: false,
        };
        self.streams.claim(&ask).await.unwrap()
    }

    /// What must hold once nobody has published for a minute.
    pub(crate) fn assert_nothing_is_left(&self) {
        assert_eq!(self.streams.claimed(), 0);
        let streams = self.studio.catalog.all();
        assert!(streams.is_empty(), "a stream is left over");
        assert_eq!(self.studio.tasks.len(), 0, "a task is left over");
    }
}

fn key(stream: u64) -> String {
    format!("key-of-stream-{stream}")
}

/// A number of the environment.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |given| given.parse().unwrap())
}
