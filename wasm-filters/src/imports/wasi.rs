//! WASI 0.2 for what language runtimes ask for, with an empty context.
//!
//! There are no files, sockets, environment, arguments or input. Random numbers are the system's. Clocks stand still:
//! both tell the call's `now-ms`, and what waits for a later time waits until the call's deadline ends it.

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use crate::state::State;

const NANOSECONDS_PER_MS: u64 = 1_000_000;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    wall_clock::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    monotonic_clock::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    random::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    insecure::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    insecure_seed::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl wall_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        self.budget.host_call()?;
        let milliseconds = u32::try_from(self.context.now_ms % 1000).unwrap_or_default();
        Ok(wall_clock::Datetime {
            seconds: self.context.now_ms / 1000,
            nanoseconds: milliseconds * 1_000_000,
        })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime {
            seconds: 0,
            nanoseconds: 1_000_000,
        })
    }
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<monotonic_clock::Instant> {
        self.budget.host_call()?;
        Ok(self.monotonic_now())
    }

    fn resolution(&mut self) -> wasmtime::Result<monotonic_clock::Duration> {
        Ok(NANOSECONDS_PER_MS)
    }

    fn subscribe_instant(
        &mut self,
        when: monotonic_clock::Instant,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let passed = when <= self.monotonic_now();
        self.subscribe_time(passed)
    }

    fn subscribe_duration(
        &mut self,
        when: monotonic_clock::Duration,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_time(when == 0)
    }
}

impl State {
    fn monotonic_now(&self) -> u64 {
        self.context.now_ms.saturating_mul(NANOSECONDS_PER_MS)
    }

    fn subscribe_time(&mut self, passed: bool) -> wasmtime::Result<Resource<DynPollable>> {
        self.budget.host_call()?;
        let table = self.table();
        let time = table.push(if passed {
            Time::Passed { yielded: false }
        } else {
            Time::Never
        })?;
        subscribe(table, time)
    }
}

/// A point in time, in a world in which time does not pass.
enum Time {
    Passed { yielded: bool },
    Never,
}

#[async_trait]
impl Pollable for Time {
    async fn ready(&mut self) {
        match self {
            Self::Passed { yielded: true } => {}
            // A guest that polls in a loop lets others run; once, because `ready` asks without waiting.
            Self::Passed { yielded } => {
                *yielded = true;
                tokio::task::yield_now().await;
            }
            Self::Never => std::future::pending().await,
        }
    }
}

impl random::Host for State {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_u64()
    }
}

impl insecure::Host for State {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_u64()
    }
}

impl insecure_seed::Host for State {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.random_u64()?, self.random_u64()?))
    }
}
