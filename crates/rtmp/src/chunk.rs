//! The chunk stream (spec 5.3): messages out of interleaved chunks, and replies into chunks.
//!
//! It knows no commands and no media.

mod header;
mod reader;
mod reassembly;
mod writer;

use bytes::Bytes;
use thiserror::Error;

pub use reader::ChunkReader;
pub use writer::{ChunkWriter, REPLY_CHUNK_BYTES};

use crate::limits;

/// Message type ids (spec 5.4 and 7.1).
pub mod message_type {
    /// Set Chunk Size.
    pub const SET_CHUNK_SIZE: u8 = 1;
    /// Abort Message.
    pub const ABORT: u8 = 2;
    /// Acknowledgement.
    pub const ACKNOWLEDGEMENT: u8 = 3;
    /// User Control Message.
    pub const USER_CONTROL: u8 = 4;
    /// Window Acknowledgement Size.
    pub const WINDOW_ACK_SIZE: u8 = 5;
    /// Set Peer Bandwidth.
    pub const SET_PEER_BANDWIDTH: u8 = 6;
    /// Audio.
    pub const AUDIO: u8 = 8;
    /// Video.
    pub const VIDEO: u8 = 9;
    /// Data in AMF3's envelope.
    pub const DATA_AMF3: u8 = 15;
    /// Command in AMF3's envelope.
    pub const COMMAND_AMF3: u8 = 17;
    /// Data in AMF0.
    pub const DATA_AMF0: u8 = 18;
    /// Command in AMF0.
    pub const COMMAND_AMF0: u8 = 20;
    /// Aggregate.
    pub const AGGREGATE: u8 = 22;
}

/// One whole message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// The chunk stream that it came on.
    pub chunk_stream: u32,
    /// Absolute time in milliseconds, wrapping.
    pub timestamp: u32,
    /// See [`message_type`].
    pub type_id: u8,
    /// The message stream.
    pub stream_id: u32,
    /// The body.
    pub payload: Bytes,
}

/// What one connection may make the reader hold.
#[derive(Clone, Copy, Debug)]
pub struct ChunkLimits {
    /// Chunk streams.
    pub chunk_streams_max: usize,
    /// Length of a message.
    pub message_bytes_max: usize,
    /// Memory for the partial messages of all chunk streams.
    pub reassembly_bytes_max: usize,
}

impl ChunkLimits {
    /// Before a publish is accepted: the peer may be anybody.
    pub const UNTRUSTED: Self = Self {
        chunk_streams_max: limits::CHUNK_STREAMS_MAX,
        message_bytes_max: limits::COMMAND_MESSAGE_BYTES_MAX,
        reassembly_bytes_max: limits::COMMAND_REASSEMBLY_BYTES_MAX,
    };
    /// For an accepted publisher.
    pub const PUBLISHER: Self = Self {
        chunk_streams_max: limits::CHUNK_STREAMS_MAX,
        message_bytes_max: limits::MESSAGE_BYTES_MAX,
        reassembly_bytes_max: limits::REASSEMBLY_BYTES_MAX,
    };
}

/// How a peer broke the chunk stream.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum ChunkError {
    /// A control message of the chunk layer is shorter than its fields.
    #[error("control message type {0} cut short")]
    ControlTruncated(u8),
    /// A chunk with a full or partial header where the rest of a message is due.
    #[error("chunk stream {chunk_stream}: a new message before the end of the last one")]
    InterruptedMessage {
        /// The chunk stream.
        chunk_stream: u32,
    },
    /// Set Chunk Size with 0, with the reserved bit, or above [`limits::CHUNK_BYTES_MAX`].
    #[error("chunk size {0} is not within 1..={max}", max = limits::CHUNK_BYTES_MAX)]
    InvalidChunkSize(u32),
    /// A message longer than the limit.
    #[error("message of {length} bytes is longer than {max}")]
    MessageTooLong {
        /// As announced.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// A header that refers to a previous one on a chunk stream that has none.
    #[error("chunk stream {chunk_stream}: header type {format} without a header before it")]
    MissingHeader {
        /// The chunk stream.
        chunk_stream: u32,
        /// The header type, 2 or 3.
        format: u8,
    },
    /// Partial messages would take more memory than the limit.
    #[error("partial messages would take more than {max} bytes")]
    ReassemblyFull {
        /// The limit.
        max: usize,
    },
    /// More chunk streams than the limit.
    #[error("more than {max} chunk streams")]
    TooManyChunkStreams {
        /// The limit.
        max: usize,
    },
}
