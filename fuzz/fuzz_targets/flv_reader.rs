//! An FLV file in pieces: the same tags as in one piece, and no more memory than one tag.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rtmp::flv::{FlvError, Reader, Tag};
use rtmp::limits::FLV_TAG_BYTES_MAX;

fn read(data: &[u8], piece_bytes: usize) -> (Vec<Tag>, Option<FlvError>) {
    let mut reader = Reader::new();
    let mut tags = Vec::new();
    for piece in data.chunks(piece_bytes) {
        reader.push(piece);
        loop {
            match reader.poll_tag() {
                Ok(Some(tag)) => tags.push(tag),
                Ok(None) => break,
                Err(error) => return (tags, Some(error)),
            }
        }
        assert!(reader.buffered_bytes() <= FLV_TAG_BYTES_MAX + 32 + piece.len());
    }
    (tags, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((&size, data)) = data.split_first() else {
        return;
    };
    let pieces = read(data, usize::from(size) + 1);
    let whole = read(data, data.len().max(1));
    assert_eq!(pieces, whole);
});
