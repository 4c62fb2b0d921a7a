//! A queue for one reader, bounded in bytes, that never blocks who writes.
//!
//! It can be closed and opened again: what a link had not sent when it broke is lost.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::IntGauge;
use tokio::sync::Notify;

/// What an entry costs besides its bytes: empty messages take memory, too.
const ENTRY_BYTES: usize = 128;

/// Why something is not in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Closed,
    Full,
}

/// Makes an open queue; `gauge` shows its bytes, together with those of others.
pub(crate) fn queue<T>(bytes_max: usize, gauge: IntGauge) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            items: VecDeque::new(),
            bytes: 0,
            open: true,
            ended: false,
        }),
        changed: Notify::new(),
        bytes_max,
        gauge,
    });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    /// Told of every entry and of the end.
    changed: Notify,
    bytes_max: usize,
    gauge: IntGauge,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<(usize, T)>,
    bytes: usize,
    open: bool,
    /// Nothing will ever come again.
    ended: bool,
}

impl<T> Shared<T> {
    fn clear(&self, state: &mut State<T>) -> usize {
        self.count(state.bytes, 0);
        state.bytes = 0;
        let lost = state.items.len();
        state.items = VecDeque::new();
        lost
    }

    fn count(&self, before: usize, after: usize) {
        let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.gauge.add(signed(after) - signed(before));
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let bytes = self.state.get_mut().bytes;
        self.count(bytes, 0);
    }
}

/// The end that writes.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Shared<T>>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Sender<T> {
    /// Adds an entry, unless the queue is closed or the entry does not fit. An entry fits into an
    /// empty queue whatever its size: the size of messages is bounded elsewhere.
    pub(crate) fn push(&self, bytes: usize, item: T) -> Result<(), Refused> {
        let shared = &self.0;
        let cost = bytes.saturating_add(ENTRY_BYTES);
        {
            let mut state = shared.state.lock();
            if !state.open || state.ended {
                return Err(Refused::Closed);
            }
            let after = state.bytes.saturating_add(cost);
            if after > shared.bytes_max && !state.items.is_empty() {
                return Err(Refused::Full);
            }
            shared.count(state.bytes, after);
            state.bytes = after;
            state.items.push_back((cost, item));
        }
        shared.changed.notify_one();
        Ok(())
    }

    /// Adds an entry that must not be lost, after `edit` had a look at the last ones: whoever
    /// adds such entries keeps their number bounded with it. False from `edit`: it is not added.
    pub(crate) fn push_always(
        &self,
        item: T,
        edit: impl FnOnce(&mut VecDeque<(usize, T)>) -> bool,
    ) {
        let shared = &self.0;
        {
            let mut state = shared.state.lock();
            if state.ended {
                return;
            }
            let before = state.bytes;
            let add = edit(&mut state.items);
            if add {
                state.items.push_back((ENTRY_BYTES, item));
            }
            state.bytes = state.items.iter().map(|(cost, _)| cost).sum();
            shared.count(before, state.bytes);
        }
        shared.changed.notify_one();
    }

    /// Takes entries from now on.
    pub(crate) fn open(&self) {
        self.0.state.lock().open = true;
    }

    /// Takes no entries until it is opened, and forgets those that are there: how many.
    pub(crate) fn shut(&self) -> usize {
        let mut state = self.0.state.lock();
        state.open = false;
        self.0.clear(&mut state)
    }

    /// Nothing will come any more; the reader gets what is there, then None.
    pub(crate) fn end(&self) {
        self.0.state.lock().ended = true;
        self.0.changed.notify_one();
    }

    pub(crate) fn is_open(&self) -> bool {
        let state = self.0.state.lock();
        state.open && !state.ended
    }
}

/// The end that reads.
#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

impl<T> Receiver<T> {
    /// The next entry; None after the end. Safe to cancel.
    #[expect(
        clippy::needless_pass_by_ref_mut,
        reason = "one reader: Notify wakes one"
    )]
    pub(crate) async fn recv(&mut self) -> Option<T> {
        loop {
            {
                let mut state = self.0.state.lock();
                if let Some(item) = self.take(&mut state) {
                    return Some(item);
                }
                if state.ended {
                    return None;
                }
            }
            self.0.changed.notified().await;
        }
    }

    /// The next entry, if one is there.
    #[expect(
        clippy::needless_pass_by_ref_mut,
        reason = "one reader: Notify wakes one"
    )]
    pub(crate) fn try_recv(&mut self) -> Option<T> {
        let mut state = self.0.state.lock();
        self.take(&mut state)
    }

    fn take(&self, state: &mut State<T>) -> Option<T> {
        let (cost, item) = state.items.pop_front()?;
        let after = state.bytes.saturating_sub(cost);
        self.0.count(state.bytes, after);
        state.bytes = after;
        Some(item)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.ended = true;
        self.0.clear(&mut state);
    }
}

#[cfg(test)]
mod tests;
