//! Rooms: chat, moderation, gifts that were paid, likes, presence. The protocol, and what follows
//! from which failure, is in this crate's README.
//!
//! Pure: no sockets, files, clock or randomness. The time and seeds are arguments.
//!
//! - [`Hub`] decides: what is accepted, and in which order.
//! - [`EdgeRoom`] follows a hub over a link that may lose, double and reorder.
//! - [`Timeline`] is what an edge's connections share, [`Reader`] is one connection's place in it.
//! - [`schema`] is what is said: events, frames, and messages of clients, edges and hubs.
//! - [`Codec`] turns messages into bytes.
//!
//! **Within an epoch every reader gets each event of CONTROL once and in order, and is told of
//! each event that it misses; or it is told that it begins anew, and gets the state instead.**

mod binary;
mod clock;
mod codec;
mod config;
mod edge;
mod encoded;
mod hub;
mod limits;
mod moderation;
mod presence;
mod reader;
mod rng;
pub mod schema;
mod timeline;
mod validate;
mod window;

pub use self::{
    clock::Clock,
    codec::{Codec, DecodeError},
    config::{Config, ConfigError},
    edge::{EdgeFigures, EdgeOutput, EdgeRoom, JoinError},
    hub::{COMBO_END, Hub, HubFigures, HubOutput, Saved},
    limits::{
        ATTR_BYTES_MAX, ATTRS_MAX, COMBO_WINDOW_MS_MAX, COMBOS_MAX, DECODE_BYTES_MAX,
        DECODE_ITEMS_MAX, ECHOES_MAX, EDGES_MAX, FRAME_BYTES_MAX, FRAME_EVENTS_MAX,
        FRAMES_AHEAD_MAX, HOLD_MS_MAX, ID_BYTES_MAX, LEADERBOARD_MAX, LIKES_PER_CALL_MAX,
        NAME_BYTES_MAX, NUMBER_MAX, PAYLOAD_BYTES_MAX, RELAY_USERS_MAX, REVIEWS_BYTES_MAX,
        REVIEWS_MAX, SANCTIONS_MAX, SCORES_MAX, SLOW_MODE_MS_MAX, TEXT_BYTES_MAX,
        TIMEOUT_SECONDS_MAX,
    },
    moderation::{RoomState, Sanction, Sanctions, Settings, Snapshot},
    reader::{DirectOverflow, Next, Reader},
    timeline::Timeline,
    window::Window,
};
