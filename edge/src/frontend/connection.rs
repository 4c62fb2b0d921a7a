//! A connection of HTTP/1.1 and HTTP/2, as pingora is given it.
//!
//! pingora's own streams keep their buffers for as long as they live: 1.4 KiB for what is gathered
//! before a write, and rustls' 4 KiB for what was read. Most of an edge's connections idle, ten thousand
//! of them in a room. This one gathers, too, and owns nothing while there is nothing to write.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use limits::Frames;
use pingora_core::protocols::l4::stream::Stream as TcpStream;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use rustls::{HandshakeKind, NamedGroup};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use transport::tls::{ALPN_H2, TlsStream};

use super::guard::{Attack, Guard, Heads};
use crate::limits::{Held, Limits};

/// What is written in pieces shorter than this altogether waits for the flush: a head and a short body
/// are one segment, and one record.
const GATHER_BYTES: usize = 1_400;

/// A viewer's connection.
#[derive(Debug)]
pub(super) struct Connection {
    carrier: Carrier,
    guard: Guard,
    limits: Limits,
    /// What it counts for.
    _held: Option<Held>,
    /// Runs while something that was begun is not ended.
    deadline: Option<Pin<Box<Sleep>>>,
    /// It attacked: nothing is read or written any more.
    is_closed: bool,
    /// What waits for the flush, and how much of it is written.
    gathered: Vec<u8>,
    written: usize,
    /// Of TLS: when the handshake was over, and how long it took.
    tls: Option<Tls>,
}

#[derive(Debug)]
enum Carrier {
    Plain(Box<TcpStream>),
    Tls(Box<TlsStream<Box<TcpStream>>>),
}

#[derive(Debug)]
struct Tls {
    digest: Arc<SslDigest>,
    established: SystemTime,
    took: Duration,
}

impl Connection {
    pub(super) fn plain(stream: Box<TcpStream>, limits: Limits, held: Option<Held>) -> Self {
        Self {
            carrier: Carrier::Plain(stream),
            guard: Guard::H1(Heads::default()),
            limits,
            _held: held,
            deadline: None,
            is_closed: false,
            gathered: Vec::new(),
            written: 0,
            tls: None,
        }
    }

    /// Shakes hands. The caller bounds the time.
    pub(super) async fn secured(
        stream: Box<TcpStream>,
        config: Arc<rustls::ServerConfig>,
        limits: Limits,
        held: Option<Held>,
    ) -> io::Result<Self> {
        let began = Instant::now();
        let stream = transport::tls::accept(config, stream).await?;
        let suite = stream.negotiated_cipher_suite();
        let cipher = suite.and_then(|suite| suite.suite().as_str());
        let version = stream.protocol_version();
        let version = version.and_then(|version| version.as_str());
        let certificate = stream.peer_certificate().map(|leaf| {
            let digest = ring::digest::digest(&ring::digest::SHA256, leaf);
            digest.as_ref().to_vec()
        });
        let digest = SslDigest::new(
            cipher.unwrap_or_default(),
            version.unwrap_or_default(),
            None,
            None,
            certificate.unwrap_or_default(),
        );
        let is_h2 = stream.alpn_protocol().is_some_and(|it| it == ALPN_H2);
        let guard = if is_h2 {
            Guard::H2(Box::new(Frames::new(limits.now())))
        } else {
            Guard::H1(Heads::default())
        };
        Ok(Self {
            carrier: Carrier::Tls(Box::new(stream)),
            guard,
            limits,
            _held: held,
            deadline: None,
            is_closed: false,
            gathered: Vec::new(),
            written: 0,
            tls: Some(Tls {
                digest: Arc::new(digest),
                established: SystemTime::now(),
                took: began.elapsed(),
            }),
        })
    }

    /// Of TLS: the group of the key exchange, and whether a session was resumed.
    pub(super) fn agreed(&self) -> Option<(Option<NamedGroup>, bool)> {
        let Carrier::Tls(stream) = &self.carrier else {
            return None;
        };
        let resumed = stream.handshake_kind() == Some(HandshakeKind::Resumed);
        Some((stream.key_exchange_group(), resumed))
    }

    fn tcp(&self) -> &TcpStream {
        match &self.carrier {
            Carrier::Plain(stream) => stream,
            Carrier::Tls(stream) => stream.get_ref(),
        }
    }

    fn tcp_mut(&mut self) -> &mut TcpStream {
        match &mut self.carrier {
            Carrier::Plain(stream) => stream,
            Carrier::Tls(stream) => stream.get_mut(),
        }
    }

    /// Whether what comes now belongs to a request that is being answered.
    pub(super) fn set_in_request(&self, in_request: bool) {
        if let Guard::H1(heads) = &self.guard {
            heads.set_in_request(in_request);
        }
    }

    /// Ends the connection: to the reader it is at its end, and a last word goes out if the client
    /// takes it at once.
    fn close(&mut self, context: &mut Context<'_>, attack: Attack) -> Poll<io::Result<()>> {
        self.limits.attacked(attack.as_str());
        let peer = self.get_socket_digest();
        let peer = peer.as_ref().and_then(|digest| digest.peer_addr());
        tracing::debug!(
            peer = peer.map(tracing::field::display),
            attack = attack.as_str(),
            "closed"
        );
        self.gathered.extend(self.guard.farewell(attack));
        if self.poll_gathered(context).is_ready() {
            let _ = self.carrier.pin().poll_flush(context);
        }
        self.is_closed = true;
        self.deadline = None;
        Poll::Ready(Ok(()))
    }

    /// Whether what was begun at `since` should have been ended by now.
    fn poll_deadline(&mut self, context: &mut Context<'_>, since: Option<Duration>) -> Poll<()> {
        let Some(since) = since else {
            self.deadline = None;
            return Poll::Pending;
        };
        let within = self.limits.head_timeout();
        let left = (since + within).saturating_sub(self.limits.now());
        if left.is_zero() {
            return Poll::Ready(());
        }
        // A later beginning moves it; waking too early asks again.
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(left)));
        if deadline.as_mut().poll(context).is_ready() {
            deadline.as_mut().reset(Instant::now() + left);
            let _ = deadline.as_mut().poll(context);
        }
        Poll::Pending
    }

    /// Writes what waits, and lets go of its memory.
    fn poll_gathered(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.gathered.get(self.written..)
            && !rest.is_empty()
        {
            let count = ready!(self.carrier.pin().poll_write(context, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
        }
        self.gathered = Vec::new();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl Carrier {
    fn pin(&mut self) -> Pin<&mut dyn ReadWrite> {
        match self {
            Self::Plain(stream) => Pin::new(&mut **stream),
            Self::Tls(stream) => Pin::new(&mut **stream),
        }
    }
}

trait ReadWrite: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> ReadWrite for T {}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_closed {
            return Poll::Ready(Ok(()));
        }
        let (most, since) = match self.guard.before_read() {
            Ok(may) => may,
            Err(attack) => return self.close(context, attack),
        };
        let before = buffer.filled().len();
        let read = if buffer.remaining() <= most {
            self.carrier.pin().poll_read(context, buffer)
        } else {
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
            let read = self.carrier.pin().poll_read(context, &mut part);
            let count = part.filled().len();
            buffer.advance(count);
            read
        };
        match read {
            Poll::Pending => match self.poll_deadline(context, since) {
                Poll::Ready(()) => {
                    let attack = self.guard.too_slow();
                    self.close(context, attack)
                }
                Poll::Pending => Poll::Pending,
            },
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                let now = self.limits.now();
                let came = buffer.filled().get(before..).unwrap_or_default();
                match self.guard.received(came, now) {
                    Ok(()) => Poll::Ready(Ok(())),
                    Err(attack) => {
                        buffer.set_filled(before);
                        self.close(context, attack)
                    }
                }
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.gathered.len() + bytes.len() > GATHER_BYTES || self.written > 0 {
            ready!(self.poll_gathered(context))?;
        }
        if bytes.len() > GATHER_BYTES {
            let count = ready!(self.carrier.pin().poll_write(context, bytes))?;
            self.guard.sent(bytes.get(..count).unwrap_or_default());
            return Poll::Ready(Ok(count));
        }
        self.guard.sent(bytes);
        self.gathered.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        if self.gathered.len() + total > GATHER_BYTES || self.written > 0 {
            ready!(self.poll_gathered(context))?;
        }
        if total > GATHER_BYTES {
            let count = ready!(self.carrier.pin().poll_write_vectored(context, slices))?;
            let mut left = count;
            for slice in slices {
                let taken = slice.get(..left).unwrap_or(slice);
                self.guard.sent(taken);
                left -= taken.len();
            }
            return Poll::Ready(Ok(count));
        }
        for slice in slices {
            self.guard.sent(slice);
            self.gathered.extend_from_slice(slice);
        }
        Poll::Ready(Ok(total))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.carrier {
            Carrier::Plain(stream) => stream.is_write_vectored(),
            Carrier::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_gathered(context))?;
        self.carrier.pin().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_gathered(context))?;
        self.carrier.pin().poll_shutdown(context)
    }
}

#[async_trait]
impl Shutdown for Connection {
    async fn shutdown(&mut self) {
        if let Err(error) = tokio::io::AsyncWriteExt::shutdown(self).await {
            tracing::debug!(%error, "a connection could not be shut down");
        }
    }
}

impl UniqueID for Connection {
    fn id(&self) -> UniqueIDType {
        self.tcp().id()
    }
}

impl Ssl for Connection {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.tls.as_ref().map(|tls| Arc::clone(&tls.digest))
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        let Carrier::Tls(stream) = &self.carrier else {
            return None;
        };
        // We offer two, and the other one is HTTP/1.1.
        let is_h2 = stream.alpn_protocol()? == ALPN_H2;
        Some(if is_h2 { ALPN::H2 } else { ALPN::H1 })
    }
}

impl GetTimingDigest for Connection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        let mut layers = self.tcp().get_timing_digest();
        layers.extend(self.tls.as_ref().map(|tls| {
            Some(TimingDigest {
                established_ts: tls.established,
                establishment_duration: Some(tls.took),
                ..TimingDigest::default()
            })
        }));
        layers
    }

    fn get_read_pending_time(&self) -> Duration {
        self.tcp().get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.tcp().get_write_pending_time()
    }
}

impl GetProxyDigest for Connection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.tcp().get_proxy_digest()
    }
}

impl GetSocketDigest for Connection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.tcp().get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.tcp_mut().set_socket_digest(digest);
    }
}

impl Peek for Connection {}
