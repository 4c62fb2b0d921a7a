//! Between a client and its edge.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Act, EventFrame, Message, Notice, Outcome, StateChange, StateWhole, User};
use crate::moderation::{Sanction, Snapshot};

/// How far one has got in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Life of the hub.
    pub epoch: u64,
    /// Last event that one has, or was told that one misses. 0: none.
    pub seq: u64,
}

/// What became of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// There was none.
    Fresh,
    /// All that came after it follows.
    Complete,
    /// Something is missing: begin anew, with the snapshot that follows.
    NotRecovered,
}

/// First message on a connection, and again whenever the room begins anew for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// [`super::SCHEMA_VERSION`].
    pub version: u8,
    /// Life of the hub.
    pub epoch: u64,
    /// The snapshot is as of this event. Events up to here are history: shown, not applied.
    pub seq: u64,
    /// `seq` of the next event.
    pub next: u64,
    /// What became of the position that the client gave.
    pub recovery: Recovery,
    /// What is missing, if `recovery` is `not_recovered` and the epoch is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Gap>,
    /// CONTROL as of `seq`; none if `recovery` is `complete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
    /// Why oneself may not speak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sanction: Option<Sanction>,
}

/// Events that this connection does not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// First of them.
    pub from: u64,
    /// Last of them.
    pub to: u64,
    /// How many of them are messages, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<u32>,
}

/// Why the edge ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseCode {
    /// Did not take CONTROL, or its own answers, in time. Connect again and resume.
    Slow,
    /// The edge is about to stop. Connect again, after `retry_after_ms`.
    Draining,
    /// What was sent is no message. Do not connect again.
    Protocol,
    /// The room's hub is away, or there is no such room. Connect again later.
    Unavailable,
    /// No hello in time.
    Idle,
    /// A moderator or a filter ended it. Do not connect again unasked.
    Removed,
    /// The token has ended. Connect again with another one.
    Expired,
    /// The user has too many connections, and this was the oldest.
    Superseded,
}

impl CloseCode {
    /// As a WebSocket close code, of the range for applications.
    pub fn websocket(self) -> u16 {
        match self {
            Self::Draining => 4001,
            Self::Protocol => 4002,
            Self::Unavailable => 4003,
            Self::Idle => 4004,
            Self::Slow => 4008,
            Self::Removed => 4010,
            Self::Expired => 4011,
            Self::Superseded => 4012,
        }
    }

    /// For logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Protocol => "protocol",
            Self::Unavailable => "unavailable",
            Self::Idle => "idle",
            Self::Slow => "slow",
            Self::Removed => "removed",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
        }
    }
}

/// What a connection may do besides reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// Publish.
    Speak,
    /// Act.
    Moderate,
}

/// To a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// Where the client stands.
    Welcome(Box<Welcome>),
    /// CONTROL and CHAT.
    Events(EventFrame),
    /// What the client does not get.
    Gap(Gap),
    /// STATE.
    State(StateWhole),
    /// STATE, from the version before.
    Change(StateChange),
    /// Answer to a publish.
    Ack {
        /// The client's id.
        client_id: String,
        /// What became of it.
        outcome: Outcome,
    },
    /// A message of one's own that the room does not get.
    Own {
        /// When the hub decided, Unix milliseconds.
        at_ms: u64,
        /// The message.
        message: Arc<Message>,
    },
    /// Last message of a connection.
    Close {
        /// Why.
        code: CloseCode,
        /// What to resume from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<Position>,
        /// When to connect again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// For this user alone, at most once.
    Notice {
        /// What is said.
        notice: Arc<Notice>,
    },
    /// First message of a connection, before `welcome`.
    You {
        /// Who one is here.
        user: User,
        /// What ties what is sent to what is read; only where that are two connections.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        /// The edge's clock, Unix milliseconds.
        server_ms: u64,
        /// The edge gives a sign of life this often.
        heartbeat_ms: u32,
        /// What one may do.
        can: Vec<Ability>,
    },
    /// Answer to a ping.
    Pong {
        /// Of the ping.
        nonce: u64,
        /// The edge's clock, Unix milliseconds.
        server_ms: u64,
    },
}

/// From a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// First message.
    Hello {
        /// None: from now on.
        #[serde(default)]
        resume: Option<Position>,
        /// How far behind the live edge the picture is, ms.
        #[serde(default)]
        hold_ms: u32,
    },
    /// Say something.
    Publish {
        /// Unique for this user; a repetition has the same one.
        client_id: String,
        /// See [`Message::kind`].
        kind: String,
        /// See [`Message::text`].
        text: String,
        /// Id of another message.
        #[serde(default)]
        reply_to: Option<String>,
        /// Media time one looks at, Unix milliseconds.
        #[serde(default)]
        media_ms: Option<u64>,
    },
    /// Moderate.
    Act {
        /// As in `publish`.
        client_id: String,
        /// For people.
        #[serde(default)]
        reason: String,
        /// What to do.
        act: Act,
    },
    /// Likes since the last time.
    Like {
        /// At most [`crate::LIKES_PER_CALL_MAX`] count.
        count: u32,
    },
    /// The picture is elsewhere now.
    Hold {
        /// How far behind the live edge, ms.
        hold_ms: u32,
    },
    /// Is the edge there, and what is its time?
    Ping {
        /// Comes back with the answer.
        nonce: u64,
    },
}
