//! A request: from the opening of its stream to its head, its body and its response.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::FutureExt;
use h3::error::{Code, StreamError};

use super::adapter::Connection;
use super::response::ResponseWriter;
use super::state::RequestState;
use super::{RequestRecv, var_int};

/// A request whose head has not been read.
///
/// Dropped, it is reset.
pub struct Incoming {
    resolver: h3::server::RequestResolver<Connection, Bytes>,
    state: Arc<RequestState>,
    head_timeout: Duration,
}

/// A request, ready to be answered.
#[derive(Debug)]
#[non_exhaustive]
pub struct Request {
    /// Method, URI and fields. `h3` has checked that `:authority` and `host` agree if both came.
    pub head: http::Request<()>,
    /// Whether it came before the client's handshake was complete, as 0-RTT data do: then somebody may
    /// have recorded and repeated it (RFC 8470).
    pub is_early: bool,
    /// The body.
    pub body: RequestBody,
    /// Where the response goes.
    pub response: ResponseWriter,
}

/// Why a request was refused before anybody saw it. Its stream has been answered or reset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The fields are too large: the client gets a 431.
    #[error("the request's fields take {actual} bytes, more than {limit}")]
    FieldsTooLarge {
        /// Their size.
        actual: u64,
        /// The limit.
        limit: u64,
    },
    /// The HEADERS frame is so large that it was not read to its end.
    #[error("the request's HEADERS frame is too large")]
    FrameTooLarge,
    /// The client took longer than [`super::Limits::head_timeout`].
    #[error("the request's head did not come in time")]
    HeadTimeout,
    /// Its response was reset while its head was read.
    #[error("the response was reset")]
    Reset,
    /// The request is malformed, or the client or the connection went away.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// Why the body ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The client reset its stream, or its connection is gone, or it broke the protocol.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// A frame that is not DATA is too large.
    #[error("a frame inside the request's body is too large")]
    FrameTooLarge,
}

impl Incoming {
    pub(super) fn new(
        resolver: h3::server::RequestResolver<Connection, Bytes>,
        state: Arc<RequestState>,
        head_timeout: Duration,
    ) -> Self {
        Self {
            resolver,
            state,
            head_timeout,
        }
    }

    /// Refuses the request unread; the client may send it again (RFC 9114 section 4.1.1).
    pub fn reject(self) {
        self.state.reset(Code::H3_REQUEST_REJECTED);
        self.state.stop_receiving(Code::H3_REQUEST_REJECTED);
    }

    /// Reads the head.
    pub async fn resolve(self) -> Result<Request, Refusal> {
        let Self {
            resolver,
            state,
            head_timeout,
        } = self;
        let resolved = tokio::time::timeout(head_timeout, resolver.resolve_request()).await;
        let (head, stream) = match resolved {
            Ok(Ok(resolved)) => resolved,
            Ok(Err(StreamError::HeaderTooBig {
                actual_size,
                max_size,
                ..
            })) => {
                send_encoded(&state).await;
                return Err(Refusal::FieldsTooLarge {
                    actual: actual_size,
                    limit: max_size,
                });
            }
            Ok(Err(_)) if state.is_excessive() => {
                state.reset(Code::H3_EXCESSIVE_LOAD);
                state.stop_receiving(Code::H3_EXCESSIVE_LOAD);
                return Err(Refusal::FrameTooLarge);
            }
            Ok(Err(e)) => {
                let code = match &e {
                    StreamError::StreamError { code, .. } => *code,
                    _ => Code::H3_REQUEST_INCOMPLETE,
                };
                state.reset(code);
                return Err(e.into());
            }
            Err(_elapsed) => {
                state.reset(Code::H3_REQUEST_INCOMPLETE);
                state.stop_receiving(Code::H3_REQUEST_INCOMPLETE);
                return Err(Refusal::HeadTimeout);
            }
        };
        state.note_parsed();
        let Some(send) = state.streams.lock().send.take() else {
            // Only `h3` could have reset it, and `h3` reports that as an error above.
            return Err(Refusal::Reset);
        };
        let (encoder, body) = stream.split();
        Ok(Request {
            head,
            is_early: state.is_early,
            body: RequestBody {
                stream: body,
                state: Arc::clone(&state),
                ended: false,
            },
            response: ResponseWriter::new(encoder, state, send),
        })
    }
}

/// Sends what `h3` answered by itself (its 431), and a FIN.
async fn send_encoded(state: &RequestState) {
    let (send, encoded) = {
        let mut streams = state.streams.lock();
        (streams.send.take(), std::mem::take(&mut streams.encoded))
    };
    let Some(mut send) = send else { return };
    for bytes in encoded {
        if send.write_chunk(bytes).await.is_err() {
            let _ = send.reset(var_int(Code::H3_INTERNAL_ERROR.value()));
            return;
        }
    }
    // Fails only on a stream that the client has stopped.
    let _ = send.finish();
}

/// The body of a request. Dropped before its end, it tells the client to stop sending.
pub struct RequestBody {
    stream: RequestRecv,
    state: Arc<RequestState>,
    ended: bool,
}

impl RequestBody {
    /// The next piece; `None` at the end. Cancel-safe.
    pub async fn read(&mut self) -> Result<Option<Bytes>, BodyError> {
        if self.ended {
            return Ok(None);
        }
        let piece = match self.stream.recv_data().await {
            Ok(piece) => piece.map(|mut piece| {
                let length = piece.remaining();
                piece.copy_to_bytes(length)
            }),
            Err(_) if self.state.is_excessive() => {
                self.stop(Code::H3_EXCESSIVE_LOAD);
                return Err(BodyError::FrameTooLarge);
            }
            Err(e) => return Err(e.into()),
        };
        self.state.note_parsed();
        self.ended = piece.is_none();
        Ok(piece)
    }

    /// The next piece, if it is here already.
    pub fn try_read(&mut self) -> Option<Result<Option<Bytes>, BodyError>> {
        self.read().now_or_never()
    }

    /// Tells the client to stop sending.
    pub fn stop(&mut self, code: Code) {
        self.state.stop_receiving(code);
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.ended {
            self.state.discard_received();
        }
    }
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestBody")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
