//! One connection's place in the timeline. See the README, "Connections".

use std::collections::VecDeque;

use bytes::Bytes;
use thiserror::Error;

use crate::{
    codec::Codec,
    encoded::EncodedFrame,
    limits::{EPOCH_WAIT_MS, HOLD_MS_MAX},
    schema::{CloseCode, Gap, Position, Recovery, SCHEMA_VERSION, ServerMessage, View, Welcome},
    timeline::Timeline,
    window::Weights,
};

/// What a connection does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send this, as one message.
    Send(Bytes),
    /// Send this, then end the connection.
    Close(CloseCode, Bytes),
}

/// The connection's own queue is full: it is closed as slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many answers wait for this connection")]
pub struct DirectOverflow;

/// A cursor. Its driver calls [`Self::poll`] until there is nothing, whenever the timeline has
/// changed, a held frame is due, or the socket can be written again; and [`Self::is_slow`] now and
/// then while it cannot.
#[derive(Debug)]
pub struct Reader {
    codec: Codec,
    view: View,
    hold_ms: u64,
    /// Generation of the timeline that the cursor is of.
    generation: u64,
    epoch: u64,
    /// `seq` of the next event that the client has neither got nor been told it misses.
    next: u64,
    /// Index of the frame that `next` is in.
    index: u64,
    /// End of the frames that are due, exclusive.
    due: u64,
    taken: Weights,
    /// What is no lag: all that was there at the welcome, because a fill is to be complete, and all
    /// that came since the reader had everything, because it had no chance to take it.
    granted: Weights,
    /// The last poll found nothing.
    has_all: bool,
    /// CHAT is left out until so much weight was taken.
    skip_to: u64,
    state_seen: Option<u64>,
    /// Of what waits in `rest.direct`.
    direct_bytes: usize,
    is_overflown: bool,
    is_closed: bool,
    dropped: u64,
    rest: Box<Rest>,
}

/// What a tick does not touch: with it, the readers of a room would not fit the processor's cache.
#[derive(Debug)]
struct Rest {
    /// Whose sanctions the welcome tells.
    user: Option<String>,
    /// What the client had, before it was welcomed.
    resume: Option<Position>,
    /// Whether it needs a snapshot, wherever it is.
    begins_anew: bool,
    /// Until when a later epoch than the room's is waited for, Unix milliseconds.
    waits_until_ms: Option<u64>,
    /// Answers that wait.
    direct: VecDeque<Bytes>,
}

impl Reader {
    /// Of a connection of `user`, which has got as far as `resume`.
    pub fn new(codec: Codec, view: View, user: Option<String>, resume: Option<Position>) -> Self {
        Self {
            codec,
            view,
            hold_ms: 0,
            generation: 0,
            epoch: 0,
            next: 1,
            index: 0,
            due: 0,
            taken: Weights::default(),
            granted: Weights::default(),
            has_all: false,
            skip_to: 0,
            state_seen: None,
            direct_bytes: 0,
            is_overflown: false,
            is_closed: false,
            dropped: 0,
            rest: Box::new(Rest {
                user,
                resume,
                begins_anew: false,
                waits_until_ms: None,
                direct: VecDeque::new(),
            }),
        }
    }

    /// Stays `hold_ms` behind from now on, at most [`HOLD_MS_MAX`]. Less than before lets the
    /// difference go at once.
    pub fn hold(&mut self, hold_ms: u32) {
        self.hold_ms = u64::from(hold_ms.min(HOLD_MS_MAX));
    }

    /// Who looks, from now on. Who becomes a moderator is welcomed anew, with what only moderators
    /// have in their snapshots.
    pub fn set_view(&mut self, view: View) {
        let becomes_moderator = self.view == View::Public && view == View::Moderator;
        if becomes_moderator && self.generation > 0 {
            self.rest.resume = self.position();
            self.rest.begins_anew = true;
            self.generation = 0;
        }
        self.view = view;
    }

    /// Where the client is, once everything that was polled has arrived.
    pub fn position(&self) -> Option<Position> {
        if self.generation == 0 {
            return self.rest.resume;
        }
        Some(Position {
            epoch: self.epoch,
            seq: self.next - 1,
        })
    }

    /// Messages that were left out so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Queues something for this connection alone; see [`ServerMessage::Ack`],
    /// [`ServerMessage::Own`], [`ServerMessage::You`]. What is queued before the first poll comes
    /// before the welcome.
    ///
    /// # Errors
    ///
    /// When too many wait; the next poll closes the connection.
    pub fn push_direct(
        &mut self,
        timeline: &Timeline,
        message: &ServerMessage,
    ) -> Result<(), DirectOverflow> {
        let bytes = self.codec.encode(message);
        if self.direct_bytes + bytes.len() > timeline.direct_bytes_max {
            self.is_overflown = true;
            return Err(DirectOverflow);
        }
        self.direct_bytes += bytes.len();
        self.rest.direct.push_back(bytes);
        Ok(())
    }

    /// What is to be sent next.
    pub fn poll(&mut self, timeline: &Timeline, now_ms: u64) -> Option<Next> {
        if self.is_closed {
            return None;
        }
        if self.is_overflown {
            return Some(self.close(CloseCode::Slow, None));
        }
        if self.generation != timeline.generation() || self.generation == 0 {
            return self.poll_join(timeline, now_ms);
        }
        // As it is for most of them most of the time.
        let is_at_end = self.index == timeline.window().end();
        if is_at_end && self.direct_bytes == 0 && timeline.state_version() == self.state_seen {
            self.has_all = true;
            return None;
        }
        if self.is_slow(timeline, now_ms) {
            return Some(self.close(CloseCode::Slow, None));
        }
        self.has_all = false;
        if let Some(bytes) = self.pop_direct() {
            return Some(Next::Send(bytes));
        }
        if timeline.state_version() != self.state_seen
            && let Some(state) = timeline.encoded_state()
            && let Some(bytes) = state.since(self.state_seen, self.codec)
        {
            self.state_seen = Some(state.state().version);
            return Some(Next::Send(bytes.clone()));
        }
        let bytes = self.poll_frame(timeline);
        self.has_all = bytes.is_none();
        bytes.map(Next::Send)
    }

    /// Whether the connection has to be closed: CONTROL waits above its bound, or left the window
    /// before it was taken.
    pub fn is_slow(&mut self, timeline: &Timeline, now_ms: u64) -> bool {
        if self.is_overflown {
            return true;
        }
        if self.generation == 0 || self.generation != timeline.generation() {
            return false;
        }
        let window = timeline.window();
        if self.index < window.base()
            && window.weights_before(window.base()).control(self.view)
                > self.taken.control(self.view)
        {
            return true;
        }
        self.advance_due(timeline, now_ms);
        if self.has_all && self.index < self.due {
            self.has_all = false;
            self.granted = window.weights_before(self.due);
        }
        let lag = window.weights_before(self.due).control(self.view);
        let taken = self.taken.control(self.view);
        let taken = taken.max(self.granted.control(self.view));
        lag.saturating_sub(taken) > timeline.control_lag_bytes_max
    }

    /// When there is something to poll though nothing has changed, Unix milliseconds: the next held
    /// frame, or the end of a wait.
    pub fn due_at(&self, timeline: &Timeline) -> Option<u64> {
        if self.generation == 0 || self.generation != timeline.generation() {
            return self.rest.waits_until_ms;
        }
        let (frame, _) = timeline.window().get(self.due.max(self.index))?;
        Some(frame.frame().at_ms.saturating_add(self.hold_ms))
    }

    /// Answers are given before the welcome, too.
    fn poll_join(&mut self, timeline: &Timeline, now_ms: u64) -> Option<Next> {
        // The client comes from an edge that knows a later epoch: this one will hear of it. Or it made
        // the epoch up, and nobody ever will.
        let position = self.position();
        let knows_later = position.is_some_and(|had| had.epoch > timeline.epoch());
        let waits = knows_later && {
            let until_ms = self.rest.waits_until_ms;
            now_ms
                < *self
                    .rest
                    .waits_until_ms
                    .insert(until_ms.unwrap_or(now_ms + EPOCH_WAIT_MS))
        };
        let has_to_wait = waits || !timeline.is_ready();
        // Who one is comes before anything else. Later a welcome is first: what one said oneself is
        // thrown away with the rest, if it comes before.
        let is_first = self.epoch == 0;
        if (is_first || has_to_wait)
            && let Some(bytes) = self.pop_direct()
        {
            return Some(Next::Send(bytes));
        }
        if has_to_wait {
            return None;
        }
        let welcome = ServerMessage::Welcome(Box::new(self.join(timeline, now_ms)));
        Some(Next::Send(self.codec.encode(&welcome)))
    }

    fn pop_direct(&mut self) -> Option<Bytes> {
        if self.direct_bytes == 0 {
            return None;
        }
        let bytes = self.rest.direct.pop_front()?;
        self.direct_bytes -= bytes.len();
        Some(bytes)
    }

    /// Ends it for a reason of the driver's: there is nothing to poll any more.
    pub fn close(&mut self, code: CloseCode, retry_after_ms: Option<u64>) -> Next {
        self.is_closed = true;
        let message = ServerMessage::Close {
            code,
            resume: self.position(),
            retry_after_ms,
        };
        Next::Close(code, self.codec.encode(&message))
    }

    /// Finds the place in a timeline that is new, or begins anew.
    fn join(&mut self, timeline: &Timeline, now_ms: u64) -> Welcome {
        let window = timeline.window();
        let epoch = timeline.epoch();
        let position = self.position();
        // From the start of a frame, so that all who come share its encoding.
        let history = window.index_after(window.head().saturating_sub(timeline.history_events));
        let history = window
            .get(history)
            .map_or_else(|| window.head() + 1, |(frame, _)| frame.frame().first);
        let may_go_on = !std::mem::take(&mut self.rest.begins_anew);
        let mut lost = None;
        let (recovery, next) = match position {
            None => (Recovery::Fresh, history),
            Some(Position { epoch: had, seq })
                if may_go_on && had == epoch && is_covered(timeline, seq) =>
            {
                (Recovery::Complete, seq + 1)
            }
            Some(Position { epoch: had, seq }) => {
                if had == epoch && seq < history - 1 {
                    lost = Some(Gap {
                        from: seq + 1,
                        to: history - 1,
                        messages: None,
                    });
                }
                // Who was here before the hub began anew knows nothing of its life: while all of it is still
                // there, all of it is news, gifts above all that are told again after a crash.
                let begins_anew = had < epoch && window.first() == 1;
                (
                    Recovery::NotRecovered,
                    if begins_anew { 1 } else { history },
                )
            }
        };
        self.rest.waits_until_ms = None;
        self.generation = timeline.generation();
        self.epoch = epoch;
        self.next = next;
        self.index = window.index_after(next - 1);
        self.due = self.index;
        self.taken = window.weights_before(self.index);
        self.granted = window.weights_before(window.end());
        self.has_all = false;
        self.skip_to = 0;
        self.state_seen = None;
        let user = self.rest.user.as_deref();
        let is_moderator = self.view == View::Moderator;
        let snapshot =
            (recovery != Recovery::Complete).then(|| timeline.room().snapshot(is_moderator));
        Welcome {
            version: SCHEMA_VERSION,
            epoch,
            seq: match recovery {
                Recovery::Complete => next - 1,
                Recovery::Fresh | Recovery::NotRecovered => window.head(),
            },
            next,
            recovery,
            lost,
            snapshot,
            sanction: user.and_then(|user| timeline.room().sanction(user, now_ms)),
        }
    }

    fn poll_frame(&mut self, timeline: &Timeline) -> Option<Bytes> {
        let window = timeline.window();
        if self.index < window.base() {
            return self.skip_evicted(timeline);
        }
        let due = window.weights_before(self.due).whole;
        let taken = self.taken.whole.max(self.granted.whole);
        if due.saturating_sub(taken) > timeline.lag_bytes_max {
            self.skip_to = due - timeline.lag_bytes_max / 2;
        }
        let mut gap: Option<Gap> = None;
        while self.index < self.due {
            let Some((frame, end)) = window.get(self.index) else {
                break;
            };
            let skips = end.whole <= self.skip_to;
            if gap.is_some() && (!skips || frame.has_control()) {
                break;
            }
            let from = self.next;
            let last = frame.frame().last;
            self.index += 1;
            self.taken = end;
            if last < from {
                // The client has it from another edge, which was ahead of this one.
                continue;
            }
            self.next = last + 1;
            if !skips || (frame.messages() == 0 && gap.is_none()) {
                return Some(self.whole(frame, from));
            }
            self.dropped += u64::from(frame.messages());
            if frame.has_control() && frame.frame().first == from {
                return Some(frame.control_only(self.codec, self.view).clone());
            }
            if frame.has_control() {
                // Within a frame, right after a resume: too rare to be worth leaving chat out.
                return Some(self.whole(frame, from));
            }
            widen(&mut gap, from, last, u64::from(frame.messages()));
        }
        gap.map(|gap| self.codec.encode(&ServerMessage::Gap(gap)))
    }

    fn whole(&self, frame: &EncodedFrame, from: u64) -> Bytes {
        let whole = || frame.whole(self.codec, self.view).clone();
        if frame.frame().first >= from {
            return whole();
        }
        frame
            .after(from - 1, self.codec, self.view)
            .unwrap_or_else(whole)
    }

    /// Frames left the window before they were taken. There was no CONTROL in them for who looks.
    fn skip_evicted(&mut self, timeline: &Timeline) -> Option<Bytes> {
        let window = timeline.window();
        let before = window.weights_before(window.base());
        let messages = before.messages.saturating_sub(self.taken.messages);
        let mut gap = None;
        let first = window.first();
        if self.next < first {
            widen(&mut gap, self.next, first - 1, messages);
            self.next = first;
            self.dropped += messages;
        }
        self.index = window.base();
        self.due = self.due.max(self.index);
        self.taken = before;
        match gap {
            Some(gap) => Some(self.codec.encode(&ServerMessage::Gap(gap))),
            None => self.poll_frame(timeline),
        }
    }

    /// Frames are due when they are old enough, and in any case in the older half of the window:
    /// what is held must not be lost.
    fn advance_due(&mut self, timeline: &Timeline, now_ms: u64) {
        let window = timeline.window();
        if self.hold_ms == 0 {
            self.due = window.end();
            return;
        }
        let half = window.base() + (window.end() - window.base()) / 2;
        let is_full = window.is_half_full();
        self.due = self.due.max(window.base());
        while let Some((frame, _)) = window.get(self.due) {
            let is_old = frame.frame().at_ms.saturating_add(self.hold_ms) <= now_ms;
            let is_pressed = is_full && self.due < half;
            if !is_old && !is_pressed {
                break;
            }
            self.due += 1;
        }
    }
}

/// A position a little beyond the head is one of a client whose last edge was ahead of this one.
fn is_covered(timeline: &Timeline, seq: u64) -> bool {
    let window = timeline.window();
    window.covers(seq) || (seq > window.head() && seq - window.head() <= SEQ_AHEAD_MAX)
}

/// How far ahead of an edge a client may be: ten seconds of a very busy room. More is not believed.
const SEQ_AHEAD_MAX: u64 = 10_000;

fn widen(gap: &mut Option<Gap>, from: u64, to: u64, messages: u64) {
    let messages = u32::try_from(messages).unwrap_or(u32::MAX);
    match gap {
        Some(gap) => {
            gap.to = to;
            gap.messages = gap.messages.map(|sum| sum.saturating_add(messages));
        }
        None => {
            *gap = Some(Gap {
                from,
                to,
                messages: Some(messages),
            });
        }
    }
}

#[cfg(test)]
mod tests;
