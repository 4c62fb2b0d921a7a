//! One call for all who ask the same at the same time.
//!
//! The first to ask leads; the others wait for its answer. A leader whose request goes away hands
//! on to the next. Nothing is left behind when all have gone.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use super::KeyState;

/// Questions that are being asked.
#[derive(Debug)]
pub(crate) struct Flights<K: Copy + Eq + Hash, A> {
    slots: Arc<Slots<K, A>>,
}

type Slots<K, A> = Mutex<HashMap<K, Weak<Slot<K, A>>, KeyState>>;

/// What a leader leaves for those who wait.
#[derive(Debug)]
enum Left<A> {
    Nothing,
    Answer(A),
    /// The answer is nobody else's.
    Separate,
}

#[derive(Debug)]
struct Slot<K: Copy + Eq + Hash, A> {
    key: K,
    slots: Arc<Slots<K, A>>,
    left: Arc<Turn<Left<A>>>,
}

/// What becomes of a question.
#[derive(Debug)]
pub(crate) enum Joined<K: Copy + Eq + Hash, A> {
    /// Ask, and tell the others.
    Leader(Leader<K, A>),
    /// Somebody else has asked.
    Answer(A),
    /// Somebody else has asked, and the answer is not to be shared: ask for yourself.
    Separate,
}

/// Owes the others an answer. Dropped without one, the next leads.
#[derive(Debug)]
pub(crate) struct Leader<K: Copy + Eq + Hash, A> {
    slot: Arc<Slot<K, A>>,
    left: OwnedMutexGuard<Left<A>>,
}

impl<K: Copy + Eq + Hash, A> Default for Flights<K, A> {
    fn default() -> Self {
        Self {
            slots: Arc::new(Mutex::new(HashMap::with_hasher(KeyState))),
        }
    }
}

impl<K: Copy + Eq + Hash, A: Clone> Flights<K, A> {
    /// Leads, or waits for the one that does.
    pub(crate) async fn join(&self, key: K) -> Joined<K, A> {
        let slot = self.slot(key);
        let left = Arc::clone(&slot.left).lock_owned().await;
        match &*left {
            Left::Nothing => Joined::Leader(Leader { slot, left }),
            Left::Answer(answer) => Joined::Answer(answer.clone()),
            Left::Separate => Joined::Separate,
        }
    }

    /// Questions that are being asked.
    pub(crate) fn len(&self) -> usize {
        self.slots.lock().len()
    }

    fn slot(&self, key: K) -> Arc<Slot<K, A>> {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.get(&key).and_then(Weak::upgrade) {
            return slot;
        }
        let slot = Arc::new(Slot {
            key,
            slots: Arc::clone(&self.slots),
            left: Arc::new(Turn::new(Left::Nothing)),
        });
        slots.insert(key, Arc::downgrade(&slot));
        slot
    }
}

impl<K: Copy + Eq + Hash, A> Leader<K, A> {
    /// Gives the others the answer, or (`None`) leaves each to ask for itself.
    pub(crate) fn answer(mut self, answer: Option<A>) {
        *self.left = answer.map_or(Left::Separate, Left::Answer);
        // Who comes from now on finds it in the cache, or asks anew.
        let mut slots = self.slot.slots.lock();
        let ours = Arc::downgrade(&self.slot);
        if slots
            .get(&self.slot.key)
            .is_some_and(|slot| slot.ptr_eq(&ours))
        {
            slots.remove(&self.slot.key);
        }
    }
}

impl<K: Copy + Eq + Hash, A> Drop for Slot<K, A> {
    fn drop(&mut self) {
        let mut slots = self.slots.lock();
        // Another slot may have taken the place; that one is alive.
        if slots
            .get(&self.key)
            .is_some_and(|slot| slot.strong_count() == 0)
        {
            slots.remove(&self.key);
        }
    }
}
