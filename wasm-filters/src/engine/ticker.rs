//! The clock that running guests are measured by. It rests while none runs: a thousand ticks a second are
//! two hundredths of a core, on each node that has filters.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use wasmtime::Engine;

/// How often every running call looks at its limits.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// Ticks at which nobody was seen running, until it rests. Waking it costs a call some microseconds: with
/// calls after calls that is one of thousands.
const IDLE_TICKS: u32 = 8;
/// At rest it looks so often whether the engine is still there.
const REST: Duration = Duration::from_secs(1);

/// The ticker, as calls see it.
#[derive(Debug, Default)]
pub(super) struct Ticker {
    running: AtomicUsize,
    rests: AtomicBool,
    thread: OnceLock<Thread>,
}

/// Somebody runs, and is measured, until this is dropped.
#[derive(Debug)]
pub(crate) struct Running<'a>(&'a Ticker);

impl Ticker {
    /// Starts the one thread that advances the engine's epoch. It ends by itself when the engine is gone.
    pub(super) fn start(engine: &Engine) -> io::Result<Arc<Self>> {
        let ticker = Arc::new(Self::default());
        let clock = Clock {
            engine: engine.weak(),
            ticker: Arc::clone(&ticker),
        };
        let thread = thread::Builder::new()
            .name("filter-ticker".to_owned())
            .spawn(move || clock.run())?;
        // It is empty: this is the only place that fills it.
        drop(ticker.thread.set(thread.thread().clone()));
        Ok(ticker)
    }

    /// To be held while a guest runs.
    pub(super) fn watch(&self) -> Running<'_> {
        self.running.fetch_add(1, Ordering::SeqCst);
        // It says that it rests before it looks for who runs, and we the other way around: one of us sees
        // the other.
        if self.rests.load(Ordering::SeqCst)
            && self.rests.swap(false, Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
        Running(self)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Clock {
    engine: wasmtime::EngineWeak,
    ticker: Arc<Ticker>,
}

impl Clock {
    fn run(self) {
        let mut next = Instant::now() + TICK;
        let mut idle = 0;
        loop {
            // From tick to tick, not from one's end to the next: else each is late by what the kernel
            // takes to wake a thread, and a budget of 10 ms lasts 12.
            let left = next.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                thread::park_timeout(left);
                continue;
            }
            match self.engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
            // A late tick gives a guest that much more time, and is not made up for.
            next = (next + TICK).max(Instant::now());
            if self.ticker.running.load(Ordering::SeqCst) > 0 {
                idle = 0;
                continue;
            }
            idle += 1;
            if idle >= IDLE_TICKS {
                if !self.rest() {
                    return;
                }
                idle = 0;
                next = Instant::now() + TICK;
            }
        }
    }

    /// Until somebody runs. Whether the engine is still there.
    fn rest(&self) -> bool {
        let ticker = &self.ticker;
        ticker.rests.store(true, Ordering::SeqCst);
        while ticker.running.load(Ordering::SeqCst) == 0 && ticker.rests.load(Ordering::SeqCst) {
            thread::park_timeout(REST);
            if self.engine.upgrade().is_none() {
                return false;
            }
        }
        ticker.rests.store(false, Ordering::SeqCst);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Epochs are not to be read: the thread's own flag says what it does.
    fn wait_until(ticker: &Ticker, rests: bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while ticker.rests.load(Ordering::SeqCst) != rests {
            assert!(Instant::now() < deadline, "rests: not {rests}");
            thread::yield_now();
        }
    }

    #[test]
    fn it_rests_while_nobody_runs() {
        let engine = Engine::default();
        let ticker = Ticker::start(&engine).unwrap();
        for _ in 0..3 {
            wait_until(&ticker, true);
            let one = ticker.watch();
            let two = ticker.watch();
            assert!(!ticker.rests.load(Ordering::SeqCst));
            drop(one);
            // Somebody runs still, far longer than it waits before it rests.
            let later = Instant::now() + 4 * IDLE_TICKS * TICK;
            while Instant::now() < later {
                assert!(!ticker.rests.load(Ordering::SeqCst));
                thread::yield_now();
            }
            drop(two);
        }
    }

    #[test]
    fn it_ends_with_its_engine() {
        let engine = Engine::default();
        let ticker = Ticker::start(&engine).unwrap();
        wait_until(&ticker, true);
        drop(engine);
        let deadline = Instant::now() + Duration::from_secs(10);
        while Arc::strong_count(&ticker) > 1 {
            assert!(Instant::now() < deadline, "the thread is there still");
            thread::yield_now();
        }
    }
}
