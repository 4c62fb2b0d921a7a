//! One stream that is followed: what was told of it, and the requests that wait for more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hls::{ObjectName, Rejection, RenditionName};
use live_relay::{
    Answer, Cursor, End, Followed, Frame, Interest, PartFrame, PlaylistFrame, RENDITIONS_MAX,
    Wanted,
};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::cache::Fill;
use crate::upstream::Asking;

/// Objects of one stream that are waited for at once; those beyond are asked of the parents. A player
/// waits for two: a playlist and a Part, of one rendition.
const HELD_MAX: usize = 1_024;

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    name: String,
    state: Mutex<State>,
    /// Other renditions are wanted.
    pub(super) interest: Notify,
    /// Bumped when something was told, and at the end.
    news: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    renditions: BTreeMap<RenditionName, Rendition>,
    held: Vec<Held>,
    /// What the parent said last, if that was the end.
    over: Option<End>,
}

#[derive(Debug)]
struct Rendition {
    followed: Followed,
    /// Somebody last asked for it.
    wanted_at: Instant,
    /// The parent last said something.
    heard_at: Instant,
    /// The subscription carries it, or is about to.
    subscribed: bool,
    /// What was told is what there is: a playlist has come since the parent was lost last.
    is_current: bool,
}

/// A request that waits for what the parent will tell.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) fill: Fill,
    pub(super) asking: Asking,
    pub(super) rendition: RenditionName,
    pub(super) object: ObjectName,
    pub(super) since: Instant,
}

/// Held requests that are to be ended, each with its answer.
pub(super) type Settled = Vec<(Held, Answer)>;

impl Stream {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            state: Mutex::new(State::default()),
            interest: Notify::new(),
            news: watch::channel(0).0,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Wakes after whatever was told. Subscribe before looking.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// What to do with a request; and whether its rendition is followed, or about to be.
    pub(super) fn ask(
        &self,
        rendition: &RenditionName,
        object: ObjectName,
        query: &str,
        now: Instant,
    ) -> (Answer, bool) {
        let mut state = self.state.lock();
        match state.renditions.get_mut(rendition) {
            Some(own) => {
                own.wanted_at = now;
                (own.ask(object, query, now), true)
            }
            None => (Answer::AskParent, false),
        }
    }

    /// Holds a request, unless it can be answered by now.
    pub(super) fn hold(&self, held: Held, now: Instant) -> Result<(), (Box<Held>, Answer)> {
        let mut state = self.state.lock();
        let answer = state.ask(&held, now);
        if answer == Answer::Hold && state.held.len() < HELD_MAX {
            state.held.push(held);
            return Ok(());
        }
        Err((Box::new(held), answer))
    }

    /// Somebody wants these.
    pub(super) fn want(&self, renditions: impl IntoIterator<Item = RenditionName>, now: Instant) {
        let mut state = self.state.lock();
        let mut more = false;
        for name in renditions {
            if let Some(own) = state.renditions.get_mut(&name) {
                own.wanted_at = now;
            } else if state.make_room() {
                state.renditions.insert(name, Rendition::new(now));
                more = true;
            }
        }
        drop(state);
        if more {
            self.interest.notify_one();
        }
    }

    /// What to subscribe to, and marks it so; the renditions that nobody asked for in `idle` are let go
    /// of. `None`: nobody wants anything.
    pub(super) fn begin(&self, now: Instant, idle: Duration) -> Option<Interest> {
        let mut state = self.state.lock();
        state.let_go(now, idle);
        state.over = None;
        for own in state.renditions.values_mut() {
            own.subscribed = true;
        }
        let wanted = state.renditions.iter().map(|(name, own)| Wanted {
            rendition: name.clone(),
            from: own.followed.next(),
        });
        (!state.renditions.is_empty()).then(|| Interest::new(wanted))
    }

    /// Whether the subscription carries other renditions than are wanted.
    pub(super) fn has_changed(&self, now: Instant, idle: Duration) -> bool {
        let state = self.state.lock();
        let mut renditions = state.renditions.values();
        renditions.any(|own| !own.subscribed || own.is_idle(now, idle))
    }

    /// Whether nobody wants any of it.
    pub(super) fn is_unwanted(&self) -> bool {
        self.state.lock().renditions.is_empty()
    }

    /// A Part was told.
    pub(super) fn part(&self, part: &Arc<PartFrame>, now: Instant) -> Settled {
        let mut state = self.state.lock();
        let Some(own) = state.renditions.get_mut(&part.rendition) else {
            return Settled::new();
        };
        own.heard_at = now;
        own.followed.part(Arc::clone(part));
        let object = ObjectName::Part(part.msn, part.part);
        let settled = state.settle(now, |held| {
            held.rendition == part.rendition && held.object == object
        });
        drop(state);
        self.news.send_modify(|version| *version += 1);
        settled
    }

    /// A playlist was told; `full` and `delta` are its texts.
    pub(super) fn playlist(
        &self,
        frame: &Arc<PlaylistFrame>,
        (full, delta): (Bytes, Option<Bytes>),
        now: Instant,
    ) -> Settled {
        let mut state = self.state.lock();
        let Some(own) = state.renditions.get_mut(&frame.rendition) else {
            return Settled::new();
        };
        own.heard_at = now;
        own.is_current = true;
        own.followed.playlist(Arc::clone(frame), full, delta);
        let settled = state.settle(now, |held| held.rendition == frame.rendition);
        drop(state);
        self.news.send_modify(|version| *version += 1);
        settled
    }

    /// The parent is there, and has told everything.
    pub(super) fn ping(&self, now: Instant) {
        for own in self.state.lock().renditions.values_mut() {
            own.heard_at = now;
        }
    }

    /// Those that were held for longer than a server may hold them (RFC 8216bis 6.2.5.2).
    pub(super) fn overdue(&self, now: Instant) -> Settled {
        let mut state = self.state.lock();
        let State {
            renditions, held, ..
        } = &mut *state;
        let overdue = held.extract_if(.., |held| {
            let own = renditions.get(&held.rendition);
            let max = own.map_or(Duration::ZERO, |own| own.followed.blocked_max());
            now.saturating_duration_since(held.since) >= max
        });
        let answer = |held: &Held| match held.object {
            ObjectName::Playlist => Answer::Refuse(Rejection::BlockedTooLong),
            _ => Answer::AskParent,
        };
        overdue
            .map(|held| {
                let answer = answer(&held);
                (held, answer)
            })
            .collect()
    }

    /// The subscription has ended, as the parent said or without a word: what was told may be old
    /// soon. Whoever was held is to ask the parents.
    pub(super) fn end(&self, told: Option<End>) -> Settled {
        let mut state = self.state.lock();
        state.over = told;
        for own in state.renditions.values_mut() {
            own.subscribed = false;
            own.is_current = false;
            if told == Some(End::Gone) {
                own.followed = Followed::default();
            }
        }
        let held = std::mem::take(&mut state.held);
        drop(state);
        self.news.send_modify(|version| *version += 1);
        let to_parents = |held| (held, Answer::AskParent);
        held.into_iter().map(to_parents).collect()
    }

    /// What an edge below has not been told; `None`: this edge is not told of the rendition itself.
    pub(super) fn since(
        &self,
        rendition: &RenditionName,
        cursor: &mut Cursor,
        now: Instant,
    ) -> Option<Vec<Frame>> {
        let mut state = self.state.lock();
        let own = state.renditions.get_mut(rendition)?;
        own.wanted_at = now;
        let latest = own.followed.latest()?;
        (own.is_current || latest.position.ended).then(|| own.followed.since(cursor))
    }

    /// What an edge below is to be told when nothing is told here.
    pub(super) fn over(&self) -> Option<End> {
        self.state.lock().over
    }
}

impl State {
    fn ask(&self, held: &Held, now: Instant) -> Answer {
        let query = held.fill.key().query().unwrap_or_default();
        let own = self.renditions.get(&held.rendition);
        own.map_or(Answer::AskParent, |own| own.ask(held.object, query, now))
    }

    /// Takes out those that have an answer now, of those that may.
    fn settle(&mut self, now: Instant, may: impl Fn(&Held) -> bool) -> Settled {
        let mut settled = Settled::new();
        for held in std::mem::take(&mut self.held) {
            if !may(&held) {
                self.held.push(held);
                continue;
            }
            match self.ask(&held, now) {
                Answer::Hold => self.held.push(held),
                answer => settled.push((held, answer)),
            }
        }
        settled
    }

    fn let_go(&mut self, now: Instant, idle: Duration) {
        self.renditions.retain(|_, own| !own.is_idle(now, idle));
    }

    /// Whether there is room for one more, if need be that of one that the parent said nothing of.
    fn make_room(&mut self) -> bool {
        if self.renditions.len() < RENDITIONS_MAX {
            return true;
        }
        let mut renditions = self.renditions.iter();
        let silent = renditions.find(|(_, own)| own.followed.latest().is_none());
        let silent = silent.map(|(name, _)| name.clone());
        silent.is_some_and(|name| self.renditions.remove(&name).is_some())
    }
}

impl Rendition {
    fn new(now: Instant) -> Self {
        Self {
            followed: Followed::default(),
            wanted_at: now,
            heard_at: now,
            subscribed: false,
            is_current: false,
        }
    }

    fn ask(&self, object: ObjectName, query: &str, now: Instant) -> Answer {
        if !self.is_current {
            return Answer::AskParent;
        }
        let age = now.saturating_duration_since(self.heard_at);
        self.followed.ask(object, query, age)
    }

    fn is_idle(&self, now: Instant, idle: Duration) -> bool {
        now.saturating_duration_since(self.wanted_at) >= idle
    }
}

#[cfg(test)]
mod tests;
