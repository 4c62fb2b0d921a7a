//! Who holds which stream, and who of them may come back. Pure: the time is an argument, in milliseconds
//! from any beginning.
//!
//! A key that is good for one broadcast opens its stream again as long as that broadcast may go on: while
//! its publisher is there but silent, and for the grace after it vanished without a goodbye. What it comes
//! back with is what this origin remembers of it ([`Begun`]), so that no other origin lets it in.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use channels::{Begun, Key, Refused};
use tokio::sync::watch;

use super::ClaimError;
use super::claim::{EndReason, end};
use crate::config::SecondPublisher;

/// A publisher who sent nothing for so long has probably lost its network, and comes back on another
/// connection: see [`SecondPublisher::TakeOverSilent`].
pub(super) const SILENT_MS: u64 = 2_000;
/// When somebody was heard who is not in yet: nobody takes over while its key is asked about.
const ASKING: u64 = u64::MAX;

/// All streams that are held, and those that are waited for.
#[derive(Debug)]
pub(super) struct Holds {
    second: SecondPublisher,
    grace_ms: u64,
    draining: bool,
    held: HashMap<String, Holder>,
    /// Swept whenever one is added: as many as vanished within a grace.
    awaited: HashMap<String, Awaited>,
    /// Of the newest holder: whoever was taken over must not free what is somebody else's.
    turn: u64,
}

/// Who publishes to a stream.
#[derive(Debug)]
struct Holder {
    seat: Seat,
    /// The id of its key, if that is good for one broadcast.
    once: Option<String>,
    /// What it comes back with.
    begun: Option<Begun>,
    /// Until when it was waited for, if it was.
    until_ms: Option<u64>,
}

/// Who may come back, and until when.
#[derive(Debug)]
struct Awaited {
    begun: Begun,
    until_ms: u64,
}

/// A publisher's hold on its stream, which both sides share.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) verdict: watch::Sender<Option<EndReason>>,
    /// When it last sent media.
    pub(super) heard_ms: Arc<AtomicU64>,
    /// It has sent a picture.
    pub(super) shows: Arc<AtomicBool>,
    pub(super) goodbye: Arc<AtomicBool>,
    pub(super) turn: u64,
}

impl Holds {
    /// Nobody holds anything.
    pub(super) fn new(second: SecondPublisher, grace_ms: u64) -> Self {
        Self {
            second,
            grace_ms,
            draining: false,
            held: HashMap::new(),
            awaited: HashMap::new(),
            turn: 0,
        }
    }

    /// Holds a stream for somebody who is asked about next; `key` is what the API made. Answers what it comes
    /// back with, if it does.
    pub(super) fn reserve(
        &mut self,
        stream: &str,
        key: Option<&Key>,
        now_ms: u64,
    ) -> Result<(Seat, Option<Begun>), ClaimError> {
        if self.draining {
            return Err(ClaimError::Draining);
        }
        let once = key.filter(|key| key.once);
        let comes_back = once.and_then(|key| self.begun(stream, &key.id, now_ms));
        let is_own = |holder: &&Holder| holder.once.as_ref() == once.map(|key| &key.id);
        let own = self.held.get(stream).filter(is_own);
        if let Some(key) = once
            && key.is_used()
            && comes_back.is_none()
            && own.is_none()
        {
            return Err(Refused::Used.into());
        }
        let is_own_once = once.is_some() && own.is_some();
        if let Some(holder) = self.held.get(stream) {
            if !self.may_take_over(holder, is_own_once, now_ms) {
                return Err(ClaimError::InUse);
            }
            holder.end(EndReason::TakenOver);
        }
        self.release(stream, now_ms);
        self.turn += 1;
        let seat = Seat {
            verdict: watch::channel(None).0,
            heard_ms: Arc::new(AtomicU64::new(ASKING)),
            shows: Arc::default(),
            goodbye: Arc::default(),
            turn: self.turn,
        };
        let holder = Holder {
            seat: seat.clone(),
            once: once.map(|key| key.id.clone()),
            begun: None,
            until_ms: None,
        };
        self.held.insert(stream.to_owned(), holder);
        Ok((seat, comes_back))
    }

    /// Whoever holds it is let in: nobody else is waited for.
    pub(super) fn begin(&mut self, stream: &str, turn: u64, begun: Option<Begun>, now_ms: u64) {
        let Some(holder) = self.held.get_mut(stream) else {
            return;
        };
        if holder.seat.turn == turn {
            holder.seat.heard_ms.store(now_ms, Ordering::Relaxed);
            holder.begun = begun;
            let awaited = self.awaited.remove(stream);
            holder.until_ms = awaited.map(|awaited| awaited.until_ms);
        }
    }

    /// Whoever held it has gone.
    pub(super) fn free(&mut self, stream: &str, turn: u64, now_ms: u64) {
        let own = self.held.get(stream);
        if own.is_some_and(|holder| holder.seat.turn == turn) {
            self.release(stream, now_ms);
        }
    }

    /// Waits for the publisher of another life of this process.
    pub(super) fn expect(&mut self, stream: String, begun: Begun, until_ms: u64) {
        self.awaited.insert(stream, Awaited { begun, until_ms });
    }

    /// Ends a stream for whoever publishes, and for whoever would come back. Whether somebody published.
    pub(super) fn cut(&mut self, stream: &str, why: &str) -> bool {
        self.awaited.remove(stream);
        let Some(holder) = self.held.get(stream) else {
            return false;
        };
        // Over a reason that is there: who drains shows the stream on, who stops does not.
        let reason = EndReason::Stopped(why.to_owned());
        holder.seat.verdict.send_replace(Some(reason));
        true
    }

    /// Ends all, and holds nothing any more.
    pub(super) fn drain(&mut self) {
        self.draining = true;
        for holder in self.held.values() {
            holder.end(EndReason::Draining);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// What a key comes back with that is good for one broadcast.
    fn begun(&self, stream: &str, key: &str, now_ms: u64) -> Option<Begun> {
        let held = self.held.get(stream).and_then(Holder::comes_back_with);
        let awaited = self.awaited.get(stream);
        let awaited = awaited.filter(|awaited| now_ms < awaited.until_ms);
        let begun = held.or_else(|| awaited.map(|awaited| &awaited.begun))?;
        (begun.key == key).then(|| begun.clone())
    }

    /// Frees a stream; waits for who held it, if it may come back.
    fn release(&mut self, stream: &str, now_ms: u64) {
        let Some(holder) = self.held.remove(stream) else {
            return;
        };
        if let Some(begun) = holder.comes_back_with() {
            self.awaited.retain(|_, awaited| now_ms < awaited.until_ms);
            // Whoever comes again and again with nothing to show does not make it longer.
            let again = holder.until_ms;
            let again = again.filter(|_| !holder.seat.shows.load(Ordering::Relaxed));
            let until_ms = again.unwrap_or_else(|| now_ms.saturating_add(self.grace_ms));
            self.expect(stream.to_owned(), begun.clone(), until_ms);
        }
    }

    /// A key that is good for one broadcast does not send away itself.
    fn may_take_over(&self, holder: &Holder, is_own_once: bool, now_ms: u64) -> bool {
        let heard_ms = holder.seat.heard_ms.load(Ordering::Relaxed);
        let is_silent = now_ms.saturating_sub(heard_ms) >= SILENT_MS;
        match self.second {
            SecondPublisher::Refuse => false,
            SecondPublisher::TakeOver => is_silent || !is_own_once,
            SecondPublisher::TakeOverSilent => is_silent,
        }
    }
}

impl Holder {
    /// The first reason counts.
    fn end(&self, reason: EndReason) {
        end(&self.seat.verdict, reason);
    }

    /// Whoever ended its stream, or was cut off, does not.
    fn comes_back_with(&self) -> Option<&Begun> {
        let is_cut = matches!(*self.seat.verdict.borrow(), Some(EndReason::Stopped(_)));
        let has_gone = is_cut || self.seat.goodbye.load(Ordering::Acquire);
        self.begun.as_ref().filter(|_| !has_gone)
    }
}

#[cfg(test)]
mod tests;
