//! What a ledger has, at a glance. Reads accounts, never transfers; [`crate::Store::verify`] compares.

use serde::Serialize;

use crate::money::Currency;
use crate::rows::unsigned;

/// Of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Issued {
    /// Which.
    pub currency: Currency,
    /// What is in circulation, in units: by how much accounts are below zero.
    pub issued: u64,
    /// How many accounts count it.
    pub accounts: u64,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Each currency once, in the order of [`Currency::ALL`].
    pub currencies: Vec<Issued>,
    /// Messages that are not delivered yet.
    pub outbox_waiting: u64,
    /// Batches that were committed, ever.
    pub batches: u64,
}

/// A row of [`statement`]: batches, messages that wait, and of a currency, if any account is there,
/// its code, how many accounts, and what is issued.
pub(crate) type SummaryRow = (i64, i64, Option<(i64, i64, i64)>);

/// One statement for both databases: one state of the ledger.
pub(crate) fn statement(head: &str, accounts: &str) -> String {
    format!(
        "SELECT h.batches, h.messages - h.delivered, a.currency, a.accounts, a.issued \
         FROM {head} h LEFT JOIN (SELECT CAST(currency AS bigint) AS currency, \
         count(*) AS accounts, \
         CAST(-coalesce(sum(balance) FILTER (WHERE balance < 0), 0) AS bigint) AS issued \
         FROM {accounts} GROUP BY currency) a ON true"
    )
}

impl Summary {
    pub(crate) fn of(rows: &[SummaryRow]) -> Self {
        let currencies = Currency::ALL.map(|currency| {
            let code = i64::from(currency.code());
            let mut found = rows.iter().filter_map(|(_, _, of)| *of);
            let found = found.find(|(found, _, _)| *found == code);
            let (accounts, issued) = found.map_or((0, 0), |(_, accounts, issued)| {
                (unsigned(accounts), unsigned(issued))
            });
            Issued {
                currency,
                issued,
                accounts,
            }
        });
        let (batches, waiting, _) = rows.first().copied().unwrap_or_default();
        Self {
            currencies: currencies.to_vec(),
            outbox_waiting: unsigned(waiting),
            batches: unsigned(batches),
        }
    }
}
