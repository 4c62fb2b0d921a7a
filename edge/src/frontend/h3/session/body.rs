//! The request's body.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pingora_error::{Error, ErrorType, Result};
use tokio::time::timeout;
use transport::h3::{Code, RequestBody};

use super::downstream;
use super::head::MalformedHead;

/// How long the FIN of a GET or HEAD may trail its HEADERS. In a burst it comes in a later packet;
/// a request that looks as if it had a body would go to an HTTP/1.1 parent as an empty chunked
/// one.
pub(super) const LATE_FIN_TIMEOUT: Duration = Duration::from_millis(200);
/// Request body kept for a second try at another parent.
const RETRY_BUFFER_BYTES_MAX: usize = 64 << 10;

/// The request's body and what has been read of it.
pub(super) struct Body {
    stream: RequestBody,
    /// A piece that came while the FIN was awaited.
    first: Option<Bytes>,
    ended: bool,
    /// The request had no body at all.
    pub(super) empty: bool,
    /// As announced; checked at the end (RFC 9114 section 4.1.2).
    length: Option<u64>,
    pub(super) read_bytes: usize,
    pub(super) retry: Option<RetryBuffer>,
}

/// What is kept for a second try.
#[derive(Default)]
pub(super) struct RetryBuffer {
    pub(super) bytes: BytesMut,
    pub(super) truncated: bool,
}

impl Body {
    pub(super) fn new(stream: RequestBody, length: Option<u64>) -> Self {
        Self {
            stream,
            first: None,
            ended: false,
            empty: false,
            length,
            read_bytes: 0,
            retry: None,
        }
    }

    /// Finds out whether there is a body.
    pub(super) async fn open(&mut self, bodiless: bool) -> std::result::Result<(), MalformedHead> {
        let piece = match self.stream.try_read() {
            Some(piece) => piece,
            None if bodiless => match timeout(LATE_FIN_TIMEOUT, self.stream.read()).await {
                Ok(piece) => piece,
                Err(_elapsed) => return Ok(()),
            },
            None => return Ok(()),
        };
        match piece {
            Ok(Some(piece)) => self.first = Some(piece),
            Ok(None) => {
                if self.length.is_some_and(|length| length > 0) {
                    return Err(MalformedHead::BodyLength);
                }
                self.ended = true;
                self.empty = true;
            }
            Err(_) => return Err(MalformedHead::Gone),
        }
        Ok(())
    }

    pub(super) fn is_done(&self) -> bool {
        self.ended && self.first.is_none()
    }

    pub(super) async fn read(&mut self) -> Result<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return self.take(first).map(Some);
        }
        if self.ended {
            return Ok(None);
        }
        match self.stream.read().await {
            Ok(Some(piece)) => self.take(piece).map(Some),
            Ok(None) => {
                self.ended = true;
                if self.length.is_some_and(|l| l != self.read_bytes as u64) {
                    return Err(self.wrong_length());
                }
                Ok(None)
            }
            Err(e) => Err(downstream(ErrorType::ReadError, e.to_string())),
        }
    }

    fn take(&mut self, piece: Bytes) -> Result<Bytes> {
        self.read_bytes += piece.len();
        if self.length.is_some_and(|l| (self.read_bytes as u64) > l) {
            return Err(self.wrong_length());
        }
        if let Some(retry) = &mut self.retry {
            retry.push(&piece);
        }
        Ok(piece)
    }

    fn wrong_length(&mut self) -> Box<Error> {
        self.stream.stop(Code::H3_MESSAGE_ERROR);
        downstream(
            ErrorType::InvalidHTTPHeader,
            "the request's body is not as long as its Content-Length",
        )
    }
}

impl RetryBuffer {
    fn push(&mut self, piece: &Bytes) {
        if self.truncated || self.bytes.len() + piece.len() > RETRY_BUFFER_BYTES_MAX {
            self.truncated = true;
            self.bytes.clear();
        } else {
            self.bytes.extend_from_slice(piece);
        }
    }
}
