//! Every rendition plays, and all stand on one grid.

use std::process::Command;

use hls::media::{MediaPlaylist, Part};
use http::StatusCode;

use crate::harness::{Origin, Publisher};

const RENDITIONS: [&str; 3] = ["360p", "240p", "audio"];

#[tokio::test]
async fn every_rendition_plays_and_shares_the_grid() {
    let origin = Origin::start(&[("360p", 360, 700), ("240p", 240, 300)], "").await;
    let _publisher = Publisher::start(&origin.publish_url(crate::harness::KEY), 60);
    origin.segments("360p", 3).await;

    let mut playlists = Vec::new();
    for rendition in RENDITIONS {
        playlists.push(origin.segments(rendition, 3).await);
    }
    for playlist in &playlists {
        check_durations(playlist);
        check_same_grid(&playlists[0], playlist);
    }
    check_parts_are_their_segment(&origin, &playlists[1]).await;

    let master = origin.get("/live/demo/index.m3u8").await;
    assert_eq!(
        master.header("content-type"),
        "application/vnd.apple.mpegurl"
    );
    for needle in [
        "RESOLUTION=640x360",
        "RESOLUTION=426x240",
        "mp4a.40.2",
        "FRAME-RATE=30.000",
    ] {
        assert!(
            master.text().contains(needle),
            "{needle} not in {}",
            master.text()
        );
    }
    for rendition in RENDITIONS {
        let frames = decode(&origin.url(&format!("/live/demo/{rendition}/index.m3u8"))).await;
        assert!(frames > 40, "{rendition}: {frames} frames");
    }
    assert_eq!(
        origin
            .metric("origin_packaging_events_total{event=\"unlistable\",stream=\"demo\"}")
            .await,
        None
    );
}

#[tokio::test]
async fn b_frames_of_a_passed_through_source_do_not_move_the_grid() {
    let origin = Origin::start(&[("360p", 360, 700), ("136p", 136, 100)], "").await;
    let options = ["-bf", "2", "-c:a", "aac", "-ar", "44100"];
    let _publisher = Publisher::with(&origin.publish_url(crate::harness::KEY), 60, &options);
    let source = origin.segments("360p", 3).await;
    let encoded = origin.segments("136p", 3).await;
    let audio = origin.segments("audio", 3).await;
    for playlist in [&encoded, &audio] {
        check_durations(playlist);
        check_same_grid(&source, playlist);
    }
    for segment in source.segments.iter().chain(&encoded.segments) {
        let first = segment.head.parts.first().unwrap();
        assert!(
            first.independent,
            "{} does not start with a keyframe",
            segment.uri
        );
    }
    let init = origin
        .get(&format!(
            "/live/demo/360p/init-{}.mp4",
            source.media_sequence
        ))
        .await;
    let media = origin
        .get(&format!("/live/demo/360p/{}", source.segments[1].uri))
        .await;
    let composed = has_b_frames([init.body, media.body].concat()).await;
    assert!(composed, "there are no B-frames to test with");
}

/// Whether a picture is presented later than it is decoded.
async fn has_b_frames(media: Vec<u8>) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("segment.mp4");
    std::fs::write(&file, media).unwrap();
    let output = tokio::process::Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            "packet=pts,dts",
            "-of",
            "csv=p=0",
        ])
        .arg(&file)
        .output();
    let output = output.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().any(|line| {
        let mut fields = line.split(',');
        fields.next() != fields.next()
    })
}

/// RFC 8216bis 4.4.4.9, for all but the last part of a segment.
fn check_durations(playlist: &MediaPlaylist) {
    let target = playlist.part_target.unwrap();
    for segment in &playlist.segments {
        assert!(segment.duration.as_secs_f64().round() <= playlist.target_duration.as_secs_f64());
        let sum: std::time::Duration = segment.head.parts.iter().map(|part| part.duration).sum();
        assert_eq!(
            sum, segment.duration,
            "parts do not add up to {}",
            segment.uri
        );
        let (_, but_last) = segment.head.parts.split_last().unwrap();
        for Part { duration, uri, .. } in but_last {
            assert!(
                *duration <= target,
                "{uri} lasts {duration:?} of {target:?}"
            );
            assert!(
                *duration * 100 >= target * 85,
                "{uri} lasts {duration:?} of {target:?}"
            );
        }
    }
}

/// Same numbers, same count of parts, same dates to within an audio frame.
fn check_same_grid(one: &MediaPlaylist, other: &MediaPlaylist) {
    assert_eq!(one.part_target, other.part_target);
    let mut compared = 0;
    for (index, segment) in one.segments.iter().enumerate() {
        let msn = one.media_sequence.plus(index as u64);
        let Some(at) = msn.value().checked_sub(other.media_sequence.value()) else {
            continue;
        };
        let Some(same) = other.segments.get(at as usize) else {
            continue;
        };
        assert_eq!(
            segment.head.parts.len(),
            same.head.parts.len(),
            "parts of {msn}"
        );
        let date =
            |segment: &hls::media::Segment| segment.head.program_date_time.unwrap().unix_millis();
        let apart = (date(segment) - date(same)).abs();
        assert!(apart <= 25, "{msn} begins {apart} ms apart");
        compared += 1;
    }
    assert!(compared >= 2, "nothing to compare");
}

async fn check_parts_are_their_segment(origin: &Origin, playlist: &MediaPlaylist) {
    let segment = playlist.segments.last().unwrap();
    let whole = origin
        .get(&format!("/live/demo/240p/{}", segment.uri))
        .await;
    assert_eq!(whole.status, StatusCode::OK);
    assert_eq!(whole.header("cache-control"), "max-age=360, immutable");
    let mut joined = Vec::new();
    for part in &segment.head.parts {
        joined.extend(
            origin
                .get(&format!("/live/demo/240p/{}", part.uri))
                .await
                .body,
        );
    }
    assert_eq!(whole.body, joined);
    assert_eq!(whole.header("content-length"), joined.len().to_string());
}

/// Frames that ffprobe decodes in three seconds of a rendition.
async fn decode(url: &str) -> usize {
    let url = url.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-read_intervals",
                "%+3",
                "-show_entries",
                "frame=pts",
            ])
            .args(["-of", "csv=p=0", &url])
            .output()
    });
    let output = output.await.unwrap().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaints.is_empty(),
        "{complaints}"
    );
    String::from_utf8_lossy(&output.stdout).lines().count()
}
