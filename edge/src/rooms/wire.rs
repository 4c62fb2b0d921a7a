//! A WebSocket on the wire (RFC 6455): what comes is read by the library, what goes is framed by
//! [`frame`](super::frame).

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::frame;

/// Read at once of what a client says. The library's own 128 KiB would be most of a connection.
const READ_BYTES: usize = 512;
/// A close has so long to be taken, and to be answered.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// RFC 6455 section 7.4.1.
const PROTOCOL_ERROR: u16 = 1002;
const INVALID_PAYLOAD: u16 = 1007;
const TOO_BIG: u16 = 1009;

/// What carries a WebSocket.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// What came.
#[derive(Debug)]
pub enum Heard {
    /// A text message, which is UTF-8.
    Text(Bytes),
    /// A binary message.
    Binary(Bytes),
    /// A ping or a pong: the other side lives. A ping is answered with the next read or write.
    Sign,
    /// Not as RFC 6455 has it, or too long: the code (section 7.4.1) and reason to close with.
    Violation(u16, &'static str),
    /// The other side closed it, or went.
    Gone,
}

/// The server's end of a WebSocket whose handshake is over.
#[derive(Debug)]
pub struct Wire<S> {
    socket: WebSocketStream<S>,
}

impl<S: Socket> Wire<S> {
    /// Over `stream`. Messages longer than `message_bytes_max` are violations.
    pub async fn new(stream: S, message_bytes_max: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            // For pongs and the answer to a close alone.
            .max_write_buffer_size(message_bytes_max)
            .max_message_size(Some(message_bytes_max))
            .max_frame_size(Some(message_bytes_max));
        let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        Self { socket }
    }

    /// What comes next.
    pub async fn next(&mut self) -> Heard {
        understand(self.socket.next().await)
    }

    /// What has come; if nothing has, `context` is woken by what does.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Heard> {
        self.socket.poll_next_unpin(context).map(understand)
    }

    /// Writes whole frames; see [`super::frame`].
    ///
    /// # Errors
    /// The connection's.
    pub async fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        // What the library has queued goes first: a pong must not land in the middle of a frame.
        self.socket.flush().await.map_err(io::Error::other)?;
        let stream = self.socket.get_mut();
        stream.write_all(frames).await?;
        stream.flush().await
    }

    /// The last frames, for a moment: who does not take them goes without.
    pub async fn write_last(&mut self, frames: &[u8]) {
        drop(tokio::time::timeout(CLOSE_WITHIN, self.write(frames)).await);
    }

    /// Says why the connection ends. [`Self::end`] ends it.
    pub async fn close(&mut self, code: u16, reason: &str) {
        let mut out = Vec::new();
        frame::append_close(&mut out, code, reason);
        self.write_last(&out).await;
    }

    /// After the last word. What the system still holds is given a moment: a close that is cut off by a
    /// reset is not read.
    pub async fn end(mut self) {
        let goodbye = async {
            // The library may have an answer to the other side's close.
            drop(self.socket.flush().await);
            if self.socket.get_mut().shutdown().await.is_ok() {
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        drop(tokio::time::timeout(CLOSE_WITHIN, goodbye).await);
    }
}

fn understand(next: Option<Result<Message, Error>>) -> Heard {
    match next {
        Some(Ok(Message::Text(text))) => Heard::Text(text.into()),
        Some(Ok(Message::Binary(bytes))) => Heard::Binary(bytes),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Heard::Sign,
        Some(Ok(Message::Close(_))) | None => Heard::Gone,
        Some(Err(error)) => violation(&error),
    }
}

fn violation(error: &Error) -> Heard {
    match error {
        Error::Utf8(_) => Heard::Violation(INVALID_PAYLOAD, "not UTF-8"),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => {
            Heard::Violation(TOO_BIG, "the message is too long")
        }
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_) => Heard::Gone,
        _ => Heard::Violation(PROTOCOL_ERROR, "not as RFC 6455 has it"),
    }
}
