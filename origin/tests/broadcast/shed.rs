//! An ffmpeg that is too slow for the whole ladder: it loses its first rung, and gets it back.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use hls::media::MediaPlaylist;

use crate::harness::{KEY, Origin, Publisher, eventually};

/// Reads its input at half speed, as long as there are two outputs and the file `slow` is there.
const SLOW_FFMPEG: &str = "#!/bin/sh
case \"$*\" in
*pipe:4*) test -e \"${0%/*}/slow\" && exec ffmpeg -readrate 0.5 \"$@\" ;;
esac
exec ffmpeg \"$@\"
";

fn write_ffmpeg(directory: &Path) -> String {
    let program = directory.join("ffmpeg");
    std::fs::write(&program, SLOW_FFMPEG).unwrap();
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, executable).unwrap();
    program.display().to_string()
}

/// Its segments and parts in order: a dot for media, `x` for a gap, `|` where it is discontinuous.
fn picture(playlist: &MediaPlaylist) -> String {
    let mut picture = String::new();
    for segment in &playlist.segments {
        picture.push_str(if segment.head.discontinuity { "|" } else { "" });
        picture.push_str(if segment.gap { "x" } else { "." });
    }
    picture
}

/// With this GOP, in frames, the publisher's source passes through or does not.
const PASSES: u32 = 60;
const DOES_NOT_PASS: u32 = 120;

async fn sheds_and_restores(
    gop_frames: u32,
    ladder: &[(&str, u32, u32)],
    shed: &str,
    kept: &[&str],
) {
    let directory = tempfile::tempdir().unwrap();
    let ffmpeg = write_ffmpeg(directory.path());
    let slow = directory.path().join("slow");
    std::fs::write(&slow, "").unwrap();
    let more = format!(
        "[transcode]\nffmpeg = \"{ffmpeg}\"\npreset = \"ultrafast\"\nshed_lag_ms = 700\n\
         shed_settle_seconds = 3\n[packaging]\nwindow_seconds = 120\n"
    );
    let origin = Origin::start(ladder, &more).await;
    let _publisher = Publisher::start(&origin.publish_url(KEY), gop_frames);
    let rungs_shed = async |count: f64| {
        let line = "origin_transcode_rungs_shed{stream=\"demo\"}";
        eventually("another ladder", async || {
            (origin.metric(line).await == Some(count)).then_some(())
        })
        .await;
    };
    rungs_shed(1.0).await;
    let gap = |playlist: &MediaPlaylist| playlist.segments.iter().any(|segment| segment.gap);
    let shed_playlist = eventually("a gap", async || {
        let playlist = origin.playlist(shed, "").await;
        gap(&playlist).then_some(playlist)
    })
    .await;
    // It does not stand still: its siblings are where it is.
    for rendition in kept {
        let msn = shed_playlist.open_msn();
        origin
            .playlist(rendition, &format!("?_HLS_msn={msn}&_HLS_part=0"))
            .await;
    }
    std::fs::remove_file(&slow).unwrap();
    rungs_shed(0.0).await;
    let back = |playlist: &MediaPlaylist| {
        let seen = picture(playlist);
        seen.rsplit('|')
            .next()
            .is_some_and(|last| last.len() > 2 && !last.contains('x'))
    };
    let restored = eventually("the rung", async || {
        let playlist = origin.playlist(shed, "").await;
        back(&playlist).then_some(playlist)
    })
    .await;
    let seen = picture(&restored);
    assert!(seen.contains('x'), "{seen}");
    for rendition in kept {
        let sibling = origin.playlist(rendition, "").await;
        let own = picture(&sibling);
        assert!(!own.contains('x'), "{rendition} never stopped: {own}");
        let breaks = |text: &str| text.replace('x', ".");
        let length = own.len().min(seen.len());
        assert_eq!(breaks(&own)[..length], breaks(&seen)[..length], "in step");
    }
    let line = "origin_transcode_ladder_changes_total{change=\"restored\",stream=\"demo\"}";
    assert_eq!(origin.metric(line).await, Some(1.0));
    let speed =
        |rung| format!("origin_transcode_rung_speed{{rendition=\"{rung}\",stream=\"demo\"}}");
    eventually("a speed", async || {
        let speed = origin.metric(&speed(shed)).await?;
        (speed > 0.5).then_some(())
    })
    .await;
}

#[tokio::test]
async fn where_everything_is_encoded_the_last_rung_leads() {
    let ladder = [("248p", 248, 400), ("184p", 184, 200)];
    sheds_and_restores(DOES_NOT_PASS, &ladder, "248p", &["184p", "audio"]).await;
}

#[tokio::test]
async fn beside_the_source() {
    let ladder = [("360p", 360, 700), ("248p", 248, 400), ("184p", 184, 200)];
    sheds_and_restores(PASSES, &ladder, "248p", &["360p", "audio"]).await;
}
