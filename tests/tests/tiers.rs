//! Leaf and shield in front of a parent: ages add up, both tiers say what they did, and all three
//! protocols carry the same bytes.

use std::time::Duration;

use anyhow::Context as _;
use loadtest::client::{Client, Protocol};
use tests::edge::{Edge, curl};
use tests::node::Settings;
use tests::origin::{Origin, PUBLISH_KEY};
use tests::parent::{Parent, Reply, pattern};
use tests::playlist;
use tests::publisher::Publisher;
use tests::wait;

const SEGMENT: &str = "/live/demo/720p/100.m4s";

async fn age(client: &Client) -> anyhow::Result<u64> {
    let fetched = client.fetch(SEGMENT, &[]).await?;
    anyhow::ensure!(fetched.status == 200, "status {}", fetched.status);
    Ok(fetched.header("age").context("no Age")?.parse()?)
}

#[tokio::test]
async fn age_adds_up_and_both_tiers_speak() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    let reply = Reply::ok(pattern(10_000)).header("Cache-Control", "max-age=600");
    parent.on(SEGMENT, reply.header("Age", "10"));
    let shield = Edge::start("shield", &[parent.url()]).await?;
    let leaf = Edge::start_below("leaf", &shield, &Settings::default()).await?;

    let direct = shield.client(Protocol::H2).await?;
    assert!(age(&direct).await? >= 10, "the parent's Age is kept");
    wait::until(
        "the shield's copy ages",
        Duration::from_secs(10),
        async || Ok((age(&direct).await? >= 12).then_some(())),
    )
    .await?;
    let client = leaf.client(Protocol::H2).await?;
    assert!(age(&client).await? >= 12, "the shield's Age is kept");
    wait::until(
        "the leaf's copy ages",
        Duration::from_secs(10),
        async || Ok((age(&client).await? >= 14).then_some(())),
    )
    .await?;
    assert_eq!(parent.requests(SEGMENT), 1);

    let fetched = client.fetch(SEGMENT, &[]).await?;
    let status = fetched
        .headers
        .get_all("cache-status")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect::<Vec<_>>()
        .join(", ");
    // RFC 9211: the cache nearest to the origin comes first.
    let shield_at = status.find("shield").context("no shield in Cache-Status")?;
    let leaf_at = status.find("leaf").context("no leaf in Cache-Status")?;
    assert!(shield_at < leaf_at, "{status}");
    assert!(
        status.split("leaf").nth(1).unwrap_or("").contains("hit"),
        "{status}"
    );
    Ok(())
}

/// A lifetime is spent once, not once per tier.
#[tokio::test]
async fn what_the_shield_has_kept_is_not_fresh_again_at_the_leaf() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    let reply = Reply::ok(pattern(1000)).header("Cache-Control", "max-age=4");
    parent.on(SEGMENT, reply);
    let shield = Edge::start("shield", &[parent.url()]).await?;
    let leaf = Edge::start_below("leaf", &shield, &Settings::default()).await?;
    let client = leaf.client(Protocol::H3).await?;
    let began = std::time::Instant::now();
    wait::until(
        "the parent is asked again",
        Duration::from_secs(15),
        async || {
            client.fetch(SEGMENT, &[]).await?;
            Ok((parent.requests(SEGMENT) >= 2).then_some(()))
        },
    )
    .await?;
    let took = began.elapsed();
    // Both tiers count whole seconds of Age; without the sum it would take eight.
    assert!(took < Duration::from_millis(6500), "after {took:?}");
    Ok(())
}

#[tokio::test]
async fn all_protocols_carry_the_same_bytes_of_a_live_stream() -> anyhow::Result<()> {
    let origin = Origin::start().await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let shield = Edge::start("shield", &[origin.http_url()]).await?;
    let leaf = Edge::start_below("leaf", &shield, &Settings::default()).await?;
    let direct = origin.client(Protocol::H1).await?;
    playlist::playing(&direct, "360p").await?;

    for rendition in ["360p", "audio"] {
        let now = playlist::playing(&direct, rendition).await?;
        let segment = now.segments.last().context("no Segment")?;
        let part = segment.head.parts.last().context("no Part")?;
        let reload = format!("index.m3u8{}", playlist::next_reload(&now));
        for file in [&segment.uri, &part.uri, &reload] {
            let path = playlist::path(rendition, file);
            let truth = direct.fetch(&path, &[]).await?;
            assert_eq!(truth.status, 200, "{path}");
            for protocol in Protocol::ALL {
                let fetched = leaf.client(protocol).await?.fetch(&path, &[]).await?;
                assert_eq!(fetched.status, 200, "{path} over {protocol}");
                assert_eq!(fetched.broken, None, "{path} over {protocol}");
                assert_eq!(fetched.body, truth.body, "{path} over {protocol}");
            }
        }
        let path = playlist::path(rendition, &segment.uri);
        let length = direct.fetch(&path, &[]).await?.body.len().to_string();
        let ca = leaf.ca_file().display().to_string();
        let url = format!("{}{path}", leaf.https_url());
        for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
            let format = "%{http_version} %{http_code} %{size_download}";
            let told =
                curl(&["--cacert", &ca, flag, "-o", "/dev/null", "-w", format, &url]).await?;
            assert_eq!(told, format!("{version} 200 {length}"));
        }
    }
    Ok(())
}
