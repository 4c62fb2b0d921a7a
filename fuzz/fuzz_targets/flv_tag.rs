//! The body of an audio or video tag: refused, or tracks that survive encoding and parsing, no more
//! of them than the bound.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use rtmp::flv::{AudioBody, VideoBody};
use rtmp::limits::TAG_TRACKS_MAX;

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(bodies) = VideoBody::parse_tracks(bytes.clone()) {
        assert!(bodies.len() <= TAG_TRACKS_MAX);
        for body in bodies {
            assert!(body.payload_bytes() <= data.len());
            let mut out = BytesMut::new();
            if body.encode(&mut out) {
                assert_eq!(VideoBody::parse(out.freeze()), Ok(body));
            }
        }
    }
    if let Ok(bodies) = AudioBody::parse_tracks(bytes) {
        assert!(bodies.len() <= TAG_TRACKS_MAX);
        for body in bodies {
            assert!(body.payload_bytes() <= data.len());
            let mut out = BytesMut::new();
            if body.encode(&mut out) {
                assert_eq!(AudioBody::parse(out.freeze()), Ok(body));
            }
        }
    }
});
