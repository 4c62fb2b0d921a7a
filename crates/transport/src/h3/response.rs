//! The response of a request.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use futures::FutureExt;
use h3::error::{Code, StreamError};
use http::HeaderMap;

use super::state::RequestState;
use super::{RequestSend, var_int};

/// Frame type of DATA (RFC 9114 section 7.2.1).
const FRAME_DATA: u8 = 0x00;
/// A frame type of one byte and the longest variable-length integer.
const DATA_HEADER_BYTES_MAX: usize = 9;

/// Writes one response: queue, then [`Self::flush`].
///
/// Queueing never waits and cannot be half done; `flush` may be cancelled and called again. Unless
/// it was finished and flushed, its `Drop` resets the stream.
pub struct ResponseWriter {
    encoder: RequestSend,
    state: Arc<RequestState>,
    send: quinn::SendStream,
    queue: VecDeque<Bytes>,
    /// Of each of the queue, whether it is body.
    is_body: VecDeque<bool>,
    /// Body bytes that QUIC has taken.
    body_bytes: u64,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The FIN follows the queue.
    Finishing,
    Finished,
    Reset,
}

/// Why a response could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The connection is gone.
    #[error("connection lost: {0}")]
    ConnectionLost(quinn::ConnectionError),
    /// The fields cannot be encoded, or are more than the client accepts.
    #[error(transparent)]
    Fields(StreamError),
    /// The response was reset or finished before.
    #[error("the response has ended")]
    Ended,
    /// The client does not want (the rest of) the response.
    #[error("stopped by the client, code {0:#x}")]
    Stopped(u64),
}

/// How a response's delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Finished, and the client has acknowledged all of it.
    Acknowledged,
    /// The connection is gone.
    ConnectionLost,
    /// Reset from this side.
    Reset,
    /// The client stopped it with this code.
    Stopped(u64),
}

impl ResponseWriter {
    pub(super) fn new(
        encoder: RequestSend,
        state: Arc<RequestState>,
        send: quinn::SendStream,
    ) -> Self {
        Self {
            encoder,
            state,
            send,
            queue: VecDeque::new(),
            is_body: VecDeque::new(),
            body_bytes: 0,
            phase: Phase::Open,
        }
    }

    /// Queues a head, informational or final. Fields that RFC 9114 section 4.2 forbids must have
    /// been removed.
    pub fn queue_head(&mut self, head: http::Response<()>) -> Result<(), WriteError> {
        self.check_open()?;
        let encoded = self.encoder.send_response(head).now_or_never();
        self.take_encoded(encoded)
    }

    /// Queues trailers.
    pub fn queue_trailers(&mut self, trailers: HeaderMap) -> Result<(), WriteError> {
        self.check_open()?;
        let encoded = self.encoder.send_trailers(trailers).now_or_never();
        self.take_encoded(encoded)
    }

    /// Queues a piece of body, uncopied.
    pub fn queue_data(&mut self, data: Bytes) -> Result<(), WriteError> {
        self.check_open()?;
        if !data.is_empty() {
            self.queue.push_back(data_header(data.len() as u64));
            self.queue.push_back(data);
            self.is_body.extend([false, true]);
        }
        Ok(())
    }

    /// Ends the response: the FIN follows what is queued.
    pub fn queue_finish(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Finishing;
        }
    }

    /// Whether [`Self::flush`] has something to do.
    #[must_use]
    pub fn has_queued(&self) -> bool {
        !self.queue.is_empty() || self.phase == Phase::Finishing
    }

    /// Body bytes that QUIC has taken so far: sent, or in its send window. Frame headers are not in it.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Whether the response was finished and its FIN handed to QUIC.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// Hands all that is queued to QUIC, waiting for flow control. Cancel-safe.
    pub async fn flush(&mut self) -> Result<(), WriteError> {
        while self.flush_some().await? {}
        Ok(())
    }

    /// Hands some of what is queued to QUIC, as soon as it takes any; whether more is queued.
    /// Cancel-safe. For callers that bound the time without progress.
    pub async fn flush_some(&mut self) -> Result<bool, WriteError> {
        if !self.queue.is_empty() {
            let before = self.body_queued();
            let written = self.send.write_chunks(self.queue.make_contiguous()).await;
            match written {
                Ok(written) => {
                    // What is taken in part stays, shortened.
                    self.queue.drain(..written.chunks);
                    self.is_body.drain(..written.chunks);
                    self.body_bytes += before - self.body_queued();
                }
                Err(e) => {
                    self.clear();
                    return Err(e.into());
                }
            }
            if !self.queue.is_empty() {
                return Ok(true);
            }
        }
        match self.phase {
            Phase::Finishing => {
                // Fails only if the client stopped the stream: there is nobody to tell.
                let _ = self.send.finish();
                self.phase = Phase::Finished;
                Ok(false)
            }
            Phase::Open | Phase::Finished => Ok(false),
            Phase::Reset => Err(WriteError::Ended),
        }
    }

    /// Ends the response so that the client cannot take it for whole. Nothing happens after
    /// the FIN.
    pub fn reset(&mut self, code: Code) {
        if matches!(self.phase, Phase::Open | Phase::Finishing) {
            self.clear();
            let _ = self.send.reset(var_int(code.value()));
            self.phase = Phase::Reset;
            self.state.note_reset();
        }
    }

    /// Among responses that compete for the connection, those of higher `priority` go first.
    pub fn set_priority(&self, priority: i32) {
        // Fails only on a stream that has ended.
        let _ = self.send.set_priority(priority);
    }

    /// Waits until the client has all of the response or does not want it any more. Costs
    /// nothing until it is polled, and does not borrow the writer.
    pub fn delivery(&self) -> impl Future<Output = Delivery> + Send + Sync + 'static {
        let stopped = self.send.stopped();
        let state = Arc::clone(&self.state);
        async move {
            // quinn reports nothing when the acknowledgement of a reset comes.
            tokio::select! {
                biased;
                stopped = stopped => match stopped {
                    Ok(None) => Delivery::Acknowledged,
                    Ok(Some(code)) => Delivery::Stopped(code.into_inner()),
                    Err(_) => Delivery::ConnectionLost,
                },
                () = state.until_reset() => Delivery::Reset,
            }
        }
    }

    fn clear(&mut self) {
        self.queue.clear();
        self.is_body.clear();
    }

    fn body_queued(&self) -> u64 {
        let queue = self.queue.iter().zip(&self.is_body);
        queue
            .filter(|(_, is_body)| **is_body)
            .map(|(bytes, _)| bytes.len() as u64)
            .sum()
    }

    fn check_open(&self) -> Result<(), WriteError> {
        match self.phase {
            Phase::Open => Ok(()),
            _ => Err(WriteError::Ended),
        }
    }

    fn take_encoded(&mut self, encoded: Option<Result<(), StreamError>>) -> Result<(), WriteError> {
        match encoded {
            Some(Ok(())) => {
                self.queue.append(&mut self.state.streams.lock().encoded);
                self.is_body.resize(self.queue.len(), false);
                Ok(())
            }
            Some(Err(e)) => Err(WriteError::Fields(e)),
            // The adapter is always ready, so `h3` never waits.
            None => Err(WriteError::Ended),
        }
    }
}

impl Drop for ResponseWriter {
    fn drop(&mut self) {
        self.reset(Code::H3_INTERNAL_ERROR);
    }
}

impl std::fmt::Debug for ResponseWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseWriter")
            .field("phase", &self.phase)
            .field("queued", &self.queue.len())
            .finish_non_exhaustive()
    }
}

impl From<quinn::WriteError> for WriteError {
    fn from(e: quinn::WriteError) -> Self {
        match e {
            quinn::WriteError::ConnectionLost(e) => Self::ConnectionLost(e),
            quinn::WriteError::Stopped(code) => Self::Stopped(code.into_inner()),
            quinn::WriteError::ClosedStream | quinn::WriteError::ZeroRttRejected => Self::Ended,
        }
    }
}

/// Type and length of a DATA frame (RFC 9114 section 7.1, RFC 9000 section 16).
fn data_header(length: u64) -> Bytes {
    let mut header = BytesMut::with_capacity(DATA_HEADER_BYTES_MAX);
    header.put_u8(FRAME_DATA);
    match length {
        0..0x40 => header.put_uint(length, 1),
        0x40..0x4000 => header.put_uint(length | 0x4000, 2),
        0x4000..0x4000_0000 => header.put_uint(length | 0x8000_0000, 4),
        _ => header.put_u64(length | 0xc000_0000_0000_0000),
    }
    header.freeze()
}

#[cfg(test)]
mod tests {
    use super::data_header;

    /// The examples of RFC 9000 appendix A.1, as lengths.
    #[test]
    fn encodes_lengths() {
        assert_eq!(&data_header(37)[..], [0, 0x25]);
        assert_eq!(&data_header(15_293)[..], [0, 0x7b, 0xbd]);
        assert_eq!(&data_header(494_878_333)[..], [0, 0x9d, 0x7f, 0x3e, 0x7d]);
        assert_eq!(
            &data_header(151_288_809_941_952_652)[..],
            [0, 0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c]
        );
    }
}
