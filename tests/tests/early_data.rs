//! 0-RTT data over HTTP/3: what is answered before a handshake is complete, what waits for it, what is
//! told to come again, and what a recording of it is good for.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::Method;
use loadtest::client::{Client, Protocol, Trust};
use parking_lot::Mutex;
use quinn::crypto::rustls::QuicClientConfig;
use tests::edge::Edge;
use tests::node::Settings;
use tests::parent::{Parent, Reply};
use tests::raw::{self, H3};
use tests::wait;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

const KEPT: &str = "/live/demo/720p/1.m4s";
const UNKNOWN: &str = "/live/demo/720p/2.m4s";
const GUEST: &str = "/api/guests";
const WITHIN: Duration = Duration::from_secs(10);
const DATAGRAM_MAX: usize = 65_536;

/// A node that takes 0-RTT data and keeps [`KEPT`].
async fn start() -> anyhow::Result<(Parent, Edge)> {
    let parent = Parent::start().await?;
    parent.on(KEPT, Reply::ok("kept"));
    parent.on(UNKNOWN, Reply::ok("fetched"));
    let settings = Settings::default().set("tls", "early_data", true);
    let edge = Edge::start_with("early", &[parent.url()], &settings).await?;
    let client = edge.client(Protocol::H1).await?;
    assert_eq!(client.fetch(KEPT, &[]).await?.text(), "kept");
    Ok((parent, edge))
}

/// Between a client and a server. The client hears nothing of the server until it is let go, so that its
/// handshake cannot be completed.
struct Relay {
    address: SocketAddr,
    /// What the client sent before that.
    recorded: Arc<Mutex<Vec<Vec<u8>>>>,
    let_go: Arc<Notify>,
}

impl Relay {
    async fn start(port: u16) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let relay = Self {
            address: socket.local_addr()?,
            recorded: Arc::default(),
            let_go: Arc::default(),
        };
        let (recorded, let_go) = (Arc::clone(&relay.recorded), Arc::clone(&relay.let_go));
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        tokio::spawn(pass(socket, server, recorded, let_go));
        Ok(relay)
    }
}

async fn pass(
    socket: UdpSocket,
    server: SocketAddr,
    recorded: Arc<Mutex<Vec<Vec<u8>>>>,
    let_go: Arc<Notify>,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; DATAGRAM_MAX];
    let (mut client, mut held) = (server, Some(Vec::<Vec<u8>>::new()));
    loop {
        let (count, from) = tokio::select! {
            received = socket.recv_from(&mut buffer) => received?,
            () = let_go.notified() => {
                for datagram in held.take().into_iter().flatten() {
                    socket.send_to(&datagram, client).await?;
                }
                continue;
            }
        };
        let datagram = buffer.get(..count).unwrap_or_default().to_vec();
        match &mut held {
            Some(held) if from == server => held.push(datagram),
            None if from == server => drop(socket.send_to(&datagram, client).await?),
            _ => {
                client = from;
                socket.send_to(&datagram, server).await?;
                if held.is_some() {
                    recorded.lock().push(datagram);
                }
            }
        }
    }
}

/// Whoever has a ticket.
async fn client_with_ticket(edge: &Edge) -> anyhow::Result<quinn::Endpoint> {
    let mut tls = raw::config(edge, b"h3")?;
    tls.enable_early_data = true;
    let mut endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
    let tls = Arc::new(QuicClientConfig::try_from(tls)?);
    endpoint.set_default_client_config(quinn::ClientConfig::new(tls));
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, edge.https_port()));
    let connection = endpoint.connect(to, "localhost")?.await?;
    // An answer comes after the tickets.
    let first = H3::over(endpoint.clone(), connection, edge).await?;
    let answer = first.answer(&first.get(KEPT, &[])).await?;
    anyhow::ensure!(answer.is_ok_and(|it| it.ends_with(b"kept")));
    first.connection.close(0x100_u32.into(), b"");
    Ok(endpoint)
}

/// The same request with POST: both methods are in QPACK's static table, 17 and 20.
fn post(mut request: Vec<u8>) -> Vec<u8> {
    if let Some(method) = request.iter_mut().find(|byte| **byte == 0xd1) {
        *method = 0xd4;
    }
    request
}

async fn outcomes(edge: &Edge) -> anyhow::Result<[f64; 3]> {
    let mut counts = [0.0; 3];
    for (count, outcome) in counts.iter_mut().zip(["served", "waited", "too_early"]) {
        let labels = [("outcome", outcome)];
        *count = edge.metric("edge_early_requests_total", &labels).await?;
    }
    Ok(counts)
}

#[tokio::test]
async fn reading_is_answered_early_and_nothing_else_is() -> anyhow::Result<()> {
    let (parent, edge) = start().await?;
    let endpoint = client_with_ticket(&edge).await?;
    let relay = Relay::start(edge.https_port()).await?;
    let connecting = endpoint.connect(relay.address, "localhost")?;
    let early = connecting.into_0rtt().ok().context("no 0-RTT data")?;
    let early = H3::over(endpoint.clone(), early.0, &edge).await?;

    let unknown = early.answer_to(&early.get(UNKNOWN, &[])).await?;
    let kept = early.answer_to(&early.get(KEPT, &[])).await?;
    let changing = early.answer_to(&post(early.get(GUEST, &[]))).await?;
    wait::until("all three have been looked at", WITHIN, async || {
        let waiting = edge.metric("edge_waiters", &[]).await?;
        let outcomes = outcomes(&edge).await?;
        Ok((waiting == 1.0 && outcomes == [1.0, 0.0, 1.0]).then_some(()))
    })
    .await?;
    // The parent is asked nothing, although what is asked of it came first.
    assert_eq!(parent.requests(UNKNOWN), 0);

    relay.let_go.notify_one();
    let kept = kept.await?;
    let said = String::from_utf8_lossy(&kept);
    assert!(said.ends_with("kept"), "{said}");
    let changing = changing.await?;
    let said = String::from_utf8_lossy(&changing);
    assert!(said.contains("\"status\":425"), "{said}");
    assert!(unknown.await?.ends_with(b"fetched"));
    assert_eq!(parent.requests(UNKNOWN), 1);
    assert_eq!(outcomes(&edge).await?, [1.0, 1.0, 1.0]);
    // Now everything is as ever: GUEST is answered by the room's rules.
    let later = early.answer(&post(early.get(GUEST, &[]))).await?;
    let later = later.map_err(anyhow::Error::msg)?;
    assert!(!String::from_utf8_lossy(&later).contains("425"));
    assert_eq!(outcomes(&edge).await?, [1.0, 1.0, 1.0]);
    assert_eq!(
        edge.metric("edge_h3_early_connections_total", &[]).await?,
        1.0
    );

    // What was recorded is worth nothing once its session is used.
    early.connection.close(0x100_u32.into(), b"");
    endpoint.wait_idle().await;
    let attacker = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, edge.https_port()));
    let recorded = relay.recorded.lock().clone();
    wait::until("the recording opens a connection", WITHIN, async || {
        for datagram in &recorded {
            attacker.send_to(datagram, server).await?;
        }
        let unknown = edge.metric("edge_h3_tickets_unknown_total", &[]).await?;
        Ok((unknown >= 1.0).then_some(()))
    })
    .await?;
    assert_eq!(outcomes(&edge).await?, [1.0, 1.0, 1.0]);
    assert_eq!(
        edge.metric("edge_h3_early_connections_total", &[]).await?,
        1.0
    );
    Ok(())
}

#[tokio::test]
async fn a_handshake_that_is_never_completed_is_cut_off() -> anyhow::Result<()> {
    let (parent, edge) = start().await?;
    let endpoint = client_with_ticket(&edge).await?;
    let relay = Relay::start(edge.https_port()).await?;
    let connecting = endpoint.connect(relay.address, "localhost")?;
    let early = connecting.into_0rtt().ok().context("no 0-RTT data")?;
    let early = H3::over(endpoint.clone(), early.0, &edge).await?;
    let _unknown = early.answer_to(&early.get(UNKNOWN, &[])).await?;
    let slow = [("reason", "too_slow")];
    wait::until("the handshake has taken too long", 3 * WITHIN, async || {
        let refused = edge.metric("edge_h3_refused_total", &slow).await?;
        Ok((refused == 1.0).then_some(()))
    })
    .await?;
    wait::until("nobody waits any more", WITHIN, async || {
        let waiting = edge.metric("edge_waiters", &[]).await?;
        Ok((waiting == 0.0).then_some(()))
    })
    .await?;
    assert_eq!(parent.requests(UNKNOWN), 0);
    assert_eq!(outcomes(&edge).await?[1], 0.0);
    Ok(())
}

#[tokio::test]
async fn what_a_proxy_calls_early_is_told_to_come_again() -> anyhow::Result<()> {
    let (parent, edge) = start().await?;
    let client = Client::connect(&edge.https_url(), Protocol::H2, &Trust::Insecure).await?;
    let early = [("early-data", "1")];
    for (method, path, status) in [
        (Method::GET, KEPT, 200),
        (Method::HEAD, KEPT, 200),
        (Method::GET, UNKNOWN, 425),
        (Method::POST, GUEST, 425),
        (Method::OPTIONS, KEPT, 425),
        (Method::GET, "/api/rooms/demo/events", 425),
        (Method::GET, "/api/me", 425),
    ] {
        let answer = client.request(method.clone(), path, &early).await?;
        let answer = answer.collect().await;
        assert_eq!(answer.status, status, "{method} {path}");
        if status == 425 {
            assert_eq!(answer.headers["content-type"], "application/problem+json");
            assert_eq!(answer.headers["cache-control"], "no-store");
        }
    }
    assert_eq!(parent.requests(UNKNOWN), 0);
    assert_eq!(outcomes(&edge).await?, [2.0, 0.0, 5.0]);
    // Without the field it is asked for.
    assert_eq!(client.fetch(UNKNOWN, &[]).await?.status, 200);
    Ok(())
}
