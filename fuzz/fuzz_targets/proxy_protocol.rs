//! What a header says does not depend on how its bytes come, nor on what follows them.
#![no_main]

use libfuzzer_sys::fuzz_target;

use proxy_protocol::{HEADER_BYTES_MAX, parse};

// By path: the crate brings sockets and TLS with it.
#[path = "../../crates/transport/src/proxy_protocol.rs"]
mod proxy_protocol;

fuzz_target!(|input: &[u8]| {
    let whole = parse(input);
    match whole {
        Ok(Some(header)) => {
            assert!(header.len <= input.len().min(HEADER_BYTES_MAX));
            assert_eq!(parse(&input[..header.len]), whole);
            // Not a byte sooner.
            for end in 0..header.len {
                assert_eq!(parse(&input[..end]), Ok(None), "{end}");
            }
        }
        // Nobody waits for more than a header can have.
        Ok(None) => assert!(input.len() < HEADER_BYTES_MAX),
        Err(_) => {
            let more = [input, b"\r\n more"].concat();
            assert!(parse(&more).is_err());
        }
    }
});
