//! Messages of rooms in binary, from clients, edges and hubs: refused, or what encodes to itself;
//! and what decodes as JSON says the same in binary.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rooms::schema::{ClientMessage, FromEdge, ServerMessage, ToEdge};

macro_rules! check {
    ($type:ty, $data:expr) => {
        if let Ok(message) = <$type>::from_binary($data) {
            let bytes = message.to_binary();
            // Numbers have one shortest form, and ours is it.
            assert!(bytes.len() <= $data.len());
            assert_eq!(<$type>::from_binary(&bytes).unwrap(), message);
            assert_eq!(<$type>::from_json(&message.to_json()).unwrap(), message);
        }
        if let Ok(message) = <$type>::from_json($data) {
            assert_eq!(<$type>::from_binary(&message.to_binary()).unwrap(), message);
        }
    };
}

fuzz_target!(|data: &[u8]| {
    check!(ClientMessage, data);
    check!(FromEdge, data);
    check!(ServerMessage, data);
    check!(ToEdge, data);
});
