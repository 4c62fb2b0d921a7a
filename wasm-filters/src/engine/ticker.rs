//! The clock that running guests are measured by.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use wasmtime::Engine;

/// How often every running call looks at its limits.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Starts the one thread that advances the engine's epoch. It ends by itself when the engine is gone.
pub(super) fn start(engine: &Engine) -> io::Result<()> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("filter-ticker".to_owned())
        .spawn(move || {
            let mut next = Instant::now() + TICK;
            loop {
                // From tick to tick, not from one's end to the next: else each is late by what the kernel
                // takes to wake a thread, and a budget of 10 ms lasts 12.
                let left = next.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    thread::park_timeout(left);
                    continue;
                }
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => break,
                }
                // A late tick gives a guest that much more time, and is not made up for.
                next = (next + TICK).max(Instant::now());
            }
        })
        .map(drop)
}
