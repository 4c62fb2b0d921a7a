//! The whole path: ffmpeg publishes a clock, Chromium shows it, and the two clocks are compared.

use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use loadtest::client::Protocol;
use tests::browser;
use tests::edge::Edge;
use tests::node::Settings;
use tests::origin::{self, Origin, PUBLISH_KEY, STREAM};
use tests::playlist;
use tests::publisher::Publisher;

const WATCH_SECONDS: u32 = 60;

/// Requests that the player may give up: a few at its start and when it changes the rendition.
const UNANSWERED_MAX: u32 = 5;

/// A machine that runs a publisher, an encoder, three servers and a browser on the cores of a CI job
/// is held up now and then, and the player has a second in hand: a bench counts stalls
/// (BENCHMARKS.md), a test looks whether playback goes on.
const STALLS_MAX: usize = 2;

/// From glass to glass, in 95 of 100 samples; the others are those after a stall.
const LATENCY_SECONDS_MAX: f64 = 2.5;

/// The picture of scripts/broadcast.sh is passed through; one rung below it is encoded.
fn ladder() -> Settings {
    Settings::default()
        .set_root(
            "ladder",
            origin::ladder(&[("720p", 720, 2800), ("360p", 360, 700)]),
        )
        .set("transcode", "preset", "ultrafast")
}

#[tokio::test]
async fn chromium_plays_through_two_tiers_over_h3() -> anyhow::Result<()> {
    let origin = Origin::start_with(&ladder()).await?;
    let shield = Edge::start("shield", &[origin.http_url()]).await?;
    let leaf = Edge::start_below("leaf", &shield, &Settings::default()).await?;
    let _publisher = Publisher::start_barcode(&origin.publish_url(PUBLISH_KEY))?;
    let client = leaf.client(Protocol::H2).await?;
    for rendition in ["720p", "360p", "audio"] {
        playlist::playing(&client, rendition).await?;
    }

    let url = format!("{}/watch/{STREAM}", leaf.https_url());
    let spki = leaf.spki()?;
    let watched = browser::watch(&url, leaf.https_port(), &spki, WATCH_SECONDS).await?;
    let seen = watched.summary();
    println!("{seen}");
    assert!(watched.stalled_at.len() <= STALLS_MAX, "{seen}");
    // A removal that meets an append makes hls.js stall (player/config.ts), once in some tens.
    assert_eq!(watched.removals, 0, "{seen}");
    assert_eq!(watched.errors, Vec::<String>::new(), "{seen}");
    // Playback may catch up, or steer a little slower; it may not stand still for long.
    let pace = watched.played_seconds / watched.watched_seconds;
    assert!((0.95..1.1).contains(&pace), "{seen}");
    let read = watched.latency_seconds.len();
    assert!(read > 100, "{seen}");
    assert!(usize::try_from(watched.unreadable)? * 20 < read, "{seen}");
    let usual = watched.latency_seconds_at(95);
    assert!(usual <= LATENCY_SECONDS_MAX, "{usual} s: {seen}");
    let mut protocols = watched.protocols.clone();
    let unanswered = protocols.remove("unanswered").unwrap_or(0);
    assert!(unanswered <= UNANSWERED_MAX, "{seen}");
    let names: Vec<&str> = protocols.keys().map(String::as_str).collect();
    assert_eq!(names, ["h3"], "{seen}");
    let reported = reported(&leaf, watched.stalled_at.len()).await?;
    println!("{reported}");
    Ok(())
}

/// What the page's player has said of itself (CMCD), and the edge made figures of.
async fn reported(leaf: &Edge, stalls: usize) -> anyhow::Result<String> {
    let of = [("stream", STREAM), ("tenant", "default")];
    for (name, at_least) in [
        ("edge_cmcd_reports_total", 300.0),
        ("edge_cmcd_buffer_seconds_count", 100.0),
        ("edge_cmcd_live_latency_seconds_count", 100.0),
        ("edge_cmcd_bitrate_bits_per_second_count", 100.0),
        ("edge_cmcd_throughput_bits_per_second_count", 100.0),
        ("edge_cmcd_startup_requests_total", 1.0),
    ] {
        let value = leaf.metric(name, &of).await?;
        assert!(value >= at_least, "{name} is {value}");
    }
    assert_eq!(leaf.metric("edge_cmcd_sessions", &of).await?, 1.0);
    assert_eq!(leaf.metric("edge_cmcd_ignored_total", &[]).await?, 0.0);
    let said = leaf.metric("edge_cmcd_stalls_total", &of).await?;
    // hls.js says it with the next video that it asks for: two stalls in between are one, and the last may have none.
    assert!(said <= stalls as f64 + 1.0, "{said} said, {stalls} seen");
    let sum = leaf
        .metric("edge_cmcd_live_latency_seconds_sum", &of)
        .await?;
    let count = leaf
        .metric("edge_cmcd_live_latency_seconds_count", &of)
        .await?;
    let mean = sum / count;
    assert!((0.3..LATENCY_SECONDS_MAX).contains(&mean), "{mean} s");
    Ok(format!(
        "CMCD: {said} stalls, {mean:.2} s behind, of {count} requests"
    ))
}

/// hls.js 1.7 walks an array as long as EXT-X-DISCONTINUITY-SEQUENCE is large at every reload
/// (stream-controller.ts, `initPTS.some`): 28 million cost a second each, and playback stalled.
#[tokio::test]
async fn discontinuity_sequences_stay_small() -> anyhow::Result<()> {
    const DISCONTINUITY_SEQUENCE_MAX: u64 = 100_000;
    let origin = Origin::start().await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let client = origin.client(Protocol::H1).await?;
    let playlist = playlist::playing(&client, "360p").await?;
    assert!(playlist.discontinuity_sequence < DISCONTINUITY_SEQUENCE_MAX);
    Ok(())
}

/// Every rendition by itself, and all of them through the Multivariant Playlist.
#[tokio::test]
async fn ffprobe_reads_every_rendition() -> anyhow::Result<()> {
    let origin = Origin::start_with(&ladder()).await?;
    let _publisher = Publisher::start_barcode(&origin.publish_url(PUBLISH_KEY))?;
    let leaf = Edge::start("leaf", &[origin.http_url()]).await?;
    let client = leaf.client(Protocol::H2).await?;
    for (rendition, expected) in [
        ("720p", "video,h264,1280,720"),
        ("360p", "video,h264,640,360"),
        ("audio", "audio,aac"),
    ] {
        playlist::playing(&client, rendition).await?;
        let url = format!("{}/live/{STREAM}/{rendition}/index.m3u8", leaf.http_url());
        assert_eq!(ffprobe(&url).await?, [expected], "{rendition}");
    }
    let url = format!("{}/live/{STREAM}/index.m3u8", leaf.http_url());
    let streams = ffprobe(&url).await?;
    for expected in ["video,h264,1280,720", "video,h264,640,360", "audio,aac"] {
        assert!(streams.iter().any(|s| s == expected), "{streams:?}");
    }
    Ok(())
}

/// One line per stream: kind, codec, and for video the size.
async fn ffprobe(url: &str) -> anyhow::Result<Vec<String>> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-of", "json", "-show_streams", url]);
    let probing = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(30), probing)
        .await
        .context("ffprobe does not end")??;
    let complaints = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{url}: {complaints}");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let streams = told
        .get("streams")
        .and_then(|s| s.as_array())
        .context("no streams")?;
    Ok(streams
        .iter()
        .map(|stream| {
            ["codec_type", "codec_name", "width", "height"]
                .iter()
                .filter_map(|key| stream.get(key))
                .map(|value| value.to_string().trim_matches('"').to_owned())
                .collect::<Vec<_>>()
                .join(",")
        })
        .collect())
}
