//! Headless Chromium, driven by the scripts in `browser/`, which print what they saw as JSON.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::process::Command;

/// Debian's Chromium.
pub const CHROMIUM: &str = "/usr/bin/chromium";

/// What the script saw.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Watched {
    /// Seconds from the first played frame to the end of the watch.
    pub watched_seconds: f64,
    /// Seconds from opening the page to the first played frame.
    pub startup_seconds: f64,
    /// When playback stood still after it had begun (`waiting` events), in seconds of the watch.
    pub stalled_at: Vec<f64>,
    /// How far the playhead moved.
    pub played_seconds: f64,
    /// Glass to glass: wall clock minus the time in the picture's barcode, one per sample.
    pub latency_seconds: Vec<f64>,
    /// Samples in which no barcode could be read.
    pub unreadable: u32,
    /// Frames shown, and frames dropped.
    pub frames: u32,
    /// Frames the browser could not show in time.
    pub dropped_frames: u32,
    /// How often the player took something out of a SourceBuffer.
    pub removals: u32,
    /// Media and playlist requests by `nextHopProtocol`; `unanswered` are those the player gave up.
    pub protocols: std::collections::BTreeMap<String, u32>,
    /// Console errors and failed requests.
    pub errors: Vec<String>,
    /// The page's own figures (`window.__weir`), for whoever reads a failure.
    pub player: serde_json::Value,
}

impl Watched {
    /// From glass to glass in so many of 100 samples, at most; not a number without samples.
    pub fn latency_seconds_at(&self, percent: usize) -> f64 {
        let mut latencies = self.latency_seconds.clone();
        latencies.sort_by(f64::total_cmp);
        let index = latencies.len() * percent / 101;
        latencies.get(index).copied().unwrap_or(f64::NAN)
    }

    /// All of it on a few lines, latencies as their distribution.
    pub fn summary(&self) -> String {
        let at = |percent| self.latency_seconds_at(percent);
        format!(
            "watched {:.1} s, played {:.1} s, startup {:.2} s, stalls {:?}, {} frames ({} dropped), \
             {} removals, \
             glass to glass min {:.2} p50 {:.2} p95 {:.2} max {:.2} s over {} samples \
             ({} unreadable), protocols {:?}, errors {:?}, player {}",
            self.watched_seconds,
            self.played_seconds,
            self.startup_seconds,
            self.stalled_at,
            self.frames,
            self.dropped_frames,
            self.removals,
            at(0),
            at(50),
            at(95),
            at(100),
            self.latency_seconds.len(),
            self.unreadable,
            self.protocols,
            self.errors,
            self.player,
        )
    }
}

/// Opens `url` on the edge at `port` over forced QUIC, trusting the certificate with the SPKI hash
/// `spki`, and watches for `seconds`.
pub async fn watch(url: &str, port: u16, spki: &str, seconds: u32) -> anyhow::Result<Watched> {
    let arguments = [url, &port.to_string(), spki, &seconds.to_string()];
    run("watch.mjs", arguments).await
}

/// What `browser/seek.mjs` saw. Ages are those of the picture on the screen, in seconds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sought {
    /// At the live position.
    pub live: f64,
    /// After going back.
    pub behind: f64,
    /// Some seconds later.
    pub stays: f64,
    /// After the left arrow.
    pub arrow: f64,
    /// After the button that leads to the live position.
    pub again: f64,
    /// What that button said before.
    pub label: String,
    /// What a screen reader is told of the position.
    pub spoken: String,
    /// What stood under the picture.
    pub told: String,
    /// The file of the picture under the pointer.
    pub image: SoughtImage,
    /// Playlist Delta Updates that the player got.
    pub skips: u32,
    /// Console errors.
    pub errors: Vec<String>,
}

/// A file of pictures to seek by.
#[derive(Debug, Deserialize)]
pub struct SoughtImage {
    /// Its path.
    pub source: String,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

/// Opens a watch page, goes back so many seconds with the mouse, some more with a key, and comes back.
pub async fn seek(url: &str, spki: &str, back_seconds: u32) -> anyhow::Result<Sought> {
    run("seek.mjs", [url, spki, &back_seconds.to_string()]).await
}

/// How `browser/keys.mjs` agreed on keys.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct Keys {
    /// "h2" or "h3".
    pub protocol: String,
    /// The group of the key exchange.
    pub group: String,
}

/// Opens `url`, with a port over forced QUIC.
pub async fn keys(url: &str, spki: &str, quic_port: Option<u16>) -> anyhow::Result<Keys> {
    let port = quic_port.map(|port| port.to_string());
    run("keys.mjs", [url, spki].into_iter().chain(port.as_deref())).await
}

/// Runs one of the scripts, and reads what it prints.
async fn run<T: DeserializeOwned>(
    script: &str,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> anyhow::Result<T> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    ensure!(
        directory.join("node_modules/playwright-core").exists(),
        "no playwright-core: run `npm ci` in {}",
        directory.display()
    );
    let output = Command::new("node")
        .arg(script)
        .args(arguments)
        .env("CHROMIUM", CHROMIUM)
        .current_dir(&directory)
        .kill_on_drop(true)
        .output()
        .await
        .context("running node")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{script}: {}: {stderr}",
        output.status
    );
    let stdout = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&stdout).with_context(|| format!("{script} printed {stdout}{stderr}"))
}

/// What `browser/filters.mjs` did on an edge's page of filters.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolledBack {
    /// What the page showed as active at first.
    pub before: ShownVersion,
    /// What it said after the click.
    pub answered: String,
    /// What it showed as active then.
    pub after: ShownVersion,
    /// Console errors.
    pub errors: Vec<String>,
}

/// A version, as the page shows it.
#[derive(Debug, Deserialize)]
pub struct ShownVersion {
    /// "v2".
    pub name: String,
}

/// Opens the page of filters on an edge's admin listener, waits for `from`, rolls `filter` back, and
/// waits for `to`. Takes a screenshot before and after, into `shots`.
pub async fn roll_back(
    admin_url: &str,
    token: &str,
    filter: &str,
    (from, to): (&str, &str),
    shots: &Path,
) -> anyhow::Result<RolledBack> {
    let [before, after] = ["before.png", "after.png"].map(|name| shots.join(name));
    let arguments: [&OsStr; 7] = [
        admin_url.as_ref(),
        token.as_ref(),
        filter.as_ref(),
        from.as_ref(),
        before.as_ref(),
        to.as_ref(),
        after.as_ref(),
    ];
    run("filters.mjs", arguments).await
}

/// What `browser/comes_back.mjs` saw of outages.
#[derive(Debug, Deserialize)]
pub struct CameBack {
    /// Seconds from the end of each outage until the picture moved; `None`: it did not.
    pub back: Vec<Option<f64>>,
    /// What the page said during each.
    pub shown: Vec<String>,
    /// How often the page was loaded: once.
    pub reloaded: u32,
    /// Exceptions in the page.
    pub errors: Vec<String>,
}

/// Watches `url` through so many outages, which the caller makes: see the script for the files in `directory`.
pub async fn come_back(
    url: &str,
    spki: &str,
    directory: &Path,
    outages: u32,
) -> anyhow::Result<CameBack> {
    let outages = outages.to_string();
    let arguments: [&OsStr; 4] = [
        url.as_ref(),
        spki.as_ref(),
        directory.as_ref(),
        outages.as_ref(),
    ];
    run("comes_back.mjs", arguments).await
}

/// What `browser/streams.mjs` saw on an origin's page of streams.
#[derive(Debug, Deserialize)]
pub struct Looked {
    /// The stream in the list.
    pub listed: Listed,
    /// Its state on its own page.
    pub badge: String,
    /// The ids of its charts.
    pub charts: Vec<String>,
    /// The codes of what is wrong.
    pub reasons: Vec<String>,
    /// Points of the bitrate's line: at first, and when it had moved.
    pub points: [u32; 2],
    /// Whether the page is wider than the screen.
    pub overflow: bool,
    /// Console errors.
    pub errors: Vec<String>,
}

/// A stream, as the list shows it.
#[derive(Debug, Deserialize)]
pub struct Listed {
    /// "good", "degraded" or "bad".
    pub state: String,
    /// Its card.
    pub text: String,
}

/// Opens the page of streams on an origin's admin listener, and there a stream. Takes screenshots into
/// `shots`.
pub async fn look_at_stream(
    admin_url: &str,
    token: &str,
    stream: &str,
    shots: &Path,
) -> anyhow::Result<Looked> {
    let arguments = [admin_url, token, stream].map(OsStr::new);
    run(
        "streams.mjs",
        arguments.into_iter().chain([shots.as_os_str()]),
    )
    .await
}

/// What `browser/chat.mjs` saw of a room.
#[derive(Debug, Deserialize)]
pub struct Talked {
    /// Elements that somebody's message made: none.
    pub elements: u32,
    /// The page's title after a message that wanted to change it.
    pub title: String,
    /// Whether a character that turns the direction of writing is in what others see.
    pub turned: bool,
    /// Elements around its text that keep its direction to itself: one.
    pub isolated: u32,
    /// What is left of the token in the address bar: nothing.
    pub fragment: String,
    /// What the page of somebody whose connection was cut looked like.
    pub away: Away,
    /// What came after having been away.
    pub missed: Vec<String>,
    /// Lines that say that something is missing.
    pub gaps: u32,
    /// Likes that the other one saw.
    pub likes: u32,
    /// Seconds that slow mode has left, and somewhat later.
    pub countdown: [u32; 2],
    /// `<html lang>` of a Spanish phone.
    pub language: String,
    /// Whether the phone's page is wider than the phone.
    pub overflow: bool,
    /// Console errors.
    pub errors: Vec<String>,
}

/// A page without a connection.
#[derive(Debug, Deserialize)]
pub struct Away {
    /// Whether it says so.
    pub status: bool,
    /// Lines that it cannot know.
    pub lines: u32,
}

/// Two people on two edges and a broadcaster talk. Takes screenshots into `shots`.
pub async fn talk(
    watch: [&str; 2],
    studio: &str,
    spkis: &str,
    shots: &Path,
) -> anyhow::Result<Talked> {
    let [one, other] = watch;
    let arguments = [one, other, studio, spkis].map(OsStr::new);
    run("chat.mjs", arguments.into_iter().chain([shots.as_os_str()])).await
}

/// What `browser/gifts.mjs` saw of accounts, gifts and coins.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gave {
    /// What the dialog says of a wrong password.
    pub wrong_password: String,
    /// Coins of who gives: signed in, after three roses, and after the page was loaded again.
    pub coins: [i64; 3],
    /// The ids of the three roses, as the answers to them say.
    pub given: Vec<String>,
    /// What came of them to somebody who is not signed in: ids and numbers in the series.
    pub told: Vec<(String, u32)>,
    /// Lines about gifts in the chat of that one, and again after the page was loaded again.
    pub lines: [Vec<String>; 2],
    /// Roses over the picture: at who gave them, and at that one.
    pub roses: [u32; 2],
    /// What the drawer says when the coins do not suffice.
    pub short: String,
    /// The broadcaster's page.
    pub studio: Earned,
    /// The goal, as who is not signed in sees it: at first, and after one more rose.
    pub goal: [String; 2],
    /// What the staff's page says to somebody without the role.
    pub visitor: String,
    /// What it says to staff who credited coins.
    pub credited: String,
    /// And of the ledger.
    pub verdict: String,
    /// The balance and the newest line in the wallet of who was credited.
    pub wallet: [String; 2],
    /// Whose connection to the room it was before and after signing out: an account, and a listener.
    pub rooms_of: [String; 2],
    /// What the drawer says then.
    pub left: String,
    /// Console errors.
    pub errors: Vec<String>,
}

/// What the studio shows of a day.
#[derive(Debug, Deserialize)]
pub struct Earned {
    /// What the room has.
    pub balance: String,
    /// Gifts, coins and diamonds of the newest day.
    pub day: Vec<String>,
    /// Gifts of today.
    pub gifts: Vec<String>,
    /// Whether the room knows the broadcaster, and not a viewer.
    pub moderates: bool,
}

/// `ann` gives, at the first edge; `hugo` broadcasts, `stella` is staff, and others look on at the
/// second one. Takes screenshots into `shots`.
pub async fn give(
    edges: [&str; 2],
    (room, password): (&str, &str),
    spkis: &str,
    shots: &Path,
) -> anyhow::Result<Gave> {
    let [one, other] = edges;
    let arguments = [one, other, room, password, spkis].map(OsStr::new);
    run(
        "gifts.mjs",
        arguments.into_iter().chain([shots.as_os_str()]),
    )
    .await
}
