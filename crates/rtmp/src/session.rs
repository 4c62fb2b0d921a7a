//! The server's side of one RTMP connection.

mod command;
mod media;
mod reply;

use std::collections::VecDeque;
use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::chunk::{ChunkLimits, ChunkReader, ChunkWriter, Message, message_type};
use crate::flv::{AudioBody, VideoBody};
use crate::handshake::{Handshake, UnsupportedVersion};
use crate::limits::PENDING_INPUT_BYTES_MAX;
use crate::{Metadata, ProtocolError, StreamKey, TimestampUnwrapper};

/// What the peer did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// An accepted publisher sent audio. A multitrack message makes one event for each track.
    Audio {
        /// Decode time, unwrapped; one timeline with video.
        timestamp_ms: i64,
        /// The tag.
        body: AudioBody,
    },
    /// The peer connected to an application. The answer is already in the output.
    Connect {
        /// The application, without a slash at its end.
        app: String,
    },
    /// An accepted publisher described its stream.
    Metadata(Metadata),
    /// The peer wants to publish. Nothing more happens until [`ServerSession::accept`] or
    /// [`ServerSession::reject`].
    Publish {
        /// The application connected to.
        app: String,
        /// The key, as sent.
        key: StreamKey,
    },
    /// An accepted publisher ended its stream.
    Unpublish,
    /// An accepted publisher sent video. A multitrack message makes one event for each track.
    Video {
        /// Decode time, unwrapped.
        timestamp_ms: i64,
        /// The tag.
        body: VideoBody,
    },
}

/// An ingest session: bytes in, events and bytes out. It has no clock, so timeouts are the
/// driver's.
///
/// Its methods are of three kinds, to be called in this order (see the crate's run loop):
///
/// * input: [`handle_input`](Self::handle_input), [`accept`](Self::accept),
///   [`reject`](Self::reject), [`end`](Self::end), [`end_rejected`](Self::end_rejected);
/// * events: [`poll_event`](Self::poll_event);
/// * output: [`poll_output`](Self::poll_output), also after an error.
pub struct ServerSession {
    phase: Phase,
    handshake: Option<Handshake>,
    chunks: ChunkReader,
    writer: ChunkWriter,
    timestamps: TimestampUnwrapper,
    events: VecDeque<Event>,
    output: BytesMut,
    /// Input that came while a publish was undecided.
    pending_input: BytesMut,
    message_streams: u32,
    /// A publish was accepted and has ended.
    unpublished: bool,
    /// The application of `connect`.
    app: Option<String>,
    acknowledgement: Acknowledgement,
}

/// How far the peer has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Handshake, `connect`, or a connection that does not publish.
    Idle,
    /// A publish awaits its verdict.
    Undecided { stream_id: u32 },
    /// A publish was accepted.
    Publishing { stream_id: u32 },
    /// An error, a rejection, or the driver's word ended it.
    Ended,
}

/// Spec 5.4.3: the receiver acknowledges each time it has got another window of bytes.
#[derive(Debug)]
struct Acknowledgement {
    window_bytes: u32,
    /// Wraps, as the field in the message does.
    received_bytes: u32,
    acknowledged_bytes: u32,
}

impl ServerSession {
    /// A session that awaits C0.
    pub fn new() -> Self {
        Self {
            phase: Phase::Idle,
            handshake: Some(Handshake::new()),
            chunks: ChunkReader::new(ChunkLimits::UNTRUSTED),
            writer: ChunkWriter::new(),
            timestamps: TimestampUnwrapper::new(),
            events: VecDeque::new(),
            output: BytesMut::new(),
            pending_input: BytesMut::new(),
            message_streams: 0,
            unpublished: false,
            app: None,
            acknowledgement: Acknowledgement {
                window_bytes: reply::WINDOW_BYTES,
                received_bytes: 0,
                acknowledged_bytes: 0,
            },
        }
    }

    /// Takes bytes from the peer. After an error only the poll functions are of use.
    ///
    /// Events grow with `input`, so give it in reads of a few KiB and drain them in between.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<(), ProtocolError> {
        if self.phase == Phase::Ended {
            return Err(ProtocolError::Ended);
        }
        let received = u32::try_from(input.len()).unwrap_or(u32::MAX);
        self.acknowledgement.received_bytes =
            self.acknowledgement.received_bytes.wrapping_add(received);
        let outcome = self.process(input);
        if outcome.is_err() {
            self.phase = Phase::Ended;
        }
        outcome
    }

    /// Takes the publish that awaits a verdict; media events follow.
    pub fn accept(&mut self) -> Result<(), ProtocolError> {
        let Phase::Undecided { stream_id } = self.phase else {
            return Err(ProtocolError::UnexpectedVerdict);
        };
        self.phase = Phase::Publishing { stream_id };
        self.chunks.set_limits(ChunkLimits::PUBLISHER);
        self.reply_publish_started(stream_id);
        let pending = std::mem::take(&mut self.pending_input);
        let outcome = self.process(&pending);
        if outcome.is_err() {
            self.phase = Phase::Ended;
        }
        outcome
    }

    /// Refuses the publish that awaits a verdict, and ends the session. The peer reads `reason`.
    pub fn reject(&mut self, reason: &str) -> Result<(), ProtocolError> {
        let Phase::Undecided { stream_id } = self.phase else {
            return Err(ProtocolError::UnexpectedVerdict);
        };
        self.reply_publish_refused(stream_id, reason);
        self.phase = Phase::Ended;
        self.pending_input = BytesMut::new();
        Ok(())
    }

    /// Ends the session from this side. A publisher reads `reason`.
    pub fn end(&mut self, reason: &str) {
        if let Phase::Publishing { stream_id } = self.phase {
            self.reply_publish_failed(stream_id, reason);
        }
        self.phase = Phase::Ended;
    }

    /// As [`end`](Self::end), for what the publisher sends: nothing failed here.
    pub fn end_rejected(&mut self, reason: &str) {
        if let Phase::Publishing { stream_id } = self.phase {
            self.reply_publish_rejected(stream_id, reason);
        }
        self.phase = Phase::Ended;
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next bytes for the peer.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        (!self.output.is_empty()).then(|| self.output.split().freeze())
    }

    /// Whether C2 has come.
    pub fn handshake_done(&self) -> bool {
        self.handshake.is_none()
    }

    /// Whether a publish was accepted and has not ended.
    pub fn publishing(&self) -> bool {
        matches!(self.phase, Phase::Publishing { .. })
    }

    /// Bytes held for messages that are not whole, and for input that awaits a verdict.
    pub fn buffered_bytes(&self) -> usize {
        self.chunks.buffered_bytes() + self.pending_input.len()
    }

    fn process(&mut self, mut input: &[u8]) -> Result<(), ProtocolError> {
        if let Some(handshake) = &mut self.handshake {
            let done = handshake.read(&mut input, &mut self.output).map_err(
                |UnsupportedVersion(version)| ProtocolError::UnsupportedVersion(version),
            )?;
            if !done {
                return Ok(());
            }
            self.handshake = None;
        }
        loop {
            match self.phase {
                // `accept` goes on with what is kept; nothing of it is parsed before.
                Phase::Undecided { .. } => return self.keep(input),
                Phase::Ended => return Ok(()),
                Phase::Idle | Phase::Publishing { .. } => {}
            }
            match self.chunks.read(&mut input)? {
                Some(message) => self.handle_message(message)?,
                None => break,
            }
        }
        self.acknowledge();
        Ok(())
    }

    fn keep(&mut self, input: &[u8]) -> Result<(), ProtocolError> {
        if self.pending_input.len() + input.len() > PENDING_INPUT_BYTES_MAX {
            return Err(ProtocolError::PendingInputFull);
        }
        self.pending_input.extend_from_slice(input);
        Ok(())
    }

    fn handle_message(&mut self, message: Message) -> Result<(), ProtocolError> {
        match message.type_id {
            message_type::USER_CONTROL => self.handle_user_control(&message.payload),
            message_type::WINDOW_ACK_SIZE => {
                let bytes = message.payload.first_chunk::<4>();
                let bytes = bytes.ok_or(ProtocolError::ControlTruncated(message.type_id))?;
                self.acknowledgement.window_bytes = u32::from_be_bytes(*bytes);
                Ok(())
            }
            message_type::COMMAND_AMF0 => self.handle_command(&message.payload, message.stream_id),
            // The leading byte says AMF0 or AMF3; in the field it is 0 and AMF0 follows.
            message_type::COMMAND_AMF3 => {
                let body = message.payload.get(1..).unwrap_or_default();
                self.handle_command(body, message.stream_id)
            }
            message_type::AUDIO
            | message_type::VIDEO
            | message_type::DATA_AMF0
            | message_type::DATA_AMF3
            | message_type::AGGREGATE => self.handle_media(message),
            // Acknowledgement, Set Peer Bandwidth, shared objects, and what no one has defined.
            _ => Ok(()),
        }
    }

    fn acknowledge(&mut self) {
        let acknowledgement = &mut self.acknowledgement;
        let received = acknowledgement.received_bytes;
        let fresh = received.wrapping_sub(acknowledgement.acknowledged_bytes);
        // At most one for each call, however small the window asked for.
        if fresh > 0 && fresh >= acknowledgement.window_bytes {
            acknowledgement.acknowledged_bytes = received;
            self.reply_control(message_type::ACKNOWLEDGEMENT, &received.to_be_bytes());
        }
    }
}

impl fmt::Debug for ServerSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the buffers: a publish key may lie in them.
        f.debug_struct("ServerSession")
            .field("phase", &self.phase)
            .field("app", &self.app)
            .finish_non_exhaustive()
    }
}

impl Default for ServerSession {
    fn default() -> Self {
        Self::new()
    }
}
