//! The published types: what an event is, and what clients, edges and hubs say to each other.
//!
//! Names agree with `weir:filter`. Numbers are below 2^53, so that JavaScript can read them.

mod event;
mod frame;
mod link;
mod message;
mod state;
mod stopped;
mod user;

pub use event::{
    Act, Animation, Body, Combo, Event, Gift, Lane, Message, Moderation, Notice, Review,
    ReviewKind, SettingsPatch,
};
pub(crate) use frame::is_hidden;
pub use frame::{EventFrame, FrameError, View};
pub use link::{
    FromEdge, FromEdgeBody, Outcome, Publish, RefusalCode, Relay, Report, Roster, RosterReport,
    Standing, ToEdge,
};
pub use message::{
    Ability, ClientMessage, CloseCode, Gap, Position, Recovery, ServerMessage, Welcome,
};
pub use state::{Audience, AudienceChange, Member, Score, StateChange, StateWhole};
pub use stopped::{EVERY_EDGE, STOPPED_MAX, Stopped};
pub use user::{Attr, Roles, User};

/// Version of this schema: in `welcome`, and the first byte of each binary message.
pub const SCHEMA_VERSION: u8 = 1;
