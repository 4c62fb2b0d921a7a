//! What is in a ledger before an origin has it, and what is asked about it.

use std::path::Path;

use http::Method;
use ledger::sqlite::SqliteOptions;
use ledger::{
    AccountId, Amount, Batch, Currency, Kind, Ledger, NewAccount, Reference, Store as _, Timestamp,
    Transfer, TransferId,
};
use serde_json::Value;

use crate::harness::{Answer, Origin, Setup, control_file, operator, patiently};

/// Any time.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Some money, before any origin has the file: 1 000 coins for u-1, who gives twice.
pub(crate) async fn fill(directory: &Path) {
    std::fs::create_dir_all(control_file(directory, "")).unwrap();
    let options = SqliteOptions::new(control_file(directory, "ledger.db"));
    let attempt = async || ledger::sqlite::open(options.clone());
    let ledger = patiently(attempt).await;
    for (owner, overdraft) in [("topup", true), ("u-1", false), ("filter:gifts", false)] {
        open(&ledger, Currency::ALL[0], owner, overdraft).await;
    }
    for (owner, overdraft) in [("filter:gifts:issue", true), ("room:demo", false)] {
        open(&ledger, Currency::ALL[1], owner, overdraft).await;
    }
    let [coin, diamond] = Currency::ALL;
    let top_up = transfer("top-up", coin, "topup", "u-1", 1_000);
    let top_up = Batch::new(vec![top_up]).unwrap();
    ledger.commit(top_up, NOW).await.unwrap();
    for gift in ["g1", "g2"] {
        let transfers = vec![
            transfer(&format!("{gift}/1"), coin, "u-1", "filter:gifts", 100),
            transfer(
                &format!("{gift}/2"),
                diamond,
                "filter:gifts:issue",
                "room:demo",
                50,
            ),
        ];
        // Without messages: the origin takes them out of the outbox as it tells them.
        let batch = Batch::new(transfers).unwrap();
        ledger.commit(batch, NOW).await.unwrap();
    }
    ledger.close().await;
}

/// An origin whose ledger has some money.
pub(crate) async fn filled() -> Origin {
    let setup = Setup::new();
    fill(setup.directory()).await;
    setup.start().await
}

/// Accounts are named as the origin names them.
pub(crate) fn id(currency: Currency, owner: &str) -> AccountId {
    AccountId::new(&format!("{}:{owner}", currency.as_str())).unwrap()
}

async fn open(ledger: &Ledger, currency: Currency, owner: &str, overdraft: bool) {
    let account = NewAccount {
        id: id(currency, owner),
        currency,
        overdraft,
    };
    ledger.open_account(account, NOW).await.unwrap();
}

fn transfer(name: &str, currency: Currency, from: &str, to: &str, units: u64) -> Transfer {
    Transfer {
        id: TransferId::new(name).unwrap(),
        debit: id(currency, from),
        credit: id(currency, to),
        amount: Amount::new(units).unwrap(),
        currency,
        kind: Kind::new("gift").unwrap(),
        reference: Reference::default(),
        reverses: None,
    }
}

/// What operators get.
pub(crate) async fn get(origin: &Origin, path: &str) -> Answer {
    let path = format!("/v1/admin/ledger{path}");
    origin.operate(operator(Method::GET, &path)).await
}

/// What was asked for, which has to be there.
pub(crate) async fn read(origin: &Origin, path: &str) -> Value {
    get(origin, path).await.is(200).body
}

pub(crate) async fn verify(origin: &Origin) -> Value {
    let call = operator(Method::POST, "/v1/admin/ledger/verify");
    origin.operate(call).await.is(200).body
}
