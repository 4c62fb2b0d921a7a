//! Clients that keep no rules: bytes and frames as a test writes them, from addresses of its choice.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use loadtest::client::Protocol;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::edge::Edge;

/// The address of those who attack.
pub const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
/// An address beside theirs.
pub const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 67);
/// Longer than any answer takes.
pub const WITHIN: Duration = Duration::from_secs(20);

/// A connection to `port` on 127.0.0.1.
pub async fn tcp(from: Ipv4Addr, port: u16) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A connection to the edge's plain listener.
pub async fn plain(from: Ipv4Addr, edge: &Edge) -> anyhow::Result<TcpStream> {
    let port = edge
        .http_url()
        .rsplit(':')
        .next()
        .context("a port")?
        .parse()?;
    tcp(from, port).await
}

/// A client of TLS that offers `alpn`.
pub fn config(edge: &Edge, alpn: &[u8]) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(edge.ca_file())? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(config)
}

/// A TLS connection that agreed on `alpn`.
pub async fn tls(from: Ipv4Addr, edge: &Edge, alpn: &[u8]) -> anyhow::Result<TlsStream<TcpStream>> {
    let stream = tcp(from, edge.https_port()).await?;
    let connector = TlsConnector::from(Arc::new(config(edge, alpn)?));
    let stream = connector
        .connect(ServerName::try_from("localhost")?, stream)
        .await?;
    ensure!(stream.get_ref().1.alpn_protocol() == Some(alpn), "ALPN");
    Ok(stream)
}

/// Sends bytes and reads to the end of the connection, whatever ends it.
pub async fn ask<S>(stream: &mut S, bytes: &[u8]) -> anyhow::Result<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // The other end may have closed.
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
    rest(stream).await
}

/// Reads to the end of the connection, whatever ends it.
pub async fn rest<S: AsyncRead + Unpin>(stream: &mut S) -> anyhow::Result<String> {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let ended = tokio::time::timeout(WITHIN, read).await;
    ensure!(
        ended.is_ok(),
        "no end after {:?}",
        String::from_utf8_lossy(&answer)
    );
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A frame of HTTP/2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// DATA.
pub const DATA: u8 = 0;
/// HEADERS.
pub const HEADERS: u8 = 1;
/// RST_STREAM.
pub const RST_STREAM: u8 = 3;
/// SETTINGS.
pub const SETTINGS: u8 = 4;
/// PING.
pub const PING: u8 = 6;
/// GOAWAY.
pub const GOAWAY: u8 = 7;
/// CONTINUATION.
pub const CONTINUATION: u8 = 9;
/// END_STREAM.
pub const END_STREAM: u8 = 1;
/// END_HEADERS.
pub const END_HEADERS: u8 = 4;
/// ENHANCE_YOUR_CALM.
pub const CALM: u32 = 11;

/// How an HTTP/2 connection ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The code of the last GOAWAY.
    pub goaway: Option<u32>,
    /// The codes of RST_STREAM, by stream.
    pub resets: Vec<(u32, u32)>,
}

/// An HTTP/2 connection, frame by frame.
#[derive(Debug)]
pub struct H2 {
    stream: TlsStream<TcpStream>,
    authority: String,
}

impl H2 {
    /// Sends the preface and empty settings.
    pub async fn connect(from: Ipv4Addr, edge: &Edge) -> anyhow::Result<Self> {
        let stream = tls(from, edge, b"h2").await?;
        let authority = format!("localhost:{}", edge.https_port());
        let mut connection = Self { stream, authority };
        connection
            .bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await?;
        connection.send(SETTINGS, 0, 0, &[]).await?;
        Ok(connection)
    }

    /// Sends bytes as they are.
    pub async fn bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// Sends a frame.
    pub async fn send(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> anyhow::Result<()> {
        self.bytes(&frame(kind, flags, stream, payload)).await
    }

    /// The fields of a GET.
    pub fn get(&self, path: &str) -> Vec<u8> {
        let mut block = vec![0x82, 0x87, 0x01];
        text(&mut block, self.authority.as_bytes());
        block.push(0x04);
        text(&mut block, path.as_bytes());
        block
    }

    /// The next frame; `None`: the connection has ended.
    pub async fn next(&mut self) -> anyhow::Result<Option<Frame>> {
        let reading = async {
            let mut head = [0; 9];
            if self.stream.read_exact(&mut head).await.is_err() {
                return None;
            }
            let [a, b, c, kind, flags, s0, s1, s2, s3] = head;
            let length = u32::from_be_bytes([0, a, b, c]);
            let mut payload = vec![0; length as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([s0, s1, s2, s3]);
            Some(Frame {
                kind,
                flags,
                stream,
                payload,
            })
        };
        let frame = tokio::time::timeout(WITHIN, reading).await;
        frame.context("neither a frame nor an end")
    }

    /// Reads to the end.
    pub async fn end(&mut self) -> anyhow::Result<End> {
        let mut end = End::default();
        while let Some(frame) = self.next().await? {
            let code = |at: usize| -> Option<u32> {
                let bytes = frame.payload.get(at..at + 4)?;
                Some(u32::from_be_bytes(bytes.try_into().ok()?))
            };
            match frame.kind {
                GOAWAY => end.goaway = code(4),
                RST_STREAM => end.resets.push((frame.stream, code(0).unwrap_or_default())),
                _ => {}
            }
        }
        Ok(end)
    }

    /// How one stream ends: the first bytes of its HEADERS, or the code of its RST_STREAM, or that
    /// of the connection's GOAWAY.
    pub async fn answer(&mut self, stream: u32) -> anyhow::Result<Result<Vec<u8>, u32>> {
        while let Some(frame) = self.next().await? {
            let last = |at: usize| -> u32 {
                let bytes = frame.payload.get(at..at + 4).unwrap_or(&[0; 4]);
                bytes
                    .iter()
                    .fold(0, |code, byte| code << 8 | u32::from(*byte))
            };
            match frame.kind {
                HEADERS if frame.stream == stream => return Ok(Ok(frame.payload)),
                RST_STREAM if frame.stream == stream => return Ok(Err(last(0))),
                GOAWAY => return Ok(Err(last(4))),
                _ => {}
            }
        }
        bail!("the connection ended")
    }
}

/// A frame's bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A field, literally, under a new name (RFC 7541 section 6.2.2).
pub fn field(block: &mut Vec<u8>, name: &str, value: &[u8]) {
    block.push(0);
    text(block, name.as_bytes());
    text(block, value);
}

/// A string, not compressed (RFC 7541 section 5.2, and RFC 9204 section 4.1.2).
pub fn text(block: &mut Vec<u8>, text: &[u8]) {
    let mut left = text.len();
    if left < 127 {
        block.push(u8::try_from(left).unwrap_or(0));
    } else {
        block.push(127);
        left -= 127;
        while left >= 128 {
            block.push(u8::try_from(left % 128).unwrap_or(0) | 128);
            left /= 128;
        }
        block.push(u8::try_from(left).unwrap_or(0));
    }
    block.extend(text);
}

/// A QUIC connection that speaks HTTP/3 as far as a test writes it.
#[derive(Debug)]
pub struct H3 {
    /// Kept open.
    pub endpoint: quinn::Endpoint,
    /// The connection.
    pub connection: quinn::Connection,
    authority: String,
}

impl H3 {
    /// Connects and sends empty settings.
    pub async fn connect(from: Ipv4Addr, edge: &Edge) -> anyhow::Result<Self> {
        let endpoint = quinn::Endpoint::client((from, 0).into())?;
        let tls = QuicClientConfig::try_from(config(edge, b"h3")?)?;
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, edge.https_port()));
        let config = quinn::ClientConfig::new(Arc::new(tls));
        let connection = endpoint.connect_with(config, to, "localhost")?.await?;
        Self::over(endpoint, connection, edge).await
    }

    /// The same over a connection that is there.
    pub async fn over(
        endpoint: quinn::Endpoint,
        connection: quinn::Connection,
        edge: &Edge,
    ) -> anyhow::Result<Self> {
        let mut control = connection.open_uni().await?;
        control.write_all(&[0, 4, 0]).await?;
        // A control stream is not closed.
        tokio::spawn(async move { control.stopped().await });
        let authority = format!("localhost:{}", edge.https_port());
        Ok(Self {
            endpoint,
            connection,
            authority,
        })
    }

    /// The HEADERS frame of a GET with `more` fields.
    pub fn get(&self, path: &str, more: &[(&str, &[u8])]) -> Vec<u8> {
        // Static: GET, https, and the names of :authority and :path.
        let mut block = vec![0, 0, 0xd1, 0xd7, 0x50];
        text(&mut block, self.authority.as_bytes());
        block.push(0x51);
        text(&mut block, path.as_bytes());
        for (name, value) in more {
            // A literal name has a length of three bits (RFC 9204 section 4.5.6).
            let length = name.len();
            if length < 7 {
                block.push(0x20 | u8::try_from(length).unwrap_or(0));
            } else {
                block.extend([0x27, u8::try_from(length - 7).unwrap_or(0)]);
            }
            block.extend(name.as_bytes());
            text(&mut block, value);
        }
        let mut bytes = vec![1];
        bytes.extend((0x8000_0000 | u32::try_from(block.len()).unwrap_or(0)).to_be_bytes());
        bytes.extend(block);
        bytes
    }

    /// Sends a request; what it gives then waits for the bytes of the answer.
    pub async fn answer_to(
        &self,
        request: &[u8],
    ) -> anyhow::Result<impl Future<Output = anyhow::Result<Vec<u8>>> + use<>> {
        let (mut send, mut receive) = self.connection.open_bi().await?;
        send.write_all(request).await?;
        send.finish()?;
        Ok(async move {
            let read = receive.read_to_end(1 << 20);
            Ok(tokio::time::timeout(WITHIN, read).await??)
        })
    }

    /// Sends a request, and returns the bytes of the answer, or the code that ended it.
    pub async fn answer(&self, request: &[u8]) -> anyhow::Result<Result<Vec<u8>, String>> {
        let (mut send, mut receive) = self.connection.open_bi().await?;
        let _ = send.write_all(request).await;
        let _ = send.finish();
        let read = receive.read_to_end(1 << 20);
        let read = tokio::time::timeout(WITHIN, read).await?;
        Ok(read.map_err(|error| error.to_string()))
    }
}

/// Good clients, one per protocol, who ask all the time.
#[derive(Debug)]
pub struct Beside {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Beside {
    /// Begins to ask for `path`, which is there, and is served once before this returns.
    pub async fn begin(edge: &Edge, path: &str) -> anyhow::Result<Self> {
        let (stop, served) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let mut tasks = Vec::new();
        for protocol in Protocol::ALL {
            let client = edge.client(protocol).await?;
            let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
            let path = path.to_owned();
            ensure!(client.fetch(&path, &[]).await?.status == 200);
            tasks.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = tokio::time::timeout(WITHIN, client.fetch(&path, &[]));
                    let answer = answer.await.context("a good client waits")??;
                    ensure!(answer.status == 200, "{protocol}: {}", answer.status);
                    ensure!(answer.broken.is_none(), "{protocol}: {:?}", answer.broken);
                    served.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Ok(())
            }));
        }
        Ok(Self {
            stop,
            served,
            tasks,
        })
    }

    /// Ends, and fails if anybody was not served.
    pub async fn end(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await??;
        }
        ensure!(self.served.load(Ordering::Relaxed) > 0);
        Ok(())
    }
}
