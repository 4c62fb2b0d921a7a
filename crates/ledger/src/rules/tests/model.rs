//! The same rules, as simply as they can be said: it remembers everything that was accepted, and
//! adds it all up again for every question.

use std::collections::BTreeMap;

use crate::account::{HoldState, NewAccount, NewHold};
use crate::batch::{Batch, Transfer};
use crate::money::Timestamp;
use crate::op::Op;
use crate::text::{AccountId, HoldId, TransferId};

const LIMIT: i128 = i64::MAX as i128;

#[derive(Debug, Default)]
pub(super) struct Model {
    accounts: Vec<NewAccount>,
    batches: Vec<Batch>,
    holds: BTreeMap<HoldId, (NewHold, HoldState)>,
}

impl Model {
    /// What becomes of it: `new`, `already` or `refused`.
    pub(super) fn apply(&mut self, op: &Op, now: Timestamp) -> &'static str {
        let done = match op {
            Op::Open(account) => self.open(account),
            Op::Commit(batch) => self.commit(batch, now),
            Op::Hold(hold) => self.hold(hold, now),
            Op::Void(id) => self.void(id, now),
            Op::Expire => {
                let all: Vec<_> = self.accounts.iter().map(|known| known.id.clone()).collect();
                self.release(&all, now);
                Some("new")
            }
            Op::Delivered(seq) => {
                let messages: usize = self
                    .batches
                    .iter()
                    .map(|batch| batch.messages().len())
                    .sum();
                (*seq <= messages as u64).then_some("new")
            }
        };
        done.unwrap_or("refused")
    }

    fn open(&mut self, account: &NewAccount) -> Option<&'static str> {
        match self.account(&account.id) {
            Some(known) => (known == account).then_some("already"),
            None => {
                self.accounts.push(account.clone());
                Some("new")
            }
        }
    }

    fn commit(&mut self, batch: &Batch, now: Timestamp) -> Option<&'static str> {
        let ids = || batch.transfers().iter().map(|transfer| &transfer.id);
        if ids().any(|id| self.batch_of(id).is_some()) {
            return self.batches.contains(batch).then_some("already");
        }
        let mut touched = Vec::new();
        for transfer in batch.transfers() {
            for id in [&transfer.debit, &transfer.credit] {
                if self.account(id)?.currency != transfer.currency {
                    return None;
                }
                touched.push(id.clone());
            }
        }
        if !self.may_reverse(batch) {
            return None;
        }
        if let Some(id) = batch.posts() {
            let (hold, state) = self.holds.get(id)?;
            let taken: i128 = flow(batch.transfers(), &hold.account).0;
            let open = *state == HoldState::Open && hold.expires_ms > now;
            if !open || taken == 0 || taken > i128::from(hold.amount.units()) {
                return None;
            }
        }
        for id in &touched {
            let (debits, credits) = flow(batch.transfers(), id);
            let after = self.balance(id) - debits + credits;
            let held = self.held(id, |other, hold| {
                hold.expires_ms > now && batch.posts() != Some(other)
            });
            let short = debits > credits && after < held && !self.account(id)?.overdraft;
            if short || !(-LIMIT..=LIMIT).contains(&after) {
                return None;
            }
        }
        self.release(&touched, now);
        if let Some((_, state)) = batch.posts().and_then(|id| self.holds.get_mut(id)) {
            *state = HoldState::Posted;
        }
        self.batches.push(batch.clone());
        Some("new")
    }

    fn may_reverse(&self, batch: &Batch) -> bool {
        let reversing: Vec<_> = batch
            .transfers()
            .iter()
            .filter_map(|transfer| Some((transfer, transfer.reverses.as_ref()?)))
            .collect();
        reversing.iter().enumerate().all(|(at, (transfer, id))| {
            let Some(linked) = self.batch_of(id) else {
                return false;
            };
            let original = linked.transfers().iter().find(|other| other.id == **id);
            let original = original.expect("it is in its batch");
            let mirrored = Transfer {
                debit: original.credit.clone(),
                credit: original.debit.clone(),
                reverses: transfer.reverses.clone(),
                id: transfer.id.clone(),
                kind: transfer.kind.clone(),
                reference: transfer.reference.clone(),
                ..original.clone()
            };
            let every = self.batches.iter().flat_map(Batch::transfers);
            let before = every.filter_map(|other| other.reverses.as_ref());
            let here = reversing.iter().take(at).map(|(_, id)| *id);
            let whole = linked
                .transfers()
                .iter()
                .all(|other| reversing.iter().any(|(_, id)| **id == other.id));
            mirrored == **transfer
                && original.reverses.is_none()
                && !before.chain(here).any(|other| other == *id)
                && whole
        })
    }

    fn hold(&mut self, hold: &NewHold, now: Timestamp) -> Option<&'static str> {
        if let Some((known, _)) = self.holds.get(&hold.id) {
            return (known == hold).then_some("already");
        }
        let account = self.account(&hold.account)?;
        if account.currency != hold.currency || hold.expires_ms <= now {
            return None;
        }
        let amount = i128::from(hold.amount.units());
        let held = self.held(&hold.account, |_, hold| hold.expires_ms > now);
        let short = self.balance(&hold.account) - held < amount;
        if (short && !account.overdraft) || held + amount > LIMIT {
            return None;
        }
        self.release(std::slice::from_ref(&hold.account), now);
        let placed = (hold.clone(), HoldState::Open);
        self.holds.insert(hold.id.clone(), placed);
        Some("new")
    }

    fn void(&mut self, id: &HoldId, now: Timestamp) -> Option<&'static str> {
        let (hold, state) = self.holds.get(id)?;
        match state {
            HoldState::Posted => return None,
            HoldState::Voided | HoldState::Expired => return Some("already"),
            HoldState::Open => {}
        }
        let account = hold.account.clone();
        self.release(&[account], now);
        let (_, state) = self.holds.get_mut(id)?;
        if *state == HoldState::Open {
            *state = HoldState::Voided;
        }
        Some("new")
    }

    /// Holds whose time is over are over for good once their account is written to.
    fn release(&mut self, accounts: &[AccountId], now: Timestamp) {
        for (hold, state) in self.holds.values_mut() {
            let over = hold.expires_ms <= now && accounts.contains(&hold.account);
            if over && *state == HoldState::Open {
                *state = HoldState::Expired;
            }
        }
    }

    fn account(&self, id: &AccountId) -> Option<&NewAccount> {
        self.accounts.iter().find(|account| account.id == *id)
    }

    fn batch_of(&self, id: &TransferId) -> Option<&Batch> {
        let has = |batch: &&Batch| batch.transfers().iter().any(|transfer| transfer.id == *id);
        self.batches.iter().find(has)
    }

    fn balance(&self, id: &AccountId) -> i128 {
        let flows = self.batches.iter().map(|batch| flow(batch.transfers(), id));
        flows.map(|(debits, credits)| credits - debits).sum()
    }

    fn held(&self, account: &AccountId, counts: impl Fn(&HoldId, &NewHold) -> bool) -> i128 {
        let open = self.holds.iter().filter(|(id, (hold, state))| {
            *state == HoldState::Open && hold.account == *account && counts(id, hold)
        });
        open.map(|(_, (hold, _))| i128::from(hold.amount.units()))
            .sum()
    }

    /// Balance and held, with open holds that have expired.
    pub(super) fn state(&self, id: &AccountId) -> Option<(i128, i128)> {
        self.account(id)?;
        Some((self.balance(id), self.held(id, |_, _| true)))
    }
}

/// Debits and credits of an account.
fn flow(transfers: &[Transfer], id: &AccountId) -> (i128, i128) {
    let sum = |of: fn(&Transfer) -> &AccountId| {
        let own = transfers.iter().filter(|transfer| of(transfer) == id);
        own.map(|transfer| i128::from(transfer.amount.units()))
            .sum()
    };
    (
        sum(|transfer| &transfer.debit),
        sum(|transfer| &transfer.credit),
    )
}
