//! The live relay: what parents hand on is not asked for, and nobody depends on it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hls::media::MediaPlaylist;
use loadtest::client::{Client, Protocol};
use loadtest::process::{self, Signal};
use serde_json::json;
use tests::edge::Edge;
use tests::node::Settings;
use tests::origin::{Origin, PUBLISH_KEY, STREAM};
use tests::playlist::{self, next_reload, path, playing};
use tests::publisher::Publisher;
use tests::shop::Shop;
use tests::wait;

/// A first object, a subscription at each tier, the first frames.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(10);

/// Parts that a player takes: some four seconds.
const PARTS: usize = 12;

/// Waits until `edge` is handed on a stream.
async fn followed(edge: &Edge) -> anyhow::Result<()> {
    wait::until("the stream is handed on", FOLLOWED_WITHIN, async || {
        let frames = [("frame", "playlist")];
        let told = edge.metric("edge_relay_frames_total", &frames).await? > 0.0;
        let now = edge.metric("edge_relay_subscriptions", &[]).await?;
        Ok((told && now == 1.0).then_some(()))
    })
    .await
}

/// Takes the next `parts` as a player does: asks for the playlist that lists the next Part, and for that Part
/// before it is there.
async fn follow(client: &Client, rendition: &str, parts: usize) -> anyhow::Result<Vec<String>> {
    let mut now: MediaPlaylist = playlist::fetch(client, rendition, "").await?;
    let mut taken = Vec::new();
    while taken.len() < parts {
        let hinted = playlist::hinted_part(rendition, &now)?;
        let reload = next_reload(&now);
        let (next, part) = tokio::join!(
            playlist::fetch(client, rendition, &reload),
            client.fetch(&hinted, &[])
        );
        let part = part?;
        ensure!(
            part.status == 200 && part.is_whole(),
            "{hinted}: {}",
            part.status
        );
        let next = next?;
        let stands = |list: &MediaPlaylist| (list.open_msn(), list.open.parts.len());
        ensure!(stands(&next) > stands(&now), "{:?}", stands(&next));
        now = next;
        taken.push(hinted);
    }
    Ok(taken)
}

#[tokio::test]
async fn a_player_of_a_followed_stream_costs_no_tier_a_request() -> anyhow::Result<()> {
    let origin = Origin::start().await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let shield = Edge::start("shield", &[origin.http_url()]).await?;
    let leaf = Edge::start_below("leaf", &shield, &Settings::default()).await?;
    let player = leaf.client(Protocol::H3).await?;
    playing(&player, "360p").await?;
    followed(&leaf).await?;
    followed(&shield).await?;
    assert_eq!(origin.metric("origin_relays", &[]).await?, 1.0);
    assert_eq!(shield.metric("edge_relay_children", &[]).await?, 1.0);

    let before = (
        leaf.upstream_requests().await?,
        shield.upstream_requests().await?,
    );
    let taken = follow(&player, "360p", PARTS).await?;
    let after = (
        leaf.upstream_requests().await?,
        shield.upstream_requests().await?,
    );
    assert_eq!(after, before, "requests of leaf and shield");
    let held = [("outcome", "held")];
    let held = leaf.metric("edge_relay_requests_total", &held).await?;
    assert!(held >= PARTS as f64, "{held} were held at the leaf");

    let direct = origin.client(Protocol::H1).await?;
    for part in &taken {
        let (here, there) = (
            player.fetch(part, &[]).await?,
            direct.fetch(part, &[]).await?,
        );
        assert_eq!(here.body, there.body, "{part}");
        for field in ["content-type", "cache-control", "priority"] {
            assert_eq!(here.header(field), there.header(field), "{part}: {field}");
        }
    }
    // A Segment is its Parts.
    let now = playlist::fetch(&player, "360p", "").await?;
    let last = now.segments.last().context("no segment")?;
    let segment = path("360p", &last.uri);
    let here = player.fetch(&segment, &[]).await?;
    assert_eq!(here.body, direct.fetch(&segment, &[]).await?.body);
    assert_eq!(leaf.upstream_requests().await?, before.0);
    Ok(())
}

#[tokio::test]
async fn directives_are_decided_where_the_player_is() -> anyhow::Result<()> {
    let origin = Origin::start().await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let leaf = Edge::start("leaf", &[origin.http_url()]).await?;
    let player = leaf.client(Protocol::H2).await?;
    playing(&player, "360p").await?;
    followed(&leaf).await?;
    let asked = leaf.upstream_requests().await?;
    let now = playlist::fetch(&player, "360p", "").await?;
    let open = now.open_msn().value();
    for (query, status) in [
        (format!("_HLS_msn={}", open + 50), 400),
        (format!("_HLS_msn={open}&_HLS_part=900"), 400),
        (format!("_HLS_msn={}", open - 1), 200),
        (format!("_HLS_msn={}&_HLS_skip=YES", open - 1), 200),
        (format!("_HLS_msn={}", open + 1), 200),
    ] {
        let file = format!("index.m3u8?{query}");
        let fetched = player.fetch(&path("360p", &file), &[]).await?;
        assert_eq!(fetched.status, status, "{query}: {}", fetched.text());
        if status == 400 {
            let media_type = fetched.header("content-type");
            assert_eq!(media_type, Some("application/problem+json"), "{query}");
        } else {
            assert_eq!(
                fetched.header("cache-control"),
                Some("max-age=12"),
                "{query}"
            );
        }
    }
    assert_eq!(leaf.upstream_requests().await?, asked);
    Ok(())
}

#[tokio::test]
async fn a_shield_that_is_killed_is_not_missed() -> anyhow::Result<()> {
    let origin = Origin::start().await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let shield = Edge::start("shield", &[origin.http_url()]).await?;
    let parents = [shield.http_url(), origin.http_url()];
    let settings = Settings::default().set("parents", "h2c", false);
    let leaf = Edge::start_with("leaf", &parents, &settings).await?;
    let player = leaf.client(Protocol::H2).await?;
    playing(&player, "360p").await?;
    followed(&leaf).await?;
    follow(&player, "360p", 3).await?;
    process::send(shield.process()?.pid(), Signal::Kill)?;
    let killed = Instant::now();
    follow(&player, "360p", PARTS).await?;
    println!("{PARTS} Parts in {:?} after the kill", killed.elapsed());
    followed(&leaf).await?;
    let asked = leaf.upstream_requests().await?;
    follow(&player, "360p", 3).await?;
    assert_eq!(
        leaf.upstream_requests().await?,
        asked,
        "the origin hands it on"
    );
    Ok(())
}

#[tokio::test]
async fn a_parent_without_a_relay_is_asked_for_every_object() -> anyhow::Result<()> {
    let origin = Origin::start().await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let off = Settings::default().set("relay", "follow", false);
    let shield = Edge::start_with("shield", &[origin.http_url()], &off).await?;
    let leaf = Edge::start_below("leaf", &shield, &Settings::default()).await?;
    let player = leaf.client(Protocol::H2).await?;
    playing(&player, "360p").await?;
    let before = leaf.upstream_requests().await?;
    follow(&player, "360p", PARTS).await?;
    assert!(leaf.upstream_requests().await? >= before + 2.0 * PARTS as f64 - 2.0);
    let refused = [("reason", "refused")];
    assert!(leaf.metric("edge_relay_ends_total", &refused).await? >= 1.0);
    assert_eq!(leaf.metric("edge_relay_subscriptions", &[]).await?, 0.0);
    Ok(())
}

#[tokio::test]
async fn a_stream_that_nobody_watches_is_let_go_of() -> anyhow::Result<()> {
    let origin = Origin::start().await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let soon = Settings::default().set("relay", "idle_ms", 2_000);
    let leaf = Edge::start_with("leaf", &[origin.http_url()], &soon).await?;
    let player = leaf.client(Protocol::H2).await?;
    playing(&player, "360p").await?;
    followed(&leaf).await?;
    wait::until("nobody is told any more", FOLLOWED_WITHIN, async || {
        let relays = origin.metric("origin_relays", &[]).await?;
        let idle = [("reason", "idle")];
        let idle = leaf.metric("edge_relay_ends_total", &idle).await?;
        // It may have been let go of before, while the first segment was waited for.
        Ok((relays == 0.0 && idle >= 1.0).then_some(()))
    })
    .await?;
    playing(&player, "360p").await?;
    follow(&player, "360p", 3).await?;
    Ok(())
}

/// An edge without rooms hears nothing of stops, but it hears of the stream's end.
#[tokio::test]
async fn what_is_taken_away_is_forgotten_below() -> anyhow::Result<()> {
    let shop = Shop::open(1).await?;
    let origin = &shop.club.origin;
    let shield = Edge::start("plain-shield", &[origin.http_url()]).await?;
    let leaf = Edge::start_below("plain-leaf", &shield, &Settings::default()).await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let viewer = leaf.client(Protocol::H2).await?;
    let now = playing(&viewer, "360p").await?;
    followed(&leaf).await?;
    let segment = now.segments.last().context("no segment")?;
    let segment = path("360p", &segment.uri);
    assert_eq!(viewer.fetch(&segment, &[]).await?.status, 200);
    let stop = format!("/v1/admin/rooms/{STREAM}/stop");
    let reason = json!({ "reason": "enough" });
    let (status, answer) = shop.manage("POST", &stop, &[], Some(&reason)).await?;
    assert_eq!(status, 200, "{answer}");
    let stopped = Instant::now();
    wait::until("the leaf plays nothing more", FOLLOWED_WITHIN, async || {
        let fetched = viewer.fetch(&segment, &[]).await?;
        Ok((fetched.status == 404).then_some(()))
    })
    .await?;
    println!("forgotten after {:?}", stopped.elapsed());
    Ok(())
}
