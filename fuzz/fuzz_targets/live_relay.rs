//! Frames read from any bytes are the same however the bytes are cut, and read back when they are written again.
//! A query that names renditions says the same when it is written again.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use live_relay::{Decoder, Frame, FrameError, Interest};

/// Reads all at once, or in pieces of this length; the frames before a fault are lost with it.
fn decode(bytes: &[u8], piece: usize) -> Result<Vec<Frame>, FrameError> {
    let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        frames.extend(decoder.decode(Bytes::copy_from_slice(piece))?);
    }
    Ok(frames)
}

fuzz_target!(|bytes: &[u8]| {
    let whole = decode(bytes, bytes.len().max(1));
    assert_eq!(decode(bytes, 7), whole);
    if let Ok(frames) = whole {
        let written: Vec<u8> = frames.iter().flat_map(Frame::encode).flatten().collect();
        assert_eq!(decode(&written, written.len().max(1)), Ok(frames));
    }
    if let Ok(query) = str::from_utf8(bytes)
        && let Ok(interest) = Interest::parse(query)
    {
        assert_eq!(Interest::parse(&interest.to_string()), Ok(interest));
    }
});
