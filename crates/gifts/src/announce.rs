//! What a ledger's outbox holds.

use rooms::schema::Gift;
use serde::{Deserialize, Serialize};

/// What is told to a room, and written into the records, when the money has moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Announcement {
    /// A gift was paid.
    Given {
        /// As the room is told.
        gift: Box<Gift>,
        /// Where.
        room: String,
        /// Coins that were paid.
        total: u64,
        /// Diamonds that the room earned.
        earned: u64,
        /// When, Unix milliseconds.
        at_ms: u64,
        /// Media time the sender was looking at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_ms: Option<u64>,
    },
    /// A gift was taken back.
    Refunded {
        /// The gift.
        id: String,
        /// Where.
        room: String,
        /// When, Unix milliseconds.
        at_ms: u64,
    },
}
