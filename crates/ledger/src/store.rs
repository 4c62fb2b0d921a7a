//! What a ledger does, whatever keeps it.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use serde::Serialize;

use crate::account::{Balance, Hold, NewAccount, NewHold};
use crate::audit::{Progress, Report};
use crate::batch::{Batch, Posted};
use crate::error::Error;
use crate::export::Export;
use crate::money::Timestamp;
use crate::op::{Outcome, Receipt};
use crate::rows::{MessageRow, unsigned};
use crate::summary::Summary;
use crate::text::{AccountId, HoldId, Reference, TransferId};

/// A page of an account's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The newest first.
    pub transfers: Vec<Posted>,
    /// What to ask for next as `before`; none when this was the last page.
    pub next: Option<u64>,
}

/// A message of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Its place among all messages: from 1, without gaps, in the order of commits.
    pub seq: u64,
    /// The batch that it tells of.
    pub batch: u64,
    /// Who it is for.
    pub topic: Reference,
    /// Opaque.
    pub payload: Bytes,
}

impl From<MessageRow> for Queued {
    fn from(row: MessageRow) -> Self {
        Self {
            seq: unsigned(row.seq),
            batch: unsigned(row.batch),
            topic: row.topic,
            payload: row.payload,
        }
    }
}

/// A ledger. Object-safe, so that a process chooses the store when it starts and nobody else is
/// generic over it; the box around each future is nothing beside the sync of a disk.
///
/// Every write may be repeated with the same content for ever, and answers the first result. Every
/// write is on disk when it is answered. When it is refused, nothing of it is there (see [`Error`]).
/// `now` is the caller's clock; it decides what has expired, and nothing else.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Opens an account.
    ///
    /// # Errors
    /// `Conflict` if it is there with another currency or policy; `Limit`; and the store's
    /// (`Busy`, `Unavailable`, `Full`), as with all writes.
    async fn open_account(
        &self,
        account: NewAccount,
        now: Timestamp,
    ) -> Result<Outcome<NewAccount>, Error>;

    /// Commits a batch.
    ///
    /// # Errors
    /// `Insufficient`, `Conflict`, `UnknownAccount`, `Currency`, `Reversal`, `Hold`, `Limit`, and
    /// the store's.
    async fn commit(&self, batch: Batch, now: Timestamp) -> Result<Outcome<Receipt>, Error>;

    /// Reserves.
    ///
    /// # Errors
    /// `Insufficient`, `Conflict`, `UnknownAccount`, `Currency`, `Hold` (expired from the start),
    /// `Limit`, and the store's.
    async fn hold(&self, hold: NewHold, now: Timestamp) -> Result<Outcome<Hold>, Error>;

    /// Commits a batch that is paid from a hold; see [`Batch::posting`].
    ///
    /// # Errors
    /// As [`Self::commit`].
    async fn post(
        &self,
        hold: HoldId,
        batch: Batch,
        now: Timestamp,
    ) -> Result<Outcome<Receipt>, Error> {
        self.commit(batch.posting(hold), now).await
    }

    /// Gives a hold up. One that was voided or has expired stays as it is.
    ///
    /// # Errors
    /// `Hold` if it is unknown or was posted, and the store's.
    async fn void(&self, hold: HoldId, now: Timestamp) -> Result<Outcome<Hold>, Error>;

    /// Closes holds that have expired, [`crate::limits::EXPIRE_MAX`] at a time, and answers how
    /// many. Only for tidiness: an expired hold reserves nothing, closed or not.
    ///
    /// # Errors
    /// The store's.
    async fn expire(&self, now: Timestamp) -> Result<u64, Error>;

    /// What accounts have, in the order asked for; none for those that are unknown. At most
    /// [`crate::limits::PAGE_MAX`], the rest is left out.
    ///
    /// # Errors
    /// The store's, as with all reads.
    async fn balances(
        &self,
        accounts: &[AccountId],
        now: Timestamp,
    ) -> Result<Vec<Option<Balance>>, Error>;

    /// What an account has.
    ///
    /// # Errors
    /// `UnknownAccount`, and the store's.
    async fn balance(&self, account: &AccountId, now: Timestamp) -> Result<Balance, Error> {
        let mut balances = self
            .balances(std::slice::from_ref(account), now)
            .await?
            .into_iter();
        let unknown = || Error::UnknownAccount {
            account: account.clone(),
        };
        balances.next().flatten().ok_or_else(unknown)
    }

    /// A hold, as it was left by the last write.
    ///
    /// # Errors
    /// The store's.
    async fn find_hold(&self, hold: &HoldId) -> Result<Option<Hold>, Error>;

    /// Transfers of an account before the transfer `before` (the newest without it), at most
    /// `limit` and [`crate::limits::PAGE_MAX`]. Pages neither repeat nor miss a transfer while
    /// others are committed, whatever clocks do.
    ///
    /// # Errors
    /// `UnknownAccount`, and the store's.
    async fn history(
        &self,
        account: &AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page, Error>;

    /// A transfer and those that were committed with it, in order; empty if it is unknown.
    ///
    /// # Errors
    /// The store's.
    async fn linked(&self, transfer: &TransferId) -> Result<Vec<Posted>, Error>;

    /// A transfer.
    ///
    /// # Errors
    /// The store's.
    async fn find_transfer(&self, transfer: &TransferId) -> Result<Option<Posted>, Error> {
        let linked = self.linked(transfer).await?;
        Ok(linked
            .into_iter()
            .find(|posted| posted.transfer.id == *transfer))
    }

    /// Messages after `seq` that are not done, in order, at most `limit` and
    /// [`crate::limits::PAGE_MAX`]. No message with a lower `seq` appears later.
    ///
    /// # Errors
    /// The store's.
    async fn outbox_after(&self, seq: u64, limit: usize) -> Result<Vec<Queued>, Error>;

    /// Removes all messages up to `seq`. Until then they are delivered again, so their receivers
    /// tell doubles apart by `seq`.
    ///
    /// # Errors
    /// `Limit` if no message has that number yet, and the store's.
    async fn outbox_done(&self, seq: u64) -> Result<(), Error>;

    /// What there is, without adding up again. Reads every account once: a second for some millions.
    ///
    /// # Errors
    /// The store's.
    async fn summary(&self) -> Result<Summary, Error>;

    /// Adds everything up again, in one snapshot, and compares. Reads the whole ledger.
    ///
    /// # Errors
    /// The store's.
    async fn verify(&self) -> Result<Report, Error> {
        self.verify_telling(Progress::default()).await
    }

    /// As [`Self::verify`], and tells how far it is.
    ///
    /// # Errors
    /// The store's.
    async fn verify_telling(&self, progress: Progress) -> Result<Report, Error>;

    /// The whole ledger, in one snapshot, as JSON lines.
    ///
    /// # Errors
    /// The store's.
    async fn export(&self) -> Result<Export, Error>;
}
