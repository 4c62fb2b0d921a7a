//! The body of an audio or video tag: refused, or one that survives encoding and parsing.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use rtmp::flv::{AudioBody, VideoBody};

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(body) = VideoBody::parse(bytes.clone()) {
        let mut out = BytesMut::new();
        if body.encode(&mut out) {
            assert_eq!(VideoBody::parse(out.freeze()), Ok(body));
        }
    }
    if let Ok(body) = AudioBody::parse(bytes) {
        let mut out = BytesMut::new();
        if body.encode(&mut out) {
            assert_eq!(AudioBody::parse(out.freeze()), Ok(body));
        }
    }
});
