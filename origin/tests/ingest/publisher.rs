//! What a publisher meets: refusals, back-pressure, the end from either side.

use std::time::Duration;

use origin::ingest::IngestLimits;
use origin::publish::{EndReason, PublishedBody};
use rtmp::flv::VideoBody;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::client::message;
use crate::harness::{Client, KEY, PATIENCE, Server, impatient};

const START: &str = "NetStream.Publish.Start";
const CONNECTED: &str = "NetConnection.Connect.Success";

#[tokio::test]
async fn wrong_key_is_refused_before_media() {
    let mut server = Server::start(IngestLimits::default()).await;
    let mut client = Client::publish(&server, "guess").await;
    let mut bytes = Vec::new();
    client
        .mux
        .send(message(6, 9, 1, 0, &[0x17; 100_000]), &mut bytes);
    client.socket.write_all(&bytes).await.unwrap();
    client.socket.shutdown().await.unwrap();
    let codes = client.codes_to_the_end().await;
    assert_eq!(codes, [CONNECTED, "NetStream.Publish.BadName"]);
    server.ended("wrong_key", 1).await;
    assert!(server.nothing_claimed());
}

#[tokio::test]
async fn a_second_publisher_is_refused_and_the_first_goes_on() {
    let mut server = Server::start(IngestLimits::default()).await;
    let mut first = Client::publish(&server, KEY).await;
    let mut claim = server.claim().await;
    let mut second = Client::publish(&server, KEY).await;
    second.socket.shutdown().await.unwrap();
    let codes = second.codes_to_the_end().await;
    assert_eq!(codes, [CONNECTED, "NetStream.Publish.BadName"]);
    server.ended("stream_in_use", 1).await;
    let mut bytes = Vec::new();
    first
        .mux
        .send(message(6, 9, 1, 77, b"\x17\0\0\0\0avcc"), &mut bytes);
    first.socket.write_all(&bytes).await.unwrap();
    let tag = timeout(PATIENCE, claim.tags.recv()).await.unwrap().unwrap();
    assert_eq!(tag.timestamp_ms, 77);
    assert!(matches!(
        tag.body,
        PublishedBody::Video(VideoBody::SequenceHeader { .. })
    ));
    drop(first);
    server.ended("peer_closed", 1).await;
    assert!(
        claim.tags.recv().await.is_none(),
        "the stream ends with its publisher"
    );
    // Free again at once.
    let _third = Client::publish(&server, KEY).await;
    server.claim().await;
}

#[tokio::test]
async fn a_busy_packager_slows_the_publisher_and_loses_nothing() {
    const TAGS: usize = 3000;
    let mut server = Server::start(IngestLimits::default()).await;
    let mut client = Client::publish(&server, KEY).await;
    let mut claim = server.claim().await;
    let mut bytes = Vec::new();
    client.mux.set_chunk_bytes(65_536, &mut bytes);
    let frame = [&b"\x27\x01\0\0\0"[..], &[0; 16_000]].concat();
    for index in 0..TAGS {
        client
            .mux
            .send(message(6, 9, 1, index as u32, &frame), &mut bytes);
    }
    let mut writing = tokio::spawn(async move {
        client.socket.write_all(&bytes).await.unwrap();
        client
    });
    let blocked = timeout(Duration::from_millis(500), &mut writing).await;
    assert!(
        blocked.is_err(),
        "48 MB fit neither the queue nor the socket's buffers"
    );
    for index in 0..TAGS {
        let tag = timeout(PATIENCE, claim.tags.recv()).await.unwrap().unwrap();
        assert_eq!(tag.timestamp_ms, index as i64);
    }
    writing.await.unwrap();
}

#[tokio::test]
async fn a_stalled_packager_ends_the_connection() {
    let limits = IngestLimits {
        stall_timeout: Duration::from_millis(200),
        ..IngestLimits::default()
    };
    let mut server = Server::start(limits).await;
    let mut client = Client::publish(&server, KEY).await;
    let _claim = server.claim().await;
    let mut bytes = Vec::new();
    for index in 0..2000 {
        client
            .mux
            .send(message(6, 9, 1, index, b"\x27\x01\0\0\0x"), &mut bytes);
    }
    client.socket.write_all(&bytes).await.unwrap();
    server.ended("stalled", 1).await;
}

#[tokio::test]
async fn the_stream_tells_the_publisher_why_it_ends() {
    let mut server = Server::start(IngestLimits::default()).await;
    let mut client = Client::publish(&server, KEY).await;
    let claim = server.claim().await;
    claim.end(EndReason::Refused("HEVC is not supported".to_owned()));
    client.socket.shutdown().await.unwrap();
    let codes = client.codes_to_the_end().await;
    assert_eq!(codes, [CONNECTED, START, "NetStream.Publish.Rejected"]);
    server.ended("ended", 1).await;
}

#[tokio::test]
async fn a_shutdown_ends_everybody() {
    let mut server = Server::start(IngestLimits::default()).await;
    let mut publisher = Client::publish(&server, KEY).await;
    let mut idler = Client::connect(&server).await;
    idler.socket.write_all(&[3]).await.unwrap();
    let _claim = server.claim().await;
    server.shutdown.cancel();
    publisher.socket.shutdown().await.unwrap();
    let codes = publisher.codes_to_the_end().await;
    assert_eq!(codes, [CONNECTED, START, "NetStream.Publish.Failed"]);
    drop(idler);
    timeout(PATIENCE, &mut server.serving)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(server.closed("draining"), 2);
}

#[tokio::test]
async fn a_silent_publisher_is_cut_off() {
    let mut server = Server::start(impatient()).await;
    let _client = Client::publish(&server, KEY).await;
    let mut claim = server.claim().await;
    server.ended("idle_timeout", 1).await;
    assert!(claim.tags.recv().await.is_none());
}
