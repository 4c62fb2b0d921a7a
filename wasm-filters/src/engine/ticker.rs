//! The clock that running guests are measured by.

use std::io;
use std::thread;
use std::time::Duration;

use wasmtime::Engine;

/// How often every running call looks at its limits.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Starts the one thread that advances the engine's epoch. It ends by itself when the engine is gone.
pub(super) fn start(engine: &Engine) -> io::Result<()> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("filter-ticker".to_owned())
        .spawn(move || {
            loop {
                // Nobody unparks it: this is a sleep. A late tick gives a guest that much more time, not less.
                thread::park_timeout(TICK);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => break,
                }
            }
        })
        .map(drop)
}
