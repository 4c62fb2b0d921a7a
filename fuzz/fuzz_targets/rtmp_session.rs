//! A peer's bytes, in reads of any size: no panic, bounded memory, and no media before a verdict.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rtmp::{Event, ServerSession, limits};

/// C0, C1 and C2, so that the fuzzer need not find 3073 bytes by itself.
fn handshake() -> Vec<u8> {
    let mut bytes = vec![0; 1 + 2 * 1536];
    bytes[0] = 3;
    bytes
}

fuzz_target!(|data: &[u8]| {
    // The first byte: read size, whether to shake hands, whether to accept.
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let read_bytes = usize::from(choice & 0x3F) * 16 + 1;
    let mut session = ServerSession::new();
    if choice & 0x40 == 0 {
        session.handle_input(&handshake()).expect("a handshake of zeros is legal");
    }
    let mut accepted = false;
    for read in data.chunks(read_bytes) {
        let outcome = session.handle_input(read);
        while let Some(event) = session.poll_event() {
            match event {
                Event::Publish { .. } if choice & 0x80 == 0 => {
                    accepted = true;
                    let _ = session.accept();
                }
                Event::Publish { .. } => session.reject("no").expect("a publish awaits it"),
                Event::Audio { .. } | Event::Video { .. } | Event::Metadata(_) => {
                    assert!(accepted, "media before a verdict");
                }
                _ => {}
            }
        }
        // One read's replies are bounded by its length: a command of n bytes gets a few hundred.
        let replies = session.poll_output().map_or(0, |output| output.len());
        assert!(replies <= 8192 + 64 * read.len(), "{replies} for {}", read.len());
        let bound = if accepted {
            limits::REASSEMBLY_BYTES_MAX
        } else {
            limits::COMMAND_REASSEMBLY_BYTES_MAX + limits::PENDING_INPUT_BYTES_MAX
        };
        assert!(session.buffered_bytes() <= bound);
        if let Err(error) = outcome {
            assert!(!error.reason().is_empty() && !error.to_string().is_empty());
            return;
        }
    }
});
