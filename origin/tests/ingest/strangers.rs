//! What comes to an open port: each ends with its reason, and then there is quiet.

use std::net::Shutdown;
use std::time::Duration;

use origin::ingest::{IngestLimits, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use crate::client::{connect, handshake, message};
use crate::harness::{Client, PATIENCE, Server, impatient, tls};

/// Half a second in which a test's own runtime has next to nothing to do. A task that spins would
/// fill it all; half of it is left for a machine that is busy with other tests.
async fn quiet() {
    let busy = || Handle::current().metrics().worker_total_busy_duration(0);
    let before = busy();
    sleep(Duration::from_millis(500)).await;
    let spent = busy() - before;
    assert!(
        spent < Duration::from_millis(20),
        "{spent:?} busy while idle"
    );
}

async fn send(server: &Server, bytes: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    socket
}

#[tokio::test]
async fn garbage() {
    let server = Server::start(IngestLimits::default()).await;
    let mut socket = send(&server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.ended("not_rtmp", 1).await;
    // An end or a reset: closed either way.
    let read = timeout(PATIENCE, socket.read(&mut [0; 16])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
    let mut bytes = handshake();
    bytes.extend_from_slice(&[0xFF; 4096]);
    let _socket = send(&server, &bytes).await;
    server.ended("bad_chunk", 1).await;
    quiet().await;
}

#[tokio::test]
async fn half_open_and_slow_handshakes() {
    let server = Server::start(impatient()).await;
    let _silent = send(&server, b"").await;
    let _half = send(&server, &handshake()[..700]).await;
    server.ended("handshake_timeout", 2).await;
    // A byte at a time does not buy time. The pauses are the stranger's, not a wait of the test.
    let mut slow = send(&server, &[3]).await;
    let dripping = async {
        while slow.write_all(&[0]).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = dripping => {}
        () = server.ended("handshake_timeout", 3) => {}
    }
    server.ended("handshake_timeout", 3).await;
    quiet().await;
}

#[tokio::test]
async fn connected_but_never_publishing() {
    let server = Server::start(impatient()).await;
    let mut client = Client::connect(&server).await;
    let mut bytes = handshake();
    connect(&mut client.mux, "live", &mut bytes);
    client.socket.write_all(&bytes).await.unwrap();
    server.ended("publish_timeout", 1).await;
}

#[tokio::test]
async fn two_hundred_that_close_at_once() {
    let server = Server::start(impatient()).await;
    for _ in 0..200 {
        drop(TcpStream::connect(server.address).await.unwrap());
    }
    server.ended("peer_closed", 200).await;
    quiet().await;
}

#[tokio::test]
async fn closes_in_the_midst_of_everything() {
    let server = Server::start(impatient()).await;
    let bytes = crate::client::publish(&mut Client::connect(&server).await.mux, "live", "guess");
    for length in (1..bytes.len() - 1).step_by(61) {
        let socket = send(&server, &bytes[..length]).await;
        let socket = socket.into_std().unwrap();
        // The peer may have gone already where the bytes were refused.
        let _ = socket.shutdown(Shutdown::Both);
    }
    let count = (1..bytes.len() - 1).step_by(61).count() as u64;
    // One more: the client that wrote the bytes above.
    server.ended("peer_closed", count + 1).await;
    quiet().await;
}

#[tokio::test]
async fn chunk_size_of_2_gib_and_huge_messages() {
    let server = Server::start(IngestLimits::default()).await;
    for (payload, reason) in [
        (&0x7FFF_FFFF_u32.to_be_bytes()[..], "bad_chunk_size"),
        (&[0; 200_000][..], "message_too_long"),
    ] {
        let mut client = Client::connect(&server).await;
        let mut bytes = handshake();
        connect(&mut client.mux, "live", &mut bytes);
        client.mux.send(message(2, 1, 0, 0, payload), &mut bytes);
        // The server may close before it has read all.
        let _ = client.socket.write_all(&bytes).await;
        server.ended(reason, 1).await;
    }
    quiet().await;
}

#[tokio::test]
async fn plain_rtmp_on_the_tls_port() {
    let (_directory, config) = tls();
    let server = Server::start_with(impatient(), Transport::Tls(config)).await;
    let _plain = send(&server, &handshake()).await;
    server.ended("tls", 1).await;
    let _silent = send(&server, b"").await;
    server.ended("handshake_timeout", 1).await;
    quiet().await;
}

#[tokio::test]
async fn too_many() {
    let limits = IngestLimits {
        connections_max: 3,
        ..IngestLimits::default()
    };
    let server = Server::start(limits).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(TcpStream::connect(server.address).await.unwrap());
    }
    server.ended("too_many_connections", 1).await;
    held.clear();
    server.ended("peer_closed", 3).await;
    let limits = IngestLimits {
        connections_per_address_max: 2,
        ..IngestLimits::default()
    };
    let server = Server::start(limits).await;
    for _ in 0..3 {
        held.push(TcpStream::connect(server.address).await.unwrap());
    }
    server.ended("too_many_from_address", 1).await;
}
