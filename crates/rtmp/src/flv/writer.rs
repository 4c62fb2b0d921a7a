//! Writer of an FLV file or pipe.

use bytes::{BufMut, Bytes, BytesMut};

use super::{AudioBody, TagKind, VideoBody};

/// Writes a header and tags; each call gives the bytes to send.
///
/// It sends nothing itself and does not order tags: give them in decode order.
#[derive(Debug, Default)]
pub struct Writer {
    _private: (),
}

const TAG_HEADER_BYTES: usize = 11;
/// The longest: a multitrack header with a composition time.
const BODY_HEADER_BYTES: usize = 10;

impl Writer {
    /// A writer, and the file header that says which kinds of tag will come.
    pub fn new(has_video: bool, has_audio: bool) -> (Self, Bytes) {
        let flags = u8::from(has_audio) << 2 | u8::from(has_video);
        let header = [b'F', b'L', b'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0];
        (Self::default(), Bytes::copy_from_slice(&header))
    }

    /// A video tag; empty for a body that has no FLV form here.
    pub fn video(&self, timestamp_ms: i64, body: &VideoBody) -> Bytes {
        let payload_bytes = body.payload_bytes();
        tag(TagKind::Video, timestamp_ms, payload_bytes, |out| {
            body.encode(out)
        })
    }

    /// An audio tag; empty for a body that has no FLV form here.
    pub fn audio(&self, timestamp_ms: i64, body: &AudioBody) -> Bytes {
        let payload_bytes = body.payload_bytes();
        tag(TagKind::Audio, timestamp_ms, payload_bytes, |out| {
            body.encode(out)
        })
    }

    /// A tag whose body is given as it is.
    pub fn raw(&self, kind: TagKind, timestamp_ms: i64, body: &[u8]) -> Bytes {
        tag(kind, timestamp_ms, body.len(), |out| {
            out.put_slice(body);
            true
        })
    }
}

fn tag(
    kind: TagKind,
    timestamp_ms: i64,
    payload_bytes: usize,
    body: impl FnOnce(&mut BytesMut) -> bool,
) -> Bytes {
    let mut out = BytesMut::with_capacity(TAG_HEADER_BYTES + BODY_HEADER_BYTES + payload_bytes + 4);
    out.put_slice(&[0; TAG_HEADER_BYTES]);
    if !body(&mut out) {
        return Bytes::new();
    }
    let tag_bytes = u32::try_from(out.len()).unwrap_or(u32::MAX);
    // The timestamp is 32 bits that wrap; its upper byte comes last (FLV E.4.1).
    let [high, t2, t1, t0] = (timestamp_ms as u32).to_be_bytes();
    let [_, s2, s1, s0] = (tag_bytes - TAG_HEADER_BYTES as u32).to_be_bytes();
    let header = [kind.type_id(), s2, s1, s0, t2, t1, t0, high, 0, 0, 0];
    if let Some(slot) = out.first_chunk_mut() {
        *slot = header;
    }
    out.put_u32(tag_bytes);
    out.freeze()
}
