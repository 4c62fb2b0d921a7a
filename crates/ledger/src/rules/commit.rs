//! Batches: repeated, refused, or committed.

use std::collections::BTreeMap;

use super::{Book, Draft, closed, next};
use crate::account::HoldState;
use crate::batch::Batch;
use crate::error::{Error, HoldProblem};
use crate::limits::AMOUNT_MAX;
use crate::money::Timestamp;
use crate::op::{Outcome, Receipt};
use crate::rows::{AccountRow, BatchRow, Head, Known, MessageRow, Original, TransferRow, unsigned};
use crate::text::{AccountId, HoldId};

/// What a batch takes from an account, and gives it. Cannot overflow: 64 times 63 bits.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    debits: i128,
    credits: i128,
}

type Flows<'a> = BTreeMap<&'a AccountId, Flow>;

impl Book {
    pub(super) fn commit(
        &mut self,
        batch: &Batch,
        now: Timestamp,
    ) -> Result<Outcome<Receipt>, Error> {
        if let Some(receipt) = self.repeated(batch)? {
            return Ok(Outcome::Already(receipt));
        }
        let mut draft = Draft::default();
        let mut flows = Flows::new();
        for transfer in batch.transfers() {
            let amount = i128::from(transfer.amount.units());
            for account in [&transfer.debit, &transfer.credit] {
                let row = self.draft(&mut draft, account, now)?;
                if row.account.currency != transfer.currency {
                    let currency = row.account.currency;
                    let account = account.clone();
                    return Err(Error::Currency { account, currency });
                }
            }
            flows.entry(&transfer.debit).or_default().debits += amount;
            flows.entry(&transfer.credit).or_default().credits += amount;
        }
        self.check_reversals(batch)?;
        if let Some(hold) = batch.posts() {
            self.post(&mut draft, hold, &flows)?;
        }
        for (account, flow) in flows {
            if let Some(row) = draft.accounts.get_mut(account) {
                settle(row, flow)?;
            }
        }
        let (head, row) = self.numbered(batch, now)?;
        self.keep(draft);
        Ok(Outcome::New(self.record(batch, head, row)))
    }

    /// The first result, if this very batch was committed.
    fn repeated(&self, batch: &Batch) -> Result<Option<Receipt>, Error> {
        let mut first = None;
        for transfer in batch.transfers() {
            let Some(known) = self.known.get(&transfer.id) else {
                continue;
            };
            // The digest covers all ids of the batch: one that has it has all the others.
            if known.digest != *batch.digest() {
                let id = transfer.id.to_string();
                return Err(Error::Conflict { id });
            }
            first = Some(Receipt {
                batch: unsigned(known.batch),
                at_ms: known.at_ms,
            });
        }
        Ok(first)
    }

    /// Pays from a hold: what it reserved is free for this batch, and what is left stays free.
    fn post(&self, draft: &mut Draft, id: &HoldId, flows: &Flows<'_>) -> Result<(), Error> {
        let refused = |problem| Error::Hold {
            id: id.clone(),
            problem,
        };
        // The draft comes first: it says what has expired by now.
        let hold = draft.holds.get(id).or_else(|| self.holds.get(id));
        let hold = hold.ok_or_else(|| refused(HoldProblem::Unknown))?;
        match hold.state {
            HoldState::Open => {}
            HoldState::Posted => return Err(refused(HoldProblem::Posted)),
            HoldState::Voided => return Err(refused(HoldProblem::Voided)),
            HoldState::Expired => return Err(refused(HoldProblem::Expired)),
        }
        let flow = flows.get(&hold.account).copied().unwrap_or_default();
        let row = draft.accounts.get_mut(&hold.account);
        let Some(row) = row.filter(|_| flow.debits > 0) else {
            return Err(refused(HoldProblem::OtherAccount));
        };
        let posted = u64::try_from(flow.debits).ok();
        let posted = posted.filter(|posted| *posted <= hold.amount.units());
        let posted = posted.ok_or_else(|| refused(HoldProblem::Exceeded))?;
        let hold = closed(row, hold, HoldState::Posted, posted)?;
        draft.holds.insert(id.clone(), hold);
        Ok(())
    }

    /// The numbers that the batch gets.
    fn numbered(&self, batch: &Batch, now: Timestamp) -> Result<(Head, BatchRow), Error> {
        let (transfers, messages) = (batch.transfers().len(), batch.messages().len());
        let head = Head {
            batches: next(self.head.batches, 1)?,
            transfers: next(self.head.transfers, transfers)?,
            messages: next(self.head.messages, messages)?,
            ..self.head
        };
        let row = BatchRow {
            seq: head.batches,
            first_transfer: next(self.head.transfers, 1)?,
            transfers: head.transfers - self.head.transfers,
            first_message: next(self.head.messages, 1)?,
            messages: head.messages - self.head.messages,
            posts: batch.posts().cloned(),
            digest: *batch.digest(),
            at_ms: now,
        };
        Ok((head, row))
    }

    /// Writes it down. Nothing can go wrong any more.
    fn record(&mut self, batch: &Batch, head: Head, row: BatchRow) -> Receipt {
        let number = |id: &AccountId| self.accounts.get(id).map_or(0, |row| row.n);
        for (seq, transfer) in (row.first_transfer..).zip(batch.transfers()) {
            let reverses = transfer.reverses.as_ref();
            let original = reverses.and_then(|id| self.originals.get_mut(id));
            let reverses = original.map(|original| {
                original.reversed = true;
                original.seq
            });
            let known = Known {
                id: transfer.id.clone(),
                batch: row.seq,
                digest: row.digest,
                at_ms: row.at_ms,
            };
            self.known.insert(transfer.id.clone(), known);
            if self.reversible.contains(&transfer.id) {
                let original = Original {
                    seq,
                    batch: row.seq,
                    linked: row.transfers,
                    transfer: transfer.clone(),
                    reversed: false,
                };
                self.originals.insert(transfer.id.clone(), original);
            }
            self.changes.transfers.push(TransferRow {
                seq,
                batch: row.seq,
                debit: number(&transfer.debit),
                credit: number(&transfer.credit),
                reverses,
                transfer: transfer.clone(),
            });
        }
        for (seq, message) in (row.first_message..).zip(batch.messages()) {
            self.changes.messages.push(MessageRow {
                seq,
                batch: row.seq,
                topic: message.topic.clone(),
                payload: message.payload.clone(),
            });
        }
        let receipt = Receipt {
            batch: unsigned(row.seq),
            at_ms: row.at_ms,
        };
        self.head = head;
        self.changes.batches.push(row);
        receipt
    }
}

/// The balance after a batch.
fn settle(row: &mut AccountRow, flow: Flow) -> Result<(), Error> {
    let taken = flow.debits - flow.credits;
    let after = i128::from(row.balance) - taken;
    let short = after < i128::from(row.held);
    if taken > 0 && short && !row.account.overdraft {
        return Err(Error::Insufficient {
            account: row.account.id.clone(),
            available: row.balance.saturating_sub(row.held),
            needed: u64::try_from(taken).unwrap_or(u64::MAX),
        });
    }
    let fits = after.unsigned_abs() <= u128::from(AMOUNT_MAX);
    match i64::try_from(after) {
        Ok(after) if fits => row.balance = after,
        _ => return Err(Error::Limit("a balance")),
    }
    Ok(())
}
