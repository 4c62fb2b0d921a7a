//! A source that fits a rung is not touched: its frames come out byte for byte.

use std::process::Command;

use rtmp::flv::{Reader, TagKind, VideoBody};

use crate::harness::{KEY, Origin, Publisher, child_with};

#[tokio::test]
async fn frames_come_out_as_they_went_in() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("source.flv");
    let encoded = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=640x360:rate=25",
        ])
        .args([
            "-t",
            "12",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-g",
            "25",
            "-bf",
            "2",
        ])
        .args(["-sc_threshold", "0", "-f", "flv"])
        .arg(&file)
        .status();
    assert!(encoded.unwrap().success());
    let frames = frames(&std::fs::read(&file).unwrap());

    let origin = Origin::start(&[("360p", 360, 700)], "").await;
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-re", "-i"]).arg(&file);
    command.args(["-c", "copy", "-f", "flv", &origin.publish_url(KEY)]);
    let _publisher = Publisher::spawn(command);
    let playlist = origin.segments("360p", 3).await;

    let mut packaged = Vec::new();
    for segment in &playlist.segments {
        let media = origin
            .get(&format!("/live/demo/360p/{}", segment.uri))
            .await;
        packaged.extend(media_data(&media.body));
    }
    assert!(packaged.len() > 10_000);
    assert!(
        frames.starts_with(&packaged),
        "the frames were changed, lost or reordered"
    );
    let other = child_with("scale=640:360", std::process::id());
    assert_eq!(other, None, "an encoder runs for nothing");
}

/// All video frames of an FLV file, one after the other.
fn frames(file: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new();
    let mut frames = Vec::new();
    for piece in file.chunks(4096) {
        reader.push(piece);
        while let Some(tag) = reader.poll_tag().unwrap() {
            if tag.kind == TagKind::Video
                && let VideoBody::Frame { data, .. } = VideoBody::parse(tag.body).unwrap()
            {
                frames.extend_from_slice(&data);
            }
        }
    }
    frames
}

/// The contents of all `mdat` boxes.
fn media_data(mut segment: &[u8]) -> Vec<u8> {
    let mut media = Vec::new();
    while let Some((size, rest)) = segment.split_first_chunk::<4>() {
        let size = u32::from_be_bytes(*size) as usize;
        if rest.starts_with(b"mdat") {
            media.extend_from_slice(&segment[8..size]);
        }
        segment = &segment[size..];
    }
    media
}
