//! What an edge hands over.

use rooms::NUMBER_MAX;
use rooms::schema::{Animation, Combo, Gift, User};
use serde::{Deserialize, Serialize};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Currency {
    /// Bought, and spent on gifts.
    Coin,
    /// Earned by rooms.
    Diamond,
}

/// A gift that a filter has planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Made of room, sender and the client's id: the same tap is the same gift.
    pub id: String,
    /// Where.
    pub room: String,
    /// Who gives.
    pub sender: User,
    /// Who is given: `room:{room}`.
    pub recipient: String,
    /// Of the catalogue.
    pub item: String,
    /// How many.
    pub count: u32,
    /// Of the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Media time the sender was looking at, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_ms: Option<u64>,
    /// The filter that planned it.
    pub filter: String,
    /// What it planned.
    pub plan: Plan,
}

/// Who pays whom, and how it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What the sender pays.
    pub total: u64,
    /// In what.
    pub currency: Currency,
    /// The movements.
    pub transfers: Vec<Transfer>,
    /// The series that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combo: Option<Combo>,
    /// How it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub animation: Option<Animation>,
}

/// One movement, between owners of accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// Who pays.
    pub debit: String,
    /// Who gets it.
    pub credit: String,
    /// How much.
    pub amount: u64,
    /// Of what.
    pub currency: Currency,
}

impl Order {
    /// What the room is told when it is paid.
    pub fn shown(&self) -> Gift {
        Gift {
            id: self.id.clone(),
            sender: self.sender.clone(),
            recipient: self.recipient.clone(),
            item: self.item.clone(),
            count: self.count,
            // Browsers count to there.
            points: self.plan.total.min(NUMBER_MAX),
            note: self.note.clone(),
            combo: self.plan.combo.clone(),
            animation: self.plan.animation.clone(),
        }
    }
}
