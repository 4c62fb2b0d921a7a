//! Accounts and holds: what is asked for, and what is there.

use serde::Serialize;

use crate::batch::{Content, Digest};
use crate::money::{Amount, Currency, Timestamp};
use crate::text::{AccountId, HoldId, Kind, Reference};

/// An account to open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewAccount {
    /// Its name for ever.
    pub id: AccountId,
    /// What it counts.
    pub currency: Currency,
    /// Whether it may go below zero: accounts of the house, from which money is issued.
    pub overdraft: bool,
}

/// What an account has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// The account.
    #[serde(flatten)]
    pub account: NewAccount,
    /// Credits less debits, in units.
    pub balance: i64,
    /// What open holds reserve of it, in units; those that have expired by now are not counted.
    pub held: u64,
}

impl Balance {
    /// What can be spent, in units.
    pub fn available(&self) -> i64 {
        self.balance.saturating_sub_unsigned(self.held)
    }
}

/// A reservation to make: until it is posted, voided or expired, nobody else can spend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHold {
    /// Its name for ever, and its idempotency key.
    pub id: HoldId,
    /// Whose money.
    pub account: AccountId,
    /// How much.
    pub amount: Amount,
    /// Of the account.
    pub currency: Currency,
    /// From this time on it reserves nothing, and cannot be posted.
    pub expires_ms: Timestamp,
    /// What it is for.
    pub kind: Kind,
    /// What it belongs to.
    pub reference: Reference,
}

impl NewHold {
    pub(crate) fn digest(&self) -> Digest {
        let mut hash = Content::new(b"hold 1");
        hash.text(self.id.as_str());
        hash.text(self.account.as_str());
        hash.number(self.amount.units());
        hash.text(self.currency.as_str());
        hash.number(self.expires_ms.millis());
        hash.text(self.kind.as_str());
        hash.text(self.reference.as_str());
        hash.finish()
    }
}

/// How far a hold has come. It leaves `Open` once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldState {
    /// It reserves.
    Open,
    /// A batch was paid from it.
    Posted,
    /// It was given up.
    Voided,
    /// Its time was over.
    Expired,
}

impl HoldState {
    const ALL: [Self; 4] = [Self::Open, Self::Posted, Self::Voided, Self::Expired];

    /// As in the column `state`.
    pub(crate) fn code(self) -> i16 {
        match self {
            Self::Open => 0,
            Self::Posted => 1,
            Self::Voided => 2,
            Self::Expired => 3,
        }
    }

    pub(crate) fn from_code(code: i64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|state| i64::from(state.code()) == code)
    }
}

/// A hold that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// Its name.
    pub id: HoldId,
    /// Whose money.
    pub account: AccountId,
    /// How much was reserved, in units.
    pub amount: Amount,
    /// How much of it was spent, in units.
    pub posted: u64,
    /// From when on it reserves nothing.
    pub expires_ms: Timestamp,
    /// How far it has come. An open one may have expired by now.
    pub state: HoldState,
    /// When it was made.
    pub at_ms: Timestamp,
    /// What it is for.
    pub kind: Kind,
    /// What it belongs to.
    pub reference: Reference,
    #[serde(skip)]
    pub(crate) digest: Digest,
}
