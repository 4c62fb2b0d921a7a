//! How keys are agreed on: X25519MLKEM768 first, whose hello takes two packets over QUIC.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::{ClientConfig, NamedGroup, RootCertStore};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use transport::tls::{ALPN_H2, ALPN_H3, crypto_provider};

use crate::harness::{Frontend, deadline, head};

/// A datagram is no longer than this.
const DATAGRAM_MAX: usize = 65_536;

/// A client that offers these groups alone.
fn offering(test: &Frontend, groups: &[NamedGroup]) -> ClientConfig {
    let mut provider = crypto_provider();
    provider.kx_groups.retain(|it| groups.contains(&it.name()));
    let mut roots = RootCertStore::empty();
    roots.add(test.authority()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_H3.to_vec()];
    config
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_group_that_a_client_prefers_is_taken() {
    let test = Frontend::start().await;
    let server = loopback(test.address.port());
    let (pq, x25519, p256) = (
        NamedGroup::X25519MLKEM768,
        NamedGroup::X25519,
        NamedGroup::secp256r1,
    );
    for (groups, taken) in [
        (&[pq, x25519, p256][..], "x25519mlkem768"),
        (&[pq], "x25519mlkem768"),
        (&[x25519, p256], "x25519"),
        (&[p256], "secp256r1"),
    ] {
        let taken = test.metrics.handshakes_total("quic", taken);
        let before = taken.get();
        let connection = deadline(test.connecting(server, offering(&test, groups))).await;
        let connection = connection.unwrap();
        // The server's control stream: it has counted the handshake.
        deadline(connection.accept_uni()).await.unwrap();
        assert_eq!(taken.get(), before + 1, "{groups:?}");
    }
    test.get_over_tcp(ALPN_H2, "/echo").await;
    let over_tcp = test.metrics.handshakes_total("tcp", "x25519mlkem768");
    assert_eq!(over_tcp.get(), 1);
}

/// What went through a relay before the server knew that the client's address is its own.
#[derive(Debug, Default)]
struct Unvalidated {
    to_server: usize,
    to_client: usize,
}

/// Passes datagrams on, the first two of the client in the other order, and tells of those before the
/// client answered the server.
async fn relay(socket: UdpSocket, server: SocketAddr, told: oneshot::Sender<Unvalidated>) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    let (mut seen, mut told) = (Unvalidated::default(), Some(told));
    let (mut client, mut first) = (None, None);
    loop {
        let (count, from) = socket.recv_from(&mut buffer).await.unwrap();
        let datagram = &buffer[..count];
        if from == server {
            seen.to_client += count;
            let amplified = seen.to_client > 3 * seen.to_server;
            assert!(!amplified || told.is_none(), "{seen:?}");
            socket.send_to(datagram, client.unwrap()).await.unwrap();
            continue;
        }
        client = Some(from);
        if seen.to_client > 0
            && let Some(told) = told.take()
        {
            told.send(std::mem::take(&mut seen)).unwrap();
        }
        // RFC 9000 section 17.2.2: an Initial packet.
        if first.is_none() {
            assert_eq!(datagram[0] & 0xf0, 0xc0);
            first = Some(datagram.to_vec());
            continue;
        }
        socket.send_to(datagram, server).await.unwrap();
        seen.to_server += count;
        if let Some(first) = first.as_mut().filter(|first| !first.is_empty()) {
            assert_eq!(datagram[0] & 0xf0, 0xc0, "the hello takes one packet");
            socket.send_to(first, server).await.unwrap();
            seen.to_server += first.len();
            first.clear();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_of_two_packets_may_come_in_any_order() {
    let test = Frontend::start().await;
    let socket = UdpSocket::bind(loopback(0)).await.unwrap();
    let by_way_of = socket.local_addr().unwrap();
    let (told, seen) = oneshot::channel();
    let relay = tokio::spawn(relay(socket, loopback(test.address.port()), told));

    let connection = deadline(test.connecting(by_way_of, test.client())).await;
    let mut client = test.h3_over(connection.unwrap()).await;
    let mut stream = client.get("/echo").await;
    assert_eq!(head(&mut stream).await.status(), 200);
    let agreed = test.metrics.handshakes_total("quic", "x25519mlkem768");
    assert_eq!(agreed.get(), 1);
    let seen = deadline(seen).await.unwrap();
    assert!(seen.to_server >= 2 * 1200, "{seen:?}");
    assert!(seen.to_client <= 3 * seen.to_server, "{seen:?}");
    relay.abort();
}
