//! What an audit found.

use serde::Serialize;

use crate::limits::DIFFERENCES_MAX;
use crate::money::Currency;
use crate::text::{AccountId, HoldId, TransferId};

/// What is numbered without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sequence {
    /// Accounts.
    Accounts,
    /// Batches.
    Batches,
    /// Transfers.
    Transfers,
    /// Messages that are not delivered yet.
    Messages,
}

/// Something that does not add up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Difference {
    /// The balances of a currency do not sum to zero.
    #[error("all {currency} sum to {sum}")]
    Sum {
        /// Of which accounts.
        currency: Currency,
        /// Of their balances.
        sum: i128,
    },
    /// A balance is not the sum of the account's transfers.
    #[error("{account} has a balance of {stored}, and its transfers sum to {computed}")]
    Balance {
        /// The account.
        account: AccountId,
        /// What its row says.
        stored: i64,
        /// What its transfers say.
        computed: i128,
    },
    /// What is held is not the sum (or the number) of the open holds.
    #[error("{account} has {stored} held, and its open holds sum to {computed}")]
    Held {
        /// The account.
        account: AccountId,
        /// What its row says.
        stored: i64,
        /// What its holds say.
        computed: i128,
    },
    /// An account is below zero and may not be.
    #[error("{account} has {balance}, of which {held} is held")]
    BelowZero {
        /// The account.
        account: AccountId,
        /// Its balance.
        balance: i64,
        /// Of which this is held.
        held: i64,
    },
    /// A batch has not the transfers or messages that it was committed with.
    #[error("the batch {batch} is not complete")]
    Batch {
        /// Its number.
        batch: u64,
    },
    /// A transfer names an account of another currency, or none.
    #[error("the transfer {transfer} is not of its accounts' currency")]
    Currency {
        /// The transfer.
        transfer: TransferId,
    },
    /// A reversal is not the mirror image of a transfer, or not the only one.
    #[error("the transfer {transfer} does not reverse what it says")]
    Reversal {
        /// The reversal.
        transfer: TransferId,
    },
    /// A batch was reversed in part.
    #[error("the batch {batch} reverses a part of another")]
    PartialReversal {
        /// The reversing batch.
        batch: u64,
    },
    /// A hold's state is not what the batches say.
    #[error("the hold {id} and what was paid from it differ")]
    Hold {
        /// The hold.
        id: HoldId,
    },
    /// A number of a sequence is missing or twice there.
    #[error("{sequence:?}: {found} comes after {last}")]
    Gap {
        /// Which sequence.
        sequence: Sequence,
        /// The number before.
        last: i64,
        /// What comes.
        found: i64,
    },
    /// A sequence does not end where the counters, or the batches, say.
    #[error("{sequence:?} end with {found}, not {expected} ({announced} by the batches)")]
    End {
        /// Which sequence.
        sequence: Sequence,
        /// The last number that is there.
        found: i64,
        /// The counter.
        expected: i64,
        /// What the batches sum to.
        announced: i64,
    },
}

/// Balances of a currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Which.
    pub currency: Currency,
    /// How many accounts count it.
    pub accounts: u64,
    /// Of their balances. Zero.
    pub sum: i128,
}

/// What an audit found, with what it looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Accounts.
    pub accounts: u64,
    /// Holds that are open (those that expired and were not touched since included).
    pub holds_open: u64,
    /// Batches.
    pub batches: u64,
    /// Transfers.
    pub transfers: u64,
    /// Messages that are not delivered yet.
    pub messages_pending: u64,
    /// Per currency.
    pub sums: Vec<Sum>,
    /// Everything that does not add up, at most [`DIFFERENCES_MAX`].
    pub differences: Vec<Difference>,
    /// How many differences more there are.
    pub more: u64,
}

impl Report {
    /// Whether everything adds up.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty()
    }

    pub(super) fn add(&mut self, difference: Difference) {
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(difference);
        } else {
            self.more += 1;
        }
    }

    /// The next number of a sequence.
    pub(super) fn follows(&mut self, sequence: Sequence, last: &mut i64, found: i64) {
        if found != last.saturating_add(1) {
            let last = *last;
            self.add(Difference::Gap {
                sequence,
                last,
                found,
            });
        }
        *last = found;
    }
}
