//! What happens in a room, in order.

use serde::{Deserialize, Serialize};

use super::{Attr, Roles, User};

/// One slot of a room's sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Contiguous from 1 within an epoch.
    pub seq: u64,
    /// When the hub accepted it, Unix milliseconds. Never goes back within an epoch.
    pub at_ms: u64,
    /// Media time (PROGRAM-DATE-TIME, Unix milliseconds) that its author was looking at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_ms: Option<u64>,
    /// What happened.
    pub body: Body,
}

/// What a loss means. STATE is not here: it has no events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Exactly once and in order.
    Control,
    /// In order; losses are told.
    Chat,
}

/// What an event is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Body {
    /// CHAT: somebody says something.
    Message(Message),
    /// CONTROL: an act of moderation, or a change of settings.
    Moderation(Moderation),
    /// CONTROL: a gift that was paid.
    Gift(Gift),
    /// CONTROL: said by the system or a filter, and not to be missed.
    Notice(Notice),
    /// CONTROL: moderators are asked. Not in the public view.
    Review(Review),
    /// A slot without content: deleted, or not for this view.
    Void,
}

impl Body {
    /// A `Void` is of CHAT: nobody misses it.
    pub fn lane(&self) -> Lane {
        match self {
            Self::Message(_) | Self::Void => Lane::Chat,
            Self::Moderation(_) | Self::Gift(_) | Self::Notice(_) | Self::Review(_) => {
                Lane::Control
            }
        }
    }
}

/// A message of a person or a filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Unique in the room, given by the edge before the filters saw it.
    pub id: String,
    /// Who says it.
    pub author: User,
    /// "text", "emote", "slash", "system", or a name of a filter's own.
    pub kind: String,
    /// Plain text, at most [`crate::TEXT_BYTES_MAX`] bytes.
    pub text: String,
    /// Id of another message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// At most [`crate::ATTRS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attrs: Vec<Attr>,
}

/// An act, who did it, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moderation {
    /// User id. Empty in the public view.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub actor: String,
    /// For people, may be empty; everybody sees it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What was done.
    pub act: Act,
}

/// Acts take effect in the order of `seq`; of two about the same thing the later one holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Act {
    /// One message goes.
    DeleteMessage {
        /// The message.
        id: String,
    },
    /// All messages of a user so far go.
    DeleteUser {
        /// User id.
        user: String,
    },
    /// All messages so far go.
    Clear,
    /// May not speak for some time.
    Timeout {
        /// User id.
        user: String,
        /// 1 to [`crate::TIMEOUT_SECONDS_MAX`].
        seconds: u32,
        /// Unix milliseconds; the hub fills it in.
        #[serde(default)]
        until_ms: u64,
    },
    /// May not speak any more.
    Ban {
        /// User id.
        user: String,
    },
    /// Speaks, and nobody hears it. Not in the public view.
    ShadowBan {
        /// User id.
        user: String,
    },
    /// Ends a timeout and a ban.
    Unban {
        /// User id.
        user: String,
    },
    /// Ends a shadow ban. Not in the public view.
    ShadowUnban {
        /// User id.
        user: String,
    },
    /// Shown above the chat; replaces what was pinned.
    Pin {
        /// The message.
        id: String,
        /// The hub fills it in; none once the message was deleted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<Message>,
    },
    /// Nothing is pinned any more.
    Unpin,
    /// Settings of the room change.
    Settings {
        /// Those that change.
        patch: SettingsPatch,
    },
    /// Closes a review; what was held is said now. Not in the public view.
    Approve {
        /// The review.
        id: String,
    },
    /// Closes a review; nothing else happens. Not in the public view.
    Dismiss {
        /// The review.
        id: String,
    },
}

/// What is absent stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsPatch {
    /// Least milliseconds between two messages of a user; 0 is off. The chat filter keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_mode_ms: Option<u32>,
    /// Who may speak; no role is everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restrict: Option<Roles>,
    /// Messages per second above which they are sampled; 0 is no cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_per_second_max: Option<u32>,
    /// Settings that filters and pages know; an empty value takes one away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attrs: Vec<Attr>,
}

/// A gift after its ledger transfer was committed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gift {
    /// The ledger's; its publish has the same client id, so that it comes once.
    pub id: String,
    /// Who gave.
    pub sender: User,
    /// User id.
    pub recipient: String,
    /// Of the catalogue.
    pub item: String,
    /// How many.
    pub count: u32,
    /// What it counts on the leaderboard.
    pub points: u64,
    /// Of the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The series that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combo: Option<Combo>,
    /// How it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub animation: Option<Animation>,
}

/// Several of the same in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Combo {
    /// The same for all of a series.
    pub id: String,
    /// So far, this one included.
    pub count: u32,
    /// It goes on if the next comes within so many milliseconds.
    pub window_ms: u32,
}

/// What a page plays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Animation {
    /// Name or path.
    pub asset: String,
    /// Milliseconds.
    pub duration_ms: u32,
    /// Greater is in front.
    pub layer: u32,
    /// A JSON object, or empty.
    pub payload: String,
}

/// A line of the system's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Unique in the room.
    pub id: String,
    /// "system", "animation", or a name of a filter's own.
    pub kind: String,
    /// For people.
    pub text: String,
    /// A JSON object, or empty.
    pub payload: String,
}

/// What moderators are to look at. It is open until one of them approves or dismisses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Unique in the room.
    pub id: String,
    /// Why it is here.
    pub kind: ReviewKind,
    /// Of a report only the id has to be given: the hub fills it in.
    pub message: Message,
    /// For moderators, may be empty.
    #[serde(default)]
    pub reason: String,
    /// User id of who asks; empty if that is a filter.
    #[serde(default)]
    pub by: String,
}

/// What a review is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewKind {
    /// A message that is nowhere else: the room gets it when it is approved.
    Held,
    /// A message of the room, of which somebody complains.
    Report,
}
