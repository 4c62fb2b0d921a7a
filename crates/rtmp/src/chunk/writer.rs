//! Replies into chunks.

use bytes::{BufMut, BytesMut};

use super::message_type;

/// Chunk size of the server's replies, announced with the answer to `connect`.
pub const REPLY_CHUNK_BYTES: u32 = 4096;

/// Writes messages, each with a full header and time 0: a server that only takes media has nothing
/// to date.
#[derive(Debug)]
pub struct ChunkWriter {
    chunk_bytes: usize,
}

impl ChunkWriter {
    /// Starts with the protocol's default chunk size.
    pub fn new() -> Self {
        Self {
            chunk_bytes: crate::limits::CHUNK_BYTES_DEFAULT,
        }
    }

    /// Announces [`REPLY_CHUNK_BYTES`] and uses it from then on.
    pub fn raise_chunk_size(&mut self, out: &mut BytesMut) {
        let size = REPLY_CHUNK_BYTES.to_be_bytes();
        self.write(2, message_type::SET_CHUNK_SIZE, 0, &size, out);
        self.chunk_bytes = REPLY_CHUNK_BYTES as usize;
    }

    /// Appends one message to `out`. `chunk_stream` is within 2..=63.
    pub fn write(
        &self,
        chunk_stream: u8,
        type_id: u8,
        stream_id: u32,
        payload: &[u8],
        out: &mut BytesMut,
    ) {
        let id = chunk_stream & 0x3F;
        out.put_u8(id);
        out.put_uint(0, 3);
        out.put_uint(payload.len() as u64, 3);
        out.put_u8(type_id);
        out.put_u32_le(stream_id);
        for (index, chunk) in payload.chunks(self.chunk_bytes).enumerate() {
            if index > 0 {
                out.put_u8(0xC0 | id);
            }
            out.put_slice(chunk);
        }
    }
}

impl Default for ChunkWriter {
    fn default() -> Self {
        Self::new()
    }
}
