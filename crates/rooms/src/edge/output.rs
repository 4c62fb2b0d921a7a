//! What a room on an edge gives its driver.

use thiserror::Error;

use crate::schema::{FromEdge, Roles, ServerMessage};

/// What the driver does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EdgeOutput {
    /// The timeline has something new: poll the readers.
    Changed,
    /// For one connection, by [`crate::Reader::push_direct`].
    Direct {
        /// The connection.
        connection: u64,
        /// What it is told.
        message: ServerMessage,
    },
    /// To the hub.
    ToHub(FromEdge),
    /// Connections that are to end, by [`crate::schema::CloseCode::Removed`].
    Disconnect {
        /// All of one user's.
        connections: Vec<u64>,
        /// For people, may be empty.
        reason: String,
    },
    /// Connections whose user has other roles from now on.
    Roles {
        /// All of one user's.
        connections: Vec<u64>,
        /// Those that the user gets.
        add: Roles,
        /// Those that the user loses, also if they are in `add`.
        remove: Roles,
    },
    /// The hub keeps no such room. Said once, until a hub says something else.
    NoRoom,
}

/// Why a connection cannot join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JoinError {
    /// Its number is in use.
    #[error("the connection is in the room already")]
    Again,
    /// `connections_max` is reached.
    #[error("the room is full on this edge")]
    Full,
    /// Without an id, or with too long a name.
    #[error("the user's id or name is out of bounds")]
    User,
}

/// What an edge holds of a room and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeFigures {
    /// Life of the hub.
    pub epoch: u64,
    /// `seq` of the last event.
    pub head: u64,
    /// Events in the window.
    pub window_events: usize,
    /// Weight of the window, bytes.
    pub window_bytes: usize,
    /// Frames that wait for one before them.
    pub frames_ahead: usize,
    /// Publishes that wait for the hub.
    pub pending: usize,
    /// Connections in the room.
    pub connections: usize,
    /// Users in the room, with those who have just left.
    pub users: usize,
    /// Times that the hub was asked for what is missing.
    pub fills_wanted: u64,
    /// Times that the timeline began anew.
    pub resets: u64,
    /// Publishes that were given up.
    pub timeouts: u64,
}
