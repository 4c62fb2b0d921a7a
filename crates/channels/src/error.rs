//! What can go wrong, so that an API can answer it: 404, 409, 422, 503 or 507.

use crate::limits::{
    KEYS_MAX, LABEL_BYTES_MAX, NAME_BYTES_MAX, REASON_BYTES_MAX, ROOMS_MAX, RULES_BYTES_MAX,
    TITLE_BYTES_MAX, URL_BYTES_MAX, WEBHOOKS_MAX,
};

/// Why a value cannot be one. Nothing was asked of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A room's name.
    #[error("a room's name has 1 to {NAME_BYTES_MAX} of a-z, A-Z, 0-9, '_', '-'")]
    Name,
    /// A title.
    #[error("a title has at most {TITLE_BYTES_MAX} bytes, and no control characters")]
    Title,
    /// Why a room is stopped.
    #[error("a reason has at most {REASON_BYTES_MAX} bytes, and no control characters")]
    Reason,
    /// A key's label.
    #[error("a label has at most {LABEL_BYTES_MAX} bytes, and no control characters")]
    Label,
    /// What may be published to a room.
    #[error("rules have at most {RULES_BYTES_MAX} bytes, and no control characters")]
    Rules,
    /// The events of a webhook.
    #[error("events are live, ended, gift: at least one")]
    Events,
    /// The URL of a webhook.
    #[error("a webhook's URL has at most {URL_BYTES_MAX} bytes")]
    Url,
}

/// Why something was not done. After every one of these nothing of it is there, with the one
/// exception that [`database::Error::Unavailable`] names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value is out of range (422).
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There is no such room (404).
    #[error("there is no such room")]
    UnknownRoom,
    /// There is no such key in this room (404).
    #[error("there is no such key")]
    UnknownKey,
    /// There is no such webhook (404).
    #[error("there is no such webhook")]
    UnknownWebhook,
    /// There is a room of that name (409).
    #[error("there is a room of that name")]
    Taken,
    /// Staff stopped it, and somebody else would open it (403).
    #[error("staff stopped this room, and only they open it")]
    StoppedByStaff,
    /// The configuration says so, and an API cannot change it (409).
    #[error("this room stands in the configuration")]
    Configured,
    /// The bound on rooms (409).
    #[error("there are {ROOMS_MAX} rooms, and more may not be")]
    TooManyRooms,
    /// The bound on keys (409).
    #[error("the room has {KEYS_MAX} keys: delete one")]
    TooManyKeys,
    /// The bound on webhooks (409).
    #[error("there are {WEBHOOKS_MAX} webhooks: delete one")]
    TooManyWebhooks,
    /// A key does not open its room; the words are for its encoder (403).
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The database did not do it (503, 507).
    #[error(transparent)]
    Database(#[from] database::Error),
}

/// Why nobody may publish.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// No room has this key.
    #[error("the publish key is wrong")]
    WrongKey,
    /// It was taken back.
    #[error("the publish key is no longer valid: it was deleted")]
    Revoked,
    /// Its time is over.
    #[error("the publish key has expired")]
    Expired,
    /// It was good for one broadcast.
    #[error("the publish key was good for one broadcast, and was used")]
    Used,
    /// The room is stopped.
    #[error("the room is stopped{}", shown(.reason))]
    Stopped {
        /// Of who stopped it; may be empty.
        reason: String,
    },
}

fn shown(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    }
}

impl Error {
    /// The status of an HTTP answer (RFC 9110; 507 is of RFC 4918).
    pub fn status(&self) -> u16 {
        match self {
            Self::Refused(_) | Self::StoppedByStaff => 403,
            Self::UnknownRoom | Self::UnknownKey | Self::UnknownWebhook => 404,
            Self::Taken
            | Self::Configured
            | Self::TooManyRooms
            | Self::TooManyKeys
            | Self::TooManyWebhooks => 409,
            Self::Invalid(_) => 422,
            Self::Database(error) => error.status(),
        }
    }

    /// Nothing was committed.
    pub(crate) fn unavailable(reason: impl ToString) -> Self {
        database::Error::unavailable(reason).into()
    }
}
