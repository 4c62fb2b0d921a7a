//! What only the embedded bus does: refusals of its route, TLS, and links that misbehave.

use std::sync::Arc;
use std::time::Duration;

use bus::embedded::{self, EdgeOptions, HubOptions};
use bus::{BusError, EdgeEvent, EdgeName, HubBus, HubInbox, RoomName};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use prometheus::Registry;
use settings::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::kits::{TOKEN, total, until};

const SOON: Duration = Duration::from_secs(20);

struct Hub {
    bus: HubBus,
    inbox: HubInbox,
    registry: Registry,
    port: u16,
}

/// A hub of small bounds.
async fn hub() -> Hub {
    let mut options = HubOptions::new(vec![Secret::new(TOKEN)]);
    options.message_bytes_max = 64 << 10;
    options.link_queue_bytes_max = 256 << 10;
    options.links_max = 2;
    options.rooms_per_edge_max = 2;
    options.ping_interval = Duration::from_millis(100);
    options.idle_timeout = Duration::from_millis(400);
    let registry = Registry::new();
    let (bus, inbox, router) = embedded::hub(options, &registry).unwrap();
    let listener = TcpListener::bind("[::]:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Hub {
        bus,
        inbox,
        registry,
        port,
    }
}

impl Hub {
    /// A link whose other end is this test.
    async fn link(&self, edge: &str) -> Result<WebSocketStream<TcpStream>, tungstenite::Error> {
        let stream = TcpStream::connect(("::1", self.port)).await.unwrap();
        let mut request = format!("ws://localhost:{}/v1/bus", self.port).into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("authorization", format!("bearer {TOKEN}").parse().unwrap());
        headers.insert("weir-edge", edge.parse().unwrap());
        Ok(client_async(request, stream).await?.0)
    }

    fn refusals(&self, why: &str) -> f64 {
        total(&self.registry, "weir_bus_refusals_total", why)
    }

    fn edge_options(&self, name: &str) -> EdgeOptions {
        let url = format!("http://localhost:{}", self.port);
        let name = EdgeName::new(name).unwrap();
        let mut options = EdgeOptions::new(url, Secret::new(TOKEN), name);
        options.backoff_min = Duration::from_millis(20);
        options.backoff_max = Duration::from_millis(100);
        options
    }
}

fn room(name: &str) -> RoomName {
    RoomName::new(name).unwrap()
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(SOON, what).await.expect("it happens in time")
}

/// The close code that comes, after whatever comes before.
async fn close_code(link: &mut WebSocketStream<TcpStream>) -> u16 {
    loop {
        match soon(link.next()).await.expect("a close frame").unwrap() {
            Message::Close(frame) => return frame.expect("a code").code.into(),
            _ => continue,
        }
    }
}

/// An answer to a request without a body.
async fn answer(port: u16, head: &str) -> String {
    let mut stream = TcpStream::connect(("::1", port)).await.unwrap();
    let request = format!("GET /v1/bus HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn who_has_no_token_or_no_name_is_told() {
    let hub = hub().await;
    for head in [
        "",
        "authorization: Bearer wrong\r\n",
        "authorization: Basic a\r\n",
    ] {
        let answer = answer(hub.port, head).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
    }
    assert_eq!(hub.refusals("unauthorized"), 3.0);
    let known = format!("authorization: Bearer {TOKEN}\r\n");
    let unnamed = answer(hub.port, &known).await;
    assert!(unnamed.starts_with("HTTP/1.1 400 "), "{unnamed}");
    assert!(unnamed.contains("an edge's name is"), "{unnamed}");
    let plain = answer(hub.port, &format!("{known}weir-edge: a\r\n")).await;
    assert!(plain.starts_with("HTTP/1.1 4"), "{plain}");
    assert!(plain.contains("application/problem+json"), "{plain}");
}

#[tokio::test]
async fn nonsense_ends_the_link() {
    let hub = hub().await;
    for bytes in [
        &b""[..],
        b"\x01\x09\x01a",
        b"\x02\x03\x01a",
        b"\x01\x04\x01a",
        b"\x01\x03\x01/",
    ] {
        let mut link = hub.link("a").await.unwrap();
        link.send(Message::binary(bytes)).await.unwrap();
        assert_eq!(close_code(&mut link).await, 1002);
    }
    let mut link = hub.link("a").await.unwrap();
    link.send(Message::text("hello")).await.unwrap();
    assert_eq!(close_code(&mut link).await, 1002);
    assert_eq!(hub.refusals("protocol"), 6.0);
    let mut link = hub.link("a").await.unwrap();
    link.send(Message::binary(vec![0; 65 << 10])).await.unwrap();
    assert_eq!(close_code(&mut link).await, 1009);
    assert_eq!(hub.refusals("too_large"), 1.0);
}

#[tokio::test]
async fn a_newer_link_replaces_the_older() {
    let mut hub = hub().await;
    let mut older = hub.link("a").await.unwrap();
    older
        .send(Message::binary(&b"\x01\x03\x01ax"[..]))
        .await
        .unwrap();
    assert_eq!(soon(hub.inbox.recv()).await.unwrap().message, "x");
    let mut newer = hub.link("a").await.unwrap();
    assert_eq!(close_code(&mut older).await, 4000);
    newer
        .send(Message::binary(&b"\x01\x03\x01ay"[..]))
        .await
        .unwrap();
    assert_eq!(soon(hub.inbox.recv()).await.unwrap().message, "y");
    assert_eq!(hub.refusals("replaced"), 1.0);
    assert_eq!(total(&hub.registry, "weir_bus_links", ""), 1.0);
}

#[tokio::test]
async fn links_and_follows_are_bounded() {
    let mut hub = hub().await;
    let (bus, mut events) = embedded::edge(hub.edge_options("a"), &Registry::new()).unwrap();
    assert_eq!(soon(events.recv()).await, EdgeEvent::Up);
    let mut b = hub.link("b").await.unwrap();
    let refused = hub.link("c").await.unwrap_err();
    assert!(matches!(&refused, tungstenite::Error::Http(answer) if answer.status() == 503));
    assert_eq!(hub.refusals("too_many_links"), 1.0);
    // Its name is known already.
    let _again = hub.link("b").await.unwrap();
    assert_eq!(close_code(&mut b).await, 4000);

    for name in ["one", "two", "three"] {
        bus.follow(room(name)).unwrap();
        bus.send(&room(name), "hello".into()).unwrap();
        assert_eq!(soon(hub.inbox.recv()).await.unwrap().message, "hello");
    }
    assert_eq!(hub.refusals("too_many_rooms"), 1.0);
    for name in ["three", "two"] {
        hub.bus.publish(&room(name), "now".into());
    }
    let (room, message) = (room("two"), "now".into());
    assert_eq!(
        soon(events.recv()).await,
        EdgeEvent::Message { room, message }
    );
}

#[tokio::test]
async fn a_link_that_is_not_read_is_dropped_from_and_then_ended() {
    let mut hub = hub().await;
    let mut stuck = hub.link("stuck").await.unwrap();
    let (bus, mut events) = embedded::edge(hub.edge_options("a"), &Registry::new()).unwrap();
    assert_eq!(soon(events.recv()).await, EdgeEvent::Up);
    stuck
        .send(Message::binary(&b"\x01\x01\x03one"[..]))
        .await
        .unwrap();
    stuck
        .send(Message::binary(&b"\x01\x03\x03onex"[..]))
        .await
        .unwrap();
    assert_eq!(soon(hub.inbox.recv()).await.unwrap().message, "x");
    bus.follow(room("one")).unwrap();
    bus.send(&room("one"), "y".into()).unwrap();
    assert_eq!(soon(hub.inbox.recv()).await.unwrap().message, "y");
    // More than the kernel takes for a socket that nobody reads.
    let message = Bytes::from(vec![0; 64 << 10]);
    let dropped = || total(&hub.registry, "weir_bus_drops_total", "queue_full");
    let mut sent = 0;
    while dropped() == 0.0 && hub.refusals("silent") == 0.0 {
        hub.bus.publish(&room("one"), message.clone());
        sent += 1;
        assert!(matches!(
            soon(events.recv()).await,
            EdgeEvent::Message { .. }
        ));
        assert!(total(&hub.registry, "weir_bus_queue_bytes", "out") <= f64::from(600 << 10));
    }
    assert!(dropped() > 0.0, "{sent} messages");
    // It does not answer pings either.
    soon(until(|| hub.refusals("silent") == 1.0)).await;
    soon(until(|| total(&hub.registry, "weir_bus_links", "") == 1.0)).await;
    assert_eq!(total(&hub.registry, "weir_bus_queue_bytes", "out"), 0.0);
}

#[tokio::test]
async fn an_edge_notices_a_hub_that_is_silent() {
    // Takes one link and says nothing on it, then takes no more.
    let listener = TcpListener::bind("[::]:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let _link = tokio_tungstenite::accept_async(stream).await.unwrap();
        std::future::pending::<()>().await;
    });
    let url = format!("http://localhost:{port}");
    let mut options = EdgeOptions::new(url, Secret::new(TOKEN), EdgeName::new("a").unwrap());
    options.ping_interval = Duration::from_millis(100);
    options.idle_timeout = Duration::from_millis(300);
    let (bus, mut events) = embedded::edge(options, &Registry::new()).unwrap();
    assert_eq!(soon(events.recv()).await, EdgeEvent::Up);
    assert_eq!(soon(events.recv()).await, EdgeEvent::Down);
    assert!(!bus.is_up());
}

#[tokio::test]
async fn closing_ends_links_and_takes_no_new_ones() {
    let mut hub = hub().await;
    let (bus, mut events) = embedded::edge(hub.edge_options("a"), &Registry::new()).unwrap();
    assert_eq!(soon(events.recv()).await, EdgeEvent::Up);
    hub.bus.close();
    assert_eq!(soon(events.recv()).await, EdgeEvent::Down);
    assert!(!bus.is_up());
    let refused = hub.link("b").await.unwrap_err();
    assert!(matches!(&refused, tungstenite::Error::Http(answer) if answer.status() == 503));
    assert_eq!(soon(hub.inbox.recv()).await, None);
}

#[tokio::test]
async fn https_with_a_ca_file() {
    let mut hub = hub().await;
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = certified.signing_key.serialize_der();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key.try_into().unwrap())
        .unwrap();
    let listener = TcpListener::bind("[::]:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let plain = hub.port;
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut to = TcpStream::connect(("::1", plain)).await.unwrap();
            tokio::spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut to).await;
            });
        }
    });
    let directory = tempfile::TempDir::new().unwrap();
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, certified.cert.pem()).unwrap();
    let mut options = hub.edge_options("a");
    options.url = format!("https://localhost:{port}");
    options.ca_file = Some(ca_file);
    let (bus, mut events) = embedded::edge(options, &Registry::new()).unwrap();
    assert_eq!(soon(events.recv()).await, EdgeEvent::Up);
    bus.send(&room("one"), "x".into()).unwrap();
    assert_eq!(soon(hub.inbox.recv()).await.unwrap().message, "x");
}

#[tokio::test]
async fn options_are_checked() {
    let check = |options: EdgeOptions| embedded::edge(options, &Registry::new()).err();
    let options = |url: &str| EdgeOptions::new(url, Secret::new("t"), "a".parse().unwrap());
    for url in [
        "",
        "ftp://a",
        "http://",
        "http://user:secret@a",
        "http://a/path",
        "a:1",
    ] {
        let error = check(options(url)).expect(url);
        assert!(matches!(error, BusError::Options(_)), "{url}: {error}");
        assert!(!error.to_string().contains("secret"));
    }
    let mut bad = options("http://a");
    bad.idle_timeout = bad.ping_interval;
    let error = check(bad).unwrap();
    assert_eq!(
        error.to_string(),
        "idle_timeout is 5s, and has to be from 10s to 900s"
    );
    let mut bad = options("https://a");
    bad.ca_file = Some("/no/such/file".into());
    assert!(matches!(check(bad), Some(BusError::File { .. })));
    let none = embedded::hub(HubOptions::new(Vec::new()), &Registry::new());
    assert!(none.is_err());
    let bad = HubOptions::new(vec![Secret::new("a b")]);
    assert!(embedded::hub(bad, &Registry::new()).is_err());
}

#[tokio::test]
async fn a_store_forgets_what_a_crash_left_unfinished() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("deep/rooms");
    let store = embedded::store(&path, 1 << 20).unwrap();
    store.save(&room("one"), "a".into()).await.unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let mode = std::fs::metadata(path.join("one.room")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    std::fs::write(path.join(".unfinished-x"), "half").unwrap();
    std::fs::write(path.join("notes.txt"), "of somebody").unwrap();
    let store = embedded::store(&path, 1 << 20).unwrap();
    assert_eq!(store.list().await.unwrap(), [room("one")]);
    assert!(!path.join(".unfinished-x").exists());
    assert!(path.join("notes.txt").exists());
    // A value that grew beyond the bound is not read.
    std::fs::write(path.join("one.room"), vec![0; 2 << 20]).unwrap();
    assert!(store.load(&room("one")).await.is_err());
}
