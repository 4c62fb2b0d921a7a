//! How many ladders this process may make at once.
//!
//! A job is held by the [`super::Transcoder`] that it is for, and by the stream whose publisher may come back;
//! it is free again when both are gone.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::JobMetrics;

/// The places. Clones share them.
#[derive(Clone, Debug)]
pub struct Jobs {
    places: Arc<Semaphore>,
    max: usize,
    metrics: JobMetrics,
}

/// One place; clones share it. Dropping the last gives it back.
#[derive(Clone, Debug)]
pub struct Job(#[expect(dead_code, reason = "held, never read")] Arc<Place>);

#[derive(Debug)]
struct Place {
    _permit: OwnedSemaphorePermit,
    metrics: JobMetrics,
}

impl Jobs {
    /// `max` places.
    pub fn new(max: NonZeroUsize, metrics: JobMetrics) -> Self {
        let max = max.get().min(Semaphore::MAX_PERMITS);
        metrics.max(max);
        Self {
            places: Arc::new(Semaphore::new(max)),
            max,
            metrics,
        }
    }

    /// What fits this machine: one job per core. A ladder from 1080p30 was measured to keep 0.8
    /// of a core busy; what is heavier is shed when it comes to that.
    pub fn per_core() -> NonZeroUsize {
        available_parallelism().unwrap_or(NonZeroUsize::MIN)
    }

    /// A place, unless all are taken.
    pub fn take(&self) -> Option<Job> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        self.metrics.began();
        Some(Job(Arc::new(Place {
            _permit: permit,
            metrics: self.metrics.clone(),
        })))
    }

    /// Counts a stream that got none; does it play all the same?
    pub fn refused(&self, plays: bool) {
        self.metrics.refused(plays);
    }

    /// How many places there are.
    pub fn max(&self) -> usize {
        self.max
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.ended();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use prometheus::Registry;

    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn many_at_once_get_no_more_than_there_are() {
        const MAX: usize = 3;
        const THREADS: usize = 16;
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let jobs = Jobs::new(NonZeroUsize::new(MAX).unwrap(), metrics.jobs());
        let start = Barrier::new(THREADS);
        for round in 0..50 {
            let taken: Vec<Option<Job>> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            jobs.take()
                        })
                    })
                    .collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .collect()
            });
            let count = taken.iter().flatten().count();
            assert_eq!(count, MAX, "round {round}");
            assert_eq!(metrics.jobs().running(), 3);
            drop(taken);
            assert_eq!(metrics.jobs().running(), 0, "they are free again");
        }
    }
}
