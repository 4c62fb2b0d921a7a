//! What is kept: rooms and keys; webhooks and what they are to hear are in [`hooks`].

mod hooks;

use serde::{Deserialize, Serialize};

use crate::error::Invalid;
use crate::key::PublishKey;
use crate::limits::{
    LABEL_BYTES_MAX, NAME_BYTES_MAX, REASON_BYTES_MAX, RULES_BYTES_MAX, TITLE_BYTES_MAX,
};

pub use hooks::{Delivery, Enqueued, Event, Events, NewWebhook, Queue, Webhook};

/// Whether a room may be published to, and watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomState {
    /// It may.
    Open,
    /// It may not.
    Stopped,
}

/// As whom somebody opens or stops a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// As staff: whom they stopped nobody else opens.
    Staff,
    /// As whose room it is.
    Broadcaster,
    /// As who keeps order there.
    Moderator,
}

/// Where a room comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Made by the API.
    Api,
    /// Stands in an origin's configuration, which has its title.
    Config,
}

/// A room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// In URLs.
    pub name: String,
    /// For people; may be empty.
    pub title: String,
    /// The user id of whose it is.
    pub owner: Option<String>,
    /// Whether it may be published to.
    pub state: RoomState,
    /// Why it is stopped; may be empty.
    pub reason: String,
    /// Who stopped it.
    pub stopped_by: Option<By>,
    /// Where it comes from.
    pub source: Source,
    /// Since when it is known.
    pub created_ms: u64,
    /// Greater after each stop, and in a room that was deleted and made anew.
    pub stops: u64,
    /// How often its keys were all taken back: whoever published before is cut off.
    pub cuts: u64,
    /// What may be published to it, in whatever form the caller keeps that; empty: as everywhere.
    pub rules: String,
}

/// A room to be made.
#[derive(Clone, Debug)]
pub struct NewRoom {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) owner: Option<String>,
    pub(crate) rules: String,
}

/// What is changed of a room; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The title.
    pub title: Option<String>,
    /// The owner; `Some(None)`: nobody.
    pub owner: Option<Option<String>>,
    /// What may be published to it; empty: as everywhere.
    pub rules: Option<String>,
}

/// Some rooms, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The rooms.
    pub rooms: Vec<Room>,
    /// After which the next page begins; `None` if this is the last one.
    pub next: Option<String>,
}

/// All rooms at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Greater after each change.
    pub version: u64,
    /// By name.
    pub rooms: Vec<Room>,
}

/// A key, without what opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its id, to delete it by.
    pub id: String,
    /// What it opens.
    pub room: String,
    /// For people; may be empty.
    pub label: String,
    /// Since when.
    pub created_ms: u64,
    /// Until when.
    pub expires_ms: Option<u64>,
    /// When somebody began to publish with it, the last time.
    pub last_used_ms: Option<u64>,
    /// Whether it is good for one broadcast only.
    pub once: bool,
    /// Whether it was deleted.
    pub revoked: bool,
}

/// What a key is good for at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It opens its room.
    Active,
    /// Its time is over.
    Expired,
    /// It was deleted.
    Revoked,
    /// It was good for one broadcast, which there was.
    Used,
}

/// The broadcast that a key began, as whoever let it in remembers it: what its broadcaster comes back to.
/// It names no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The key's id.
    pub key: String,
    /// [`Key::last_used_ms`], as it was written then: of two who remember the same, one goes on.
    pub used_ms: u64,
    /// [`Room::stops`] then: nobody comes back behind a stop.
    pub stops: u64,
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub(crate) hash: [u8; 32],
    pub(crate) label: String,
    pub(crate) expires_ms: Option<u64>,
    pub(crate) once: bool,
}

impl NewRoom {
    /// Checks names and title.
    ///
    /// # Errors
    /// One that cannot be one.
    pub fn new(name: String, title: String, owner: Option<String>) -> Result<Self, Invalid> {
        // As streams and the rooms of `bus` are called.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        let long = name.is_empty() || name.len() > NAME_BYTES_MAX;
        if long || !name.bytes().all(allowed) {
            return Err(Invalid::Name);
        }
        check(&title, TITLE_BYTES_MAX, Invalid::Title)?;
        let rules = String::new();
        Ok(Self {
            name,
            title,
            owner,
            rules,
        })
    }

    /// The same with what may be published to it ([`Room::rules`]).
    ///
    /// # Errors
    /// It is too long, or would not stand in a line.
    pub fn with_rules(mut self, rules: String) -> Result<Self, Invalid> {
        check(&rules, RULES_BYTES_MAX, Invalid::Rules)?;
        self.rules = rules;
        Ok(self)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Change {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        if let Some(title) = &self.title {
            check(title, TITLE_BYTES_MAX, Invalid::Title)?;
        }
        match &self.rules {
            Some(rules) => check(rules, RULES_BYTES_MAX, Invalid::Rules),
            None => Ok(()),
        }
    }
}

impl Key {
    /// Whether it was good for one broadcast, which there was or is.
    pub fn is_used(&self) -> bool {
        self.once && self.last_used_ms.is_some()
    }

    pub(crate) fn is_expired(&self, now_ms: u64) -> bool {
        let expires_ms = self.expires_ms;
        expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms)
    }

    /// What it is good for.
    pub fn state(&self, now_ms: u64) -> KeyState {
        if self.revoked {
            KeyState::Revoked
        } else if self.is_used() {
            KeyState::Used
        } else if self.is_expired(now_ms) {
            KeyState::Expired
        } else {
            KeyState::Active
        }
    }
}

impl KeyState {
    /// As the API says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Used => "used",
        }
    }
}

impl RoomState {
    /// As the API says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Stopped => "stopped",
        }
    }
}

impl By {
    /// As the API says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::Broadcaster => "broadcaster",
            Self::Moderator => "moderator",
        }
    }

    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Staff => 1,
            Self::Broadcaster => 2,
            Self::Moderator => 3,
        }
    }

    pub(crate) fn of_number(number: u64) -> Option<Self> {
        let all = [Self::Staff, Self::Broadcaster, Self::Moderator];
        all.into_iter().find(|by| by.number() == number)
    }
}

impl Source {
    /// As the API says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Config => "config",
        }
    }
}

impl NewKey {
    /// Checks the label.
    ///
    /// # Errors
    /// It cannot be one.
    pub fn new(
        key: &PublishKey,
        label: String,
        expires_ms: Option<u64>,
        once: bool,
    ) -> Result<Self, Invalid> {
        check(&label, LABEL_BYTES_MAX, Invalid::Label)?;
        Ok(Self {
            hash: PublishKey::hash(key.expose()),
            label,
            expires_ms,
            once,
        })
    }
}

/// Whether a room can be stopped for this reason.
///
/// # Errors
/// It is too long, or would not stand in a line.
pub fn check_reason(reason: &str) -> Result<(), Invalid> {
    check(reason, REASON_BYTES_MAX, Invalid::Reason)
}

fn check(text: &str, bytes_max: usize, otherwise: Invalid) -> Result<(), Invalid> {
    if text.len() > bytes_max || text.chars().any(char::is_control) {
        return Err(otherwise);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_checked() {
        let new = |name: &str, title: &str| NewRoom::new(name.to_owned(), title.to_owned(), None);
        for name in ["a", "Demo-1_x", &"x".repeat(64)] {
            assert!(new(name, "Kaffee ☕").is_ok(), "{name}");
        }
        for name in ["", ".", "a.b", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(new(name, "").unwrap_err(), Invalid::Name, "{name}");
        }
        assert_eq!(new("a", "two\nlines").unwrap_err(), Invalid::Title);
        assert_eq!(new("a", &"x".repeat(257)).unwrap_err(), Invalid::Title);
    }

    #[test]
    fn a_key_is_good_for_so_long() {
        let key = Key {
            id: "key-1".to_owned(),
            room: "a".to_owned(),
            label: String::new(),
            created_ms: 0,
            expires_ms: Some(10),
            last_used_ms: Some(5),
            once: false,
            revoked: false,
        };
        assert_eq!(key.state(9), KeyState::Active);
        assert_eq!(key.state(10), KeyState::Expired);
        let once = Key {
            once: true,
            ..key.clone()
        };
        assert_eq!(once.state(9), KeyState::Used);
        let revoked = Key {
            revoked: true,
            ..once
        };
        assert_eq!(revoked.state(10), KeyState::Revoked);
    }
}
