//! Webhooks, and what they are to hear.

use crate::error::Invalid;
use crate::key::SigningSecret;
use crate::limits::URL_BYTES_MAX;

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
    /// The user id of whose doing it was: it goes with them when they are erased.
    pub sender: Option<String>,
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
