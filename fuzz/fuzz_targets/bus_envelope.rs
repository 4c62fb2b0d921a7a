//! Frames of a link of the bus, from edges and hubs: refused, or what encodes to itself.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

// By path: the crate brings a runtime and NATS with it, which would take minutes to instrument.
#[path = "../../crates/bus/src/embedded/envelope.rs"]
mod envelope;
#[path = "../../crates/bus/src/name.rs"]
#[expect(dead_code, reason = "the rest of the crate uses it")]
mod name;

use envelope::{Envelope, HEADER_BYTES_MAX};

fuzz_target!(|data: &[u8]| {
    let Ok(envelope) = Envelope::decode(Bytes::copy_from_slice(data)) else {
        return;
    };
    // There is one form of each.
    assert_eq!(envelope.encode(), data);
    if let Envelope::Message(room, payload) = &envelope {
        assert!(data.len() - payload.len() <= HEADER_BYTES_MAX);
        assert_eq!(envelope::message(room, payload), data);
    }
});
