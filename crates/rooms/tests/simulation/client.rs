//! A client that believes nothing.

use std::collections::BTreeSet;

use rooms::{
    Codec, Next, Reader, RoomState, Timeline,
    schema::{
        Act, Body, EventFrame, Gap, Lane, Outcome, Position, Recovery, Roles, ServerMessage,
        StateWhole, User, View, Welcome,
    },
};

use crate::{coverage::Coverage, truth::Truth};

/// Polls of a reader that can take all.
const ALL: usize = usize::MAX;

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) edge: usize,
    pub(crate) id: u64,
    pub(crate) reader: Reader,
    pub(crate) welcomed: bool,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) user: User,
    pub(crate) codec: Codec,
    pub(crate) hold_ms: u32,
    /// Messages that it takes per step.
    pub(crate) takes: usize,
    pub(crate) connection: Option<Connection>,
    pub(crate) next_connect_ms: u64,
    position: Option<Position>,
    /// Events up to here are history.
    history: u64,
    room: RoomState,
    pub(crate) state: Option<StateWhole>,
    seen: BTreeSet<String>,
    own: BTreeSet<String>,
    /// Ids of own messages that the room has, by the answers.
    answered: BTreeSet<String>,
    /// Whether something was missed, so that `seen` has holes.
    missed: bool,
    pub(crate) messages: u64,
}

fn is_for_moderators(body: &Body) -> bool {
    match body {
        Body::Review(_) => true,
        Body::Moderation(moderation) => matches!(
            moderation.act,
            Act::ShadowBan { .. }
                | Act::ShadowUnban { .. }
                | Act::Approve { .. }
                | Act::Dismiss { .. }
        ),
        _ => false,
    }
}

impl Client {
    pub(crate) fn new(user: User, codec: Codec, hold_ms: u32) -> Self {
        Self {
            user,
            codec,
            hold_ms,
            takes: ALL,
            connection: None,
            next_connect_ms: 0,
            position: None,
            history: 0,
            room: RoomState::default(),
            state: None,
            seen: BTreeSet::new(),
            own: BTreeSet::new(),
            answered: BTreeSet::new(),
            missed: false,
            messages: 0,
        }
    }

    pub(crate) fn view(&self) -> View {
        if self.user.roles.intersects(Roles::IN_CHARGE) {
            View::Moderator
        } else {
            View::Public
        }
    }

    pub(crate) fn connect(&mut self, edge: usize, id: u64, forgets: bool) {
        if forgets {
            // A page that was loaded anew.
            self.position = None;
            self.missed = true;
        }
        let user = Some(self.user.id.clone());
        let mut reader = Reader::new(self.codec, self.view(), user, self.position);
        reader.hold(self.hold_ms);
        self.connection = Some(Connection {
            edge,
            id,
            reader,
            welcomed: false,
        });
    }

    /// Takes what its reader gives. Whether the connection is still there.
    pub(crate) fn poll(
        &mut self,
        timeline: &Timeline,
        truth: &Truth,
        now_ms: u64,
        coverage: &mut Coverage,
    ) -> bool {
        for _ in 0..self.takes {
            let Some(connection) = &mut self.connection else {
                return false;
            };
            let (bytes, closes) = match connection.reader.poll(timeline, now_ms) {
                None => return true,
                Some(Next::Send(bytes)) => (bytes, false),
                Some(Next::Close(_, bytes)) => (bytes, true),
            };
            let message = self.codec.decode_server(&bytes).expect("our own bytes");
            self.messages += 1;
            self.take(message, timeline, truth, coverage);
            if closes {
                coverage.closed_slow += 1;
                return false;
            }
            let reader = &self.connection.as_ref().unwrap().reader;
            assert_eq!(reader.position(), self.position, "reader and client differ");
        }
        // Whoever takes little may not be asked for long: the driver looks at the clock.
        let connection = self.connection.as_mut().unwrap();
        !connection.reader.is_slow(timeline, now_ms)
            || self.poll_last(timeline, truth, now_ms, coverage)
    }

    fn poll_last(
        &mut self,
        timeline: &Timeline,
        truth: &Truth,
        now_ms: u64,
        coverage: &mut Coverage,
    ) -> bool {
        let reader = &mut self.connection.as_mut().unwrap().reader;
        if let Some(Next::Close(_, bytes)) = reader.poll(timeline, now_ms) {
            let message = self.codec.decode_server(&bytes).expect("our own bytes");
            self.take(message, timeline, truth, coverage);
            coverage.closed_slow += 1;
            return false;
        }
        panic!("slow, and not closed");
    }

    fn take(
        &mut self,
        message: ServerMessage,
        timeline: &Timeline,
        truth: &Truth,
        coverage: &mut Coverage,
    ) {
        let connection = self.connection.as_mut().unwrap();
        if !matches!(
            message,
            ServerMessage::Welcome(_)
                | ServerMessage::Close { .. }
                | ServerMessage::Ack { .. }
                | ServerMessage::Own { .. }
                | ServerMessage::Notice { .. }
        ) {
            assert!(connection.welcomed, "before a welcome: {message:?}");
        }
        match message {
            ServerMessage::Welcome(welcome) => self.welcome(*welcome, truth, coverage),
            ServerMessage::Events(frame) => self.events(&frame, timeline, truth, coverage),
            ServerMessage::Gap(gap) => self.gap(gap, truth, coverage),
            ServerMessage::State(state) => self.state = Some(state),
            ServerMessage::Change(change) => {
                let state = self.state.as_ref().expect("a change of something");
                self.state = Some(state.changed(&change).expect("the next version"));
            }
            ServerMessage::Own { message, .. } => {
                assert_eq!(message.author.id, self.user.id);
                self.own.insert(message.id.clone());
                coverage.own += 1;
            }
            ServerMessage::Ack { outcome, .. } => match outcome {
                // Somebody else complained of it already.
                Outcome::Accepted { seq: None, id } if id.starts_with('r') => {}
                Outcome::Accepted { seq: None, id } => {
                    assert!(self.own.contains(&id), "answered, and not shown");
                }
                Outcome::Accepted { seq: Some(_), id } => {
                    coverage.accepted += 1;
                    // An act has none.
                    if !id.is_empty() {
                        self.answered.insert(id);
                    }
                }
                Outcome::Refused { .. } => coverage.refused += 1,
                Outcome::Held => coverage.held += 1,
                Outcome::Rejected { .. } => panic!("nobody rejects here"),
            },
            ServerMessage::Notice { .. } => coverage.notices += 1,
            other @ (ServerMessage::You { .. } | ServerMessage::Pong { .. }) => {
                panic!("nobody says {other:?} here")
            }
            ServerMessage::Close { resume, .. } => assert_eq!(resume, self.position),
        }
    }

    fn welcome(&mut self, welcome: Welcome, truth: &Truth, coverage: &mut Coverage) {
        let connection = self.connection.as_mut().unwrap();
        connection.welcomed = true;
        match (welcome.recovery, self.position) {
            (Recovery::Fresh, None) => {}
            (Recovery::Complete, Some(had)) => {
                coverage.complete += 1;
                assert_eq!(had.epoch, welcome.epoch);
                assert_eq!(had.seq + 1, welcome.next, "not where it left");
            }
            (Recovery::NotRecovered, Some(had)) => {
                coverage.not_recovered += 1;
                self.missed = true;
                if had.epoch == welcome.epoch {
                    let lost = welcome.lost.expect("the range is known");
                    assert_eq!(lost.from, had.seq + 1);
                    assert_eq!(lost.to + 1, welcome.next);
                } else {
                    assert!(welcome.epoch > had.epoch, "an epoch went back");
                    coverage.epochs += 1;
                }
            }
            (recovery, had) => panic!("{recovery:?} with {had:?}"),
        }
        if welcome.recovery != Recovery::Complete {
            self.history = welcome.seq;
            self.state = None;
            let said = truth.room(welcome.epoch, welcome.seq);
            let snapshot = welcome.snapshot.expect("what to begin with");
            assert_eq!(snapshot, said.snapshot(self.view() == View::Moderator));
            self.room = said.clone();
        }
        self.position = Some(Position {
            epoch: welcome.epoch,
            seq: welcome.next - 1,
        });
    }

    fn gap(&mut self, gap: Gap, truth: &Truth, coverage: &mut Coverage) {
        coverage.gaps += 1;
        self.missed = true;
        let view = self.view();
        let position = self.position.as_mut().unwrap();
        assert_eq!(gap.from, position.seq + 1, "a hole before the gap");
        for seq in gap.from..=gap.to {
            let event = truth.event(position.epoch, seq);
            let is_hidden = view == View::Public && is_for_moderators(&event.body);
            let is_chat = is_hidden || event.body.lane() == Lane::Chat;
            assert!(is_chat, "a gap hides {event:?}");
        }
        position.seq = gap.to;
    }

    fn events(
        &mut self,
        frame: &EventFrame,
        timeline: &Timeline,
        truth: &Truth,
        coverage: &mut Coverage,
    ) {
        let Position { epoch, seq } = self.position.unwrap();
        assert_eq!(frame.epoch, epoch);
        assert_eq!(frame.first, seq + 1, "out of order, or a hole");
        if frame.dropped > 0 {
            coverage.dropped += 1;
            self.missed = true;
        }
        let mut next = frame.first;
        for event in &frame.events {
            for missing in next..event.seq {
                self.check_missing(frame, missing, truth);
            }
            next = event.seq + 1;
            self.check(event, epoch, timeline, truth, coverage);
            let may_change = !matches!(event.body, Body::Message(_));
            if may_change && event.seq > self.history {
                self.room.apply(event);
                self.check_room(epoch, event.seq, truth);
            }
        }
        for missing in next..=frame.last {
            self.check_missing(frame, missing, truth);
        }
        self.position = Some(Position {
            epoch,
            seq: frame.last,
        });
    }

    fn check_missing(&self, frame: &EventFrame, seq: u64, truth: &Truth) {
        assert!(frame.dropped > 0, "{seq} is missing, and nobody says so");
        let event = truth.event(frame.epoch, seq);
        assert_eq!(event.body.lane(), Lane::Chat, "dropped {event:?}");
    }

    fn check(
        &mut self,
        event: &rooms::schema::Event,
        epoch: u64,
        timeline: &Timeline,
        truth: &Truth,
        coverage: &mut Coverage,
    ) {
        let head = timeline.window().head();
        let is_deleted = |message| truth.is_deleted(epoch, message, event.seq, head);
        let said = truth.event(epoch, event.seq);
        assert_eq!((said.seq, said.at_ms), (event.seq, event.at_ms));
        match (&event.body, &said.body) {
            (Body::Message(message), Body::Message(_)) => {
                assert_eq!(event.body, said.body);
                assert!(!is_deleted(message), "a deleted message came: {message:?}");
                self.seen.insert(message.id.clone());
            }
            (Body::Void, Body::Message(message)) => {
                coverage.tombstones += 1;
                // A fill knows of deletions that are still to come.
                assert!(
                    truth.is_deleted(epoch, message, event.seq, u64::MAX),
                    "a message is void, and was not deleted"
                );
                self.seen.insert(message.id.clone());
            }
            (Body::Void, Body::Void) => {}
            (Body::Review(_), _) => {
                assert_eq!(self.view(), View::Moderator);
                assert_eq!(event.body, said.body);
                coverage.reviews += 1;
            }
            (Body::Void, Body::Moderation(_) | Body::Review(_)) => {
                assert_eq!(self.view(), View::Public);
                assert!(is_for_moderators(&said.body));
            }
            (Body::Moderation(seen), Body::Moderation(said)) => {
                if let Act::Pin { message, .. } = &seen.act {
                    assert!(!message.as_ref().is_some_and(is_deleted));
                    if let (
                        None,
                        Act::Pin {
                            message: Some(said),
                            ..
                        },
                    ) = (message, &said.act)
                    {
                        assert!(truth.is_deleted(epoch, said, event.seq, u64::MAX));
                    }
                } else {
                    assert_eq!(seen.act, said.act);
                }
                assert_eq!(seen.reason, said.reason);
                let is_public = self.view() == View::Public;
                assert!(!(is_public && is_for_moderators(&event.body)));
                assert!(if is_public {
                    seen.actor.is_empty()
                } else {
                    seen.actor == said.actor
                });
                coverage.control += 1;
            }
            (seen, said) => {
                assert_eq!(seen, said);
                coverage.control += 1;
            }
        }
    }

    fn check_room(&self, epoch: u64, seq: u64, truth: &Truth) {
        let is_moderator = self.view() == View::Moderator;
        let mut mine = self.room.snapshot(is_moderator);
        let mut said = truth.room(epoch, seq).snapshot(is_moderator);
        if mine.pinned != said.pinned {
            // It is gone already where it will be deleted.
            let pinned = said.pinned.take().expect("a pin that never was");
            assert!(
                truth.is_deleted(epoch, &pinned, seq, u64::MAX),
                "the pin is lost"
            );
            assert_eq!(mine.pinned.take(), None);
        }
        assert_eq!(mine, said, "state at {seq}");
    }

    /// After quiet: at the head, of the same opinion.
    pub(crate) fn check_quiet(
        &self,
        truth: &Truth,
        position: Position,
        room: &RoomState,
        state: &StateWhole,
    ) {
        assert_eq!(self.position, Some(position), "behind");
        let is_moderator = self.view() == View::Moderator;
        assert_eq!(
            self.room.snapshot(is_moderator),
            room.snapshot(is_moderator)
        );
        assert_eq!(self.state.as_ref(), Some(state));
        if !self.missed {
            for id in &self.answered {
                let came = self.seen.contains(id) || !truth.has_message(id);
                assert!(came, "own message {id} never came");
            }
        }
    }
}
