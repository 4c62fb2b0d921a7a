//! The client's half of WebSocket (RFC 6455), as little of it as a swarm needs: no extensions, no
//! fragments. Messages are handed on where they lie in the buffer.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};

use super::socket::Socket;

/// Longest message that is taken.
const MESSAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Longest answer to the opening handshake.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Taken by all connections of a thread in turn.
const BUFFER_BYTES: usize = 64 * 1024;

/// The example of RFC 6455 section 1.3, and what a server must answer to it. The key guards against
/// confused caches, of which there are none here.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Any four bytes will do, for the same reason.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_BYTES]);
}

/// Why there is no connection any more.
#[derive(Debug, Error)]
pub(crate) enum Broken {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("the server ended the connection")]
    End,
    #[error("the server does not speak WebSocket here: {0}")]
    Refused(String),
    #[error("a frame that no server may send")]
    Frame,
    #[error("a message of {0} bytes")]
    Length(u64),
}

/// What frames are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Opcode {
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// One frame of the server's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) opcode: Opcode,
    pub(crate) payload: &'a [u8],
}

impl Frame<'_> {
    /// The code of a close.
    pub(crate) fn close_code(&self) -> Option<u16> {
        let code = self.payload.first_chunk::<2>()?;
        Some(u16::from_be_bytes(*code))
    }
}

/// An open connection.
pub(crate) struct Connection {
    socket: Socket,
    /// The beginning of a frame whose end has not come.
    rest: Vec<u8>,
    /// What waits to be sent.
    out: Vec<u8>,
}

impl Connection {
    /// The opening handshake. `fields` end with a line break each.
    pub(crate) async fn open(
        mut socket: Socket,
        authority: &str,
        path: &str,
        fields: &str,
    ) -> Result<Self, Broken> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{fields}\r\n"
        );
        socket.write_all(request.as_bytes()).await?;
        socket.flush().await?;
        let mut head = Vec::new();
        loop {
            if let Some(end) = memchr::memmem::find(&head, b"\r\n\r\n") {
                let rest = head.split_off(end + 4);
                accepted(&head)?;
                return Ok(Self {
                    socket,
                    rest,
                    out: Vec::new(),
                });
            }
            if head.len() > HEAD_BYTES_MAX {
                return Err(Broken::Refused("an endless header".to_owned()));
            }
            if socket.read_buf(&mut head).await? == 0 {
                return Err(Broken::End);
            }
        }
    }

    /// To be sent by the next [`Self::flush`].
    pub(crate) fn push(&mut self, opcode: Opcode, payload: &[u8]) {
        put(&mut self.out, opcode, payload);
    }

    /// Sends what waits. Dropped in between, it goes on where it was.
    pub(crate) async fn flush(&mut self) -> Result<(), Broken> {
        if self.out.is_empty() {
            return Ok(());
        }
        while !self.out.is_empty() {
            let sent = self.socket.write(&self.out).await?;
            self.out.drain(..sent);
        }
        self.socket.flush().await?;
        Ok(())
    }

    /// Waits for frames and hands them to `take`, which may queue answers. Returns when there is
    /// something to send; dropped before, nothing is lost.
    pub(crate) async fn read<E: From<Broken>>(
        &mut self,
        mut take: impl FnMut(Frame<'_>, &mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        // What came with the handshake.
        if !self.rest.is_empty() {
            let used = each(&self.rest, &mut self.out, &mut take)?;
            self.rest.drain(..used);
        }
        poll_fn(|cx| BUFFER.with_borrow_mut(|buffer| self.poll_read(cx, buffer, &mut take))).await
    }

    fn poll_read<E: From<Broken>>(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        take: &mut impl FnMut(Frame<'_>, &mut Vec<u8>) -> Result<(), E>,
    ) -> Poll<Result<(), E>> {
        loop {
            if !self.out.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let mut read = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read)).map_err(Broken::from)?;
            let bytes = read.filled();
            if bytes.is_empty() {
                return Poll::Ready(Err(Broken::End.into()));
            }
            if self.rest.is_empty() {
                let used = each(bytes, &mut self.out, take)?;
                self.rest
                    .extend_from_slice(bytes.get(used..).unwrap_or_default());
            } else {
                self.rest.extend_from_slice(bytes);
                let used = each(&self.rest, &mut self.out, take)?;
                self.rest.drain(..used);
            }
        }
    }
}

/// Hands on each whole frame of `bytes`; how many bytes they took.
fn each<E: From<Broken>>(
    bytes: &[u8],
    out: &mut Vec<u8>,
    take: &mut impl FnMut(Frame<'_>, &mut Vec<u8>) -> Result<(), E>,
) -> Result<usize, E> {
    let mut used = 0;
    while let Some((frame, length)) = split(bytes.get(used..).unwrap_or_default())? {
        used += length;
        take(frame, out)?;
    }
    Ok(used)
}

/// The first frame and its length with its header; none if its end is missing.
fn split(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, Broken> {
    let Some((&[first, second], rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    // The last of its message, no extension; servers do not mask.
    if first & 0xF0 != 0x80 || second & 0x80 != 0 {
        return Err(Broken::Frame);
    }
    let opcode = match first & 0x0F {
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        _ => return Err(Broken::Frame),
    };
    let length = match second {
        126 => rest
            .first_chunk()
            .map(|length| u64::from(u16::from_be_bytes(*length))),
        127 => rest.first_chunk().map(|length| u64::from_be_bytes(*length)),
        short => Some(u64::from(short)),
    };
    let head = match second {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let Some(length) = length else {
        return Ok(None);
    };
    if length > MESSAGE_BYTES_MAX {
        return Err(Broken::Length(length));
    }
    let end = usize::try_from(length).map_or(usize::MAX, |length| head + length);
    let payload = bytes.get(head..end);
    Ok(payload.map(|payload| (Frame { opcode, payload }, end)))
}

/// Appends a frame of the client's.
pub(crate) fn put(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    out.push(0x80 | opcode as u8);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..126), _) => out.push(0x80 | short),
        (_, Ok(length)) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            let length = u64::try_from(payload.len()).unwrap_or(u64::MAX);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    let masked = payload.iter().zip(MASK.iter().cycle());
    out.extend(masked.map(|(byte, mask)| byte ^ mask));
}

fn accepted(head: &[u8]) -> Result<(), Broken> {
    let head = String::from_utf8_lossy(head);
    let is_switched = head.starts_with("HTTP/1.1 101 ");
    let is_accepted = head.lines().any(|line| {
        line.split_once(':').is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT
        })
    });
    if is_switched && is_accepted {
        return Ok(());
    }
    let line = head.lines().next().unwrap_or_default();
    Err(Broken::Refused(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let mut masked = Vec::new();
        put(&mut masked, opcode, payload);
        // As a server sends it: the same without mask.
        let head = masked.len() - payload.len() - 4;
        let mut bytes = masked[..head].to_vec();
        bytes[1] &= 0x7F;
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn frames_of_all_lengths_come_out_as_they_went_in() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![7; length];
            let bytes = server_frame(Opcode::Binary, &payload);
            let (frame, used) = split(&bytes).unwrap().unwrap();
            assert_eq!((frame.payload, used), (payload.as_slice(), bytes.len()));
            for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
                assert!(split(&bytes[..cut]).unwrap().is_none());
            }
        }
    }

    #[test]
    fn masked_and_fragmented_frames_are_refused() {
        assert!(split(&[0x82, 0x81, 0, 0, 0, 0, 0]).is_err());
        assert!(split(&[0x02, 0x01, 0]).is_err());
        assert!(split(&[0x83, 0x01, 0]).is_err());
        assert!(split(&[0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }

    #[test]
    fn a_close_has_a_code() {
        let bytes = server_frame(Opcode::Close, &[0x0F, 0xA8, b'x']);
        let (frame, _) = split(&bytes).unwrap().unwrap();
        assert_eq!(frame.close_code(), Some(4008));
    }

    #[test]
    fn the_answer_must_be_a_websocket_servers() {
        let good = format!("HTTP/1.1 101 Switching\r\nsec-websocket-accept: {ACCEPT}\r\n");
        assert!(accepted(good.as_bytes()).is_ok());
        assert!(accepted(b"HTTP/1.1 101 Switching\r\n").is_err());
        assert!(accepted(b"HTTP/1.1 404 Not Found\r\n").is_err());
    }
}
