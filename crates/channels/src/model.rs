//! What is kept: rooms, keys, webhooks, deliveries.

use crate::error::Invalid;
use crate::key::{PublishKey, SigningSecret};
use crate::limits::{
    LABEL_BYTES_MAX, NAME_BYTES_MAX, REASON_BYTES_MAX, TITLE_BYTES_MAX, URL_BYTES_MAX,
};

/// Whether a room may be published to, and watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomState {
    /// It may.
    Open,
    /// It may not.
    Stopped,
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
    /// Where it comes from.
    pub source: Source,
    /// Since when it is known.
    pub created_ms: u64,
}

/// A room to be made.
#[derive(Clone, Debug)]
pub struct NewRoom {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) owner: Option<String>,
}

/// What is changed of a room; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The title.
    pub title: Option<String>,
    /// The owner; `Some(None)`: nobody.
    pub owner: Option<Option<String>>,
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

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub(crate) hash: [u8; 32],
    pub(crate) label: String,
    pub(crate) expires_ms: Option<u64>,
    pub(crate) once: bool,
}

/// What a webhook wants to hear of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// A room is live.
    pub live: bool,
    /// It is no longer.
    pub ended: bool,
    /// A gift was given or taken back.
    pub gift: bool,
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id, to delete it by.
    pub id: String,
    /// Where to.
    pub url: String,
    /// What of.
    pub events: Events,
    /// Of this room alone.
    pub room: Option<String>,
    /// Since when.
    pub created_ms: u64,
}

/// A webhook to be made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    pub(crate) url: String,
    pub(crate) events: Events,
    pub(crate) room: Option<String>,
    pub(crate) secret: SigningSecret,
}

/// Something happened, and is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The same one is told once, as long as it waits.
    pub id: String,
    /// Exactly one.
    pub kind: Events,
    /// Where.
    pub room: String,
    /// When.
    pub at_ms: u64,
    /// What is told, JSON.
    pub body: String,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Enqueued {
    /// Deliveries that wait for it.
    pub waiting: u64,
    /// Old ones that were dropped for them.
    pub dropped: u64,
}

/// A delivery that is to be tried now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub seq: u64,
    /// Whose.
    pub webhook: String,
    /// Where to.
    pub url: String,
    /// To sign it with.
    pub secret: SigningSecret,
    /// What is told.
    pub body: String,
    /// When it happened.
    pub at_ms: u64,
    /// Attempts before.
    pub attempts: u64,
}

/// How much waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Deliveries.
    pub waiting: u64,
    /// Ever dropped because of the bound.
    pub dropped: u64,
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
        Ok(Self { name, title, owner })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Change {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        match &self.title {
            Some(title) => check(title, TITLE_BYTES_MAX, Invalid::Title),
            None => Ok(()),
        }
    }
}

impl Key {
    /// What it is good for.
    pub fn state(&self, now_ms: u64) -> KeyState {
        if self.revoked {
            KeyState::Revoked
        } else if self.once && self.last_used_ms.is_some() {
            KeyState::Used
        } else if self
            .expires_ms
            .is_some_and(|expires_ms| expires_ms <= now_ms)
        {
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

impl Events {
    /// A room is live.
    pub const LIVE: Self = Self {
        live: true,
        ended: false,
        gift: false,
    };
    /// A room is live no longer.
    pub const ENDED: Self = Self {
        live: false,
        ended: true,
        gift: false,
    };
    /// Gifts.
    pub const GIFT: Self = Self {
        live: false,
        ended: false,
        gift: true,
    };

    pub(crate) fn bits(self) -> u64 {
        u64::from(self.live) | u64::from(self.ended) << 1 | u64::from(self.gift) << 2
    }

    pub(crate) fn of_bits(bits: u64) -> Self {
        Self {
            live: bits & 1 != 0,
            ended: bits & 2 != 0,
            gift: bits & 4 != 0,
        }
    }

    /// Reads names.
    ///
    /// # Errors
    /// None, or one that is unknown.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, Invalid> {
        let mut events = Self::default();
        for name in names {
            match name {
                "live" => events.live = true,
                "ended" => events.ended = true,
                "gift" => events.gift = true,
                _ => return Err(Invalid::Events),
            }
        }
        if events == Self::default() {
            return Err(Invalid::Events);
        }
        Ok(events)
    }

    /// As the API says them.
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            (self.live, "live"),
            (self.ended, "ended"),
            (self.gift, "gift"),
        ];
        all.into_iter()
            .filter_map(|(is, name)| is.then_some(name))
            .collect()
    }
}

impl NewWebhook {
    /// Checks the length of the URL; whether it may be called is the caller's to say.
    ///
    /// # Errors
    /// It is too long.
    pub fn new(
        url: String,
        events: Events,
        room: Option<String>,
        secret: SigningSecret,
    ) -> Result<Self, Invalid> {
        if url.is_empty() || url.len() > URL_BYTES_MAX {
            return Err(Invalid::Url);
        }
        Ok(Self {
            url,
            events,
            room,
            secret,
        })
    }
}

pub(crate) fn check_reason(reason: &str) -> Result<(), Invalid> {
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
    fn events_are_bits_and_names() {
        for bits in 1..8 {
            let events = Events::of_bits(bits);
            assert_eq!(events.bits(), bits);
            assert_eq!(Events::parse(events.names()), Ok(events));
        }
        assert_eq!(Events::parse([]), Err(Invalid::Events));
        assert_eq!(Events::parse(["live", "dead"]), Err(Invalid::Events));
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
