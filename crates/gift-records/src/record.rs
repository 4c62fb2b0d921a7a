//! What is kept of gifts, and what is answered.

use serde::Serialize;

use crate::day::Day;
use crate::limits::VALUE_MAX;

/// Where a gift stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was paid.
    Given,
    /// Its money is reserved, until somebody decides.
    Held,
    /// It was held, and is not given.
    Rejected,
    /// It was paid, and paid back.
    Refunded,
}

impl State {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Held => "held",
            Self::Rejected => "rejected",
            Self::Refunded => "refunded",
        }
    }

    pub(crate) fn code(self) -> u64 {
        match self {
            Self::Given => 0,
            Self::Held => 1,
            Self::Rejected => 2,
            Self::Refunded => 3,
        }
    }

    pub(crate) fn from_code(code: u64) -> Option<Self> {
        let all = [Self::Given, Self::Held, Self::Rejected, Self::Refunded];
        all.into_iter().find(|state| state.code() == code)
    }
}

/// A gift. Counts, points and money are at most [`VALUE_MAX`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GiftRecord {
    /// Its id, for ever.
    pub id: String,
    /// Of the outbox message by which it was given; none if it never was.
    pub seq: Option<u64>,
    /// When it was given, or held.
    pub at_ms: u64,
    /// In which room.
    pub room: String,
    /// Who gave it.
    pub sender_id: String,
    /// The name with which it was given; empty after [`crate::GiftRecords::forget`].
    pub sender_name: String,
    /// What was given.
    pub item: String,
    /// How many.
    pub count: u64,
    /// Coins that it cost.
    pub total: u64,
    /// What it counts on leaderboards and for goals.
    pub points: u64,
    /// Diamonds that the room earned.
    pub earned: u64,
    /// What was said with it.
    pub note: Option<String>,
    /// Where it stands.
    pub state: State,
    /// Why it was held, or would have been.
    pub signals: Vec<String>,
    /// How to pay it once it is approved: JSON of the caller's. Only of held ones.
    pub plan: Option<String>,
    /// The ledger's batch.
    pub batch: Option<u64>,
    /// When it was paid back.
    pub refunded_at_ms: Option<u64>,
}

impl GiftRecord {
    /// Within what sums can bear.
    pub(crate) fn bounded(mut self) -> Self {
        let values = [
            &mut self.count,
            &mut self.total,
            &mut self.points,
            &mut self.earned,
        ];
        for value in values {
            *value = VALUE_MAX.min(*value);
        }
        self
    }

    pub(crate) fn day(&self) -> Day {
        Day::of(self.at_ms)
    }
}

/// What an outbox message says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are gifts")]
pub enum Applied {
    /// A gift was paid. Its `seq` is the message's, its state given, its plan forgotten, whatever the
    /// record says.
    Given(GiftRecord),
    /// A gift was paid back.
    Refunded {
        /// Which.
        id: String,
        /// When.
        at_ms: u64,
    },
}

/// What became of messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many of them had not been applied before.
    pub applied: usize,
    /// Goals that they reached, in that order. Never told again.
    pub reached: Vec<Reached>,
}

/// A goal that was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Whose it is.
    pub room: String,
    /// The goal, as it stood then.
    pub goal: Goal,
}

/// What a room collects for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Goal {
    /// What it is called.
    pub title: String,
    /// Points that are wanted.
    pub target: u64,
    /// Points of the gifts since it was set; more than the target, in the end.
    pub progress: u64,
    /// When it was set.
    pub set_at_ms: u64,
    /// When the gift was given that reached it. It stays when that is refunded.
    pub reached_at_ms: Option<u64>,
}

/// Some records, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The records.
    pub gifts: Vec<GiftRecord>,
    /// Where the next page begins; none if this is the last one.
    pub next: Option<u64>,
}

/// Of which gifts a leaderboard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Those of one day.
    Day(Day),
    /// All.
    All,
}

/// Who gave most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaderboard {
    /// The first of them; equal ones in the order of their ids.
    pub entries: Vec<Entry>,
    /// The points of everybody, of those beyond the entries, too.
    pub total: u64,
}

/// A place on a leaderboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub user_id: String,
    /// The name with which they gave last, in whatever room; empty after
    /// [`crate::GiftRecords::forget`].
    pub name: String,
    /// What they gave.
    pub points: u64,
}

/// What a room earned on a day, refunds subtracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySum {
    /// When the gifts were given.
    pub day: Day,
    /// How many.
    pub gifts: u64,
    /// What they cost.
    pub coins: u64,
    /// What the room has of it.
    pub diamonds: u64,
}

/// What somebody gave: paid or held, not what was refunded or rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// How many gifts.
    pub gifts: u64,
    /// What they cost.
    pub coins: u64,
}
