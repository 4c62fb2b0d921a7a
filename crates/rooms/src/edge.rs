//! The side of a room that serves: follows the hub, keeps the timeline that connections read, and
//! carries what they publish.

mod output;
mod pending;
mod relay;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

pub use self::output::{EdgeFigures, EdgeOutput, JoinError};

use self::pending::{Due, Pending};
use crate::{
    config::{Config, ConfigError},
    hub::dedup::Dedup,
    limits::{ECHOES_MAX, FRAMES_AHEAD_MAX},
    presence::local::Local,
    schema::{
        Body, EventFrame, FromEdge, FromEdgeBody, Message, Outcome, Position, Publish, RefusalCode,
        ReviewKind, ServerMessage, Standing, StateWhole, ToEdge, User,
    },
    timeline::Timeline,
    validate,
};

/// One room on one edge.
///
/// The driver calls [`Self::handle`] with what the hub says, [`Self::tick`] at [`Self::deadline`],
/// [`Self::link_up`] when there is a link again, and after any call [`Self::poll_output`] until there is
/// none. Its connections have [`crate::Reader`]s of their own on [`Self::timeline`]. Time is as for
/// the hub.
#[derive(Debug)]
pub struct EdgeRoom {
    config: Config,
    edge: String,
    incarnation: u64,
    now_ms: u64,
    timeline: Timeline,
    /// The latest life of the hub that was heard of.
    hub_epoch: u64,
    known_head: u64,
    known_state: u64,
    /// Frames that came before one that is missing, by their first `seq`.
    ahead: BTreeMap<u64, Arc<EventFrame>>,
    /// When the hub was asked last, if something is missing.
    asked_ms: Option<u64>,
    asked_state_ms: Option<u64>,
    report_ms: u64,
    presence: Local,
    /// User of each connection.
    connections: BTreeMap<u64, String>,
    connections_of: BTreeMap<String, Vec<u64>>,
    pending: Pending,
    /// Answers to what its author alone has seen, because a filter wants that.
    echoes: Dedup,
    /// The last that a hub said is that it has no such room.
    has_no_room: bool,
    counts: EdgeFigures,
    outputs: VecDeque<EdgeOutput>,
}

impl EdgeRoom {
    /// A room of which nothing is known yet. `incarnation` is greater than in each life of this edge
    /// before: the time, as a rule.
    ///
    /// # Errors
    ///
    /// When a setting is out of its range.
    pub fn new(
        config: &Config,
        edge: String,
        incarnation: u64,
        now_ms: u64,
        seed: u64,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let mut room = Self {
            timeline: Timeline::new(config),
            edge,
            incarnation,
            now_ms,
            hub_epoch: 0,
            known_head: 0,
            known_state: 0,
            ahead: BTreeMap::new(),
            asked_ms: None,
            asked_state_ms: None,
            report_ms: now_ms,
            presence: Local::new(config, seed),
            connections: BTreeMap::new(),
            connections_of: BTreeMap::new(),
            pending: Pending::new(config),
            echoes: Dedup::new(ECHOES_MAX, config.dedup_ms),
            has_no_room: false,
            counts: EdgeFigures::default(),
            outputs: VecDeque::new(),
            config: config.clone(),
        };
        room.seek();
        Ok(room)
    }

    /// A connection of `user` comes.
    ///
    /// # Errors
    ///
    /// See [`JoinError`].
    pub fn join(&mut self, now_ms: u64, connection: u64, user: &User) -> Result<(), JoinError> {
        self.advance(now_ms);
        if !validate::user(user) {
            return Err(JoinError::User);
        }
        if self.connections.contains_key(&connection) {
            return Err(JoinError::Again);
        }
        if self.connections.len() >= self.config.connections_max {
            return Err(JoinError::Full);
        }
        self.connections.insert(connection, user.id.clone());
        self.connections_of
            .entry(user.id.clone())
            .or_default()
            .push(connection);
        self.presence.join(user);
        Ok(())
    }

    /// A connection goes. What it published is accepted or not all the same.
    pub fn leave(&mut self, now_ms: u64, connection: u64) {
        self.advance(now_ms);
        let Some(user) = self.connections.remove(&connection) else {
            return;
        };
        if let Some(known) = self.connections_of.get_mut(&user) {
            known.retain(|other| *other != connection);
            if known.is_empty() {
                self.connections_of.remove(&user);
            }
        }
        self.presence.leave(self.now_ms, &user);
    }

    /// A connection publishes, after the filters. It is answered in any case.
    pub fn publish(&mut self, now_ms: u64, connection: u64, publish: Publish) {
        let now_ms = self.advance(now_ms);
        if !validate::publish(&publish) {
            return self.refuse(connection, publish.client_id, RefusalCode::Malformed, None);
        }
        let Some(publish) = self.echoed(connection, publish) else {
            return;
        };
        let client_id = publish.client_id.clone();
        match self.pending.insert(now_ms, connection, Box::new(publish)) {
            Ok(publish) => self.send(FromEdgeBody::Publish(publish)),
            Err(pending::PendingFull) => {
                self.refuse(connection, client_id, RefusalCode::Full, None);
            }
        }
    }

    /// A connection likes what it sees.
    pub fn like(&mut self, connection: u64, count: u32) {
        if self.connections.contains_key(&connection) {
            self.presence.like(count);
        }
    }

    /// There is a link to the hub, perhaps another hub.
    pub fn link_up(&mut self, now_ms: u64) {
        self.advance(now_ms);
        self.say_hello();
        for publish in self.pending.again(self.now_ms) {
            self.send(FromEdgeBody::Publish(Box::new(publish)));
        }
        self.report();
    }

    /// Takes what the hub says.
    pub fn handle(&mut self, now_ms: u64, message: ToEdge) {
        self.advance(now_ms);
        if let Some(epoch) = epoch_of(&message)
            && !self.note_epoch(epoch)
        {
            return;
        }
        let had_room = !std::mem::replace(&mut self.has_no_room, matches!(message, ToEdge::NoRoom));
        match message {
            ToEdge::Frame(frame) => {
                self.known_head = self.known_head.max(frame.last);
                self.take(frame);
            }
            ToEdge::Change { standing, change } => {
                if self.is_current() && self.timeline.change(change) {
                    self.changed();
                }
                self.note(standing);
            }
            ToEdge::Heartbeat { standing } => self.note(standing),
            ToEdge::Fill { standing, frames } => {
                for frame in frames {
                    self.take(frame);
                }
                self.note(standing);
            }
            ToEdge::Reset {
                standing,
                room,
                frames,
                state,
            } => {
                if self.needs(standing) {
                    self.reset(standing, (*room).clone(), frames, state);
                }
                self.note(standing);
            }
            ToEdge::State { standing, state } => {
                if self.is_current() && self.timeline.replace_state(state) {
                    self.changed();
                }
                self.note(standing);
            }
            ToEdge::Ack {
                at_ms,
                author,
                client_id,
                outcome,
                ..
            } => self.acknowledge(at_ms, author, client_id, outcome),
            ToEdge::ReportAck {
                incarnation,
                roster_version,
                wants_lists,
                ..
            } => {
                if incarnation == self.incarnation {
                    self.presence.acknowledge(roster_version, wants_lists);
                }
            }
            ToEdge::Relay(relay) => self.relayed(relay),
            ToEdge::NoRoom if had_room => self.outputs.push_back(EdgeOutput::NoRoom),
            ToEdge::NoRoom => {}
        }
        self.seek();
    }

    /// Asks again, gives up, reports; at [`Self::deadline`], or later.
    pub fn tick(&mut self, now_ms: u64) {
        let now_ms = self.advance(now_ms);
        self.seek();
        for due in self.pending.due(now_ms) {
            match due {
                Due::Again(publish) => self.send(FromEdgeBody::Publish(publish)),
                Due::GivenUp {
                    connection,
                    client_id,
                } => {
                    self.counts.timeouts += 1;
                    self.refuse(connection, client_id, RefusalCode::Unavailable, None);
                }
            }
        }
        if now_ms >= self.report_ms {
            self.report();
        }
    }

    /// When [`Self::tick`] has something to do, Unix milliseconds.
    pub fn deadline(&self) -> u64 {
        let retry_ms = self.config.retry_ms;
        let asked = [self.asked_ms, self.asked_state_ms];
        let asked = asked.into_iter().flatten().min().map(|at| at + retry_ms);
        [asked, self.pending.deadline()]
            .into_iter()
            .flatten()
            .fold(self.report_ms, u64::min)
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<EdgeOutput> {
        self.outputs.pop_front()
    }

    /// What the connections read.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// For metrics.
    pub fn figures(&self) -> EdgeFigures {
        let window = self.timeline.window();
        EdgeFigures {
            epoch: self.timeline.epoch(),
            head: window.head(),
            window_events: window.events(),
            window_bytes: window.bytes(),
            frames_ahead: self.ahead.len(),
            pending: self.pending.len(),
            connections: self.connections.len(),
            users: self.presence.users(),
            ..self.counts
        }
    }

    fn advance(&mut self, now_ms: u64) -> u64 {
        self.now_ms = self.now_ms.max(now_ms);
        self.now_ms
    }

    /// Whether the timeline is of the hub that lives.
    fn is_current(&self) -> bool {
        self.timeline.is_ready() && self.timeline.epoch() == self.hub_epoch
    }

    /// Whether this comes from the hub that lives, as far as is known.
    fn note_epoch(&mut self, epoch: u64) -> bool {
        if epoch > self.hub_epoch {
            self.hub_epoch = epoch;
            self.known_head = 0;
            self.known_state = 0;
            self.ahead.clear();
            self.asked_ms = None;
            self.asked_state_ms = None;
            self.presence.forget_hub();
        }
        epoch == self.hub_epoch
    }

    fn note(&mut self, standing: Standing) {
        self.known_head = self.known_head.max(standing.head);
        self.known_state = self.known_state.max(standing.state_version);
    }

    /// Whether a reset says more than is here. One that was asked for twice comes twice.
    fn needs(&self, standing: Standing) -> bool {
        !self.is_current() || standing.head > self.timeline.window().head()
    }

    fn reset(
        &mut self,
        standing: Standing,
        room: crate::RoomState,
        frames: Vec<Arc<EventFrame>>,
        state: StateWhole,
    ) {
        let head = self.timeline.window().head();
        if self.is_current() && frames.first().is_some_and(|frame| frame.first <= head + 1) {
            // What was missing when it was asked for has come by itself meanwhile.
            for frame in frames {
                self.take(frame);
            }
            return;
        }
        for frame in &frames {
            self.acknowledge_seen(frame);
        }
        self.counts.resets += 1;
        self.timeline
            .reset(standing.epoch, standing.head, room, frames, state);
        self.changed();
        self.drain();
    }

    /// Takes a frame of any place in the sequence.
    fn take(&mut self, frame: Arc<EventFrame>) {
        let head = self.timeline.window().head();
        if !self.is_current() || frame.epoch != self.hub_epoch || frame.last <= head {
            return;
        }
        if frame.first > head + 1 {
            self.keep_ahead(frame);
            return;
        }
        let next = if frame.first == head + 1 {
            Some(frame)
        } else {
            frame.after(head).map(Arc::new)
        };
        if let Some(next) = next
            && self.timeline.append(Arc::clone(&next))
        {
            self.acknowledge_seen(&next);
            self.changed();
            self.drain();
        }
    }

    /// The nearest are kept: they are what is wanted first.
    fn keep_ahead(&mut self, frame: Arc<EventFrame>) {
        self.ahead.insert(frame.first, frame);
        if self.ahead.len() > FRAMES_AHEAD_MAX {
            self.ahead.pop_last();
        }
    }

    fn drain(&mut self) {
        while let Some(entry) = self.ahead.first_entry() {
            if *entry.key() > self.timeline.window().head() + 1 {
                return;
            }
            let frame = entry.remove();
            self.take(frame);
        }
    }

    /// Asks for what is missing, unless it was just asked for.
    fn seek(&mut self) {
        let is_due = |asked: Option<u64>| {
            asked.is_none_or(|asked_ms| asked_ms + self.config.retry_ms <= self.now_ms)
        };
        let is_due_state = is_due(self.asked_state_ms);
        if !self.is_current() || self.known_head > self.timeline.window().head() {
            if is_due(self.asked_ms) {
                self.say_hello();
            }
        } else {
            self.asked_ms = None;
        }
        let version = self.timeline.state().map_or(0, |state| state.version);
        if !self.is_current() || version >= self.known_state {
            self.asked_state_ms = None;
        } else if is_due_state {
            self.asked_state_ms = Some(self.now_ms);
            self.send(FromEdgeBody::WantState);
        }
    }

    fn say_hello(&mut self) {
        self.counts.fills_wanted += 1;
        self.asked_ms = Some(self.now_ms);
        let position = self.timeline.is_ready().then(|| Position {
            epoch: self.timeline.epoch(),
            seq: self.timeline.window().head(),
        });
        self.send(FromEdgeBody::Hello { position });
    }

    fn report(&mut self) {
        self.report_ms = self.now_ms + self.config.report_ms;
        self.presence.expire(self.now_ms);
        let board = self.timeline.state().map(|state| &state.leaderboard);
        let points = |id: &str| {
            let mut lines = board.into_iter().flat_map(|board| board.iter());
            lines
                .find(|line| line.id == id)
                .map_or(0, |line| line.points)
        };
        let report = self.presence.report(points);
        self.send(FromEdgeBody::Report(report));
    }

    fn acknowledge(&mut self, at_ms: u64, author: String, client_id: String, outcome: Outcome) {
        let Some((connection, publish)) = self.pending.remove(author, client_id) else {
            return;
        };
        self.answer(at_ms, connection, *publish, outcome);
    }

    fn answer(&mut self, at_ms: u64, connection: u64, publish: Publish, outcome: Outcome) {
        let outcome = told(&publish.body, outcome);
        if let (Outcome::Accepted { seq: None, id }, Body::Message(message)) =
            (&outcome, publish.body)
        {
            // By the id that it had first, so that a repetition is not shown twice.
            let id = id.clone();
            let message = Arc::new(Message { id, ..message });
            for connection in self.connections_of_user(&publish.author).to_vec() {
                let message = Arc::clone(&message);
                self.direct(connection, ServerMessage::Own { at_ms, message });
            }
        }
        let client_id = publish.client_id;
        self.direct(connection, ServerMessage::Ack { client_id, outcome });
    }

    /// What is seen in the room was accepted, whether the answer comes or not.
    fn acknowledge_seen(&mut self, frame: &EventFrame) {
        if self.pending.len() == 0 {
            return;
        }
        for event in &frame.events {
            let Some((connection, client_id, id)) = self.pending.remove_seen(&event.body) else {
                continue;
            };
            let seq = Some(event.seq);
            let outcome = told(&event.body, Outcome::Accepted { seq, id });
            self.direct(connection, ServerMessage::Ack { client_id, outcome });
        }
    }

    fn refuse(
        &mut self,
        connection: u64,
        client_id: String,
        code: RefusalCode,
        retry_after_ms: Option<u64>,
    ) {
        let outcome = Outcome::Refused {
            code,
            retry_after_ms,
        };
        self.direct(connection, ServerMessage::Ack { client_id, outcome });
    }

    /// Nobody hears it if the connection has gone.
    fn direct(&mut self, connection: u64, message: ServerMessage) {
        if self.connections.contains_key(&connection) {
            self.outputs.push_back(EdgeOutput::Direct {
                connection,
                message,
            });
        }
    }

    fn changed(&mut self) {
        if self.outputs.back() != Some(&EdgeOutput::Changed) {
            self.outputs.push_back(EdgeOutput::Changed);
        }
    }

    fn send(&mut self, body: FromEdgeBody) {
        self.outputs.push_back(EdgeOutput::ToHub(FromEdge {
            edge: self.edge.clone(),
            incarnation: self.incarnation,
            body,
        }));
    }
}

/// Who wrote what is held waits for a moderator, whatever the hub says of the review.
fn told(body: &Body, outcome: Outcome) -> Outcome {
    match (body, outcome) {
        (Body::Review(review), Outcome::Accepted { .. }) if review.kind == ReviewKind::Held => {
            Outcome::Held
        }
        (_, outcome) => outcome,
    }
}

/// None for answers, which hold whoever gave them, and for what is of no epoch.
fn epoch_of(message: &ToEdge) -> Option<u64> {
    match message {
        ToEdge::Frame(frame) => Some(frame.epoch),
        ToEdge::Change { standing, .. }
        | ToEdge::Heartbeat { standing }
        | ToEdge::Fill { standing, .. }
        | ToEdge::Reset { standing, .. }
        | ToEdge::State { standing, .. } => Some(standing.epoch),
        ToEdge::ReportAck { epoch, .. } => Some(*epoch),
        ToEdge::Ack { .. } | ToEdge::Relay(_) | ToEdge::NoRoom => None,
    }
}

#[cfg(test)]
mod tests;
