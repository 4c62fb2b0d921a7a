//! The id that says whose a datagram is does not depend on what follows it.
#![no_main]

use libfuzzer_sys::fuzz_target;

use destination::{ID_BYTES, OTHER_ID_BYTES_MAX, destination};

// By path: the crate brings sockets and TLS with it.
#[path = "../../crates/transport/src/quic/destination.rs"]
mod destination;

fuzz_target!(|input: &[u8]| {
    let Some(id) = destination(input) else {
        return;
    };
    let is_long = input[0] & 0x80 != 0;
    let head = if is_long { 6 } else { 1 };
    assert!(if is_long { id.len() <= OTHER_ID_BYTES_MAX } else { id.len() == ID_BYTES });
    let end = head + id.len();
    assert_eq!(destination(&input[..end]), Some(id));
    assert_eq!(destination(&[input, b"more"].concat()), Some(id));
    // Not a byte sooner.
    for end in 0..end {
        assert_eq!(destination(&input[..end]), None, "{end}");
    }
});
