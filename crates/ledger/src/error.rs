//! What can go wrong, so that an API can answer it: 402, 404, 409, 422, 503 or 507.

use crate::limits::{
    AMOUNT_MAX, ID_BYTES_MAX, MESSAGES_PER_BATCH_MAX, PAYLOAD_BYTES_MAX, TRANSFERS_PER_BATCH_MAX,
};
use crate::money::Currency;
use crate::text::{AccountId, HoldId, TransferId};

/// Why a value cannot be one. Nothing was asked of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A length or a character is out of range.
    #[error("{what} has to be visible ASCII of the documented length (ids: 1 to {ID_BYTES_MAX})")]
    Text {
        /// Which text.
        what: &'static str,
    },
    /// Zero, or beyond what is counted.
    #[error("an amount is 1 to {AMOUNT_MAX}")]
    Amount,
    /// An account cannot pay itself.
    #[error("debit and credit account are the same")]
    SameAccount,
    /// A batch without a transfer, or with too many.
    #[error("a batch has 1 to {TRANSFERS_PER_BATCH_MAX} transfers")]
    Transfers,
    /// An id comes twice in one batch.
    #[error("the transfer {id} comes twice in one batch")]
    Duplicate {
        /// The id.
        id: TransferId,
    },
    /// Too many messages.
    #[error("a batch has at most {MESSAGES_PER_BATCH_MAX} outbox messages")]
    Messages,
    /// A payload is too large.
    #[error("a payload has at most {PAYLOAD_BYTES_MAX} bytes")]
    Payload,
    /// A reversal was asked for without any transfer of the original.
    #[error("there is nothing to reverse")]
    NothingToReverse,
}

/// What is wrong with a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HoldProblem {
    /// There is none of this id.
    #[error("is unknown")]
    Unknown,
    /// Its time is over.
    #[error("has expired")]
    Expired,
    /// It was posted, by another batch.
    #[error("was posted")]
    Posted,
    /// It was voided.
    #[error("was voided")]
    Voided,
    /// The batch takes more from the account than was held.
    #[error("is for less")]
    Exceeded,
    /// The batch takes nothing from the hold's account.
    #[error("is of another account")]
    OtherAccount,
}

/// What is wrong with a reversal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReversalProblem {
    /// There is no such transfer.
    #[error("is unknown")]
    Unknown,
    /// It was reversed before.
    #[error("was reversed before")]
    Again,
    /// It is a reversal itself.
    #[error("is a reversal itself")]
    OfReversal,
    /// Accounts, currency or amount are not those of the original, swapped.
    #[error("is not what is reversed")]
    Mismatch,
    /// The batch leaves out a transfer that was linked with this one.
    #[error("is linked with others that would stay")]
    Partial,
}

/// Why an operation was not done. **After every one of these nothing of it is there**, with the one
/// exception that [`database::Error::Unavailable`] names; each may be tried again with the same ids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An account has not got so much (402).
    #[error("{account} has {available} available, and {needed} is needed")]
    Insufficient {
        /// The account.
        account: AccountId,
        /// Its balance less what is held.
        available: i64,
        /// What the whole operation takes from it.
        needed: u64,
    },
    /// An id is there already, with other content (409).
    #[error("{id} is there already, with other content")]
    Conflict {
        /// Of the transfer, hold or account.
        id: String,
    },
    /// A hold does not allow it (409; 404 if it is unknown).
    #[error("the hold {id} {problem}")]
    Hold {
        /// The hold.
        id: HoldId,
        /// Why not.
        problem: HoldProblem,
    },
    /// A reversal is not one (409; 404 if the original is unknown).
    #[error("the transfer {id} {problem}")]
    Reversal {
        /// The original transfer.
        id: TransferId,
        /// Why not.
        problem: ReversalProblem,
    },
    /// There is no such account (404).
    #[error("there is no account {account}")]
    UnknownAccount {
        /// The account.
        account: AccountId,
    },
    /// An account is of another currency (422).
    #[error("{account} is in {currency}")]
    Currency {
        /// The account.
        account: AccountId,
        /// What it counts.
        currency: Currency,
    },
    /// Beyond what the ledger counts (422): a balance, the holds of an account, a sequence number.
    #[error("beyond the limits: {0}")]
    Limit(&'static str),
    /// The database did not do it (503, 507).
    #[error(transparent)]
    Database(#[from] database::Error),
}

/// Whom to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Whoever asked: the same again is refused again, unless balances change.
    Caller,
    /// The operator: the same again may go well.
    Store,
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Insufficient { .. }
            | Self::Conflict { .. }
            | Self::Hold { .. }
            | Self::Reversal { .. }
            | Self::UnknownAccount { .. }
            | Self::Currency { .. }
            | Self::Limit(_) => Fault::Caller,
            Self::Database(_) => Fault::Store,
        }
    }

    /// The status of an HTTP answer (RFC 9110; 507 is of RFC 4918).
    pub fn status(&self) -> u16 {
        match self {
            Self::Insufficient { .. } => 402,
            Self::UnknownAccount { .. }
            | Self::Hold {
                problem: HoldProblem::Unknown,
                ..
            }
            | Self::Reversal {
                problem: ReversalProblem::Unknown,
                ..
            } => 404,
            Self::Conflict { .. } | Self::Hold { .. } | Self::Reversal { .. } => 409,
            Self::Currency { .. } | Self::Limit(_) => 422,
            Self::Database(error) => error.status(),
        }
    }

    /// Nothing was committed.
    pub(crate) fn unavailable(reason: impl ToString) -> Self {
        database::Error::unavailable(reason).into()
    }
}
