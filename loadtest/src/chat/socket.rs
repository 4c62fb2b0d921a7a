//! Where the swarm's connections come from: many source addresses, TLS or not, fast or slow.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use rustls::client::{
    ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, NamedGroup};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::{Target, Trust, tls_config};

/// Ports of one source address that are used before the next address: the kernel has 28,232.
const PORTS_PER_ADDRESS: u32 = 20_000;

/// 127.0.0.2 to 127.0.0.201, and from the start.
const ADDRESSES: u32 = 200;

/// What a slow connection's kernel holds for it: as little as it can be told to.
const SLOW_BUFFER_BYTES: u32 = 4_096;

/// A slow connection reads a byte this often.
const SLOW_INTERVAL: Duration = Duration::from_secs(1);

/// Opens sockets to one server.
pub(crate) struct Dialer {
    target: Target,
    address: SocketAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    dialled: AtomicU32,
}

impl Dialer {
    /// `sessions`: how many TLS sessions are kept to be resumed.
    pub(crate) async fn new(url: &str, trust: &Trust, sessions: usize) -> anyhow::Result<Self> {
        let target = Target::parse(url)?;
        let tls = if target.tls() {
            let mut config = tls_config(trust, b"http/1.1")?;
            config.resumption = Resumption::store(Arc::new(Sessions::new(sessions)));
            Some(connector(config, &target)?)
        } else {
            None
        };
        Ok(Self {
            address: target.resolve().await?,
            target,
            tls,
            dialled: AtomicU32::new(0),
        })
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// `pace`: how to make the connection slow.
    pub(crate) async fn dial(&self, pace: Option<Pace>) -> std::io::Result<Socket> {
        let socket = if self.address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if self.address.ip().is_loopback() && self.address.is_ipv4() {
            socket.bind(SocketAddr::new(self.next_source(), 0))?;
        }
        if pace.is_some() {
            socket.set_recv_buffer_size(SLOW_BUFFER_BYTES)?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        let paced = Paced {
            stream,
            brake: pace.map(Brake::new).map(Box::new),
        };
        match &self.tls {
            None => Ok(Socket::Plain(paced)),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), paced).await?;
                Ok(Socket::Tls(Box::new(stream)))
            }
        }
    }

    /// Ports of connections that were just closed stay taken for a minute.
    fn next_source(&self) -> IpAddr {
        let dialled = self.dialled.fetch_add(1, Ordering::Relaxed);
        let at = 2 + dialled / PORTS_PER_ADDRESS % ADDRESSES;
        Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 0, 0)) + at).into()
    }
}

fn connector(
    config: ClientConfig,
    target: &Target,
) -> anyhow::Result<(TlsConnector, ServerName<'static>)> {
    let name = ServerName::try_from(target.host().to_owned())?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// A connection's bytes, decrypted.
pub(crate) enum Socket {
    Plain(Paced),
    Tls(Box<TlsStream<Paced>>),
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// A TCP stream that can be read a byte at a time: beneath TLS, so that the kernel's buffer fills.
pub(crate) struct Paced {
    stream: TcpStream,
    brake: Option<Box<Brake>>,
}

/// A connection is slow while the first is true and the second is not.
pub(crate) struct Pace {
    pub(crate) slow: Arc<AtomicBool>,
    pub(crate) released: Arc<AtomicBool>,
}

struct Brake {
    pace: Pace,
    sleep: Pin<Box<Sleep>>,
}

impl Brake {
    fn new(pace: Pace) -> Self {
        Self {
            pace,
            sleep: Box::pin(tokio::time::sleep(SLOW_INTERVAL)),
        }
    }

    fn is_on(&self) -> bool {
        self.pace.slow.load(Ordering::Relaxed) && !self.pace.released.load(Ordering::Relaxed)
    }

    /// Ready when a byte may be read.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.sleep.as_mut().poll(cx));
        self.sleep.as_mut().reset(Instant::now() + SLOW_INTERVAL);
        Poll::Ready(())
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let Self { stream, brake } = self.get_mut();
        let Some(brake) = brake.as_mut().filter(|brake| brake.is_on()) else {
            return Pin::new(stream).poll_read(cx, buf);
        };
        ready!(brake.poll(cx));
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        ready!(Pin::new(stream).poll_read(cx, &mut one))?;
        buf.put_slice(one.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// TLS 1.3 sessions of all connections: after a drop each can resume one, as if it were its own.
struct Sessions {
    tickets: Mutex<VecDeque<Tls13ClientSessionValue>>,
    group: Mutex<Option<NamedGroup>>,
    most: usize,
}

impl Sessions {
    fn new(most: usize) -> Self {
        Self {
            tickets: Mutex::default(),
            group: Mutex::default(),
            most,
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, _server: ServerName<'static>, group: NamedGroup) {
        *self.group.lock() = Some(group);
    }

    fn kx_hint(&self, _server: &ServerName<'_>) -> Option<NamedGroup> {
        *self.group.lock()
    }

    // Sessions of TLS 1.2 are not resumed.
    fn set_tls12_session(&self, _server: ServerName<'static>, _value: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _server: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _server: ServerName<'static>, value: Tls13ClientSessionValue) {
        let mut tickets = self.tickets.lock();
        if tickets.len() >= self.most {
            tickets.pop_front();
        }
        tickets.push_back(value);
    }

    fn take_tls13_ticket(&self, _server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.tickets.lock().pop_front()
    }
}
