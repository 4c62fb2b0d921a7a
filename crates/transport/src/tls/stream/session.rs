//! What a TLS stream does without its socket: records in, plaintext out, and back.
//!
//! No I/O here. **After every [`Session::receive`], no complete record is left in `incoming`**: it
//! holds the beginning of one record, or records whose handshake message is still incomplete.
//! Therefore rustls, given `incoming` again, has nothing to do but what it is asked for.

use std::sync::Arc;
use std::{fmt, io};

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus, WriteTraffic,
};
use rustls::{AlertDescription, InvalidMessage, ServerConfig};
use tokio::io::ReadBuf;

use super::held::Held;
use crate::tls::is_unknown_name;

/// Content of a record, at most (RFC 8446 section 5.1).
pub(super) const RECORD_PLAINTEXT_MAX: usize = 1 << 14;
/// Type, version and length (RFC 8446 section 5.1).
const RECORD_HEADER_LEN: usize = 5;
/// Content type of alerts (RFC 8446 section 5.1).
const ALERT: u8 = 21;
/// A record with its header, at most: TLS 1.2 lets encryption add more than TLS 1.3 does
/// (RFC 5246 section 6.2.3).
pub(super) const RECORD_MAX: usize = RECORD_HEADER_LEN + RECORD_PLAINTEXT_MAX + 2048;
/// Plaintext that one write encrypts, at most: what a blocked peer makes a stream hold. Four full
/// records, so that bulk data costs one system call per 64 KiB.
pub(super) const WRITE_MAX: usize = 4 * RECORD_PLAINTEXT_MAX;
/// What encryption makes of [`WRITE_MAX`], at most: an AEAD adds at most 255 bytes to a record
/// (RFC 8446 section 5.2), and a `KeyUpdate` may come first.
pub(super) const SEALED_MAX: usize = 5 * (RECORD_HEADER_LEN + 256) + WRITE_MAX;
/// Bytes held of a handshake that is under way: rustls refuses larger handshake messages.
pub(super) const INCOMING_MAX: usize = 0xffff;
/// A `close_notify`, and a `KeyUpdate` before it, encrypted.
const CLOSE_MAX: usize = 2 * (RECORD_HEADER_LEN + 256);

/// A TLS connection and the bytes it cannot do without.
pub(super) struct Session {
    connection: UnbufferedServerConnection,
    incoming: Held,
    /// Decrypted, but more than the reader had room for.
    pub(super) plaintext: Held,
    /// Encrypted, but more than the socket took.
    pub(super) outgoing: Held,
    /// rustls must not be asked again after an error.
    failure: Option<Box<rustls::Error>>,
    peer_closed: bool,
}

/// What to do after one answer of rustls.
enum Step<'c> {
    /// Ask again.
    Again,
    /// The peer's data end here.
    PeerClosed,
    /// Nothing to do without more bytes, and nothing may be sent: before the handshake or after
    /// both sides have closed.
    Blocked,
    /// Nothing to do without more bytes, and data may be sent.
    Write(WriteTraffic<'c, ServerConnectionData>),
}

impl Session {
    pub(super) fn new(config: Arc<ServerConfig>) -> io::Result<Self> {
        if config.max_early_data_size > 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "0-RTT data are not supported",
            ));
        }
        Ok(Self {
            connection: UnbufferedServerConnection::new(config).map_err(into_io)?,
            incoming: Held::default(),
            plaintext: Held::default(),
            outgoing: Held::default(),
            failure: None,
            peer_closed: false,
        })
    }

    /// Takes in the `count` bytes of `scratch` behind the first [`Self::held`], and puts what they
    /// decrypt to into `reader`, the rest into `plaintext`.
    ///
    /// An error shows in [`Self::failure`]; the alert for the peer is then in `outgoing`.
    pub(super) fn receive(&mut self, scratch: &mut [u8], count: usize, reader: &mut ReadBuf<'_>) {
        let held = self.incoming.len();
        let Some(tls) = scratch.get_mut(..held.saturating_add(count)) else {
            return self.fail(invalid(InvalidMessage::MessageTooLarge));
        };
        let (front, new) = tls.split_at_mut(held);
        if awaited(self.incoming.as_slice(), count) {
            return self.incoming.append(new);
        }
        front.copy_from_slice(self.incoming.as_slice());
        let consumed = match self.process(tls, reader) {
            Ok(consumed) => consumed,
            Err(error) => return self.fail(error),
        };
        let rest = tls.get(consumed..).unwrap_or_default();
        if rest.len() > self.incoming_max() {
            return self.fail(invalid(InvalidMessage::HandshakePayloadTooLarge));
        }
        self.incoming.replace(rest);
    }

    /// Encrypts `plaintext`, at most [`WRITE_MAX`] bytes, into `target` of [`SEALED_MAX`].
    ///
    /// What is in `outgoing` afterwards goes before it.
    pub(super) fn encrypt(&mut self, plaintext: &[u8], target: &mut [u8]) -> io::Result<usize> {
        self.write(|mut traffic| traffic.encrypt(plaintext, target))?
            .map_err(io::Error::other)
    }

    /// Puts a `close_notify` into `outgoing` (RFC 8446 section 6.1).
    pub(super) fn close(&mut self) -> io::Result<()> {
        let mut target = [0; CLOSE_MAX];
        let count = self
            .write(|mut traffic| traffic.queue_close_notify(&mut target))?
            .map_err(io::Error::other)?;
        self.outgoing
            .append(target.get(..count).unwrap_or_default());
        Ok(())
    }

    pub(super) fn connection(&self) -> &UnbufferedServerConnection {
        &self.connection
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether the peer sent its `close_notify`.
    pub(super) fn is_peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Why nothing more can be received or sent, if so.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.failure.as_deref().cloned().map(into_io)
    }

    /// How many bytes are held of records that are not complete.
    pub(super) fn held(&self) -> usize {
        self.incoming.len()
    }

    /// Heap memory of all buffers, in bytes.
    pub(super) fn buffered(&self) -> usize {
        self.incoming.capacity() + self.plaintext.capacity() + self.outgoing.capacity()
    }

    /// Returns how many bytes of `tls` are done with.
    fn process(
        &mut self,
        tls: &mut [u8],
        reader: &mut ReadBuf<'_>,
    ) -> Result<usize, rustls::Error> {
        let mut consumed = 0;
        loop {
            let rest = tls.get_mut(consumed..).unwrap_or_default();
            let UnbufferedStatus { mut discard, state } = self.connection.process_tls_records(rest);
            let held = (&mut self.plaintext, &mut self.outgoing);
            let step = step(state?, held, reader, &mut discard)?;
            consumed += discard;
            match step {
                Step::Again => {}
                Step::Blocked | Step::Write(_) => return Ok(consumed),
                Step::PeerClosed => {
                    self.peer_closed = true;
                    // What follows is ignored (RFC 8446 section 6.1).
                    return Ok(tls.len());
                }
            }
        }
    }

    /// Does `work` as soon as rustls lets it.
    fn write<R>(
        &mut self,
        mut work: impl FnMut(WriteTraffic<'_, ServerConnectionData>) -> R,
    ) -> io::Result<R> {
        if let Some(error) = self.failure() {
            return Err(error);
        }
        loop {
            let incoming = self.incoming.as_mut_slice();
            let UnbufferedStatus { mut discard, state } =
                self.connection.process_tls_records(incoming);
            let held = (&mut self.plaintext, &mut self.outgoing);
            let step = state.and_then(|s| step(s, held, &mut ReadBuf::new(&mut []), &mut discard));
            let done = match step {
                Ok(Step::Write(traffic)) => Some(work(traffic)),
                Ok(Step::Again) => None,
                Ok(Step::PeerClosed) => {
                    self.peer_closed = true;
                    None
                }
                Ok(Step::Blocked) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(error) => {
                    self.fail(error.clone());
                    return Err(into_io(error));
                }
            };
            if discard > 0 {
                self.incoming.take(discard);
            }
            if let Some(result) = done {
                return Ok(result);
            }
        }
    }

    /// Ends the session, with rustls' alert, if it has one, in `outgoing`.
    fn fail(&mut self, error: rustls::Error) {
        self.incoming.clear();
        let is_unknown_name = is_unknown_name(&error);
        self.failure = Some(Box::new(error));
        self.take_alert();
        if is_unknown_name && let [ALERT, _, _, 0, 2, _, alert] = self.outgoing.as_mut_slice() {
            *alert = AlertDescription::UnrecognisedName.into();
        }
    }

    fn take_alert(&mut self) {
        while self.connection.wants_write() {
            // Nothing to read is given: after most errors rustls would read the same bytes again.
            let state = self.connection.process_tls_records(&mut []).state;
            let Ok(ConnectionState::EncodeTlsData(mut data)) = state else {
                return;
            };
            if encode(&mut data, &mut self.outgoing).is_err() {
                return;
            }
        }
    }

    fn incoming_max(&self) -> usize {
        match self.is_handshaking() {
            true => INCOMING_MAX,
            false => RECORD_MAX,
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("version", &self.connection.protocol_version())
            .field("handshaking", &self.is_handshaking())
            .field("incoming", &self.incoming.len())
            .field("plaintext", &self.plaintext.len())
            .field("outgoing", &self.outgoing.len())
            .field("failure", &self.failure)
            .field("peer_closed", &self.peer_closed)
            .finish_non_exhaustive()
    }
}

/// Whether `held` begins a record that `count` bytes more do not complete.
///
/// rustls has seen and accepted the header, so that the record is of at most [`RECORD_MAX`].
/// Without this a peer that sends byte by byte would have all it sent copied for each.
fn awaited(held: &[u8], count: usize) -> bool {
    let &[_, _, _, high, low, ..] = held else {
        return false;
    };
    let record = RECORD_HEADER_LEN + usize::from(u16::from_be_bytes([high, low]));
    held.len().saturating_add(count) < record
}

fn step<'c>(
    state: ConnectionState<'c, '_, ServerConnectionData>,
    (plaintext, outgoing): (&mut Held, &mut Held),
    reader: &mut ReadBuf<'_>,
    discard: &mut usize,
) -> Result<Step<'c>, rustls::Error> {
    Ok(match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                let record = record?;
                *discard += record.discard;
                deliver(record.payload, reader, plaintext);
            }
            Step::Again
        }
        ConnectionState::EncodeTlsData(mut data) => {
            encode(&mut data, outgoing)?;
            Step::Again
        }
        ConnectionState::TransmitTlsData(data) => {
            // `outgoing` is sent before anything else.
            data.done();
            Step::Again
        }
        ConnectionState::WriteTraffic(traffic) => Step::Write(traffic),
        ConnectionState::PeerClosed => Step::PeerClosed,
        ConnectionState::BlockedHandshake | ConnectionState::Closed => Step::Blocked,
        // 0-RTT data: `Session::new` sees to it that no client may send them.
        other => return Err(rustls::Error::General(format!("unexpected {other:?}"))),
    })
}

/// What there is no room for in `reader` stays in `plaintext`. That is empty while `reader` has
/// room: who reads is given it first.
fn deliver(payload: &[u8], reader: &mut ReadBuf<'_>, plaintext: &mut Held) {
    let room = reader.remaining().min(payload.len());
    let (now, later) = payload.split_at_checked(room).unwrap_or((&[], payload));
    reader.put_slice(now);
    if !later.is_empty() {
        plaintext.append(later);
    }
}

fn encode(
    data: &mut EncodeTlsData<'_, ServerConnectionData>,
    outgoing: &mut Held,
) -> Result<(), rustls::Error> {
    let failed = |e: EncodeError| rustls::Error::General(e.to_string());
    match data.encode(&mut []) {
        Err(EncodeError::InsufficientSize(needed)) => data
            .encode(outgoing.append_zeros(needed.required_size))
            .map(drop)
            .map_err(failed),
        other => other.map(drop).map_err(failed),
    }
}

fn invalid(message: InvalidMessage) -> rustls::Error {
    rustls::Error::InvalidMessage(message)
}

fn into_io(error: rustls::Error) -> io::Error {
    let kind = match error {
        rustls::Error::AlertReceived(_) => io::ErrorKind::ConnectionAborted,
        _ => io::ErrorKind::InvalidData,
    };
    io::Error::new(kind, error)
}
