//! A store in memory, as the two real ones do it.

use std::collections::BTreeMap;

use crate::account::{Hold, HoldState};
use crate::audit::{Audit, Report, Row, Scan, ScannedOriginal, ScannedTransfer};
use crate::batch::Posted;
use crate::error::Error;
use crate::money::Timestamp;
use crate::op::{Answer, Needs, Op};
use crate::rows::{AccountRow, BatchRow, Head, Known, MessageRow, Original, TransferRow, unsigned};
use crate::rules::{Book, Loaded};
use crate::text::{AccountId, HoldId, TransferId};

#[derive(Debug, Default)]
pub(super) struct Memory {
    head: Head,
    accounts: BTreeMap<i64, AccountRow>,
    batches: BTreeMap<i64, BatchRow>,
    transfers: BTreeMap<i64, TransferRow>,
    messages: BTreeMap<i64, MessageRow>,
    holds: BTreeMap<HoldId, (Hold, i64)>,
}

impl Memory {
    pub(super) fn group(&mut self, ops: &[(Op, Timestamp)]) -> Vec<Result<Answer, Error>> {
        let needs = Needs::of(ops.iter().map(|(op, now)| (op, *now)));
        let loaded = self.load(&needs);
        let mut book = Book::new(needs, loaded);
        let answers = ops.iter().map(|(op, now)| book.apply(op, *now)).collect();
        if book.is_changed() {
            self.write(&book);
        } else {
            assert_eq!(self.head, *book.head());
        }
        answers
    }

    fn load(&self, needs: &Needs) -> Loaded {
        let until = needs.expired_by;
        let over = |hold: &Hold| hold.state == HoldState::Open && hold.expires_ms <= until;
        let holds = self.holds.values().map(|(hold, _)| hold);
        let mut holds: Vec<Hold> = holds
            .filter(|hold| needs.holds.contains(&hold.id) || (needs.all_expired && over(hold)))
            .cloned()
            .collect();
        let wanted = |row: &&AccountRow| {
            let id = &row.account.id;
            needs.accounts.contains(id) || holds.iter().any(|hold| hold.account == *id)
        };
        let accounts: Vec<_> = self.accounts.values().filter(wanted).cloned().collect();
        let of_accounts = self.holds.values().map(|(hold, _)| hold);
        let of_accounts = of_accounts
            .filter(|hold| over(hold) && accounts.iter().any(|row| row.account.id == hold.account));
        holds.extend(of_accounts.cloned());
        let transfers = || self.transfers.values();
        Loaded {
            head: self.head,
            accounts,
            known: transfers()
                .filter(|row| needs.transfers.contains(&row.transfer.id))
                .map(|row| Known {
                    id: row.transfer.id.clone(),
                    batch: row.batch,
                    digest: self.batches[&row.batch].digest,
                    at_ms: self.batches[&row.batch].at_ms,
                })
                .collect(),
            originals: transfers()
                .filter(|row| needs.originals.contains(&row.transfer.id))
                .map(|row| Original {
                    seq: row.seq,
                    batch: row.batch,
                    linked: self.batches[&row.batch].transfers,
                    transfer: row.transfer.clone(),
                    reversed: transfers().any(|other| other.reverses == Some(row.seq)),
                })
                .collect(),
            holds,
        }
    }

    fn write(&mut self, book: &Book) {
        for row in book.accounts_opened() {
            assert!(self.accounts.insert(row.n, row.clone()).is_none());
        }
        for row in book.accounts_changed() {
            assert!(self.accounts.insert(row.n, row.clone()).is_some());
        }
        for (hold, account) in book.holds_placed() {
            let kept = (hold.clone(), account);
            assert!(self.holds.insert(hold.id.clone(), kept).is_none());
        }
        for hold in book.holds_closed() {
            let kept = self.holds.get_mut(&hold.id).expect("a hold");
            assert_eq!(kept.0.state, HoldState::Open);
            kept.0 = hold.clone();
        }
        for row in book.batches() {
            assert!(self.batches.insert(row.seq, row.clone()).is_none());
        }
        for row in book.transfers() {
            assert!(self.transfers.insert(row.seq, row.clone()).is_none());
        }
        for row in book.messages() {
            assert!(self.messages.insert(row.seq, row.clone()).is_none());
        }
        if let Some(delivered) = book.delivered_up_to() {
            self.messages.retain(|seq, _| *seq > delivered);
        }
        self.head = *book.head();
    }

    /// Balance and held, with open holds that have expired.
    pub(super) fn state(&self, id: &AccountId) -> Option<(i128, i128)> {
        let row = self.accounts.values().find(|row| row.account.id == *id)?;
        Some((row.balance.into(), row.held.into()))
    }

    pub(super) fn linked(&self, id: &TransferId) -> Vec<Posted> {
        let batch = self.transfers.values().find(|row| row.transfer.id == *id);
        let batch = batch.map(|row| row.batch);
        let rows = self.transfers.values();
        rows.filter(|row| Some(row.batch) == batch)
            .map(|row| Posted {
                seq: unsigned(row.seq),
                batch: unsigned(row.batch),
                at_ms: self.batches[&row.batch].at_ms,
                transfer: row.transfer.clone(),
            })
            .collect()
    }

    pub(super) fn verify(&self) -> Report {
        let mut audit = Audit::default();
        let mut rows = vec![Row::Head(self.head)];
        rows.extend(self.accounts.values().cloned().map(Row::Account));
        let holds = self.holds.values().cloned();
        rows.extend(holds.map(|(hold, account)| Row::Hold { hold, account }));
        rows.extend(self.batches.values().cloned().map(Row::Batch));
        for row in self.transfers.values() {
            let batch = &self.batches[&row.batch];
            let original = row.reverses.map(|seq| &self.transfers[&seq]);
            rows.push(Row::Transfer(Box::new(ScannedTransfer {
                row: row.clone(),
                within: Some((
                    batch.first_transfer,
                    batch.first_transfer + batch.transfers - 1,
                )),
                original: original.map(|original| ScannedOriginal {
                    debit: original.debit,
                    credit: original.credit,
                    amount: original.transfer.amount.signed(),
                    currency: original.transfer.currency.code().into(),
                    is_reversal: original.reverses.is_some(),
                    batch: original.batch,
                    linked: self.batches[&original.batch].transfers,
                }),
            })));
        }
        rows.extend(self.messages.values().cloned().map(Row::Message));
        for row in rows {
            audit.row(row).expect("it takes all");
        }
        audit.finish()
    }
}
