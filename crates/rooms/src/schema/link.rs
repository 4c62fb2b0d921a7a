//! Between an edge and the hub. A link may lose, delay, double and reorder.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Body, EventFrame, Member, Notice, Position, Roles, StateChange, StateWhole};
use crate::moderation::RoomState;

/// What is to become an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// User id that duplicates are bound to: author, actor, or sender.
    pub author: String,
    /// Unique for the author; 1 to [`crate::ID_BYTES_MAX`] bytes.
    pub client_id: String,
    /// See [`super::Event::media_ms`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_ms: Option<u64>,
    /// Anything but `Void`.
    pub body: Body,
}

/// What became of a publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Outcome {
    /// Everybody gets it, or nobody but the author: then it has no `seq`.
    Accepted {
        /// Of the first publish with this client id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
        /// Of the first publish with this client id. An act has none: it is empty.
        id: String,
    },
    /// Nobody gets it. The same client id may be used again.
    Refused {
        /// For programs.
        code: RefusalCode,
        /// When it may be accepted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// The edge's word, never the hub's: a filter took it. Nobody gets it.
    Rejected {
        /// The filter's. "done": a command was typed, and obeyed.
        code: String,
        /// For people.
        message: String,
        /// When it may be accepted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// The edge's word, never the hub's: it waits for a moderator.
    Held,
}

/// Why a publish was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// The author is banned.
    Banned,
    /// The edge's word: the room takes nothing now, because its edge is about to stop.
    Closed,
    /// The edge's word: it is not for this user to do.
    Forbidden,
    /// A bound of the room is reached: sanctions, or pending publishes.
    Full,
    /// A field is missing, too long, or out of its range.
    Malformed,
    /// Only some roles may speak.
    Restricted,
    /// The author is in a timeout.
    TimedOut,
    /// The edge's word: this connection says too much.
    TooFast,
    /// The hub did not answer in time. Whether it was accepted is not known: try again with the
    /// same client id.
    Unavailable,
    /// The room has no such message or open review, or not any more.
    UnknownMessage,
}

impl RefusalCode {
    /// For logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Banned => "banned",
            Self::Closed => "closed",
            Self::Forbidden => "forbidden",
            Self::Full => "full",
            Self::Malformed => "malformed",
            Self::Restricted => "restricted",
            Self::TimedOut => "timed_out",
            Self::TooFast => "too_fast",
            Self::Unavailable => "unavailable",
            Self::UnknownMessage => "unknown_message",
        }
    }
}

/// From an edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromEdge {
    /// Name of the edge, 1 to [`crate::ID_BYTES_MAX`] bytes; the link's authentication says the same.
    pub edge: String,
    /// Life of the edge; greater than all before.
    pub incarnation: u64,
    /// What it says.
    pub body: FromEdgeBody,
}

/// What an edge says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromEdgeBody {
    /// Wants everything after `position`, and STATE. Also what asks for a fill.
    Hello {
        /// None: has nothing.
        position: Option<Position>,
    },
    /// Something for the room, after the filters.
    Publish(Box<Publish>),
    /// Who is there.
    Report(Report),
    /// Missed a change of STATE.
    WantState,
    /// For all edges, this one included.
    Relay(Relay),
    /// For the hub's log of what was done, and for nobody else.
    Audit {
        /// User id of who did it; empty if that is a filter.
        actor: String,
        /// What, at most [`crate::TEXT_BYTES_MAX`] bytes.
        text: String,
    },
}

/// What edges do at once when they hear it: unsequenced, at most once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "relay", rename_all = "snake_case")]
pub enum Relay {
    /// The connections of a user end.
    Disconnect {
        /// User id.
        user: String,
        /// For people, may be empty.
        reason: String,
    },
    /// Some users are told something.
    Notify {
        /// User ids, at most [`crate::RELAY_USERS_MAX`].
        users: Vec<String>,
        /// What.
        notice: Arc<Notice>,
    },
    /// A user has other roles from now on.
    Roles {
        /// User id.
        user: String,
        /// Those that the user gets.
        add: Roles,
        /// Those that the user loses; of a role that is in both it is lost.
        remove: Roles,
    },
}

/// Presence and likes of one edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Grows with each report of an incarnation.
    pub number: u64,
    /// Users on this edge.
    pub users: u32,
    /// Connections on this edge.
    pub connections: u32,
    /// Likes through this incarnation so far.
    pub likes: u64,
    /// Version of the roster as it is now.
    pub roster_version: u64,
    /// The roster, until it was acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roster: Option<RosterReport>,
    /// Some of those who came since the last report, if there is no list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<Member>,
}

/// Who is on an edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterReport {
    /// See [`Roster`].
    pub kind: Roster,
    /// By id, or the first by rank.
    pub members: Arc<Vec<Member>>,
}

/// What a roster holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Roster {
    /// All users of the edge.
    Everybody,
    /// The first of them, by role, then by score.
    Top,
}

/// Where the room stands at the hub; in all that the hub says unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Life of the hub.
    pub epoch: u64,
    /// Last event that was sent.
    pub head: u64,
    /// Version of STATE.
    pub state_version: u64,
}

/// From the hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToEdge {
    /// A tick, for all edges.
    Frame(Arc<EventFrame>),
    /// A change of STATE, for all edges.
    Change {
        /// Where the room stands.
        standing: Standing,
        /// From the version before.
        change: Arc<StateChange>,
    },
    /// Nothing new, for all edges.
    Heartbeat {
        /// Where the room stands.
        standing: Standing,
    },
    /// Everything after the edge's position.
    Fill {
        /// Where the room stands.
        standing: Standing,
        /// In order; nothing is missing between them.
        frames: Vec<Arc<EventFrame>>,
    },
    /// The position is not covered: all there is.
    Reset {
        /// Where the room stands; `room` is as of `head`.
        standing: Standing,
        /// Settings, pin, sanctions, reviews.
        room: Arc<RoomState>,
        /// The whole window.
        frames: Vec<Arc<EventFrame>>,
        /// STATE.
        state: StateWhole,
    },
    /// STATE, whole.
    State {
        /// Where the room stands.
        standing: Standing,
        /// STATE.
        state: StateWhole,
    },
    /// Answer to a publish.
    Ack {
        /// Life of the hub.
        epoch: u64,
        /// When it was decided, Unix milliseconds.
        at_ms: u64,
        /// Of the publish.
        author: String,
        /// Of the publish.
        client_id: String,
        /// What became of it.
        outcome: Outcome,
    },
    /// Answer to a report.
    ReportAck {
        /// Life of the hub.
        epoch: u64,
        /// Of the edge.
        incarnation: u64,
        /// The roster that the hub has, if it has one.
        roster_version: Option<u64>,
        /// Whether edges are to send everybody, if they are not too many.
        wants_lists: bool,
    },
    /// What an edge had relayed.
    Relay(Relay),
    /// Whoever answers keeps no such room.
    NoRoom,
}
