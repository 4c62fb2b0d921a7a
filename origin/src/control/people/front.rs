//! What stands before accounts: how often somebody may do something, and whose turn it is. Bounded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use accounts::UserId;
use parking_lot::Mutex;
use ring::hmac;
use tokio::sync::{MutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::caller::Network;
use crate::control::problem::Problem;
use crate::pace::{Pace, Rate};

/// Registrations from one network: a school's class at once, and some thousand in a day. Each tells
/// whether a login is taken.
const REGISTRATIONS: Rate = Rate {
    burst: 30,
    every: Duration::from_secs(20),
    known_max: 100_000,
};
/// Changes of a name, and attempts at one: whoever looks at a room has to know who is who.
const RENAMES: Rate = Rate {
    burst: 10,
    every: Duration::from_secs(300),
    known_max: 100_000,
};
/// Exports of one person: each reads all of the stored chat.
const EXPORTS: Rate = Rate {
    burst: 3,
    every: Duration::from_secs(300),
    known_max: 100_000,
};
/// Exports at once: each reads all of somebody, and all of the stored chat.
const EXPORTS_MAX: usize = 4;
/// Erasures at once.
const ERASURES_MAX: usize = 4;
/// So long one waits until the names of others are settled.
const NAMING_WITHIN: Duration = Duration::from_secs(5);
/// For so long a registration that is repeated is the same.
const REPEATED_WITHIN: Duration = Duration::from_secs(600);
/// Registrations that are remembered for that; about 150 bytes each.
const TURNS_MAX: usize = 20_000;

/// Everything that is bounded here.
#[derive(Debug)]
pub(in crate::control) struct Front {
    registrations: Pace<Network>,
    renames: Pace<UserId>,
    exports: Pace<UserId>,
    exporting: Arc<Semaphore>,
    erasing: Arc<Semaphore>,
    naming: tokio::sync::Mutex<()>,
    turns: Mutex<HashMap<Digest, (Arc<Turn>, Instant)>>,
    /// Of the digests: passwords are in them.
    key: hmac::Key,
}

type Digest = [u8; 32];

/// Registrations that are the same come one after the other, and know whether one of them may have
/// made the account.
pub(super) type Turn = tokio::sync::Mutex<bool>;

impl Front {
    pub(in crate::control) fn new() -> Self {
        let key: Digest = rand::random();
        Self {
            registrations: Pace::new(REGISTRATIONS),
            renames: Pace::new(RENAMES),
            exports: Pace::new(EXPORTS),
            exporting: Arc::new(Semaphore::new(EXPORTS_MAX)),
            erasing: Arc::new(Semaphore::new(ERASURES_MAX)),
            naming: tokio::sync::Mutex::default(),
            turns: Mutex::default(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
        }
    }

    pub(super) fn registers(&self, from: Network) -> Result<(), Problem> {
        let taken = self.registrations.take(from, Instant::now());
        let detail = "too many accounts were asked for from where you are";
        taken.map_err(|wait| Problem::too_many(detail, wait))
    }

    pub(super) fn renames(&self, user: &UserId) -> Result<(), Problem> {
        let taken = self.renames.take(user.clone(), Instant::now());
        let detail = "the name was changed too often";
        taken.map_err(|wait| Problem::too_many(detail, wait))
    }

    pub(super) fn exports(&self, user: &UserId) -> Result<(), Problem> {
        let taken = self.exports.take(user.clone(), Instant::now());
        let detail = "this was asked for too often";
        taken.map_err(|wait| Problem::too_many(detail, wait))
    }

    /// A place for an export.
    pub(super) fn exporting(&self) -> Result<OwnedSemaphorePermit, Problem> {
        place(&self.exporting, "others are exported right now")
    }

    /// A place for an erasure.
    pub(super) fn erasing(&self) -> Result<OwnedSemaphorePermit, Problem> {
        place(&self.erasing, "others are erased right now")
    }

    /// Whoever changes the name of an account does so alone, between reading and writing it.
    pub(super) async fn naming(&self) -> Result<MutexGuard<'_, ()>, Problem> {
        let alone = tokio::time::timeout(NAMING_WITHIN, self.naming.lock()).await;
        alone.map_err(|_| Problem::unavailable("busy", "too many names are changed right now"))
    }

    /// The turn of a request, by all that makes it the same; `None`: there are too many to remember.
    pub(super) fn turn(&self, parts: &[&str], now: Instant) -> Option<Arc<Turn>> {
        let digest = self.digest(parts);
        let mut turns = self.turns.lock();
        let is_recent = |at: &Instant| now.duration_since(*at) < REPEATED_WITHIN;
        if let Some((turn, at)) = turns.get(&digest)
            && is_recent(at)
        {
            return Some(Arc::clone(turn));
        }
        if turns.len() >= TURNS_MAX {
            turns.retain(|_, (_, at)| is_recent(at));
            if turns.len() >= TURNS_MAX {
                return None;
            }
        }
        let turn = Arc::new(Turn::default());
        turns.insert(digest, (Arc::clone(&turn), now));
        Some(turn)
    }

    fn digest(&self, parts: &[&str]) -> Digest {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            // Each with its length before it, so that none runs into the next.
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut digest = Digest::default();
        for (to, from) in digest.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        digest
    }
}

fn place(places: &Arc<Semaphore>, detail: &str) -> Result<OwnedSemaphorePermit, Problem> {
    let place = Arc::clone(places).try_acquire_owned();
    place.map_err(|_| Problem::unavailable("busy", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_has_one_turn() {
        let (front, now) = (Front::new(), Instant::now());
        let turn = |parts: &[&str], at| front.turn(parts, at).unwrap();
        let first = turn(&["key", "ana", "Ana", "secret"], now);
        let again = turn(&["key", "ana", "Ana", "secret"], now + REPEATED_WITHIN / 2);
        assert!(Arc::ptr_eq(&first, &again));
        for other in [
            &["key", "ana", "Ana", "secret2"][..],
            &["key2", "ana", "Ana", "secret"],
            &["key", "ana", "Anasecret", ""],
            &["key", "ana", "Ana"],
        ] {
            assert!(!Arc::ptr_eq(&first, &turn(other, now)));
        }
        let late = turn(&["key", "ana", "Ana", "secret"], now + REPEATED_WITHIN);
        assert!(!Arc::ptr_eq(&first, &late), "its time is over");
    }

    #[test]
    fn turns_are_bounded() {
        let (front, now) = (Front::new(), Instant::now());
        for n in 0..TURNS_MAX {
            assert!(front.turn(&[&n.to_string()], now).is_some());
        }
        assert!(front.turn(&["one more"], now).is_none());
        assert!(front.turn(&["0"], now).is_some(), "it is known");
        assert!(front.turn(&["later"], now + REPEATED_WITHIN).is_some());
    }
}
