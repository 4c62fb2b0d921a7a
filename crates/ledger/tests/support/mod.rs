//! What the suites and the benchmark have in common: ids, batches, and databases to break.

#![allow(dead_code, reason = "each of its users takes a part")]
#![allow(
    clippy::allow_attributes,
    reason = "whether it is fulfilled depends on the user"
)]

pub(crate) mod disk;
pub(crate) mod kits;
pub(crate) mod random;

use bytes::Bytes;
use ledger::{
    AccountId, Amount, Batch, Currency, Kind, Message, NewAccount, Reference, Store, Timestamp,
    Transfer, TransferId,
};

/// Any time.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub(crate) fn account(id: &str) -> AccountId {
    AccountId::new(id).expect("an account's id")
}

pub(crate) fn amount(units: u64) -> Amount {
    Amount::new(units).expect("an amount")
}

pub(crate) fn kind(kind: &str) -> Kind {
    Kind::new(kind).expect("a kind")
}

pub(crate) fn id(id: &str) -> TransferId {
    TransferId::new(id).expect("a transfer's id")
}

pub(crate) fn transfer(name: &str, debit: &str, credit: &str, units: u64) -> Transfer {
    let diamonds = debit.starts_with("diamonds") || credit.starts_with("diamonds");
    Transfer {
        id: id(name),
        debit: account(debit),
        credit: account(credit),
        amount: amount(units),
        currency: if diamonds {
            Currency::Diamonds
        } else {
            Currency::Coins
        },
        kind: kind("gift"),
        reference: Reference::default(),
        reverses: None,
    }
}

pub(crate) fn message(topic: &str, payload: &str) -> Message {
    Message {
        topic: Reference::new(topic).expect("a topic"),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    }
}

/// A gift as Weir will make it: coins to the house, diamonds to the broadcaster, and the room is
/// told.
pub(crate) fn gift(name: &str, viewer: &str, broadcaster: &str, coins: u64) -> Batch {
    let transfers = vec![
        transfer(&format!("{name}/coins"), viewer, "coins-house", coins),
        transfer(
            &format!("{name}/diamonds"),
            "diamonds-house",
            broadcaster,
            coins,
        ),
    ];
    let batch = Batch::new(transfers).expect("a batch");
    batch
        .with_messages(vec![message("room", name)])
        .expect("a message")
}

/// Coins from nowhere else than the house.
pub(crate) fn top_up(name: &str, viewer: &str, coins: u64) -> Batch {
    Batch::new(vec![transfer(name, "coins-house", viewer, coins)]).expect("a batch")
}

/// Opens the house's accounts and others: those called `diamonds-…` count diamonds.
pub(crate) async fn open(ledger: &dyn Store, others: &[&str]) {
    for name in ["coins-house", "diamonds-house"].iter().chain(others) {
        let new = NewAccount {
            id: account(name),
            currency: if name.starts_with("diamonds") {
                Currency::Diamonds
            } else {
                Currency::Coins
            },
            overdraft: name.ends_with("-house"),
        };
        ledger.open_account(new, NOW).await.expect("an account");
    }
}
