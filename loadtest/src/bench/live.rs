//! The benchmark of a live stream: how long after a part's last frame came in a waiting reload is
//! answered, by the origin's own histogram and by a player's clock.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;

use crate::client::{Client, Protocol, Trust};
use crate::play;
use crate::process::Process;

use super::{START_TIMEOUT, Settings};

/// The origin's histogram.
const HISTOGRAM: &str = "origin_blocked_reload_latency_seconds";

/// How long the player watches.
const WATCH: Duration = Duration::from_secs(20);

const PUBLISH_KEY: &str = "key-of-the-benchmark";

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Live {
    /// Reloads that waited for a part.
    pub reloads: u64,
    /// Their mean, from the part's last source frame to the answer, in milliseconds.
    pub reload_mean_ms: f64,
    /// The histogram bucket that holds the median: at most so many milliseconds.
    pub reload_p50_ms_max: f64,
    /// The same for the 99th percentile.
    pub reload_p99_ms_max: f64,
    /// What a player next to the origin saw.
    pub player: play::Report,
}

/// Starts an origin and a publisher, watches, and reads the histogram.
pub(super) async fn run(settings: &Settings, origin: &Path) -> anyhow::Result<Live> {
    let directory = settings.directory.canonicalize()?;
    let (rtmp, http, admin) = (
        settings.base_port + 7,
        settings.base_port + 8,
        settings.base_port + 9,
    );
    let config = directory.join("origin.toml");
    std::fs::write(
        &config,
        format!(
            "[rtmp]\nlisten = \"127.0.0.1:{rtmp}\"\n[http]\nlisten = \"127.0.0.1:{http}\"\n\
             [admin]\nlisten = \"127.0.0.1:{admin}\"\n\
             [[streams]]\nname = \"bench\"\npublish_key = \"{PUBLISH_KEY}\"\n\
             [[ladder]]\nname = \"720p\"\nheight = 720\nvideo_bitrate_kbps = 2800\n"
        ),
    )?;
    // It runs in another directory, where a relative path names nothing.
    let mut command = Command::new(origin.canonicalize().context("the origin")?);
    command.arg("--config").arg(&config).current_dir(&directory);
    let log = directory.join("origin.log");
    let mut origin = Process::spawn("weir-origin", &mut command, &log)?.terminated_on_drop();
    for port in [rtmp, http, admin] {
        origin
            .listening(&format!("127.0.0.1:{port}"), START_TIMEOUT)
            .await?;
    }
    let _publisher = publish(rtmp, &directory.join("publisher.log"))?;
    let url = format!("http://127.0.0.1:{http}/live/bench/index.m3u8");
    playing(&url).await?;
    let plan = play::Plan {
        url,
        protocol: Protocol::H2,
        trust: Trust::Insecure,
        duration: WATCH,
    };
    let player = play::run(&plan).await?;
    let admin = Client::connect(
        &format!("http://127.0.0.1:{admin}"),
        Protocol::H1,
        &Trust::Insecure,
    )
    .await?;
    let metrics = admin.fetch("/metrics", &[]).await?.text();
    let histogram = Histogram::parse(&metrics).with_context(|| format!("no {HISTOGRAM}"))?;
    ensure!(histogram.count > 0, "no reload waited for a part");
    Ok(Live {
        reloads: histogram.count,
        reload_mean_ms: histogram.sum_seconds * 1e3 / histogram.count as f64,
        reload_p50_ms_max: histogram.percentile_ms(50),
        reload_p99_ms_max: histogram.percentile_ms(99),
        player,
    })
}

/// A picture that passes through, so that the encoder's time is not in the figure.
fn publish(port: u16, log: &Path) -> anyhow::Result<Process> {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-hide_banner", "-loglevel", "warning", "-nostdin", "-re"])
        .args(["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30"])
        .args(["-f", "lavfi", "-i", "sine=sample_rate=48000"])
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
        ])
        .args(["-g", "60", "-keyint_min", "60", "-sc_threshold", "0"])
        .args([
            "-pix_fmt", "yuv420p", "-b:v", "2500k", "-c:a", "aac", "-f", "flv",
        ])
        .arg(format!("rtmp://127.0.0.1:{port}/live/{PUBLISH_KEY}"));
    Process::spawn("ffmpeg", &mut command, log)
}

async fn playing(url: &str) -> anyhow::Result<()> {
    let (_, path) = crate::client::Target::split(url)?;
    let media = path.replace("index.m3u8", "720p/index.m3u8");
    let client = Client::connect(url, Protocol::H2, &Trust::Insecure).await?;
    let deadline = tokio::time::Instant::now() + START_TIMEOUT;
    loop {
        let fetched = client.fetch(&media, &[]).await?;
        if fetched.status == 200 && fetched.text().contains("#EXTINF") {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            bail!("the stream does not play: {}", fetched.status);
        }
        // Before its first segment the server answers 404 at once: ask again, not at full speed.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A Prometheus histogram: cumulative counts by upper bound.
struct Histogram {
    buckets: Vec<(f64, u64)>,
    sum_seconds: f64,
    count: u64,
}

impl Histogram {
    fn parse(metrics: &str) -> Option<Self> {
        let value = |suffix: &str| {
            let prefix = format!("{HISTOGRAM}_{suffix} ");
            metrics.lines().find_map(|line| line.strip_prefix(&prefix))
        };
        let prefix = format!("{HISTOGRAM}_bucket{{le=\"");
        let buckets = metrics
            .lines()
            .filter_map(|line| {
                let (bound, count) = line.strip_prefix(&prefix)?.split_once("\"} ")?;
                let bound = bound.replace("+Inf", "inf");
                Some((bound.parse().ok()?, count.parse().ok()?))
            })
            .collect();
        Some(Self {
            buckets,
            sum_seconds: value("sum")?.parse().ok()?,
            count: value("count")?.parse().ok()?,
        })
    }

    fn percentile_ms(&self, percent: u64) -> f64 {
        let rank = (self.count * percent).div_ceil(100);
        self.buckets
            .iter()
            .find(|(_, count)| *count >= rank)
            .map_or(f64::INFINITY, |(bound, _)| bound * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_percentiles_off_the_buckets() {
        let text = "origin_blocked_reload_latency_seconds_bucket{le=\"0.001\"} 60\n\
                    origin_blocked_reload_latency_seconds_bucket{le=\"0.01\"} 99\n\
                    origin_blocked_reload_latency_seconds_bucket{le=\"+Inf\"} 100\n\
                    origin_blocked_reload_latency_seconds_sum 0.2\n\
                    origin_blocked_reload_latency_seconds_count 100\n";
        let histogram = Histogram::parse(text).unwrap();
        assert_eq!(histogram.percentile_ms(50), 1.0);
        assert_eq!(histogram.percentile_ms(99), 10.0);
        assert_eq!(histogram.percentile_ms(100), f64::INFINITY);
    }
}
