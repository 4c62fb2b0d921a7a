//! What may be asked of the writer, and what it answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::account::{Hold, NewAccount, NewHold};
use crate::batch::Batch;
use crate::money::Timestamp;
use crate::text::{AccountId, HoldId, TransferId};

/// Whether it happened now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It was done.
    New(T),
    /// It was done before, by the same request; nothing was done now. Also after a connection was
    /// lost in the middle of a commit that turns out to have gone well.
    Already(T),
}

impl<T> Outcome<T> {
    /// What there is, in either case.
    pub fn into_inner(self) -> T {
        match self {
            Self::New(value) | Self::Already(value) => value,
        }
    }

    /// Whether it happened now.
    pub fn is_new(&self) -> bool {
        matches!(self, Self::New(_))
    }
}

/// What a committed batch got. The same for ever, whoever asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Its place among all batches: from 1, without gaps.
    pub batch: u64,
    /// The `now` of the first attempt that was committed.
    pub at_ms: Timestamp,
}

/// One write.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Open(NewAccount),
    Commit(Arc<Batch>),
    Hold(Arc<NewHold>),
    Void(HoldId),
    Expire,
    Delivered(u64),
}

/// What became of one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Opened(Outcome<NewAccount>),
    Committed(Outcome<Receipt>),
    Held(Outcome<Hold>),
    Expired(u64),
    Delivered,
}

/// What has to be loaded before a group of writes can be decided.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    pub(crate) accounts: BTreeSet<AccountId>,
    /// Ids that may be taken.
    pub(crate) transfers: BTreeSet<TransferId>,
    /// Ids of what is to be reversed.
    pub(crate) originals: BTreeSet<TransferId>,
    /// With their accounts.
    pub(crate) holds: BTreeSet<HoldId>,
    /// Open holds of the accounts, and with `all_expired` of every account, up to this time.
    pub(crate) expired_by: Timestamp,
    pub(crate) all_expired: bool,
}

impl Needs {
    pub(crate) fn of<'a>(group: impl IntoIterator<Item = (&'a Op, Timestamp)>) -> Self {
        let mut needs = Self::default();
        for (op, now) in group {
            needs.expired_by = needs.expired_by.max(now);
            match op {
                Op::Open(account) => {
                    needs.accounts.insert(account.id.clone());
                }
                Op::Commit(batch) => needs.add_batch(batch),
                Op::Hold(hold) => {
                    needs.accounts.insert(hold.account.clone());
                    needs.holds.insert(hold.id.clone());
                }
                Op::Void(id) => {
                    needs.holds.insert(id.clone());
                }
                Op::Expire => needs.all_expired = true,
                Op::Delivered(_) => {}
            }
        }
        needs
    }

    fn add_batch(&mut self, batch: &Batch) {
        for transfer in batch.transfers() {
            for account in [&transfer.debit, &transfer.credit] {
                if !self.accounts.contains(account) {
                    self.accounts.insert(account.clone());
                }
            }
            self.transfers.insert(transfer.id.clone());
            self.originals.extend(transfer.reverses.clone());
        }
        self.holds.extend(batch.posts().cloned());
    }
}
