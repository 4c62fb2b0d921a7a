//! What a sender is told: a code for programs, a sentence for people, and when to try again.

use crate::weir::filter::types::Rejection;

/// Why a gift is not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Count { count_max: u32 },
    MissingRole,
    Muted,
    NoteTooLong { chars_max: usize },
    NoteTricks,
    Off,
    Retired,
    SelfGift,
    TooFast { retry_after_ms: u32 },
    TooMuch,
}

impl Refusal {
    /// Stable.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Count { .. } => "count",
            Self::MissingRole => "missing-role",
            Self::Muted => "muted",
            Self::NoteTooLong { .. } => "note-too-long",
            Self::NoteTricks => "note-tricks",
            Self::Off => "gifts-off",
            Self::Retired => "retired",
            Self::SelfGift => "self-gift",
            Self::TooFast { .. } => "too-fast",
            Self::TooMuch => "too-much",
        }
    }

    /// Name of the counter of such refusals.
    pub(crate) fn metric(&self) -> String {
        format!("{}_total", self.code().replace('-', "_"))
    }

    fn message(&self) -> String {
        let text = match self {
            Self::Count { count_max } => return format!("one to {count_max} at a time"),
            Self::NoteTooLong { chars_max } => {
                return format!("a note has at most {chars_max} characters");
            }
            Self::MissingRole => "this gift is not for everybody to give",
            Self::Muted => "you may not write a note",
            Self::NoteTricks => "this note has invisible characters, or too many accents",
            Self::Off => "this room takes no gifts",
            Self::Retired => "this gift is no longer there",
            Self::SelfGift => "you cannot give to your own room",
            Self::TooFast { .. } => "you are giving too fast",
            Self::TooMuch => "this is more than can be paid at once",
        };
        text.to_owned()
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code().to_owned(),
            message: refusal.message(),
            retry_after_ms: match refusal {
                Refusal::TooFast { retry_after_ms } => Some(retry_after_ms),
                _ => None,
            },
        }
    }
}
