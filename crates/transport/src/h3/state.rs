//! Both directions of one request, and quinn's errors in `h3`'s terms.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::var_int;

/// Bytes of a request that `h3` may hold unparsed: a HEADERS frame, trailers or an unknown frame.
/// `h3` itself buffers a frame of any length whole before it looks at it.
pub(super) const UNPARSED_BYTES_MAX: usize = 128 << 10;
/// Pieces of an unwanted request body that are read off before it is stopped.
const DISCARD_CHUNKS_MAX: usize = 64;
/// Both directions of one request, until their owners take them.
pub(super) struct RequestState {
    pub(super) id: StreamId,
    /// Whether the client's handshake was not complete when it came.
    pub(super) is_early: bool,
    pub(super) streams: Mutex<Streams>,
    was_reset: AtomicBool,
    told_reset: Notify,
}

pub(super) struct Streams {
    /// `None` once the response's writer has it.
    pub(super) send: Option<quinn::SendStream>,
    recv: quinn::RecvStream,
    /// What `h3` encoded and nobody sent yet.
    pub(super) encoded: VecDeque<Bytes>,
    /// Bytes given to `h3` since it last yielded a piece of body.
    unparsed: usize,
}

impl RequestState {
    pub(super) fn new(id: StreamId, send: quinn::SendStream, recv: quinn::RecvStream) -> Self {
        Self {
            id,
            is_early: recv.is_0rtt(),
            streams: Mutex::new(Streams {
                send: Some(send),
                recv,
                encoded: VecDeque::new(),
                unparsed: 0,
            }),
            was_reset: AtomicBool::new(false),
            told_reset: Notify::new(),
        }
    }

    /// The response has been reset from this side.
    pub(super) fn note_reset(&self) {
        self.was_reset.store(true, Ordering::Release);
        self.told_reset.notify_waiters();
    }

    /// Waits for [`Self::note_reset`].
    pub(super) async fn until_reset(&self) {
        // Created first: it hears of every reset after the check.
        let told = self.told_reset.notified();
        if !self.was_reset.load(Ordering::Acquire) {
            told.await;
        }
    }

    /// Stops the client's sending; harmless when it has finished.
    pub(super) fn stop_receiving(&self, code: Code) {
        let _ = self.streams.lock().recv.stop(var_int(code.value()));
    }

    /// Reads off what has arrived, and stops the client's sending if that was not all.
    ///
    /// A STOP_SENDING after a complete request is allowed, but libcurl with ngtcp2 takes it for
    /// a failure of the response.
    pub(super) fn discard_received(&self) {
        let mut streams = self.streams.lock();
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..DISCARD_CHUNKS_MAX {
            match poll_chunk(&mut streams.recv, &mut cx) {
                Poll::Ready(Ok(Some(_))) => {}
                Poll::Ready(Ok(None) | Err(_)) => return,
                Poll::Pending => break,
            }
        }
        let _ = streams.recv.stop(var_int(Code::H3_NO_ERROR.value()));
    }

    /// Resets the response, if nobody took it.
    pub(super) fn reset(&self, code: Code) {
        if let Some(mut send) = self.streams.lock().send.take() {
            let _ = send.reset(var_int(code.value()));
        }
    }

    /// `h3` has parsed all it was given.
    pub(super) fn note_parsed(&self) {
        self.streams.lock().unparsed = 0;
    }

    /// Whether `h3` was given more unparsed bytes than a request may have.
    pub(super) fn is_excessive(&self) -> bool {
        self.streams.lock().unparsed > UNPARSED_BYTES_MAX
    }

    /// Queues one frame that `h3` encoded. It is small (never DATA), so it is copied.
    pub(super) fn queue<T: Into<WriteBuf<Bytes>>>(&self, data: T) {
        let mut data: WriteBuf<Bytes> = data.into();
        let length = data.remaining();
        let bytes = data.copy_to_bytes(length);
        self.streams.lock().encoded.push_back(bytes);
    }

    pub(super) fn poll_data(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let mut streams = self.streams.lock();
        if streams.unparsed > UNPARSED_BYTES_MAX {
            return Poll::Ready(Err(StreamErrorIncoming::StreamTerminated {
                error_code: Code::H3_EXCESSIVE_LOAD.value(),
            }));
        }
        let chunk = ready!(poll_chunk(&mut streams.recv, cx))?;
        streams.unparsed += chunk.as_ref().map_or(0, Bytes::len);
        Poll::Ready(Ok(chunk))
    }
}

/// quinn's own drop would finish the response, and stop the request with a code that HTTP/3 does
/// not know.
impl Drop for RequestState {
    fn drop(&mut self) {
        self.reset(Code::H3_INTERNAL_ERROR);
        self.discard_received();
    }
}

pub(super) fn poll_chunk(
    stream: &mut quinn::RecvStream,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
    let chunk = ready!(pin!(stream.read_chunk(usize::MAX, true)).poll(cx));
    Poll::Ready(match chunk {
        Ok(chunk) => Ok(chunk.map(|chunk| chunk.bytes)),
        Err(quinn::ReadError::Reset(code)) => Err(StreamErrorIncoming::StreamTerminated {
            error_code: code.into_inner(),
        }),
        Err(quinn::ReadError::ConnectionLost(e)) => Err(stream_error(e)),
        Err(e) => Err(StreamErrorIncoming::Unknown(Box::new(e))),
    })
}

pub(super) fn lost(connection_error: ConnectionErrorIncoming) -> StreamErrorIncoming {
    StreamErrorIncoming::ConnectionErrorIncoming { connection_error }
}

pub(super) fn stream_error(e: quinn::ConnectionError) -> StreamErrorIncoming {
    lost(connection_error(e))
}

pub(super) fn write_error(e: quinn::WriteError) -> StreamErrorIncoming {
    match e {
        quinn::WriteError::ConnectionLost(e) => stream_error(e),
        quinn::WriteError::Stopped(code) => StreamErrorIncoming::StreamTerminated {
            error_code: code.into_inner(),
        },
        e => StreamErrorIncoming::Unknown(Box::new(e)),
    }
}

pub(super) fn connection_error(e: quinn::ConnectionError) -> ConnectionErrorIncoming {
    match e {
        quinn::ConnectionError::ApplicationClosed(close) => {
            ConnectionErrorIncoming::ApplicationClose {
                error_code: close.error_code.into_inner(),
            }
        }
        quinn::ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        e => ConnectionErrorIncoming::Undefined(Arc::new(e)),
    }
}
