//! The rules of double entry, over what was loaded. They do no I/O and read no clock.
//!
//! A store takes a group of writes, loads what [`Needs`] names, lets the [`Book`] decide one after
//! the other, writes what changed in one commit of the database, and then answers all.
//! **A write that is refused has changed nothing in the book**, so one refused batch leaves
//! nothing behind, however many others are committed with it.

mod commit;
mod holds;
mod reversal;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::account::{Hold, HoldState, NewAccount};
use crate::error::Error;
use crate::money::Timestamp;
use crate::op::{Answer, Needs, Op, Outcome};
use crate::rows::{AccountRow, BatchRow, Head, Known, MessageRow, Original, TransferRow};
use crate::text::{AccountId, HoldId, TransferId};

/// What was loaded for [`Needs`].
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) head: Head,
    pub(crate) accounts: Vec<AccountRow>,
    pub(crate) known: Vec<Known>,
    pub(crate) originals: Vec<Original>,
    pub(crate) holds: Vec<Hold>,
}

/// The part of the ledger that a group of writes is about.
#[derive(Debug, Default)]
pub(crate) struct Book {
    head: Head,
    accounts: HashMap<AccountId, AccountRow>,
    known: HashMap<TransferId, Known>,
    originals: HashMap<TransferId, Original>,
    /// Ids of transfers that others of the group reverse: one may be committed in this very group.
    reversible: BTreeSet<TransferId>,
    holds: HashMap<HoldId, Hold>,
    open: HashMap<AccountId, BTreeSet<HoldId>>,
    changes: Changes,
}

/// What is to be written; the rows that change more than once are in the book.
#[derive(Debug, Default)]
struct Changes {
    opened: BTreeSet<AccountId>,
    changed: BTreeSet<AccountId>,
    placed: BTreeSet<HoldId>,
    closed: BTreeSet<HoldId>,
    batches: Vec<BatchRow>,
    transfers: Vec<TransferRow>,
    messages: Vec<MessageRow>,
    delivered: bool,
}

/// What one write changes, before it is certain that it is allowed.
#[derive(Debug, Default)]
struct Draft {
    accounts: BTreeMap<AccountId, AccountRow>,
    holds: BTreeMap<HoldId, Hold>,
}

impl Book {
    pub(crate) fn new(needs: Needs, loaded: Loaded) -> Self {
        let mut book = Self {
            head: loaded.head,
            reversible: needs.originals,
            ..Self::default()
        };
        for row in loaded.accounts {
            book.accounts.insert(row.account.id.clone(), row);
        }
        for known in loaded.known {
            book.known.insert(known.id.clone(), known);
        }
        for original in loaded.originals {
            book.originals
                .insert(original.transfer.id.clone(), original);
        }
        for hold in loaded.holds {
            book.keep_hold(hold);
        }
        book
    }

    /// Does one write, or refuses it and changes nothing.
    pub(crate) fn apply(&mut self, op: &Op, now: Timestamp) -> Result<Answer, Error> {
        match op {
            Op::Open(account) => self.open(account, now).map(Answer::Opened),
            Op::Commit(batch) => self.commit(batch, now).map(Answer::Committed),
            Op::Hold(hold) => self.hold(hold, now).map(Answer::Held),
            Op::Void(id) => self.void(id, now).map(Answer::Held),
            Op::Expire => self.expire(now).map(Answer::Expired),
            Op::Delivered(seq) => self.delivered(*seq).map(|()| Answer::Delivered),
        }
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// Whether anything is to be written.
    pub(crate) fn is_changed(&self) -> bool {
        let changes = &self.changes;
        changes.delivered
            || !(changes.opened.is_empty()
                && changes.changed.is_empty()
                && changes.placed.is_empty()
                && changes.closed.is_empty()
                && changes.batches.is_empty())
    }

    /// Accounts to insert.
    pub(crate) fn accounts_opened(&self) -> impl Iterator<Item = &AccountRow> {
        let ids = self.changes.opened.iter();
        ids.filter_map(|id| self.accounts.get(id))
    }

    /// Accounts to update.
    pub(crate) fn accounts_changed(&self) -> impl Iterator<Item = &AccountRow> {
        let ids = self.changes.changed.difference(&self.changes.opened);
        ids.filter_map(|id| self.accounts.get(id))
    }

    /// Holds to insert, each with the number of its account.
    pub(crate) fn holds_placed(&self) -> impl Iterator<Item = (&Hold, i64)> {
        let holds = self.changes.placed.iter();
        let holds = holds.filter_map(|id| self.holds.get(id));
        holds.filter_map(|hold| Some((hold, self.accounts.get(&hold.account)?.n)))
    }

    /// Holds to update.
    pub(crate) fn holds_closed(&self) -> impl Iterator<Item = &Hold> {
        let ids = self.changes.closed.difference(&self.changes.placed);
        ids.filter_map(|id| self.holds.get(id))
    }

    /// To insert.
    pub(crate) fn batches(&self) -> &[BatchRow] {
        &self.changes.batches
    }

    /// To insert.
    pub(crate) fn transfers(&self) -> &[TransferRow] {
        &self.changes.transfers
    }

    /// To insert, unless they are delivered already.
    pub(crate) fn messages(&self) -> &[MessageRow] {
        &self.changes.messages
    }

    /// Up to which message all are to be removed.
    pub(crate) fn delivered_up_to(&self) -> Option<i64> {
        self.changes.delivered.then_some(self.head.delivered)
    }

    fn open(&mut self, account: &NewAccount, now: Timestamp) -> Result<Outcome<NewAccount>, Error> {
        if let Some(row) = self.accounts.get(&account.id) {
            return if row.account == *account {
                Ok(Outcome::Already(account.clone()))
            } else {
                let id = account.id.to_string();
                Err(Error::Conflict { id })
            };
        }
        let n = next(self.head.accounts, 1)?;
        let row = AccountRow {
            n,
            account: account.clone(),
            balance: 0,
            held: 0,
            holds: 0,
            at_ms: now,
        };
        self.head.accounts = n;
        self.accounts.insert(account.id.clone(), row);
        self.changes.opened.insert(account.id.clone());
        Ok(Outcome::New(account.clone()))
    }

    fn delivered(&mut self, seq: u64) -> Result<(), Error> {
        let seq = i64::try_from(seq).ok();
        let Some(seq) = seq.filter(|seq| *seq <= self.head.messages) else {
            return Err(Error::Limit("no such message was written"));
        };
        if seq > self.head.delivered {
            self.head.delivered = seq;
            self.changes.delivered = true;
        }
        Ok(())
    }

    /// The account, in the draft, without the holds that have expired.
    fn draft<'a>(
        &self,
        draft: &'a mut Draft,
        id: &AccountId,
        now: Timestamp,
    ) -> Result<&'a mut AccountRow, Error> {
        let unknown = || Error::UnknownAccount {
            account: id.clone(),
        };
        if !draft.accounts.contains_key(id) {
            let mut row = self.accounts.get(id).ok_or_else(unknown)?.clone();
            let open = self.open.get(id).into_iter().flatten();
            for hold in open.filter_map(|hold| self.holds.get(hold)) {
                if hold.expires_ms <= now {
                    let hold = closed(&mut row, hold, HoldState::Expired, 0)?;
                    draft.holds.insert(hold.id.clone(), hold);
                }
            }
            draft.accounts.insert(id.clone(), row);
        }
        draft.accounts.get_mut(id).ok_or_else(unknown)
    }

    /// Makes a draft true.
    fn keep(&mut self, draft: Draft) {
        for (id, row) in draft.accounts {
            self.accounts.insert(id.clone(), row);
            self.changes.changed.insert(id);
        }
        for (id, hold) in draft.holds {
            if hold.state == HoldState::Open {
                self.changes.placed.insert(id);
            } else {
                self.changes.closed.insert(id);
            }
            self.keep_hold(hold);
        }
    }

    fn keep_hold(&mut self, hold: Hold) {
        if hold.state == HoldState::Open {
            let of_account = self.open.entry(hold.account.clone()).or_default();
            of_account.insert(hold.id.clone());
        } else if let Some(open) = self.open.get_mut(&hold.account) {
            open.remove(&hold.id);
        }
        self.holds.insert(hold.id.clone(), hold);
    }
}

/// A hold that is open no longer; its account has it back.
fn closed(row: &mut AccountRow, hold: &Hold, state: HoldState, posted: u64) -> Result<Hold, Error> {
    // Never refused, unless the store was changed by somebody else: `verify` names it then.
    let wrong = || Error::Limit("less is held than the open holds reserve");
    let held = row.held.checked_sub(hold.amount.signed());
    row.held = held.filter(|held| *held >= 0).ok_or_else(wrong)?;
    let holds = row.holds.checked_sub(1);
    row.holds = holds.filter(|holds| *holds >= 0).ok_or_else(wrong)?;
    Ok(Hold {
        state,
        posted,
        ..hold.clone()
    })
}

/// The last of `count` numbers of a sequence after `last`.
fn next(last: i64, count: usize) -> Result<i64, Error> {
    let count = i64::try_from(count).ok();
    let next = count.and_then(|count| last.checked_add(count));
    next.ok_or(Error::Limit("a sequence number"))
}
