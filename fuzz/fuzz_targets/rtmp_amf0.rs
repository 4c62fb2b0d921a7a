//! AMF0 from a peer: refused, or values that survive encoding and decoding.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use rtmp::amf0::{decode_all, encode};

fuzz_target!(|data: &[u8]| {
    let Ok(values) = decode_all(data) else {
        return;
    };
    let mut once = BytesMut::new();
    for value in &values {
        encode(value, &mut once);
    }
    let again = decode_all(&once).expect("what was encoded decodes");
    let mut twice = BytesMut::new();
    for value in &again {
        encode(value, &mut twice);
    }
    // Bytes, not values: NaN differs from itself.
    assert_eq!(once, twice);
});
