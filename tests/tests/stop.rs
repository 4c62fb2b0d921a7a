//! A stream that staff stop is off everywhere, whatever edges have kept of it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use loadtest::client::Protocol;
use serde_json::json;
use tests::origin::{PUBLISH_KEY, STREAM};
use tests::playlist::{path, playing};
use tests::publisher::Publisher;
use tests::shop::{Shop, call};
use tests::wait;

/// Far below the minute for which an edge keeps segments.
const WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn what_staff_stop_is_not_played_from_caches() -> anyhow::Result<()> {
    let shop = Shop::open(1).await?;
    let leaf = shop.club.edge(0)?;
    let _publisher = Publisher::start(&shop.club.origin.publish_url(PUBLISH_KEY))?;
    let viewer = leaf.client(Protocol::H2).await?;
    let playlist = playing(&viewer, "360p").await?;
    let segment = playlist.segments.last().context("no segment")?;
    let segment = path("360p", &segment.uri);
    let kept = viewer.fetch(&segment, &[]).await?;
    assert_eq!(kept.status, 200);
    let stop = format!("/v1/admin/rooms/{STREAM}/stop");
    let begun = Instant::now();
    let (status, answer) = shop
        .manage("POST", &stop, &[], Some(&json!({ "reason": "enough" })))
        .await?;
    assert_eq!(status, 200, "{answer}");
    for path in [&segment, &path("360p", "index.m3u8")] {
        wait::until("the edge plays nothing more", WITHIN, async || {
            let fetched = viewer.fetch(path, &[]).await?;
            Ok((fetched.status == 404).then_some(()))
        })
        .await?;
    }
    println!("off after {:?}", begun.elapsed());
    // Not for a moment: for as long as it is off.
    let (status, problem) = call(leaf, None, ("GET", &segment), None).await?;
    assert_eq!(
        (status, problem["detail"].as_str()),
        (404, Some("this stream was stopped"))
    );
    // On again, it is played again.
    let start = format!("/v1/admin/rooms/{STREAM}/start");
    let (status, answer) = shop.manage("POST", &start, &[], None).await?;
    assert_eq!(status, 200, "{answer}");
    let _again = Publisher::start(&shop.club.origin.publish_url(PUBLISH_KEY))?;
    wait::until("it is played again", 3 * WITHIN, async || {
        let fetched = viewer.fetch(&path("360p", "index.m3u8"), &[]).await?;
        Ok((fetched.status == 200).then_some(()))
    })
    .await?;
    Ok(())
}
