//! kill -9 of ffmpeg: the stream goes on within three seconds, marked by a discontinuity.

use std::time::Duration;

use hls::media::MediaPlaylist;
use tokio::time::Instant;

use crate::harness::{KEY, Origin, Publisher, child_with, eventually, kill};

/// The promise.
const BACK_WITHIN: Duration = Duration::from_secs(3);

fn discontinuities(playlist: &MediaPlaylist) -> usize {
    let closed = playlist.segments.iter().map(|segment| &segment.head);
    closed
        .chain([&playlist.open])
        .filter(|head| head.discontinuity)
        .count()
}

/// Kills the child that makes `scale` and measures until there is a part after the discontinuity.
///
/// The worst moment is taken: a passed through source has just had its keyframe, and the next one
/// is two seconds away.
async fn kill_and_come_back(scale: &str, ladder: &[(&str, u32, u32)], renditions: &[&str]) {
    let origin = Origin::start(ladder, "").await;
    let _publisher = Publisher::start(&origin.publish_url(KEY), 60);
    let open = origin.segments(renditions[0], 2).await.open_msn();
    let keyframe = format!("?_HLS_msn={}&_HLS_part=0", open.next());
    origin.playlist(renditions[0], &keyframe).await;
    let pid = child_with(scale, std::process::id()).expect("a transcoder");
    kill("-KILL", pid);
    let killed = Instant::now();
    let mut found = Vec::new();
    for rendition in renditions {
        found.push(
            eventually("a discontinuity", async || {
                let playlist = origin.playlist(rendition, "").await;
                (discontinuities(&playlist) == 1).then_some(playlist)
            })
            .await,
        );
    }
    let outage = killed.elapsed();
    assert!(outage < BACK_WITHIN, "back after {outage:?}");
    let at = |playlist: &MediaPlaylist| {
        let closed = playlist
            .segments
            .iter()
            .position(|segment| segment.head.discontinuity);
        let index = closed.unwrap_or(playlist.segments.len());
        playlist.media_sequence.plus(index as u64)
    };
    for (playlist, rendition) in found.iter().zip(renditions) {
        assert_eq!(
            at(playlist),
            at(&found[0]),
            "{rendition} is discontinuous elsewhere"
        );
    }
    let restarts = origin
        .metric("origin_transcode_restarts_total{stream=\"demo\"}")
        .await;
    assert_eq!(restarts, Some(1.0));
    // It goes on: a whole segment after the discontinuity, and another child.
    let resumed = at(&found[0]);
    origin
        .playlist(renditions[0], &format!("?_HLS_msn={resumed}"))
        .await;
    assert!(child_with(scale, std::process::id()).is_some_and(|other| other != pid));
}

#[tokio::test]
async fn beside_a_passed_through_source() {
    let ladder = [("360p", 360, 700), ("232p", 232, 300)];
    kill_and_come_back("scale=412:232", &ladder, &["360p", "232p", "audio"]).await;
}

#[tokio::test]
async fn when_everything_is_encoded() {
    let ladder = [("248p", 248, 400), ("184p", 184, 200)];
    kill_and_come_back("scale=440:248", &ladder, &["248p", "184p", "audio"]).await;
}

#[tokio::test]
async fn a_child_that_hangs_is_replaced() {
    let more = "[transcode]\npreset = \"ultrafast\"\nlag_max_ms = 1000\n";
    let origin = Origin::start(&[("256p", 256, 400)], more).await;
    let _publisher = Publisher::start(&origin.publish_url(KEY), 30);
    origin.segments("256p", 1).await;
    let pid = child_with("scale=456:256", std::process::id()).expect("a transcoder");
    kill("-STOP", pid);
    eventually("a discontinuity", async || {
        let playlist = origin.playlist("256p", "").await;
        (discontinuities(&playlist) > 0).then_some(())
    })
    .await;
    let gone = child_with("scale=456:256", std::process::id());
    assert!(
        gone.is_some_and(|other| other != pid),
        "the old one is still there"
    );
}
