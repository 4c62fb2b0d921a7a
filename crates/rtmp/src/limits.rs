//! Every bound that the session enforces, with the reason for its value.

/// Chunk size until the peer sets another one (spec 5.4.1).
pub const CHUNK_BYTES_DEFAULT: usize = 128;

/// Largest chunk size accepted. No message is longer than 24 bits can say, so a larger chunk
/// size has no use (spec 5.4.1); whoever asks for 2 GiB is probing.
pub const CHUNK_BYTES_MAX: u32 = 0x00FF_FFFF;

/// Chunk streams of one connection. Publishers use four to eight.
pub const CHUNK_STREAMS_MAX: usize = 32;

/// Longest message before a publish is accepted: only commands and control are due.
pub const COMMAND_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Memory for partial messages of all chunk streams before a publish is accepted.
pub const COMMAND_REASSEMBLY_BYTES_MAX: usize = 128 * 1024;

/// Longest message of an accepted publisher: a 4K keyframe at 60 Mbit/s stays below 2 MiB.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Memory for partial messages of all chunk streams of an accepted publisher: one message of the
/// greatest length and room for those interleaved with it.
pub const REASSEMBLY_BYTES_MAX: usize = 6 * 1024 * 1024;

/// Allocated for a message before its bytes arrive; beyond that its buffer grows with them.
pub const MESSAGE_RESERVE_BYTES_MAX: usize = 32 * 1024;

/// Input kept while a publish awaits its verdict. Clients wait for the answer, so little is due.
pub const PENDING_INPUT_BYTES_MAX: usize = 64 * 1024;

/// Nesting of AMF0 objects and arrays. `onMetaData` of known encoders reaches three.
pub const AMF_DEPTH_MAX: usize = 16;

/// AMF0 values in one message, each property counted.
pub const AMF_VALUES_MAX: usize = 1024;

/// Length of a publish key.
pub const KEY_BYTES_MAX: usize = 256;

/// Length of an application name.
pub const APP_BYTES_MAX: usize = 256;

/// Messages within one aggregate message: each becomes an event, however short.
pub const AGGREGATE_MESSAGES_MAX: usize = 1024;

/// Tracks in one multitrack tag: each becomes an event. Encoders' ladders have up to six.
pub const TAG_TRACKS_MAX: usize = 16;

/// `createStream` calls answered on one connection.
pub const MESSAGE_STREAMS_MAX: u32 = 8;

/// Longest FLV tag body that [`crate::flv::Reader`] accepts.
pub const FLV_TAG_BYTES_MAX: usize = MESSAGE_BYTES_MAX;

const _: () = assert!(MESSAGE_BYTES_MAX <= REASSEMBLY_BYTES_MAX);
const _: () = assert!(COMMAND_MESSAGE_BYTES_MAX <= COMMAND_REASSEMBLY_BYTES_MAX);
const _: () = assert!(CHUNK_STREAMS_MAX * MESSAGE_RESERVE_BYTES_MAX <= REASSEMBLY_BYTES_MAX);
