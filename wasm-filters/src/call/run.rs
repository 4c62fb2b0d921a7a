//! The life of a call: a place, an instance, the guest, and what becomes of the instance.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::{FutureExt as _, poll};
use tokio::sync::SemaphorePermit;
use tokio::time::timeout_at;

use super::{CallContext, CallError, TrapKind, trap};
use crate::contract::types::{Context, FilterError};
use crate::limits::{Budget, LimitHit};
use crate::manifest::Isolation;
use crate::services::{LogLevel, LogSource};
use crate::version::{Exports, Instance, LoadedVersion};

/// Calls that may wait for each instance of a version. One more is refused at once: it would not be served in time.
pub const WAITING_PER_INSTANCE_MAX: u32 = 16;

/// One function of the contract, with its arguments.
pub(super) trait Call: Send + Sync {
    /// What the guest answers when all is well.
    type Answer: Send;

    /// Calls it in an instance that has started.
    fn invoke(
        &self,
        exports: &Exports,
        instance: &mut Instance,
        context: &Context,
    ) -> impl Future<Output = wasmtime::Result<Result<Self::Answer, FilterError>>> + Send;
}

/// How a guest can fail, before it is put into words.
enum Failure {
    Trap(wasmtime::Error),
    Filter(FilterError),
    Config(String),
    Deadline,
    Host(Box<dyn Any + Send>),
}

impl LoadedVersion {
    /// Makes a call. Dropping the future in the middle ends the guest, and its instance is gone.
    pub(super) async fn run<C: Call>(
        &self,
        ctx: &CallContext,
        call: C,
    ) -> Result<C::Answer, CallError> {
        let deadline_ms = self.limits().deadline_ms;
        let started = Instant::now();
        let deadline = ctx
            .deadline
            .min(started + Duration::from_millis(deadline_ms.into()));
        let _place = self.place(deadline).await?;
        let _running = self.engine.watch();
        let left = deadline.saturating_duration_since(started);
        let context = Arc::new(ctx.to_contract(left));
        let budget = Budget::new(self.limits(), deadline, context.deadline_ms);

        // Outside of the work, so that it is still there when the work ended in an unusual way.
        let mut slot = None;
        let ended = {
            let work = pin!(async {
                let instance = self.instance(&mut slot, budget, &context, started).await?;
                call.invoke(&self.exports, instance, &context)
                    .await
                    .map_err(Failure::Trap)?
                    .map_err(Failure::Filter)
            });
            let mut work = AssertUnwindSafe(work).catch_unwind();
            // Nearly every call is over at its first poll: no timer for those.
            match poll!(&mut work) {
                Poll::Ready(ended) => Ok(ended),
                Poll::Pending => timeout_at(deadline.into(), work).await,
            }
        };
        let answer = match ended {
            Ok(Ok(answer)) => answer,
            Ok(Err(panic)) => Err(Failure::Host(panic)),
            Err(_) => Err(Failure::Deadline),
        };
        self.settle(slot, answer, started)
    }

    /// Waits for the right to an instance.
    async fn place(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, CallError> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        let busy = || {
            self.counters.busy.fetch_add(1, Ordering::Relaxed);
            CallError::Busy
        };
        let waiting_max = self
            .limits()
            .instances
            .saturating_mul(WAITING_PER_INSTANCE_MAX);
        let _waiting = Waiting::enter(&self.waiting, waiting_max).ok_or_else(busy)?;
        match timeout_at(deadline.into(), self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(busy()),
        }
    }

    /// An instance that waits, or a new one.
    async fn instance<'a>(
        &self,
        slot: &'a mut Option<Box<Instance>>,
        budget: Budget,
        context: &Arc<Context>,
        now: Instant,
    ) -> Result<&'a mut Instance, Failure> {
        while let Some(mut instance) = self.idle.pop() {
            if instance.serves(&context.tenant, now) {
                instance.again(budget, Arc::clone(context));
                return Ok(slot.insert(instance));
            }
        }
        self.counters.fresh.fetch_add(1, Ordering::Relaxed);
        let instance = Instance::new(self, budget, Arc::clone(context), now);
        let instance = slot.insert(Box::new(instance));
        instance
            .start(self)
            .await
            .map_err(Failure::Trap)?
            .map_err(Failure::Config)?;
        Ok(instance)
    }

    /// Takes down what the call left, and keeps the instance if it is good for another one.
    fn settle<A>(
        &self,
        slot: Option<Box<Instance>>,
        answer: Result<A, Failure>,
        started: Instant,
    ) -> Result<A, CallError> {
        let mut stderr = String::new();
        if let Some(mut instance) = slot {
            stderr = self.take_down(&mut instance);
            if answer.is_ok()
                && self.isolation == Isolation::Pooled
                && !instance.is_spent(started)
                && instance.keep(&self.engine)
            {
                // It has room for as many as there are places.
                drop(self.idle.push(instance));
            }
        }
        answer.map_err(|failure| self.explain(failure, &stderr))
    }

    /// Moves counts and lines from the instance to where they are kept. Returns what is on its standard error.
    fn take_down(&self, instance: &mut Instance) -> String {
        let state = instance.store.data_mut();
        let counters = &self.counters;
        let ticks = state.budget.ticks();
        if ticks > 0 {
            counters
                .cpu_ticks
                .fetch_add(ticks.into(), Ordering::Relaxed);
        }
        let memory = state.holdings.memory_bytes();
        if memory > counters.memory_bytes_max.load(Ordering::Relaxed) {
            counters
                .memory_bytes_max
                .fetch_max(memory, Ordering::Relaxed);
        }
        let (out, err) = state
            .stdio()
            .map(|stdio| (stdio.take_out(), stdio.take_err()))
            .unwrap_or_default();
        for line in out.lines() {
            state.log_line(LogLevel::Info, LogSource::Stdout, line);
        }
        for line in err.lines() {
            state.log_line(LogLevel::Error, LogSource::Stderr, line);
        }
        let dropped = state.budget.log_lines_dropped();
        if dropped > 0 {
            counters
                .log_lines_dropped
                .fetch_add(dropped.into(), Ordering::Relaxed);
            state.shared.services.log.dropped(state.caller(), dropped);
        }
        err
    }

    fn explain(&self, failure: Failure, stderr: &str) -> CallError {
        match failure {
            Failure::Trap(error) => {
                let error = trap::classify(&error, stderr);
                if matches!(error, CallError::Busy) {
                    self.counters.busy.fetch_add(1, Ordering::Relaxed);
                }
                error
            }
            Failure::Filter(error) => CallError::Filter(error),
            Failure::Config(mut reason) => {
                reason.truncate(reason.floor_char_boundary(trap::MESSAGE_BYTES_MAX));
                CallError::Config(reason)
            }
            // The guest waited in the host; one that computes is found by the ticker.
            Failure::Deadline => {
                let hit = LimitHit::Deadline(self.limits().deadline_ms);
                trap::trap(TrapKind::Deadline, &hit.to_string(), stderr, None)
            }
            Failure::Host(panic) => {
                let message = panic_message(panic.as_ref());
                tracing::error!(
                    filter = %self.name(),
                    version = %self.id(),
                    panic = message,
                    "the host panicked in a call of a filter: this is a bug of Weir"
                );
                trap::trap(
                    TrapKind::Host,
                    &format!("the host panicked: {message}"),
                    stderr,
                    None,
                )
            }
        }
    }
}

impl CallContext {
    fn to_contract(&self, left: Duration) -> Context {
        Context {
            request_id: self.request_id.clone(),
            tenant: self.tenant.clone(),
            room: self.room.clone(),
            now_ms: self.now_ms,
            deadline_ms: u32::try_from(left.as_millis()).unwrap_or(u32::MAX),
            shadow: self.shadow,
            attrs: self.attrs.clone(),
        }
    }
}

/// A place among those who wait.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicU32, max: u32) -> Option<Self> {
        waiting
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
                (waiting < max).then(|| waiting + 1)
            })
            .ok()
            .map(|_| Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
