//! Held requests: how many, and for how long.

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntGauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::ServeError;
use crate::window::LiveStream;

/// The places for held requests. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Holds {
    places: Arc<Semaphore>,
    gauge: IntGauge,
}

/// One held request's place; it is freed when dropped.
#[derive(Debug)]
struct Place {
    gauge: IntGauge,
    _permit: OwnedSemaphorePermit,
}

/// What a request that may be held asks again and again.
pub(super) enum Asked<T> {
    /// The answer.
    Answer(T),
    /// Ask after the next change.
    Later,
}

impl<T> Asked<T> {
    /// Ask after the next change, unless nothing more will change here.
    pub(super) fn later(live: &LiveStream) -> Result<Self, ServeError> {
        if live.is_left() {
            Err(ServeError::Leaving)
        } else {
            Ok(Self::Later)
        }
    }
}

impl Holds {
    pub(super) fn new(places: usize, gauge: IntGauge) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            gauge,
        }
    }

    /// Asks now and after every change, until there is an answer or `patience` is over, which
    /// gives `too_long`. `changes` must have been subscribed before the call, so that no change
    /// is missed.
    pub(super) async fn until<T>(
        &self,
        mut changes: watch::Receiver<u64>,
        patience: Duration,
        too_long: ServeError,
        mut ask: impl FnMut() -> Result<Asked<T>, ServeError>,
    ) -> Result<Held<T>, ServeError> {
        let deadline = Instant::now() + patience;
        let mut place = None;
        loop {
            changes.mark_unchanged();
            if let Asked::Answer(answer) = ask()? {
                let was_held = place.is_some();
                return Ok(Held { answer, was_held });
            }
            if place.is_none() {
                place = Some(self.place()?);
            }
            match timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                // The stream has been taken away while the request was held.
                Ok(Err(_)) => return Err(ServeError::UnknownStream),
                Err(_) => return Err(too_long),
            }
        }
    }

    fn place(&self) -> Result<Place, ServeError> {
        let permit = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| ServeError::TooManyHeld)?;
        self.gauge.inc();
        Ok(Place {
            gauge: self.gauge.clone(),
            _permit: permit,
        })
    }
}

/// An answer, and whether it was waited for.
#[derive(Debug)]
pub(super) struct Held<T> {
    pub(super) answer: T,
    pub(super) was_held: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(places: usize) -> Holds {
        Holds::new(places, IntGauge::new("held", "Held.").unwrap())
    }

    #[tokio::test]
    async fn a_change_releases_and_silence_ends() {
        let holds = holds(1);
        let (changes_in, changes) = watch::channel(0);
        let waiting = holds.until(
            changes.clone(),
            Duration::from_secs(6),
            ServeError::HeldTooLong,
            || {
                let reached = *changes.borrow() >= 2;
                Ok(if reached {
                    Asked::Answer("here")
                } else {
                    Asked::Later
                })
            },
        );
        let changing = async {
            for _ in 0..2 {
                tokio::task::yield_now().await;
                assert_eq!(holds.gauge.get(), 1);
                changes_in.send_modify(|version| *version += 1);
            }
        };
        let (held, ()) = tokio::join!(waiting, changing);
        assert_eq!(held.unwrap().answer, "here");
        assert_eq!(holds.gauge.get(), 0);

        let silent = holds.until(
            changes_in.subscribe(),
            Duration::from_millis(20),
            ServeError::HeldTooLong,
            || Ok(Asked::<()>::Later),
        );
        assert_eq!(silent.await.unwrap_err(), ServeError::HeldTooLong);
    }

    #[tokio::test]
    async fn beyond_the_places_nobody_is_held() {
        let holds = holds(0);
        let (_changes_in, changes) = watch::channel(0);
        let refused = holds.until(
            changes,
            Duration::from_secs(6),
            ServeError::HeldTooLong,
            || Ok(Asked::<()>::Later),
        );
        assert_eq!(refused.await.unwrap_err(), ServeError::TooManyHeld);
    }
}
