//! What is known of a person.

use serde::Serialize;

use crate::text::{DisplayName, Login, Role, Room, UserId};

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It may.
    Active,
    /// It may not, until it is active again.
    Blocked,
}

/// A role in one room.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// Where.
    pub room: Room,
    /// What.
    pub role: Role,
}

/// An account, without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// For ever.
    pub id: UserId,
    /// To sign in by.
    pub login: Login,
    /// For others.
    pub display_name: DisplayName,
    /// Whether it may be used.
    pub state: State,
    /// Platform-wide, in order.
    pub roles: Vec<Role>,
    /// For rooms, in order.
    pub grants: Vec<Grant>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// The last sign-in, in milliseconds since 1970.
    pub signed_in_ms: Option<u64>,
}

/// An account, and whether an act has made anything otherwise: whoever writes acts down leaves out those
/// that have not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// As it is now.
    pub account: Account,
    /// Whether it was otherwise before.
    pub is_new: bool,
}

impl Account {
    /// Whether it has a platform-wide role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held.as_str() == role)
    }

    /// Whether it has a role in a room.
    pub fn has_grant(&self, room: &str, role: &str) -> bool {
        let is = |grant: &Grant| grant.room.as_str() == room && grant.role.as_str() == role;
        self.grants.iter().any(is)
    }
}

/// All that is kept about a person, as a document for them (GDPR, article 15). Neither hashes nor
/// tokens: they say nothing about a person, and would help a thief.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PersonalData {
    /// The id, by which other parts of Weir (ledger, chat archive) export what they keep.
    pub id: String,
    /// Login name.
    pub login: String,
    /// Display name.
    pub display_name: String,
    /// Whether the account may be used.
    pub state: State,
    /// Platform-wide roles.
    pub roles: Vec<String>,
    /// Roles in rooms.
    pub grants: Vec<GrantData>,
    /// In milliseconds since 1970.
    pub created_ms: u64,
    /// In milliseconds since 1970.
    pub signed_in_ms: Option<u64>,
    /// Devices that are signed in.
    pub sessions: Vec<SessionData>,
}

/// A grant, in an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GrantData {
    /// Where.
    pub room: String,
    /// What.
    pub role: String,
}

/// A signed-in device: a family of refresh tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SessionData {
    /// Signed in, in milliseconds since 1970.
    pub created_ms: u64,
    /// Last rotated, in milliseconds since 1970.
    pub rotated_ms: u64,
    /// Ends unless used, in milliseconds since 1970.
    pub expires_ms: u64,
}
