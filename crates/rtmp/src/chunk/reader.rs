//! Messages out of chunks.

use std::collections::BTreeMap;

use super::header::{Fields, Header, HeaderBuffer};
use super::reassembly::{Budget, Partial};
use super::{ChunkError, ChunkLimits, Message, message_type};
use crate::handshake::take;
use crate::limits;

/// Demultiplexes chunks and joins them to messages.
///
/// Set Chunk Size and Abort concern only this layer: it obeys them and does not pass them on.
/// After an error it is of no further use.
#[derive(Debug)]
pub struct ChunkReader {
    limits: ChunkLimits,
    chunk_bytes: usize,
    budget: Budget,
    streams: BTreeMap<u32, ChunkStream>,
    header: HeaderBuffer,
    /// The chunk whose header is read, and how many bytes of it are due.
    open: Option<(u32, usize)>,
    /// Bytes taken for an extended timestamp that turned out to be payload, to be read again.
    carry: Vec<u8>,
    /// The peer leaves the extended timestamp out of type 3 chunks (see [`ChunkReader::go_on`]).
    omits_extended: bool,
}

/// What the headers of one chunk stream refer back to.
#[derive(Debug)]
struct ChunkStream {
    timestamp: u32,
    /// What a type 3 header adds when it begins a message.
    delta: u32,
    length: usize,
    type_id: u8,
    stream_id: u32,
    /// The extended timestamp of the last header, where it had one.
    extended: Option<u32>,
    partial: Option<Partial>,
}

impl ChunkReader {
    /// A reader at the start of a chunk stream.
    pub fn new(limits: ChunkLimits) -> Self {
        Self {
            limits,
            chunk_bytes: limits::CHUNK_BYTES_DEFAULT,
            budget: Budget::new(limits.reassembly_bytes_max),
            streams: BTreeMap::new(),
            header: HeaderBuffer::default(),
            open: None,
            carry: Vec::new(),
            omits_extended: false,
        }
    }

    /// Sets other limits, for messages that begin from now on.
    pub fn set_limits(&mut self, limits: ChunkLimits) {
        self.limits = limits;
        self.budget.max = limits.reassembly_bytes_max;
    }

    /// Consumes from the front of `input` up to the end of the next message; `None` when all is
    /// consumed and more is needed.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>, ChunkError> {
        while !self.carry.is_empty() {
            let carry = std::mem::take(&mut self.carry);
            let mut rest = &carry[..];
            let message = self.step(&mut rest)?;
            // A step that carries again has consumed all that it was given.
            self.carry.extend_from_slice(rest);
            if message.is_some() {
                return Ok(message);
            }
        }
        while !input.is_empty() {
            let message = self.step(input)?;
            if message.is_some() {
                return Ok(message);
            }
            if !self.carry.is_empty() {
                return self.read(input);
            }
        }
        Ok(None)
    }

    /// Memory held for partial messages.
    pub fn buffered_bytes(&self) -> usize {
        self.budget.used()
    }

    /// One header, or one run of payload.
    fn step(&mut self, input: &mut &[u8]) -> Result<Option<Message>, ChunkError> {
        let (id, due) = match self.open {
            Some(open) => open,
            None => {
                let (streams, omits) = (&self.streams, self.omits_extended);
                let due = |id: u32| streams.get(&id).is_some_and(|s| s.extended_due(omits));
                let Some(header) = self.header.read(input, due) else {
                    return Ok(None);
                };
                (header.chunk_stream, self.begin_chunk(header)?)
            }
        };
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(None);
        };
        let Some(partial) = stream.partial.as_mut() else {
            return Ok(None);
        };
        // A mismatched extended timestamp is the start of this very payload: read it first.
        let bytes = if self.carry.is_empty() {
            take(input, due)
        } else {
            &[]
        };
        partial.append(bytes, &mut self.budget)?;
        let due = due - bytes.len();
        self.open = (due > 0).then_some((id, due));
        if partial.missing() > 0 {
            return Ok(None);
        }
        let Some(partial) = stream.partial.take() else {
            return Ok(None);
        };
        let message = Message {
            chunk_stream: id,
            timestamp: stream.timestamp,
            type_id: stream.type_id,
            stream_id: stream.stream_id,
            payload: partial.finish(&mut self.budget),
        };
        self.obey(message)
    }

    /// Takes a header in; gives the count of payload bytes in its chunk.
    fn begin_chunk(&mut self, header: Header) -> Result<usize, ChunkError> {
        let id = header.chunk_stream;
        let in_message = self.streams.get(&id).is_some_and(|s| s.partial.is_some());
        if in_message {
            self.go_on(header)?;
        } else {
            self.begin_message(header)?;
        }
        let missing = self
            .streams
            .get(&id)
            .and_then(|stream| stream.partial.as_ref())
            .map_or(0, Partial::missing);
        Ok(missing.min(self.chunk_bytes))
    }

    /// A further chunk of the message in the making.
    ///
    /// Spec 5.3.1.3 repeats the extended timestamp in type 3 chunks; several encoders leave it out.
    /// Four bytes that differ from the known timestamp are payload, and the peer one of those.
    fn go_on(&mut self, header: Header) -> Result<(), ChunkError> {
        let chunk_stream = header.chunk_stream;
        if header.fields != Fields::Same {
            return Err(ChunkError::InterruptedMessage { chunk_stream });
        }
        let known = self.streams.get(&chunk_stream).and_then(|s| s.extended);
        if let Some(extended) = header.extended
            && Some(extended) != known
        {
            self.omits_extended = true;
            self.carry.extend_from_slice(&extended.to_be_bytes());
        }
        Ok(())
    }

    fn begin_message(&mut self, header: Header) -> Result<(), ChunkError> {
        let id = header.chunk_stream;
        if !self.streams.contains_key(&id) && self.streams.len() >= self.limits.chunk_streams_max {
            return Err(ChunkError::TooManyChunkStreams {
                max: self.limits.chunk_streams_max,
            });
        }
        let stream = match header.fields {
            Fields::Full { .. } => self.streams.entry(id).or_insert_with(ChunkStream::new),
            // Against the letter of 5.3.1.2.2, but librtmp opens chunk stream 2 like this.
            Fields::SameStream { .. } => self.streams.entry(id).or_insert_with(ChunkStream::new),
            Fields::SameLength { .. } => known(&mut self.streams, id, 2)?,
            Fields::Same => known(&mut self.streams, id, 3)?,
        };
        stream.apply(&header);
        let length = stream.length;
        let max = self.limits.message_bytes_max;
        if length > max {
            return Err(ChunkError::MessageTooLong { length, max });
        }
        stream.partial = Some(Partial::new(length, &mut self.budget)?);
        Ok(())
    }

    /// Obeys the messages of the chunk layer, passes on all others.
    fn obey(&mut self, message: Message) -> Result<Option<Message>, ChunkError> {
        let argument = || {
            let bytes = message.payload.first_chunk::<4>();
            let bytes = bytes.ok_or(ChunkError::ControlTruncated(message.type_id))?;
            Ok(u32::from_be_bytes(*bytes))
        };
        match message.type_id {
            message_type::SET_CHUNK_SIZE => {
                let size = argument()?;
                if !(1..=limits::CHUNK_BYTES_MAX).contains(&size) {
                    return Err(ChunkError::InvalidChunkSize(size));
                }
                self.chunk_bytes = usize::try_from(size).unwrap_or(usize::MAX);
                Ok(None)
            }
            message_type::ABORT => {
                let id = argument()?;
                if let Some(partial) = self.streams.get_mut(&id).and_then(|s| s.partial.take()) {
                    partial.discard(&mut self.budget);
                }
                Ok(None)
            }
            _ => Ok(Some(message)),
        }
    }
}

fn known(
    streams: &mut BTreeMap<u32, ChunkStream>,
    chunk_stream: u32,
    format: u8,
) -> Result<&mut ChunkStream, ChunkError> {
    streams
        .get_mut(&chunk_stream)
        .ok_or(ChunkError::MissingHeader {
            chunk_stream,
            format,
        })
}

impl ChunkStream {
    fn new() -> Self {
        Self {
            timestamp: 0,
            delta: 0,
            length: 0,
            type_id: 0,
            stream_id: 0,
            extended: None,
            partial: None,
        }
    }

    /// Whether a type 3 header of this chunk stream has an extended timestamp.
    fn extended_due(&self, omits_extended: bool) -> bool {
        // One that begins a message carries it in any case: it is that message's difference.
        self.extended.is_some() && !(omits_extended && self.partial.is_some())
    }

    /// Takes over what the header of a new message says.
    fn apply(&mut self, header: &Header) {
        match header.fields {
            Fields::Full {
                length,
                type_id,
                stream_id,
                ..
            } => {
                self.length = usize::try_from(length).unwrap_or(usize::MAX);
                self.type_id = type_id;
                self.stream_id = stream_id;
                self.timestamp = 0;
            }
            Fields::SameStream {
                length, type_id, ..
            } => {
                self.length = usize::try_from(length).unwrap_or(usize::MAX);
                self.type_id = type_id;
            }
            Fields::SameLength { .. } | Fields::Same => {}
        }
        let time = header.extended.or_else(|| header.fields.time());
        if time.is_some() {
            self.extended = header.extended;
        }
        // After a type 0 header a type 3 one repeats its absolute time as the difference
        // (spec 5.3.1.2.4); ffmpeg relies on it.
        self.delta = time.unwrap_or(self.delta);
        self.timestamp = self.timestamp.wrapping_add(self.delta);
    }
}
