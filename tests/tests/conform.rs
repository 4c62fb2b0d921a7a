//! `weir-loadtest conform` finds nothing wrong at any tier, over any protocol, nor while the broadcaster vanishes
//! and comes back.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use loadtest::client::Protocol;
use serde::Deserialize;
use serde_json::Value;
use tests::edge::Edge;
use tests::node::{self, Settings};
use tests::origin::{self, Origin, PUBLISH_KEY, STREAM};
use tests::playlist;
use tests::publisher::Publisher;
use tests::wait;

/// Segments of the window: so few that it is full soon, and more than a delta update has to keep.
const WINDOW_SEGMENTS: i64 = 8;
/// Until the window is full, at two seconds each.
const FULL_WITHIN: Duration = Duration::from_secs(40);
/// How long each probe watches, in seconds.
const WATCHED_SECONDS: u32 = 12;
/// A probe asks on until all is asked, and fetches media then.
const PROBED_WITHIN: Duration = Duration::from_secs(90);

/// What may come late because of the machine, in milliseconds: eight probes, an encoder and three
/// servers share the cores of a CI job.
const SLACK_MS: u32 = 1500;

/// What there is nothing to see of, and why. All else has to be looked at.
const UNSEEN: [(&str, &str); 15] = [
    (
        "B1-02-hold-back",
        "there is none: it is 3 x TARGETDURATION then",
    ),
    ("B1-11-gap", "no media is missing"),
    ("B1-13-hint-map", "the publisher keeps its codec"),
    ("B1-15-dateranges", "Weir writes none"),
    ("B1-17-end", "the stream runs"),
    ("B1-23-503", "the stream runs"),
    ("B1-24-ended", "the stream runs"),
    ("B1-27-hinted-map", "the publisher keeps its codec"),
    ("B1-28-ping", "the prober's libraries do not show it"),
    ("B1-28-priority", "a rule of HTTP/3"),
    ("B1-29-byte-ranges", "parts are files of their own"),
    ("B1-29-transport", "kernel and handshake do not show it"),
    ("B1-31-age", "the origin is no cache"),
    ("B1-31-age-of-hits", "the origin is no cache"),
    ("B1-31-coalesce", "herd.rs and compressed.rs count it"),
];

/// Two rungs to compare.
fn settings() -> Settings {
    let ladder = origin::ladder(&[("360p", 360, 700), ("180p", 180, 200)]);
    Settings::default()
        .set_root("ladder", ladder)
        .set("transcode", "preset", "ultrafast")
        .set("packaging", "window_seconds", 2 * WINDOW_SEGMENTS)
}

/// What the prober prints, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Report {
    passed: usize,
    failed: usize,
    findings: Vec<Finding>,
}

#[derive(Debug, Deserialize)]
struct Finding {
    id: String,
    verdict: String,
    #[serde(default)]
    evidence: Value,
}

impl Report {
    fn of(&self, verdict: &str) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |it| it.verdict == verdict)
    }
}

struct Probe<'a> {
    tier: &'static str,
    seconds: u32,
    url: String,
    ca: Option<&'a Path>,
    protocol: Protocol,
}

impl Probe<'_> {
    /// What the program says: nothing but its answer and its exit code.
    async fn run(&self) -> anyhow::Result<(String, Report)> {
        let mut command = tokio::process::Command::new(node::binary("weir-loadtest")?);
        command.args(["--json", "conform", &self.url]);
        // What a URL is asked over by itself is not said: that has to work, too.
        if self.protocol != Protocol::of_edge(&self.url) {
            command.args(["--protocol", self.protocol.as_str()]);
        }
        command.args(["--seconds", &self.seconds.to_string()]);
        command.args(["--slack", &SLACK_MS.to_string()]);
        if let Some(ca) = self.ca {
            command.arg("--ca").arg(ca);
        }
        command.kill_on_drop(true);
        let name = format!("{} over {}", self.tier, self.protocol);
        let output = tokio::time::timeout(PROBED_WITHIN, command.output())
            .await
            .with_context(|| format!("{name}: not within {PROBED_WITHIN:?}"))??;
        let report: Report = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{name}: {}", String::from_utf8_lossy(&output.stderr)))?;
        let failed = report.failed;
        ensure!(
            output.status.code() == Some(i32::from(failed > 0)),
            "{name}: {} with {failed} failures",
            output.status
        );
        Ok((name, report))
    }
}

#[tokio::test]
async fn no_rule_is_broken_at_any_tier_over_any_protocol() -> anyhow::Result<()> {
    let origin = Origin::start_with(&settings()).await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let shield = Edge::start("shield", &[origin.http_url()]).await?;
    let leaf = Edge::start_below("leaf", &shield, &Settings::default()).await?;
    for rendition in ["360p", "180p", "audio"] {
        let client = origin.client(Protocol::H1).await?;
        playlist::playing(&client, rendition).await?;
        wait::until("the window is full", FULL_WITHIN, async || {
            let listed = playlist::fetch(&client, rendition, "").await?;
            let count = i64::try_from(listed.segments.len())?;
            Ok((count >= WINDOW_SEGMENTS).then_some(()))
        })
        .await?;
    }
    let (of_shield, of_leaf) = (shield.ca_file(), leaf.ca_file());
    let places = [
        ("origin", origin.http_url(), None, &Protocol::ALL[..2]),
        (
            "shield",
            shield.https_url(),
            Some(&of_shield),
            &Protocol::ALL[..],
        ),
        ("leaf", leaf.https_url(), Some(&of_leaf), &Protocol::ALL[..]),
    ];
    let probes = places.into_iter().flat_map(|(tier, url, ca, protocols)| {
        protocols.iter().map(move |protocol| Probe {
            tier,
            seconds: WATCHED_SECONDS,
            url: format!("{url}/live/{STREAM}/index.m3u8"),
            ca: ca.map(|file| file.as_path()),
            protocol: *protocol,
        })
    });
    let reports = try_join_all(probes.map(async |probe| probe.run().await)).await?;
    assert_eq!(reports.len(), 8);
    let mut broken = Vec::new();
    for (name, report) in &reports {
        let unseen = report.of("not-observable").map(|it| it.id.as_str());
        let unseen: Vec<_> = unseen.collect();
        println!("{name}: {} passed; unseen: {unseen:?}", report.passed);
        let known = |id: &&str| UNSEEN.iter().any(|(unseen, _)| unseen == id);
        let unknown: Vec<_> = unseen.iter().filter(|id| !known(id)).collect();
        ensure!(
            unknown.is_empty(),
            "{name}: nothing was seen of {unknown:?}"
        );
        let failed = report.of("fail");
        broken.extend(failed.map(|it| format!("{name}: {}: {}", it.id, it.evidence)));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}

/// The prober watches for so long, in seconds: before, while nobody is there, and after.
const OUTAGE_WATCHED_SECONDS: u32 = 30;

#[tokio::test]
async fn no_rule_is_broken_while_the_publisher_vanishes_and_comes_back() -> anyhow::Result<()> {
    let origin = Origin::start_with(&settings()).await?;
    let mut publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let leaf = Edge::start("leaf", &[origin.http_url()]).await?;
    let client = origin.client(Protocol::H1).await?;
    playlist::playing(&client, "360p").await?;
    let ca = leaf.ca_file();
    let probe = Probe {
        tier: "leaf",
        seconds: OUTAGE_WATCHED_SECONDS,
        url: format!("{}/live/{STREAM}/index.m3u8", leaf.https_url()),
        ca: Some(&ca),
        protocol: Protocol::H2,
    };
    let outage = async {
        let before = playlist::fetch(&client, "360p", "").await?;
        wait::until(
            "the prober has seen some segments",
            FULL_WITHIN,
            async || {
                let listed = playlist::fetch(&client, "360p", "").await?;
                Ok((listed.open_msn() > before.open_msn().plus(2)).then_some(()))
            },
        )
        .await?;
        publisher.process().kill()?;
        wait::until("gaps are listed", FULL_WITHIN, async || {
            let listed = playlist::fetch(&client, "360p", "").await?;
            let gaps = listed.segments.iter().filter(|segment| segment.gap);
            Ok((gaps.count() >= 2).then_some(()))
        })
        .await?;
        Publisher::start(&origin.publish_url(PUBLISH_KEY))
    };
    let (probed, _again) = futures::future::try_join(probe.run(), outage).await?;
    let (name, report) = probed;
    let failed = report.of("fail");
    let broken: Vec<_> = failed
        .map(|it| format!("{name}: {}: {}", it.id, it.evidence))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let gaps = report.of("pass").any(|it| it.id == "B1-11-gap");
    assert!(gaps, "the prober saw no gap");
    Ok(())
}
