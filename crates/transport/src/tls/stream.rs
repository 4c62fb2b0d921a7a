//! A server's TLS stream over any socket, made for many that idle.
//!
//! rustls' unbuffered API leaves the buffers to its user. All streams of a thread share one, for
//! reading and for encrypting; a stream owns memory only while a record is incomplete, while its
//! reader has not taken all that arrived, or while the socket does not take what was written. An
//! idle stream owns none besides rustls' state.
//!
//! No 0-RTT data, and no client's side.

mod held;
mod scratch;
mod session;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::{HandshakeKind, NamedGroup, ProtocolVersion, ServerConfig, SupportedCipherSuite};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use session::{RECORD_MAX, RECORD_PLAINTEXT_MAX, SEALED_MAX, Session, WRITE_MAX};

/// Shakes hands with the client behind `io` (RFC 8446 section 4, RFC 5246 section 7.4).
///
/// Ends when the client's Finished has arrived and all that the server owes it, session tickets
/// among them, is with the socket; what the client sent after its Finished is there to be read.
/// Takes as long as the client likes: the caller bounds the time. Holds at most 64 KiB of what the
/// client sent, the length of the largest handshake message that rustls accepts.
///
/// # Errors
///
/// - `InvalidInput`: `config` allows 0-RTT data (`max_early_data_size`), which are not supported.
/// - `InvalidData`: the client broke the protocol, or has no parameters in common with `config`.
///   It was sent an alert (RFC 8446 section 6.2); when no certificate is for the name that it wants,
///   `unrecognized_name` (RFC 6066 section 3).
/// - `ConnectionAborted`: the client sent a fatal alert.
/// - `UnexpectedEof`: the client went away.
/// - Errors of `io`.
///
/// All but those of `io` and `UnexpectedEof` carry a [`rustls::Error`].
pub async fn accept<S>(config: Arc<ServerConfig>, io: S) -> io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = TlsStream {
        io,
        session: Session::new(config)?,
        is_eof: false,
        write_end: WriteEnd::Open,
    };
    poll_fn(|cx| stream.poll_handshake(cx)).await?;
    Ok(stream)
}

/// A TLS connection of a server after the handshake.
///
/// Reading: a `close_notify` of the peer is the end, and what follows it is ignored; an end without
/// one is `UnexpectedEof`, because it may be an attacker's (RFC 8446 section 6.1). An invalid record
/// is `InvalidData` and makes the stream send an alert, a fatal alert received is
/// `ConnectionAborted`; both are repeated by every later read and write. Data that arrived before an
/// error are read before it. Reading never waits for the peer to take anything. It asks the socket
/// for as much as the reader has room for, but for a whole record at least: of that, what the reader
/// has no room for is kept, decrypted.
///
/// Writing: a write encrypts up to 64 KiB, in full records, and hands them to the socket at once;
/// what the socket does not take, and nothing more, is kept, and goes before the next write. Flush
/// to be sure that it went. Slices of a vectored write are gathered into one record. After an error
/// of the socket, and after a shutdown, a write is `BrokenPipe`. The peer's request for new keys
/// (RFC 8446 section 4.6.3) is answered before the next data or `close_notify`.
#[derive(Debug)]
pub struct TlsStream<S> {
    io: S,
    session: Session,
    /// Whether the socket has come to its end.
    is_eof: bool,
    write_end: WriteEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteEnd {
    Open,
    /// A `close_notify` was sent, or is in `outgoing`.
    Closed,
    /// The socket failed, so that records are missing from what the peer gets.
    Broken,
}

impl<S> TlsStream<S> {
    /// The protocol agreed on (RFC 7301), if any.
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.session.connection().alpn_protocol()
    }

    /// The TLS version agreed on.
    pub fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.session.connection().protocol_version()
    }

    /// The cipher suite agreed on.
    pub fn negotiated_cipher_suite(&self) -> Option<SupportedCipherSuite> {
        self.session.connection().negotiated_cipher_suite()
    }

    /// The group of the key exchange. TLS 1.2 has none when a session is resumed.
    pub fn key_exchange_group(&self) -> Option<NamedGroup> {
        let group = self.session.connection().negotiated_key_exchange_group()?;
        Some(group.name())
    }

    /// The leaf of the client's certificate chain in DER, if it was asked for one and showed it.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        let chain = self.session.connection().peer_certificates()?;
        chain.first().map(AsRef::as_ref)
    }

    /// Whether the client resumed a session.
    pub fn handshake_kind(&self) -> Option<HandshakeKind> {
        self.session.connection().handshake_kind()
    }

    /// The socket.
    pub fn get_ref(&self) -> &S {
        &self.io
    }

    /// The socket. Reading from it or writing to it breaks the connection.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.io
    }

    /// Heap memory of this stream's own buffers, in bytes: zero when it idles.
    #[doc(hidden)]
    pub fn buffered(&self) -> usize {
        self.session.buffered()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let sent = self.poll_send(cx);
            if let Some(error) = self.session.failure() {
                // The alert is sent first, if it can be.
                if sent.is_pending() || Pin::new(&mut self.io).poll_flush(cx).is_pending() {
                    return Poll::Pending;
                }
                return Poll::Ready(Err(error));
            }
            ready!(sent)?;
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            if !self.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if self.is_eof {
                let reason = "the client closed the connection before the handshake was complete";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason)));
            }
            ready!(self.poll_receive(cx, &mut ReadBuf::new(&mut [])))?;
        }
    }

    /// Reads from the socket once, and takes in what it gave.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        scratch::with(|scratch| {
            let held = self.session.held();
            // What the reader has no room for would have to be kept.
            let wanted = RECORD_MAX.max(reader.remaining());
            let end = held.saturating_add(wanted).min(scratch.len());
            let mut buffer = ReadBuf::new(scratch.get_mut(held..end).unwrap_or_default());
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
            let count = buffer.filled().len();
            if count == 0 {
                self.is_eof = true;
            } else {
                self.session.receive(scratch, count, reader);
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Gives the socket what was held for it.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outgoing = &mut self.session.outgoing;
        while !outgoing.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, outgoing.as_slice())) {
                Ok(count) if count > 0 => outgoing.take(count),
                result => {
                    outgoing.clear();
                    self.write_end = WriteEnd::Broken;
                    return Poll::Ready(Err(result.err().unwrap_or_else(write_zero)));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Encrypts `plaintext` into `target` and gives the socket as much as it takes.
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        plaintext: &[u8],
        target: &mut [u8],
    ) -> io::Result<usize> {
        let count = self.session.encrypt(plaintext, target)?;
        let mut sealed = target.get(..count).unwrap_or_default();
        while !sealed.is_empty() && self.session.outgoing.is_empty() {
            match Pin::new(&mut self.io).poll_write(cx, sealed) {
                Poll::Pending => break,
                Poll::Ready(Ok(count)) if count > 0 => {
                    sealed = sealed.get(count..).unwrap_or_default();
                }
                Poll::Ready(result) => {
                    self.write_end = WriteEnd::Broken;
                    return Err(result.err().unwrap_or_else(write_zero));
                }
            }
        }
        if !sealed.is_empty() {
            self.session.outgoing.append(sealed);
        }
        Ok(plaintext.len())
    }

    /// Ready when a write may encrypt.
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.session.failure() {
            return Poll::Ready(Err(error));
        }
        if self.write_end != WriteEnd::Open {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.poll_send(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        reader: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if reader.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let plaintext = &mut this.session.plaintext;
        if !plaintext.is_empty() {
            let count = plaintext.len().min(reader.remaining());
            reader.put_slice(plaintext.as_slice().get(..count).unwrap_or_default());
            plaintext.take(count);
            return Poll::Ready(Ok(()));
        }
        let before = reader.remaining();
        loop {
            if reader.remaining() < before {
                return Poll::Ready(Ok(()));
            }
            if let Some(error) = this.session.failure() {
                return Poll::Ready(Err(error));
            }
            if this.session.is_peer_closed() {
                return Poll::Ready(Ok(()));
            }
            if this.is_eof {
                let reason = "the peer closed the connection without a close_notify";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason)));
            }
            let idle = this.session.outgoing.is_empty();
            ready!(this.poll_receive(cx, reader))?;
            if idle {
                // An alert is tried once, without waiting. Only if nobody else waits for the
                // socket to take something: it wakes one.
                let _ = this.poll_send(cx);
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_writable(cx))?;
        let bytes = bytes.get(..WRITE_MAX).unwrap_or(bytes);
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        Poll::Ready(scratch::with(|target| self.write(cx, bytes, target)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut slices = slices.iter().filter(|slice| !slice.is_empty());
        let first: &[u8] = slices.next().map_or(&[], |slice| slice);
        let mut rest = slices.peekable();
        if first.len() >= RECORD_PLAINTEXT_MAX || rest.peek().is_none() {
            return self.poll_write(cx, first);
        }
        ready!(self.poll_writable(cx))?;
        Poll::Ready(scratch::with(|scratch| {
            let (target, record) = scratch.split_at_mut_checked(SEALED_MAX).unwrap_or_default();
            let mut gathered = ReadBuf::new(record);
            for slice in std::iter::once(first).chain(rest.map(|slice| &**slice)) {
                let count = slice.len().min(gathered.remaining());
                gathered.put_slice(slice.get(..count).unwrap_or_default());
            }
            self.write(cx, gathered.filled(), target)
        }))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.write_end == WriteEnd::Open {
            this.write_end = WriteEnd::Closed;
            // After an error its alert was the last that the peer gets.
            if this.session.failure().is_none() {
                this.session.close()?;
            }
        }
        ready!(this.poll_send(cx))?;
        match ready!(Pin::new(&mut this.io).poll_shutdown(cx)) {
            // The peer was faster.
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }
}

fn write_zero() -> io::Error {
    io::ErrorKind::WriteZero.into()
}
