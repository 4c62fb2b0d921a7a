//! Things that are killed with SIGKILL, and how soon the viewer is well again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hls::Msn;
use hls::media::MediaPlaylist;
use loadtest::client::{Client, Protocol};
use loadtest::cpu;
use loadtest::process::{self, Signal};
use tests::edge::Edge;
use tests::node::Settings;
use tests::origin::{self, Origin, PUBLISH_KEY};
use tests::parent::{Parent, Reply, pattern};
use tests::playlist;
use tests::publisher::Publisher;
use tests::wait;

/// The stream is back within this after its ffmpeg was killed.
const BACK_WITHIN: Duration = Duration::from_secs(3);

/// A leaf whose shield is gone says so within this.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_leaf_tells_quickly_that_its_shield_is_gone_and_recovers() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    let mut shield = Edge::start("shield", &[parent.url()]).await?;
    let leaf = Edge::start_below("leaf", &shield, &Settings::default()).await?;
    let clients = leaf.clients_of_all(1).await?;
    let body = pattern(100_000);
    for msn in 0..20 {
        let segment = format!("/live/demo/720p/{msn}.m4s");
        parent.on(&segment, Reply::ok(body.clone()));
    }
    let kept = "/live/demo/720p/0.m4s";
    for client in &clients {
        assert_eq!(client.fetch(kept, &[]).await?.status, 200);
    }

    shield.kill()?;
    for (client, msn) in clients.iter().zip(1..) {
        let began = Instant::now();
        let fetched = client
            .fetch(&format!("/live/demo/720p/{msn}.m4s"), &[])
            .await?;
        let (took, status) = (began.elapsed(), fetched.status.as_u16());
        assert!(took < TOLD_WITHIN, "{took:?} over {}", client.protocol());
        assert!(matches!(status, 502 | 503), "{status}");
        assert!(fetched.is_whole());
        // What it has, it still serves.
        assert_eq!(client.fetch(kept, &[]).await?.status, 200);
    }

    shield.start_again().await?;
    for (client, msn) in clients.iter().zip(10..) {
        let segment = format!("/live/demo/720p/{msn}.m4s");
        wait::until(
            "the leaf has recovered",
            Duration::from_secs(5),
            async || {
                let fetched = client.fetch(&segment, &[]).await?;
                Ok((fetched.status == 200 && fetched.body == body).then_some(()))
            },
        )
        .await?;
    }
    Ok(())
}

/// A ladder of one rung that is passed through and one that must be encoded.
async fn transcoding_origin() -> anyhow::Result<Origin> {
    let ladder = origin::ladder(&[("360p", 360, 700), ("240p", 240, 300)]);
    let settings =
        Settings::default()
            .set_root("ladder", ladder)
            .set("transcode", "preset", "ultrafast");
    Origin::start_with(&settings).await
}

#[tokio::test]
async fn a_killed_transcoder_is_back_within_three_seconds() -> anyhow::Result<()> {
    let origin = transcoding_origin().await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let client = origin.client(Protocol::H2).await?;
    let before = playlist::playing(&client, "240p").await?;
    let transcoder = transcoder(&origin)?;

    let killed = Instant::now();
    process::send(transcoder, Signal::Kill)?;
    let after = plays_on(&client, "240p", &before).await?;
    let took = killed.elapsed();
    assert!(took < BACK_WITHIN, "back after {took:?}");
    assert!(after.open_msn() >= before.open_msn());
    wait::until("the stream has more of the same", BACK_WITHIN, async || {
        let now = playlist::fetch(&client, "240p", "").await?;
        Ok((now.open_msn() > after.open_msn()).then_some(()))
    })
    .await
}

/// A broadcaster that is gone does not end the show: the next one goes on with it, behind a
/// discontinuity, in the same playlist.
#[tokio::test]
async fn a_killed_publisher_can_publish_again_at_once() -> anyhow::Result<()> {
    let origin = transcoding_origin().await?;
    let mut publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let client = origin.client(Protocol::H2).await?;
    let before = playlist::playing(&client, "360p").await?;

    publisher.process().kill()?;
    drop(publisher);
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    for rendition in ["360p", "240p", "audio"] {
        plays_on(&client, rendition, &before).await?;
    }
    Ok(())
}

/// Waits for a Part behind a discontinuity that was not there `before`.
async fn plays_on(
    client: &Client,
    rendition: &str,
    before: &MediaPlaylist,
) -> anyhow::Result<MediaPlaylist> {
    let what = format!("{rendition} plays on behind a DISCONTINUITY");
    wait::until(&what, Duration::from_secs(20), async || {
        let now = playlist::fetch(client, rendition, "").await?;
        // A viewer who has read ENDLIST does not come back.
        ensure!(!now.end_list, "the playlist has ended");
        Ok(plays_behind_a_mark(&now, before.open_msn()).then_some(now))
    })
    .await
}

/// Whether a Segment from `since` on carries EXT-X-DISCONTINUITY, and it or a later one has Parts.
fn plays_behind_a_mark(playlist: &MediaPlaylist, since: Msn) -> bool {
    let heads = playlist.segments.iter().map(|segment| &segment.head);
    let mut msn = playlist.media_sequence.plus(playlist.skipped_segments);
    let mut marked = false;
    for head in heads.chain([&playlist.open]) {
        marked |= head.discontinuity && msn >= since;
        if marked && !head.parts.is_empty() {
            return true;
        }
        msn = msn.next();
    }
    false
}

/// The ffmpeg that encodes the origin's rungs; another one makes pictures to seek by.
fn transcoder(origin: &Origin) -> anyhow::Result<u32> {
    cpu::children(origin.process()?.pid())
        .into_iter()
        .find(|pid| {
            let arguments = PathBuf::from(format!("/proc/{pid}/cmdline"));
            std::fs::read_to_string(arguments).is_ok_and(|it| it.contains("libx264"))
        })
        .context("the origin runs no ffmpeg that encodes")
}
