//! What the author is told: a code for programs, a sentence for people, and when to try again. Never
//! anything about anybody else.

use crate::weir::filter::types::Rejection;

/// Why a message is not posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Blocked,
    /// A command that was not understood, with how it is written.
    Command(String),
    /// No refusal: a command was obeyed, and there is nothing to post.
    Done(String),
    Duplicate,
    EmoteOnly,
    Empty,
    FollowersOnly {
        retry_after_ms: Option<u32>,
    },
    Kind,
    Link,
    Muted,
    /// A command that names somebody instead of saying whose id it is.
    NeedsId,
    NotAllowed,
    Repeats,
    SlowMode {
        retry_after_ms: u32,
    },
    SubscribersOnly,
    TooFast {
        retry_after_ms: u32,
    },
    TooLong {
        length_max: usize,
    },
    Tricks,
    UnknownCommand,
}

impl Refusal {
    /// Stable.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Blocked => "blocked-word",
            Self::Command(_) => "bad-command",
            Self::Done(_) => "done",
            Self::Duplicate => "duplicate",
            Self::EmoteOnly => "emote-only",
            Self::Empty => "empty",
            Self::FollowersOnly { .. } => "followers-only",
            Self::Kind => "unknown-kind",
            Self::Link => "link",
            Self::Muted => "muted",
            Self::NeedsId => "needs-id",
            Self::NotAllowed => "not-allowed",
            Self::Repeats => "repeats",
            Self::SlowMode { .. } => "slow-mode",
            Self::SubscribersOnly => "subscribers-only",
            Self::TooFast { .. } => "too-fast",
            Self::TooLong { .. } => "too-long",
            Self::Tricks => "text-tricks",
            Self::UnknownCommand => "unknown-command",
        }
    }

    /// Name of the counter of such refusals.
    pub(crate) fn metric(&self) -> String {
        format!("{}_total", self.code().replace('-', "_"))
    }

    fn message(&self) -> String {
        let text = match self {
            Self::Command(usage) => return format!("write it as {usage}"),
            Self::Done(what) => return what.clone(),
            Self::TooLong { length_max } => {
                return format!("a message has at most {length_max} characters");
            }
            Self::Blocked => "this message has a word that is not welcome here",
            Self::Duplicate => "this was said a moment ago: say something new",
            Self::EmoteOnly => "only emotes for now",
            Self::Empty => "there is nothing in this message",
            Self::FollowersOnly {
                retry_after_ms: Some(_),
            } => "you may speak when you have followed for longer",
            Self::FollowersOnly { .. } => "only followers may speak for now",
            Self::Kind => "there is no such kind of message",
            Self::Link => "this link may not be posted here",
            Self::Muted => "you may not speak",
            Self::NeedsId => "this needs the user's id: use the menu beside the message",
            Self::NotAllowed => "this command is for moderators",
            Self::Repeats => "the same character too often",
            Self::SlowMode { .. } => "slow mode: wait a little between messages",
            Self::SubscribersOnly => "only subscribers may speak for now",
            Self::TooFast { .. } => "you are sending messages too fast",
            Self::Tricks => "this message has invisible characters, or too many accents",
            Self::UnknownCommand => "there is no such command: /help lists them",
        };
        text.to_owned()
    }

    fn retry_after_ms(&self) -> Option<u32> {
        match self {
            Self::SlowMode { retry_after_ms } | Self::TooFast { retry_after_ms } => {
                Some(*retry_after_ms)
            }
            Self::FollowersOnly { retry_after_ms } => *retry_after_ms,
            _ => None,
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code().to_owned(),
            message: refusal.message(),
            retry_after_ms: refusal.retry_after_ms(),
        }
    }
}
