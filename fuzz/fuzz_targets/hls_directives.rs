//! Delivery Directives from a query string, and the decision they lead to.

#![no_main]

use std::time::Duration;

use hls::{Decision, DeliveryDirectives, LivePosition, Msn};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, u64, u32, u32, bool)| {
    let (query, open, open_parts, previous_parts, started) = input;
    let position = LivePosition {
        open: Msn::new(open),
        open_parts,
        previous_parts,
        started,
        ended: false,
        target_duration: Duration::from_secs(2),
        part_target: Duration::from_millis(350),
    };
    let Ok(directives) = DeliveryDirectives::parse(query) else {
        return;
    };
    // The canonical form means the same, is canonical itself, and never grows.
    let canonical = directives.to_string();
    assert_eq!(DeliveryDirectives::parse(&canonical), Ok(directives));
    assert!(canonical.len() <= query.len());
    // What is ready is reached; only a request that names a position is ever refused.
    let until = directives.block_until();
    match position.decide(&directives) {
        Decision::Ready => assert!(until.is_none_or(|until| position.has_reached(until))),
        Decision::Reject(rejection) => assert!(until.is_some() && rejection.status() == 400),
        Decision::Wait => assert!(until.is_some() || !started),
    }
    // An older view of the playlist refuses nothing that a fresh one accepts.
    if position.check_limits(&directives, Duration::ZERO).is_ok() {
        assert_eq!(
            position.check_limits(&directives, Duration::from_secs(1)),
            Ok(())
        );
    }
    let ended = LivePosition {
        ended: true,
        ..position
    };
    assert_eq!(ended.decide(&directives), Decision::Ready);
});
