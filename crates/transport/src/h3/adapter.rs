//! `h3`'s transport traits over quinn.
//!
//! Both halves of a request stream live in one [`RequestState`], of which `h3` gets handles. Reading
//! polls quinn statelessly: no boxed future holds the stream, so it can be stopped at any time.
//! Writing only queues: what `h3` encodes is complete at once, and the owner of the response
//! sends it together with its DATA frames.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures::{Stream, StreamExt, stream};
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};
use parking_lot::Mutex;

use super::control::ControlGuard;
use super::state::{RequestState, connection_error, lost, poll_chunk, stream_error, write_error};
use super::var_int;

/// Unidirectional streams that one connection may open in its life: RFC 9114 has use for three,
/// and leaves room for grease.
const UNI_STREAMS_TOTAL_MAX: u32 = 64;
/// No GOAWAY has been sent: every stream is below the limit.
pub(super) const NO_GOAWAY: u64 = u64::MAX;

type Accepting<T> = Pin<Box<dyn Stream<Item = Result<T, quinn::ConnectionError>> + Send + Sync>>;

/// A connection as `h3` sees it.
pub(super) struct Connection {
    conn: quinn::Connection,
    bidi: Accepting<(quinn::SendStream, quinn::RecvStream)>,
    uni: Accepting<quinn::RecvStream>,
    uni_accepted: u32,
    opener: Opener,
    gate: Arc<Gate>,
}

/// What the adapter and the connection's owner share.
pub(super) struct Gate {
    /// Streams of this identifier and above are rejected (RFC 9114 section 5.2).
    pub(super) goaway: AtomicU64,
    /// The first identifier that no accepted request has.
    pub(super) next: AtomicU64,
    /// Requests rejected because of the GOAWAY.
    pub(super) rejected: AtomicU64,
    /// The request that `h3` was given last, for the owner to take.
    pub(super) accepted: Mutex<Option<Arc<RequestState>>>,
}

impl Connection {
    pub(super) fn new(conn: quinn::Connection, gate: Arc<Gate>) -> Self {
        let bidi = stream::unfold(conn.clone(), |conn| async {
            Some((conn.accept_bi().await, conn))
        });
        let uni = stream::unfold(conn.clone(), |conn| async {
            Some((conn.accept_uni().await, conn))
        });
        Self {
            bidi: Box::pin(bidi),
            uni: Box::pin(uni),
            uni_accepted: 0,
            opener: Opener::new(conn.clone()),
            conn,
            gate,
        }
    }
}

impl quic::Connection<Bytes> for Connection {
    type RecvStream = UniRecv;
    type OpenStreams = Opener;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<UniRecv, ConnectionErrorIncoming>> {
        loop {
            let mut stream = ready!(self.uni.poll_next_unpin(cx))
                .ok_or_else(ended)?
                .map_err(connection_error)?;
            self.uni_accepted = self.uni_accepted.saturating_add(1);
            if self.uni_accepted <= UNI_STREAMS_TOTAL_MAX {
                let id = stream_id(stream.id())?;
                return Poll::Ready(Ok(UniRecv {
                    conn: self.conn.clone(),
                    stream,
                    id,
                    guard: ControlGuard::default(),
                }));
            }
            let _ = stream.stop(var_int(Code::H3_STREAM_CREATION_ERROR.value()));
        }
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bidi, ConnectionErrorIncoming>> {
        loop {
            let (mut send, mut recv) = ready!(self.bidi.poll_next_unpin(cx))
                .ok_or_else(ended)?
                .map_err(connection_error)?;
            let number = u64::from(send.id());
            if number >= self.gate.goaway.load(Ordering::Acquire) {
                // RFC 9114 section 5.2: the client may send it again elsewhere.
                let code = var_int(Code::H3_REQUEST_REJECTED.value());
                let _ = send.reset(code);
                let _ = recv.stop(code);
                self.gate.rejected.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            // RFC 9000 section 2.1: a client's bidirectional streams are four apart.
            self.gate.next.store(number + 4, Ordering::Release);
            let state = Arc::new(RequestState::new(stream_id(send.id())?, send, recv));
            *self.gate.accepted.lock() = Some(Arc::clone(&state));
            return Poll::Ready(Ok(Bidi(state)));
        }
    }

    fn opener(&self) -> Opener {
        Opener::new(self.conn.clone())
    }
}

impl quic::OpenStreams<Bytes> for Connection {
    type BidiStream = Bidi;
    type SendStream = SendHandle;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bidi, StreamErrorIncoming>> {
        self.opener.poll_open_bidi(cx)
    }

    fn poll_open_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<SendHandle, StreamErrorIncoming>> {
        self.opener.poll_open_send(cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.opener.close(code, reason);
    }
}

/// Opens the server's own control and QPACK streams.
pub(super) struct Opener {
    conn: quinn::Connection,
    opening: Option<Accepting<quinn::SendStream>>,
}

impl Opener {
    fn new(conn: quinn::Connection) -> Self {
        Self {
            conn,
            opening: None,
        }
    }
}

impl quic::OpenStreams<Bytes> for Opener {
    type BidiStream = Bidi;
    type SendStream = SendHandle;

    /// RFC 9114 section 6.1: a server opens no bidirectional stream.
    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Bidi, StreamErrorIncoming>> {
        Poll::Ready(Err(StreamErrorIncoming::Unknown(
            "a server opens no bidirectional stream".into(),
        )))
    }

    fn poll_open_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<SendHandle, StreamErrorIncoming>> {
        let opening = self.opening.get_or_insert_with(|| {
            Box::pin(stream::unfold(self.conn.clone(), |conn| async {
                Some((conn.open_uni().await, conn))
            }))
        });
        let stream = ready!(opening.poll_next_unpin(cx))
            .ok_or_else(ended)
            .map_err(lost)?
            .map_err(stream_error)?;
        let id = stream_id(stream.id()).map_err(lost)?;
        Poll::Ready(Ok(SendHandle::Uni {
            stream,
            id,
            pending: None,
        }))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.conn.close(var_int(code.value()), reason);
    }
}

/// A client's unidirectional stream.
pub(super) struct UniRecv {
    conn: quinn::Connection,
    stream: quinn::RecvStream,
    id: StreamId,
    guard: ControlGuard,
}

impl quic::RecvStream for UniRecv {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let chunk = ready!(poll_chunk(&mut self.stream, cx))?;
        if let Some(bytes) = &chunk
            && let Err(e) = self.guard.observe(bytes)
        {
            // `h3` forgives an error before the stream's type is known; the connection ends here.
            let reason = e.to_string();
            let code = var_int(Code::H3_EXCESSIVE_LOAD.value());
            self.conn.close(code, reason.as_bytes());
            return Poll::Ready(Err(StreamErrorIncoming::Unknown(Box::new(e))));
        }
        Poll::Ready(Ok(chunk))
    }

    fn stop_sending(&mut self, code: u64) {
        let _ = self.stream.stop(var_int(code));
    }

    fn recv_id(&self) -> StreamId {
        self.id
    }
}

/// A request, before `h3` splits it.
pub(super) struct Bidi(Arc<RequestState>);

/// The receiving half of a request.
pub(super) struct RecvHandle(Arc<RequestState>);

/// What `h3` writes to: a request's queue, or one of the server's own streams.
pub(super) enum SendHandle {
    /// A request: encoded frames wait for the response's writer.
    Request(Arc<RequestState>),
    /// A control or QPACK stream: written as it is polled.
    Uni {
        /// The stream.
        stream: quinn::SendStream,
        /// Its identifier.
        id: StreamId,
        /// What is not written yet.
        pending: Option<Box<WriteBuf<Bytes>>>,
    },
}

impl quic::BidiStream<Bytes> for Bidi {
    type SendStream = SendHandle;
    type RecvStream = RecvHandle;

    fn split(self) -> (SendHandle, RecvHandle) {
        (SendHandle::Request(Arc::clone(&self.0)), RecvHandle(self.0))
    }
}

impl quic::RecvStream for RecvHandle {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.0.poll_data(cx)
    }

    fn stop_sending(&mut self, code: u64) {
        self.0.stop_receiving(Code::from(code));
    }

    fn recv_id(&self) -> StreamId {
        self.0.id
    }
}

impl quic::RecvStream for Bidi {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.0.poll_data(cx)
    }

    fn stop_sending(&mut self, code: u64) {
        self.0.stop_receiving(Code::from(code));
    }

    fn recv_id(&self) -> StreamId {
        self.0.id
    }
}

impl quic::SendStream<Bytes> for Bidi {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.0.queue(data);
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self, code: u64) {
        self.0.reset(Code::from(code));
    }

    fn send_id(&self) -> StreamId {
        self.0.id
    }
}

impl quic::SendStream<Bytes> for SendHandle {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        let Self::Uni {
            stream, pending, ..
        } = self
        else {
            return Poll::Ready(Ok(()));
        };
        while let Some(data) = pending.as_mut().filter(|data| data.has_remaining()) {
            let written = ready!(Pin::new(&mut *stream).poll_write(cx, data.chunk()));
            data.advance(written.map_err(write_error)?);
        }
        *pending = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        match self {
            Self::Request(state) => state.queue(data),
            // `h3` polls until ready after each `send_data`: nothing can be pending here.
            Self::Uni { pending, .. } => *pending = Some(Box::new(data.into())),
        }
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        if let Self::Uni { stream, .. } = self {
            let _ = stream.finish();
        }
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self, code: u64) {
        match self {
            Self::Request(state) => state.reset(Code::from(code)),
            Self::Uni { stream, .. } => {
                let _ = stream.reset(var_int(code));
            }
        }
    }

    fn send_id(&self) -> StreamId {
        match self {
            Self::Request(state) => state.id,
            Self::Uni { id, .. } => *id,
        }
    }
}

fn stream_id(id: quinn::StreamId) -> Result<StreamId, ConnectionErrorIncoming> {
    StreamId::try_from(u64::from(id))
        .map_err(|e| ConnectionErrorIncoming::InternalError(e.to_string()))
}

/// quinn's accepting and opening never end without an error; `h3` is told, should they.
fn ended() -> ConnectionErrorIncoming {
    ConnectionErrorIncoming::InternalError("no more streams".into())
}
