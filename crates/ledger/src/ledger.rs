//! The ledger that processes use: one writer, bounded readers, over either database.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::account::{Balance, Hold, NewAccount, NewHold};
use crate::audit::{Progress, Report};
use crate::batch::{Batch, Posted};
use crate::error::Error;
use crate::export::Export;
use crate::limits::PAGE_MAX;
use crate::money::Timestamp;
use crate::op::{Answer, Op, Outcome, Receipt};
use crate::store::{Page, Queued, Store};
use crate::summary::Summary;
use crate::text::{AccountId, HoldId, TransferId};
use crate::writer::Writer;

/// What a database answers without changing anything.
#[async_trait]
pub(crate) trait Reads: Send + Sync + fmt::Debug {
    async fn balances(
        &self,
        accounts: &[AccountId],
        now: Timestamp,
    ) -> Result<Vec<Option<Balance>>, Error>;
    async fn hold(&self, hold: &HoldId) -> Result<Option<Hold>, Error>;
    /// None if the account is unknown; at most `limit`, the newest first.
    async fn history(
        &self,
        account: &AccountId,
        before: i64,
        limit: i64,
    ) -> Result<Option<Vec<Posted>>, Error>;
    async fn linked(&self, transfer: &TransferId) -> Result<Vec<Posted>, Error>;
    async fn outbox_after(&self, seq: i64, limit: i64) -> Result<Vec<Queued>, Error>;
    async fn summary(&self) -> Result<Summary, Error>;
    async fn verify(&self, progress: Progress) -> Result<Report, Error>;
    async fn export(&self) -> Result<Export, Error>;
    /// After the writer was told to end: waits until it has.
    async fn close(&self);
}

/// A ledger in SQLite ([`crate::sqlite::open`]) or PostgreSQL ([`crate::postgres::open`]). Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    writer: Arc<Writer>,
    reads: Arc<dyn Reads>,
}

impl Ledger {
    pub(crate) fn new(writer: Writer, reads: Arc<dyn Reads>) -> Self {
        Self {
            writer: Arc::new(writer),
            reads,
        }
    }

    /// Lets what waits be committed, if no clone of this is left, and frees the database.
    pub async fn close(self) {
        let Self { writer, reads } = self;
        if Arc::into_inner(writer).is_some() {
            reads.close().await;
        }
    }
}

/// The writer answers what it was asked.
fn wrong_answer() -> Error {
    Error::unavailable("the writer answered something else")
}

/// What is asked for, within what one read answers.
fn bounded(limit: usize) -> i64 {
    i64::try_from(limit.clamp(1, PAGE_MAX)).unwrap_or(1)
}

#[async_trait]
impl Store for Ledger {
    async fn open_account(
        &self,
        account: NewAccount,
        now: Timestamp,
    ) -> Result<Outcome<NewAccount>, Error> {
        match self.writer.ask(Op::Open(account), now).await? {
            Answer::Opened(outcome) => Ok(outcome),
            _ => Err(wrong_answer()),
        }
    }

    async fn commit(&self, batch: Batch, now: Timestamp) -> Result<Outcome<Receipt>, Error> {
        match self.writer.ask(Op::Commit(Arc::new(batch)), now).await? {
            Answer::Committed(outcome) => Ok(outcome),
            _ => Err(wrong_answer()),
        }
    }

    async fn hold(&self, hold: NewHold, now: Timestamp) -> Result<Outcome<Hold>, Error> {
        match self.writer.ask(Op::Hold(Arc::new(hold)), now).await? {
            Answer::Held(outcome) => Ok(outcome),
            _ => Err(wrong_answer()),
        }
    }

    async fn void(&self, hold: HoldId, now: Timestamp) -> Result<Outcome<Hold>, Error> {
        match self.writer.ask(Op::Void(hold), now).await? {
            Answer::Held(outcome) => Ok(outcome),
            _ => Err(wrong_answer()),
        }
    }

    async fn expire(&self, now: Timestamp) -> Result<u64, Error> {
        match self.writer.ask(Op::Expire, now).await? {
            Answer::Expired(count) => Ok(count),
            _ => Err(wrong_answer()),
        }
    }

    async fn balances(
        &self,
        accounts: &[AccountId],
        now: Timestamp,
    ) -> Result<Vec<Option<Balance>>, Error> {
        let accounts = accounts.get(..PAGE_MAX).unwrap_or(accounts);
        self.reads.balances(accounts, now).await
    }

    async fn find_hold(&self, hold: &HoldId) -> Result<Option<Hold>, Error> {
        self.reads.hold(hold).await
    }

    async fn history(
        &self,
        account: &AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page, Error> {
        let limit = bounded(limit);
        let before = before.map_or(i64::MAX, crate::rows::signed);
        let page = self.reads.history(account, before, limit).await?;
        let transfers = page.ok_or_else(|| Error::UnknownAccount {
            account: account.clone(),
        })?;
        let full = crate::rows::signed(transfers.len() as u64) == limit;
        let last = transfers.last().map(|posted| posted.seq);
        Ok(Page {
            next: last.filter(|_| full),
            transfers,
        })
    }

    async fn linked(&self, transfer: &TransferId) -> Result<Vec<Posted>, Error> {
        self.reads.linked(transfer).await
    }

    async fn outbox_after(&self, seq: u64, limit: usize) -> Result<Vec<Queued>, Error> {
        let seq = crate::rows::signed(seq);
        self.reads.outbox_after(seq, bounded(limit)).await
    }

    async fn outbox_done(&self, seq: u64) -> Result<(), Error> {
        let now = Timestamp::default();
        match self.writer.ask(Op::Delivered(seq), now).await? {
            Answer::Delivered => Ok(()),
            _ => Err(wrong_answer()),
        }
    }

    async fn summary(&self) -> Result<Summary, Error> {
        self.reads.summary().await
    }

    async fn verify_telling(&self, progress: Progress) -> Result<Report, Error> {
        self.reads.verify(progress).await
    }

    async fn export(&self) -> Result<Export, Error> {
        self.reads.export().await
    }
}
