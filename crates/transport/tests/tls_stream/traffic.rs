//! Data both ways, over sockets that give and take what they please.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use rustls::SupportedProtocolVersion;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio_rustls::TlsConnector;
use transport::tls::{TlsStream, accept};

use crate::flaky::Flaky;
use crate::wire::{VERSIONS, client_config, server_config};

type Server = TlsStream<Flaky<DuplexStream>>;

async fn connected(
    version: &'static SupportedProtocolVersion,
    seed: u64,
    bytes_max: usize,
) -> (tokio_rustls::client::TlsStream<Flaky<DuplexStream>>, Server) {
    // Room for the session tickets: the client reads them only after the handshake.
    let (near, far) = tokio::io::duplex(bytes_max + 2_000);
    let near = Flaky::new(near, seed, bytes_max);
    let far = Flaky::new(far, seed + 1, bytes_max);
    let connector = TlsConnector::from(Arc::new(client_config(version)));
    let connect = connector.connect("localhost".try_into().unwrap(), near);
    let (client, server) = tokio::join!(connect, accept(server_config(), far));
    (client.unwrap(), server.unwrap())
}

fn random_bytes(rng: &mut StdRng, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// Writes `bytes` in pieces of random size, some flushed.
async fn write_pieces(mut io: impl AsyncWrite + Unpin, bytes: &[u8], seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut rest = bytes;
    while !rest.is_empty() {
        let len = match rng.random_range(0..3) {
            0 => rng.random_range(1..40),
            1 => rng.random_range(1..5_000),
            _ => rng.random_range(1..150_000),
        };
        let (now, later) = rest.split_at(len.min(rest.len()));
        io.write_all(now).await.unwrap();
        if rng.random_bool(0.5) {
            io.flush().await.unwrap();
        }
        rest = later;
    }
    io.flush().await.unwrap();
}

/// Reads `len` bytes into buffers of random size.
async fn read_pieces(mut io: impl AsyncRead + Unpin, len: usize, seed: u64) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut all = Vec::new();
    let mut buffer = vec![0; 40_000];
    while all.len() < len {
        let room = match rng.random_bool(0.3) {
            true => rng.random_range(1..20),
            false => rng.random_range(1..40_000),
        };
        let count = io.read(&mut buffer[..room]).await.unwrap();
        assert_ne!(count, 0, "the end after {} of {len} bytes", all.len());
        all.extend_from_slice(&buffer[..count]);
    }
    all
}

async fn exchange(
    version: &'static SupportedProtocolVersion,
    seed: u64,
    len: usize,
    bytes_max: usize,
) {
    let (mut client, mut server) = connected(version, seed, bytes_max).await;
    let mut rng = StdRng::seed_from_u64(seed);
    let (up, down) = (random_bytes(&mut rng, len), random_bytes(&mut rng, len));
    {
        let (server_read, server_write) = tokio::io::split(&mut server);
        let (client_read, client_write) = tokio::io::split(&mut client);
        let (_, _, came_up, came_down) = tokio::join!(
            write_pieces(server_write, &down, seed + 2),
            write_pieces(client_write, &up, seed + 3),
            read_pieces(server_read, len, seed + 4),
            read_pieces(client_read, len, seed + 5),
        );
        assert!(came_up == up, "seed {seed}: what came up differs");
        assert!(came_down == down, "seed {seed}: what came down differs");
    }
    assert_eq!(server.buffered(), 0, "seed {seed}");
    let mut nothing = [0; 1];
    client.shutdown().await.unwrap();
    assert_eq!(server.read(&mut nothing).await.unwrap(), 0);
    server.shutdown().await.unwrap();
    assert_eq!(client.read(&mut nothing).await.unwrap(), 0);
    assert_eq!(server.read(&mut nothing).await.unwrap(), 0);
    assert_eq!(server.buffered(), 0, "seed {seed}");
}

#[tokio::test]
async fn every_byte_arrives_over_a_flaky_socket() {
    for version in VERSIONS {
        for seed in 0..24 {
            let bytes_max = [1, 3, 100, 7_000][usize::try_from(seed % 4).unwrap()];
            exchange(version, seed * 10, 3_000 + 40 * bytes_max, bytes_max).await;
        }
    }
}

#[tokio::test]
async fn megabytes_pass_both_ways_at_once() {
    for version in VERSIONS {
        exchange(version, 1, 6 << 20, 100_000).await;
    }
}

#[tokio::test]
async fn an_echo_in_small_pieces() {
    let (client, server) = connected(VERSIONS[1], 3, 500).await;
    let (mut server_read, mut server_write) = tokio::io::split(server);
    let echo = tokio::spawn(async move {
        tokio::io::copy(&mut server_read, &mut server_write)
            .await
            .unwrap();
        server_write.shutdown().await.unwrap();
        server_read.unsplit(server_write)
    });
    let bytes = random_bytes(&mut StdRng::seed_from_u64(4), 200_000);
    let (client_read, mut client_write) = tokio::io::split(client);
    let write = async {
        write_pieces(&mut client_write, &bytes, 5).await;
        client_write.shutdown().await.unwrap();
    };
    let (_, back) = tokio::join!(write, read_pieces(client_read, bytes.len(), 6));
    assert!(back == bytes);
    assert_eq!(echo.await.unwrap().buffered(), 0);
}
