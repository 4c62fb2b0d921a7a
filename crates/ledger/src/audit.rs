//! Adds the whole ledger up again, and names every difference from what is stored.
//!
//! It sees rows in the order of [`Row`]'s variants, from one snapshot. Memory: accounts, holds and
//! reversals; not transfers.

mod report;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use report::{Difference, Report, Sequence, Sum};

use crate::account::{Hold, HoldState};
use crate::money::Currency;
use crate::rows::{AccountRow, BatchRow, Head, MessageRow, TransferRow, unsigned};
use crate::text::HoldId;

/// One row of a ledger, as it is read from end to end.
#[derive(Clone, Debug)]
pub(crate) enum Row {
    Head(Head),
    Account(AccountRow),
    Hold {
        hold: Hold,
        /// The account's number.
        account: i64,
    },
    Batch(BatchRow),
    Transfer(Box<ScannedTransfer>),
    Message(MessageRow),
}

/// A transfer, with what the audit looks at beside it.
#[derive(Clone, Debug)]
pub(crate) struct ScannedTransfer {
    pub(crate) row: TransferRow,
    /// The numbers of the first and the last transfer of its batch, if there is that batch.
    pub(crate) within: Option<(i64, i64)>,
    pub(crate) original: Option<ScannedOriginal>,
}

/// What a transfer reverses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScannedOriginal {
    pub(crate) debit: i64,
    pub(crate) credit: i64,
    pub(crate) amount: i64,
    pub(crate) currency: i64,
    pub(crate) is_reversal: bool,
    pub(crate) batch: i64,
    pub(crate) linked: i64,
}

/// Nobody wants more rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop;

/// What takes the rows of a ledger.
pub(crate) trait Scan: Send {
    fn row(&mut self, row: Row) -> Result<(), Stop>;
}

/// What an account's rows add up to.
#[derive(Debug)]
struct Tally {
    row: AccountRow,
    balance: i128,
    held: i128,
    holds: i64,
}

#[derive(Debug)]
struct Pledge {
    hold: Hold,
    account: i64,
    /// The batch that was paid from it, and how much it took.
    batch: Option<i64>,
    taken: i128,
}

/// How far an audit has come, for whoever waits. Clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Rows that were read.
    pub fn rows(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn step(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The audit, while rows come.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    head: Head,
    accounts: HashMap<i64, Tally>,
    holds: HashMap<HoldId, Pledge>,
    /// From batches to the holds they were paid from.
    paid: HashMap<i64, HoldId>,
    /// From reversed transfers to those that reverse them.
    reversed: HashMap<i64, i64>,
    /// Of each reversing and reversed batch: how many transfers were, and are to be reversed.
    taken_back: HashMap<(i64, i64), (i64, i64)>,
    /// The last number of each sequence that was seen.
    seen: Head,
    /// What batches say the last transfer and message is.
    announced: Head,
    report: Report,
    progress: Progress,
}

impl Scan for Audit {
    fn row(&mut self, row: Row) -> Result<(), Stop> {
        self.progress.step();
        match row {
            Row::Head(head) => self.head = head,
            Row::Account(row) => self.account(row),
            Row::Hold { hold, account } => self.hold(hold, account),
            Row::Batch(row) => self.batch(row),
            Row::Transfer(scanned) => self.transfer(&scanned),
            Row::Message(row) => self.message(&row),
        }
        Ok(())
    }
}

impl Audit {
    /// One that tells how far it is.
    pub(crate) fn telling(progress: Progress) -> Self {
        Self {
            progress,
            ..Self::default()
        }
    }

    fn account(&mut self, row: AccountRow) {
        self.report.accounts += 1;
        self.report
            .follows(Sequence::Accounts, &mut self.seen.accounts, row.n);
        let tally = Tally {
            row,
            balance: 0,
            held: 0,
            holds: 0,
        };
        self.accounts.insert(tally.row.n, tally);
    }

    fn hold(&mut self, hold: Hold, account: i64) {
        if hold.state == HoldState::Open {
            self.report.holds_open += 1;
            if let Some(tally) = self.accounts.get_mut(&account) {
                tally.held += i128::from(hold.amount.signed());
                tally.holds += 1;
            }
        }
        let pledge = Pledge {
            hold,
            account,
            batch: None,
            taken: 0,
        };
        self.holds.insert(pledge.hold.id.clone(), pledge);
    }

    fn batch(&mut self, row: BatchRow) {
        self.report.batches += 1;
        self.report
            .follows(Sequence::Batches, &mut self.seen.batches, row.seq);
        let transfers = (&mut self.announced.transfers, row.first_transfer);
        let messages = (&mut self.announced.messages, row.first_message);
        for ((last, first), count) in [(transfers, row.transfers), (messages, row.messages)] {
            if first != last.saturating_add(1) || count < 0 {
                self.report.add(Difference::Batch {
                    batch: unsigned(row.seq),
                });
            }
            *last = first.saturating_add(count).saturating_sub(1);
        }
        if let Some(id) = row.posts {
            match self.holds.get_mut(&id) {
                Some(pledge) if pledge.batch.is_none() => pledge.batch = Some(row.seq),
                _ => self.report.add(Difference::Hold { id: id.clone() }),
            }
            self.paid.insert(row.seq, id);
        }
    }

    fn transfer(&mut self, scanned: &ScannedTransfer) {
        let ScannedTransfer {
            row,
            within,
            original,
        } = scanned;
        self.report.transfers += 1;
        self.report
            .follows(Sequence::Transfers, &mut self.seen.transfers, row.seq);
        if !within.is_some_and(|(first, last)| (first..=last).contains(&row.seq)) {
            self.report.add(Difference::Batch {
                batch: unsigned(row.batch),
            });
        }
        let amount = i128::from(row.transfer.amount.units());
        for (account, signed) in [(row.debit, -amount), (row.credit, amount)] {
            match self.accounts.get_mut(&account) {
                Some(tally) if tally.row.account.currency == row.transfer.currency => {
                    tally.balance += signed;
                }
                _ => self.report.add(Difference::Currency {
                    transfer: row.transfer.id.clone(),
                }),
            }
        }
        if let Some(id) = self.paid.get(&row.batch)
            && let Some(pledge) = self.holds.get_mut(id)
            && pledge.account == row.debit
        {
            pledge.taken += amount;
        }
        if let Some(reverses) = row.reverses {
            self.reversal(row, reverses, original.as_ref());
        }
    }

    fn reversal(&mut self, row: &TransferRow, reverses: i64, original: Option<&ScannedOriginal>) {
        let again = self.reversed.insert(reverses, row.seq).is_some();
        let sound = original.is_some_and(|original| {
            reverses < row.seq
                && !original.is_reversal
                && (original.debit, original.credit) == (row.credit, row.debit)
                && original.amount == row.transfer.amount.signed()
                && original.currency == i64::from(row.transfer.currency.code())
        });
        if again || !sound {
            self.report.add(Difference::Reversal {
                transfer: row.transfer.id.clone(),
            });
        }
        if let Some(original) = original {
            let key = (row.batch, original.batch);
            let (taken, linked) = self.taken_back.entry(key).or_default();
            *taken += 1;
            *linked = original.linked;
        }
    }

    fn message(&mut self, row: &MessageRow) {
        if self.report.messages_pending == 0 {
            self.seen.messages = self.head.delivered;
        }
        self.report.messages_pending += 1;
        self.report
            .follows(Sequence::Messages, &mut self.seen.messages, row.seq);
    }

    /// The report, when all rows have come.
    pub(crate) fn finish(mut self) -> Report {
        self.finish_accounts();
        self.finish_holds();
        for ((batch, _), (taken, linked)) in &self.taken_back {
            if taken != linked {
                self.report.add(Difference::PartialReversal {
                    batch: unsigned(*batch),
                });
            }
        }
        if self.report.messages_pending == 0 {
            self.seen.messages = self.head.delivered;
        }
        let ends = [
            (
                Sequence::Accounts,
                self.seen.accounts,
                self.head.accounts,
                self.head.accounts,
            ),
            (
                Sequence::Batches,
                self.seen.batches,
                self.head.batches,
                self.head.batches,
            ),
            (
                Sequence::Transfers,
                self.seen.transfers,
                self.head.transfers,
                self.announced.transfers,
            ),
            (
                Sequence::Messages,
                self.seen.messages,
                self.head.messages,
                self.announced.messages,
            ),
        ];
        for (sequence, seen, head, announced) in ends {
            if seen != head || announced != head {
                self.report.add(Difference::End {
                    sequence,
                    found: seen,
                    expected: head,
                    announced,
                });
            }
        }
        self.report
    }

    fn finish_accounts(&mut self) {
        let mut sums: HashMap<Currency, (i128, u64)> = HashMap::new();
        for tally in self.accounts.values() {
            let account = &tally.row.account;
            let (sum, accounts) = sums.entry(account.currency).or_default();
            *sum += i128::from(tally.row.balance);
            *accounts += 1;
            if i128::from(tally.row.balance) != tally.balance {
                self.report.add(Difference::Balance {
                    account: account.id.clone(),
                    stored: tally.row.balance,
                    computed: tally.balance,
                });
            }
            if (i128::from(tally.row.held), tally.row.holds) != (tally.held, tally.holds) {
                self.report.add(Difference::Held {
                    account: account.id.clone(),
                    stored: tally.row.held,
                    computed: tally.held,
                });
            }
            if !account.overdraft && tally.row.balance < tally.row.held {
                self.report.add(Difference::BelowZero {
                    account: account.id.clone(),
                    balance: tally.row.balance,
                    held: tally.row.held,
                });
            }
        }
        for currency in Currency::ALL {
            let (sum, accounts) = sums.get(&currency).copied().unwrap_or_default();
            self.report.sums.push(Sum {
                currency,
                accounts,
                sum,
            });
            if sum != 0 {
                self.report.add(Difference::Sum { currency, sum });
            }
        }
    }

    fn finish_holds(&mut self) {
        for pledge in self.holds.values() {
            let hold = &pledge.hold;
            let posted = hold.state == HoldState::Posted;
            let right = pledge.batch.is_some() == posted
                && i128::from(hold.posted) == pledge.taken
                && hold.posted <= hold.amount.units()
                && (pledge.taken > 0) == posted;
            if !right {
                self.report.add(Difference::Hold {
                    id: hold.id.clone(),
                });
            }
        }
    }
}
