//! What publishers may send, and what keeps one that sends too little: over real sockets.

use std::time::Duration;

use origin::health::{BitrateRule, IngestRules, Limit, RuleAction};
use origin::ingest::{IngestLimits, Transport};
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use crate::client::message;
use crate::harness::{Client, KEY, Server, tls};

const CONNECTED: &str = "NetConnection.Connect.Success";
const START: &str = "NetStream.Publish.Start";
const REJECTED: &str = "NetStream.Publish.Rejected";
/// 640x360, from x264.
const SEQUENCE_HEADER: &[u8] = b"\x17\0\0\0\0\
    \x01\x42\xc0\x1e\xff\xe1\0\x19\x67\x42\xc0\x1e\xda\x02\x80\xbf\xe5\xc0\x44\0\0\x03\0\x04\0\0\x03\0\
    \xf0\x3c\x58\xba\x80\x01\0\x04\x68\xce\x0f\xc8";

fn cut<T>(value: T) -> Limit<T> {
    Limit {
        value,
        action: RuleAction::Cut,
    }
}

async fn send(client: &mut Client, kind: u8, ms: u32, body: &[u8]) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    client.mux.send(message(6, kind, 1, ms, body), &mut bytes);
    client.socket.write_all(&bytes).await
}

/// Reads what the server says to its end, writing all the while as an encoder does.
async fn codes(mut client: Client) -> Vec<String> {
    client.codes_to_the_end().await
}

#[tokio::test]
async fn a_picture_that_is_too_large_is_told_so_and_cut() {
    let rules = IngestRules {
        resolution: Some(cut((320, 180))),
        ..IngestRules::default()
    };
    let mut server = Server::start_under(IngestLimits::default(), rules, Transport::Plain).await;
    let mut client = Client::publish(&server, KEY).await;
    let _claim = server.claim().await;
    send(&mut client, 9, 0, SEQUENCE_HEADER).await.unwrap();
    assert_eq!(codes(client).await, [CONNECTED, START, REJECTED]);
    server.ended("rule_resolution", 1).await;
}

#[tokio::test]
async fn a_bitrate_that_is_too_high_is_cut_when_its_average_is() {
    let rules = IngestRules {
        bitrate: Some(BitrateRule {
            max_kbps: cut(1_000.0),
            over: Duration::from_secs(2),
        }),
        ..IngestRules::default()
    };
    let mut server = Server::start_under(IngestLimits::default(), rules, Transport::Plain).await;
    let mut client = Client::publish(&server, KEY).await;
    let mut claim = server.claim().await;
    let reading = tokio::spawn(async move { while claim.tags.recv().await.is_some() {} });
    // Four seconds of media at 2 Mbit/s.
    let frame = [&b"\x17\x01\0\0\0"[..], &[0; 10_000]].concat();
    for index in 0..100 {
        send(&mut client, 9, index * 40, &frame).await.unwrap();
    }
    assert_eq!(codes(client).await, [CONNECTED, START, REJECTED]);
    server.ended("rule_bitrate", 1).await;
    reading.await.unwrap();
}

#[tokio::test]
async fn a_rule_that_warns_counts_and_cuts_nobody() {
    let rules = IngestRules {
        resolution: Some(Limit {
            value: (320, 180),
            action: RuleAction::Warn,
        }),
        ..IngestRules::default()
    };
    let mut server = Server::start_under(IngestLimits::default(), rules, Transport::Plain).await;
    let mut client = Client::publish(&server, KEY).await;
    let mut claim = server.claim().await;
    send(&mut client, 9, 0, SEQUENCE_HEADER).await.unwrap();
    assert!(claim.tags.recv().await.is_some());
    let labels = [("rule", "rule_resolution"), ("action", "warn")];
    server
        .counted("origin_ingest_rules_broken_total", &labels)
        .await;
    send(&mut client, 9, 40, b"\x17\x01\0\0\0x").await.unwrap();
    assert!(claim.tags.recv().await.is_some(), "it goes on");
}

fn impatient_for_pictures() -> IngestLimits {
    IngestLimits {
        picture_timeout: Duration::from_millis(1_500),
        ..IngestLimits::default()
    }
}

/// Sends tags of this kind every 50 ms until the server closes; gives what it said.
async fn goes_on_sending(transport: Transport, kind: u8, body: &'static [u8]) {
    let mut server = Server::start_with(impatient_for_pictures(), transport).await;
    let client = Client::publish(&server, KEY).await;
    let mut claim = server.claim().await;
    let reading = tokio::spawn(async move { while claim.tags.recv().await.is_some() {} });
    let (mut from, mut to) = client.socket.into_split();
    let mut mux = client.mux;
    let sending = tokio::spawn(async move {
        for index in 0.. {
            let mut bytes = Vec::new();
            mux.send(message(6, kind, 1, index * 50, body), &mut bytes);
            if to.write_all(&bytes).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    });
    let mut said = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut from, &mut said)
        .await
        .unwrap();
    sending.abort();
    let words = b"no picture came for ";
    assert!(said.windows(words.len()).any(|window| window == words));
    server.ended("no_picture", 1).await;
    reading.await.unwrap();
}

#[tokio::test]
async fn whoever_trickles_bytes_but_no_picture_is_cut_off() {
    // Data messages: bytes that keep the connection from being silent.
    goes_on_sending(Transport::Plain, 18, b"\x02\0\x01x").await;
}

#[tokio::test]
async fn whoever_sends_only_sound_is_cut_off() {
    goes_on_sending(Transport::Plain, 8, b"\xaf\x01sound").await;
}

/// Answers to pings that nobody reads fill the socket; what waits for it to drain is bounded.
#[tokio::test]
async fn whoever_stops_reading_is_cut_off() {
    let limits = IngestLimits {
        write_timeout: Duration::from_millis(300),
        ..IngestLimits::default()
    };
    let mut server = Server::start_with(limits, Transport::Plain).await;
    let mut client = Client::publish(&server, KEY).await;
    let _claim = server.claim().await;
    let mut bytes = Vec::new();
    for _ in 0..20_000 {
        client
            .mux
            .send(message(2, 4, 0, 0, &[0, 6, 0, 0, 0, 1]), &mut bytes);
    }
    let flood = async { while client.socket.write_all(&bytes).await.is_ok() {} };
    tokio::select! {
        () = flood => {}
        () = server.ended("write_timeout", 1) => {}
    }
    server.ended("write_timeout", 1).await;
}

/// The kernel's round trip is that of the socket below TLS.
#[tokio::test]
async fn the_round_trip_is_measured_inside_tls_too() {
    for (transport, scheme) in [
        (Transport::Plain, "rtmp"),
        (Transport::Tls(tls().1), "rtmps"),
    ] {
        let mut server = Server::start_with(IngestLimits::default(), transport).await;
        let url = format!("{scheme}://{}/live/{KEY}", server.address);
        let mut ffmpeg = tokio::process::Command::new("ffmpeg")
            .args(
                "-loglevel error -nostdin -re -f lavfi -i testsrc2=size=320x180:rate=30".split(' '),
            )
            .args("-c:v libx264 -preset ultrafast -t 30 -f flv".split(' '))
            .arg(url)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut claim = server.claim().await;
        let reading = tokio::spawn(async move { while claim.tags.recv().await.is_some() {} });
        server.judged("origin_stream_round_trip_seconds").await;
        ffmpeg.kill().await.unwrap();
        reading.await.unwrap();
    }
}

/// The words are what an encoder shows to whoever broadcasts.
#[tokio::test]
async fn ffmpeg_shows_why_it_was_cut() {
    let rules = IngestRules {
        resolution: Some(cut((160, 90))),
        ..IngestRules::default()
    };
    let mut server = Server::start_under(IngestLimits::default(), rules, Transport::Plain).await;
    let url = format!("rtmp://{}/live/{KEY}", server.address);
    let publishing = tokio::process::Command::new("ffmpeg")
        .args("-loglevel verbose -nostdin -re -f lavfi -i testsrc2=size=320x180:rate=30".split(' '))
        .args("-c:v libx264 -preset ultrafast -t 30 -f flv".split(' '))
        .arg(url)
        .kill_on_drop(true)
        .output();
    let publishing = tokio::spawn(publishing);
    let mut claim = server.claim().await;
    while claim.tags.recv().await.is_some() {}
    let output = publishing.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    let words = "Server error: the picture is 320x180; at most 160x90 is taken";
    assert!(said.contains(words), "{said}");
    server.ended("rule_resolution", 1).await;
}
