//! Flights of sites: one fetch for a resource however many wait, and what becomes of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use cache_policy::shared::{SecondaryKey, Sharing, Vary};
use http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::store::{Key, Stored};
use crate::cache::flight::Flight;
use crate::problem::Problem;

/// What one fetch is for: a URL, and what its responses are known to vary with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The URL.
    pub key: Key,
    /// The request's fields that matter.
    pub secondary: SecondaryKey,
}

/// What a fetch came to.
#[derive(Clone, Debug)]
pub enum Landed {
    /// A response that others may have, while it arrives.
    Shared(Shared),
    /// What was stored is good, after all.
    Stored(Arc<Stored>, Stands),
    /// The response is for the client that led: the others ask for themselves.
    Pass,
    /// No parent answered.
    Failed(Problem),
}

/// Why a stored response is the answer to a request that was forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// A 304 validated it.
    Validated,
    /// The parents failed, and it may stand in.
    InsteadOfFailure,
}

/// A response in flight that may be shared.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The bytes.
    pub flight: Flight,
    /// With whom.
    pub sharing: Sharing,
    /// Whether it will be kept.
    pub stored: bool,
    /// Freshness in seconds.
    pub ttl: i64,
    vary: Arc<(Vary, SecondaryKey)>,
}

impl Shared {
    /// A response to a request with the fields `request`.
    pub fn new(flight: Flight, vary: Vary, request: &HeaderMap, sharing: Sharing) -> Self {
        let secondary = vary.key(request);
        Self {
            flight,
            sharing,
            stored: false,
            ttl: 0,
            vary: Arc::new((vary, secondary)),
        }
    }

    /// Whether it is the answer to a request that waited for it.
    pub fn answers(&self, request: &HeaderMap) -> bool {
        let (vary, secondary) = &*self.vary;
        self.sharing.allows(request) && vary.matches(secondary, request, None)
    }
}

/// A place among those who wait.
#[derive(Debug)]
pub struct Waiter(watch::Receiver<Option<Landed>>);

impl Waiter {
    /// Waits for the outcome. Cancel-safe. `None`: the fetch was abandoned.
    pub async fn landed(&mut self) -> Option<Landed> {
        let landed = self.0.wait_for(Option::is_some).await.ok()?;
        landed.clone()
    }
}

/// The duty to land a flight, and its place in the table.
#[derive(Debug)]
pub struct Guard {
    table: Arc<Table>,
    place: Place,
    flying: Arc<Flying>,
    _permit: OwnedSemaphorePermit,
}

/// Joining.
#[derive(Debug)]
pub enum Join<K> {
    /// Nobody leads, and nobody needs to.
    Known(K),
    /// Somebody leads.
    Waiting(Waiter),
    /// The caller does.
    Leading(Guard, Waiter),
    /// There are as many flights as may be.
    Full,
}

/// All flights.
#[derive(Debug)]
pub struct Flights {
    table: Arc<Table>,
    permits: Arc<Semaphore>,
    most: usize,
}

type Table = Mutex<State>;

#[derive(Debug, Default)]
struct State {
    flying: HashMap<Place, Arc<Flying>>,
    /// How often something was forgotten.
    forgets: u64,
}

#[derive(Debug)]
struct Flying {
    landed: watch::Sender<Option<Landed>>,
    keep: AtomicBool,
    /// [`State::forgets`] when it left the table, where nobody finds it any more.
    left: OnceLock<u64>,
}

impl Flights {
    /// At most `most` at once.
    pub fn new(most: usize) -> Self {
        Self {
            table: Arc::default(),
            permits: Arc::new(Semaphore::new(most)),
            most,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.most - self.permits.available_permits()
    }

    /// Whether there is one at `place`.
    pub fn has(&self, place: &Place) -> bool {
        self.table.lock().flying.contains_key(place)
    }

    /// Joins the flight at `place`, or starts it unless what it is for is `known`: what a flight
    /// leaves behind is there before its place is free.
    pub fn join<K>(&self, place: Place, known: impl FnOnce() -> Option<K>) -> Join<K> {
        let mut table = self.table.lock();
        if let Some(flying) = table.flying.get(&place) {
            return Join::Waiting(Waiter(flying.landed.subscribe()));
        }
        if let Some(known) = known() {
            return Join::Known(known);
        }
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            return Join::Full;
        };
        let (landed, waiter) = watch::channel(None);
        let flying = Arc::new(Flying {
            landed,
            keep: AtomicBool::new(true),
            left: OnceLock::new(),
        });
        table.flying.insert(place.clone(), Arc::clone(&flying));
        let guard = Guard {
            table: Arc::clone(&self.table),
            place,
            flying,
            _permit: permit,
        };
        Join::Leading(guard, Waiter(waiter))
    }

    /// What flights whose URL `matches` bring is not kept.
    pub fn forget(&self, matches: impl Fn(&Key) -> bool) {
        let mut table = self.table.lock();
        table.forgets += 1;
        for (place, flying) in &table.flying {
            if matches(&place.key) {
                flying.keep.store(false, Ordering::Relaxed);
            }
        }
    }
}

impl Guard {
    /// Tells all who wait. Only the first outcome counts.
    pub fn land(&self, landed: Landed) {
        self.flying.landed.send_if_modified(|slot| {
            let first = slot.is_none();
            if first {
                *slot = Some(landed);
            }
            first
        });
    }

    /// Keeps something, unless it was purged meanwhile: a purge is before this, and forbids it, or
    /// after, and sees what was kept.
    pub fn keep<T>(&self, keep: impl FnOnce() -> T) -> Option<T> {
        let table = self.table.lock();
        // Whatever was forgotten since it left may have been this.
        let found = self
            .flying
            .left
            .get()
            .is_none_or(|left| *left == table.forgets);
        (found && self.flying.keep.load(Ordering::Relaxed)).then(keep)
    }

    /// Ends the flight for those who come from now on; those who wait get its outcome.
    pub fn leave(&self) {
        let mut table = self.table.lock();
        let flying = table.flying.get(&self.place);
        if flying.is_some_and(|it| Arc::ptr_eq(it, &self.flying)) {
            table.flying.remove(&self.place);
            let _ = self.flying.left.set(table.forgets);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(key: &str) -> Place {
        Place {
            key: key.into(),
            secondary: SecondaryKey::default(),
        }
    }

    fn join(flights: &Flights, key: &str) -> Join<()> {
        flights.join(place(key), || None)
    }

    fn lead(flights: &Flights, key: &str) -> Guard {
        match join(flights, key) {
            Join::Leading(guard, _) => guard,
            join => panic!("{join:?}"),
        }
    }

    #[test]
    fn one_leads_and_the_rest_waits() {
        let flights = Flights::new(1);
        let guard = lead(&flights, "a");
        assert!(matches!(join(&flights, "a"), Join::Waiting(_)));
        assert!(matches!(join(&flights, "b"), Join::Full));
        guard.leave();
        assert!(!flights.has(&place("a")));
        assert_eq!(flights.count(), 1);
        drop(guard);
        drop(lead(&flights, "b"));
        assert_eq!(flights.count(), 0);
    }

    #[test]
    fn what_was_forgotten_meanwhile_is_not_kept() {
        let flights = Flights::new(9);
        let (kept, purged) = (lead(&flights, "a"), lead(&flights, "b"));
        let (left, left_before) = (lead(&flights, "c"), lead(&flights, "d"));
        left_before.leave();
        flights.forget(|key| **key == *"b");
        left.leave();
        let keeps = |guard: &Guard| guard.keep(|| ()).is_some();
        assert!(keeps(&kept) && keeps(&left));
        assert!(!keeps(&purged) && !keeps(&left_before));
    }

    #[tokio::test]
    async fn who_waits_hears_the_first_outcome() {
        let flights = Flights::new(9);
        let guard = lead(&flights, "a");
        let Join::Waiting(mut waiter) = join(&flights, "a") else {
            panic!("nobody leads");
        };
        guard.land(Landed::Pass);
        guard.land(Landed::Failed(Problem::new(
            http::StatusCode::BAD_GATEWAY,
            "later",
        )));
        assert!(matches!(waiter.landed().await, Some(Landed::Pass)));
        let abandoned = lead(&flights, "b");
        let Join::Waiting(mut waiter) = join(&flights, "b") else {
            panic!("nobody leads");
        };
        drop(abandoned);
        assert!(waiter.landed().await.is_none());
    }
}
