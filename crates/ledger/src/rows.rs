//! What stores keep, as both of them keep it.

use bytes::Bytes;
use serde::Serialize;

use crate::account::NewAccount;
use crate::batch::{Digest, Transfer};
use crate::money::Timestamp;
use crate::text::{HoldId, Reference, TransferId};

/// The last number of each sequence. All of them begin with 1 and have no gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Head {
    pub(crate) accounts: i64,
    pub(crate) batches: i64,
    pub(crate) transfers: i64,
    pub(crate) messages: i64,
    /// Up to which message all are delivered, and removed.
    pub(crate) delivered: i64,
}

/// An account, and what all that is committed adds up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AccountRow {
    /// Its number: shorter than the id, for indexes.
    pub(crate) n: i64,
    #[serde(flatten)]
    pub(crate) account: NewAccount,
    pub(crate) balance: i64,
    /// Sum of the open holds, expired or not.
    pub(crate) held: i64,
    /// How many open holds.
    pub(crate) holds: i64,
    pub(crate) at_ms: Timestamp,
}

/// A committed batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct BatchRow {
    pub(crate) seq: i64,
    /// Its transfers are this one and those that follow.
    pub(crate) first_transfer: i64,
    pub(crate) transfers: i64,
    /// Its messages, likewise.
    pub(crate) first_message: i64,
    pub(crate) messages: i64,
    pub(crate) posts: Option<HoldId>,
    #[serde(skip)]
    pub(crate) digest: Digest,
    pub(crate) at_ms: Timestamp,
}

/// A transfer, with the numbers of what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransferRow {
    pub(crate) seq: i64,
    pub(crate) batch: i64,
    pub(crate) debit: i64,
    pub(crate) credit: i64,
    /// The original's `seq`.
    pub(crate) reverses: Option<i64>,
    pub(crate) transfer: Transfer,
}

/// A message that is to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MessageRow {
    pub(crate) seq: i64,
    pub(crate) batch: i64,
    pub(crate) topic: Reference,
    pub(crate) payload: Bytes,
}

/// Of a transfer's id that is taken: in which batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) id: TransferId,
    pub(crate) batch: i64,
    pub(crate) digest: Digest,
    pub(crate) at_ms: Timestamp,
}

/// A transfer that somebody wants to reverse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Original {
    pub(crate) seq: i64,
    pub(crate) batch: i64,
    /// How many are linked with it, itself included.
    pub(crate) linked: i64,
    pub(crate) transfer: Transfer,
    pub(crate) reversed: bool,
}

/// Numbers of sequences are positive in every store.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// What no store can have: nothing is found under it.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
