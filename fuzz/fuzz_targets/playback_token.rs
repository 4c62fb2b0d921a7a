//! No text verifies but the ones that were signed, and these do.
#![no_main]

use libfuzzer_sys::fuzz_target;
use playback_token::{Key, Keyring, Scope};

fuzz_target!(|input: (&str, &str, u64)| {
    let (text, stream, now_unix) = input;
    let Ok(key) = Key::new(None, &[7; 32]) else {
        unreachable!("32 bytes are enough");
    };
    let Ok(ring) = Keyring::new([key]) else {
        unreachable!("one key is enough");
    };
    // The fuzzer knows no secret: a text it finds that verifies is a forgery.
    assert!(ring.verify(text, stream, now_unix).is_err());
    if let Ok(token) = ring.sign(&Scope::Stream(stream.to_owned()), now_unix) {
        assert_eq!(
            ring.verify(&token, stream, now_unix.wrapping_sub(1))
                .is_ok(),
            now_unix > 0
        );
        assert!(ring.verify(&token, stream, now_unix).is_err());
        assert!(ring.verify(&format!("{token}{text}"), stream, 0).is_err() || text.is_empty());
    }
});
