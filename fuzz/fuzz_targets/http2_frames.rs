//! What an HTTP/2 client is charged for does not depend on how its bytes come.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use limits::Frames;

fuzz_target!(|input: (Vec<u8>, u8)| {
    let (bytes, cut) = input;
    let now = Duration::from_secs(1);
    let mut whole = Frames::new(now);
    let outcome = whole.received(&bytes, now);
    whole.sent(&bytes);
    let mut pieces = Frames::new(now);
    let mut piecewise = Ok(());
    for piece in bytes.chunks(usize::from(cut).max(1)) {
        piecewise = piecewise.and_then(|()| pieces.received(piece, now));
        pieces.sent(piece);
    }
    assert_eq!(outcome, piecewise);
    assert_eq!(whole.goaway(), pieces.goaway());
    if outcome.is_ok() {
        assert_eq!(whole.unfinished_since(), pieces.unfinished_since());
    }
});
