//! The encoder that everybody has: what it sends is what arrives, frame by frame.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use origin::ingest::{IngestLimits, Transport};
use origin::publish::{PublishedBody, PublishedTag};
use rtmp::flv::{AudioBody, Reader, TagKind, VideoBody};
use tokio::process::Command;
use tokio::time::timeout;

use crate::harness::{KEY, PATIENCE, Server, tls};

const FRAMES: usize = 90;

async fn ffmpeg(arguments: &[&str]) -> Output {
    let child = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin"])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    timeout(PATIENCE * 3, child)
        .await
        .expect("ffmpeg ends in time")
        .unwrap()
}

/// Three seconds with B-frames and AAC, as an FLV file.
async fn broadcast(directory: &Path) -> PathBuf {
    let file = directory.join("broadcast.flv");
    let frames = FRAMES.to_string();
    let output = ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=320x180:rate=30",
        "-f",
        "lavfi",
        "-i",
        "sine=sample_rate=48000",
        "-frames:v",
        &frames,
        "-t",
        "3",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-bf",
        "2",
        "-g",
        "30",
        "-pix_fmt",
        "yuv420p",
        "-c:a",
        "aac",
        "-f",
        "flv",
        file.to_str().unwrap(),
    ])
    .await;
    assert!(output.status.success(), "{output:?}");
    file
}

fn tags_of(file: &Path) -> Vec<PublishedTag> {
    let mut reader = Reader::new();
    reader.push(&std::fs::read(file).unwrap());
    let mut tags = Vec::new();
    while let Some(tag) = reader.poll_tag().unwrap() {
        let body = match tag.kind {
            TagKind::Audio => PublishedBody::Audio(AudioBody::parse(tag.body).unwrap()),
            TagKind::Video => PublishedBody::Video(VideoBody::parse(tag.body).unwrap()),
            TagKind::Script => continue,
        };
        tags.push(PublishedTag {
            timestamp_ms: tag.timestamp_ms,
            arrival: tokio::time::Instant::now(),
            body,
        });
    }
    tags
}

/// A comparable form; audio and video apart, as their order between each other is the muxer's.
fn track(tags: &[PublishedTag], video: bool) -> Vec<String> {
    tags.iter()
        .filter(|tag| matches!(tag.body, PublishedBody::Video(_)) == video)
        .map(|tag| format!("{} {:?}", tag.timestamp_ms, tag.body))
        .collect()
}

async fn every_frame_arrives(scheme: &str, transport: Transport) {
    let directory = tempfile::tempdir().unwrap();
    let file = broadcast(directory.path()).await;
    let expected = tags_of(&file);
    let mut server = Server::start_with(IngestLimits::default(), transport).await;
    let url = format!("{scheme}://{}/live/{KEY}", server.address);
    let publishing = tokio::spawn(async move {
        ffmpeg(&[
            "-i",
            file.to_str().unwrap(),
            "-c",
            "copy",
            "-f",
            "flv",
            &url,
        ])
        .await
    });
    let mut claim = server.claim().await;
    let mut got = Vec::new();
    while let Some(tag) = timeout(PATIENCE, claim.tags.recv()).await.unwrap() {
        got.push(tag);
    }
    let output = publishing.await.unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    for video in [true, false] {
        assert_eq!(track(&got, video), track(&expected, video));
    }
    let frames =
        |tag: &&PublishedTag| matches!(tag.body, PublishedBody::Video(VideoBody::Frame { .. }));
    assert_eq!(got.iter().filter(frames).count(), FRAMES);
    server.ended("unpublished", 1).await;
}

#[tokio::test]
async fn every_frame_arrives_over_rtmp() {
    every_frame_arrives("rtmp", Transport::Plain).await;
}

#[tokio::test]
async fn every_frame_arrives_over_rtmps() {
    let (_directory, config) = tls();
    every_frame_arrives("rtmps", Transport::Tls(config)).await;
}

#[tokio::test]
async fn a_wrong_key_fails_the_encoder() {
    let mut server = Server::start(IngestLimits::default()).await;
    let url = format!("rtmp://{}/live/guess", server.address);
    let output = ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=320x180:rate=30",
        "-t",
        "1",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-f",
        "flv",
        &url,
    ])
    .await;
    assert!(!output.status.success(), "{output:?}");
    server.ended("wrong_key", 1).await;
    assert!(server.nothing_claimed());
}
