//! The process that is killed: a storm of gifts, holds and refunds, and the delivery of the outbox.

use std::path::PathBuf;

use ledger::postgres::PostgresOptions;
use ledger::sqlite::SqliteOptions;
use ledger::{
    Amount, Batch, Currency, Error, Fault, HoldId, Ledger, NewHold, Reference, Store as _,
    Timestamp,
};

use crate::support::random::Random;
use crate::support::{account, gift, id, kind, top_up};

/// Where the child finds its ledger, and which round it is.
const TARGET: &str = "LEDGER_CRASH_TARGET";
const ROUND: &str = "LEDGER_CRASH_ROUND";

const COMMITTERS: u64 = 24;
const VIEWERS: u64 = 8;

/// A store.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Target {
    pub(crate) fn environment(&self, round: u64) -> [(&'static str, String); 2] {
        let target = match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(url) => format!("postgres:{url}"),
        };
        [(TARGET, target), (ROUND, round.to_string())]
    }

    pub(crate) fn of_child() -> Option<(Self, u64)> {
        let target = std::env::var(TARGET).ok()?;
        let round = std::env::var(ROUND).ok()?.parse().ok()?;
        let (kind, rest) = target.split_once(':')?;
        let target = match kind {
            "sqlite" => Self::Sqlite(PathBuf::from(rest)),
            _ => Self::Postgres(rest.to_owned()),
        };
        Some((target, round))
    }

    pub(crate) async fn open(&self) -> Ledger {
        let opened = match self {
            Self::Sqlite(path) => ledger::sqlite::open(SqliteOptions::new(path)),
            Self::Postgres(url) => ledger::postgres::open(PostgresOptions::new(url)).await,
        };
        opened.expect("a ledger")
    }
}

/// Until it is killed.
pub(crate) async fn storm(ledger: Ledger, round: u64, now: Timestamp) {
    let viewers: Vec<String> = (0..VIEWERS).map(|n| format!("viewer-{n}")).collect();
    let mut accounts: Vec<&str> = viewers.iter().map(String::as_str).collect();
    accounts.extend(["diamonds-a", "diamonds-b"]);
    crate::support::open(&ledger, &accounts).await;
    let delivering = tokio::spawn(deliver(ledger.clone()));
    for committer in 0..COMMITTERS {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            let mut random = Random(round * COMMITTERS + committer);
            for n in 0_u64.. {
                let name = format!("r{round}-c{committer}-{n}");
                if let Err(error) = one(&ledger, &mut random, &name, now).await {
                    // Without coins, or while the database is away: it goes on with the next.
                    if error.fault() == Fault::Store {
                        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                    }
                }
            }
        });
    }
    delivering.await.expect("it ends with the process");
}

async fn one(
    ledger: &Ledger,
    random: &mut Random,
    name: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let viewer = format!("viewer-{}", random.below(VIEWERS));
    let coins = 1 + random.below(30);
    let batch = gift(name, &viewer, "diamonds-a", coins);
    match random.below(8) {
        0 => {
            let coins = top_up(&format!("{name}/top-up"), &viewer, 100);
            ledger.commit(coins, now).await?;
        }
        1 => {
            let hold = NewHold {
                id: HoldId::new(name).expect("an id"),
                account: account(&viewer),
                amount: Amount::new(coins + 5).expect("an amount"),
                currency: Currency::Coins,
                expires_ms: Timestamp::from_millis(now.millis() + 1),
                kind: kind("gift"),
                reference: Reference::default(),
            };
            let id = hold.id.clone();
            ledger.hold(hold, now).await?;
            if random.below(2) == 0 {
                acknowledge(name, ledger.post(id, batch, now).await?.into_inner().batch);
            } else {
                ledger.void(id, now).await?;
            }
        }
        2 => {
            let receipt = ledger.commit(batch, now).await?.into_inner();
            acknowledge(name, receipt.batch);
            let original = ledger.linked(&id(&format!("{name}/coins"))).await?;
            let refund = format!("{name}/refund");
            let refund = Batch::reversing(
                &original,
                &id(&refund),
                &kind("refund"),
                &Reference::default(),
            );
            ledger.commit(refund.expect("a refund"), now).await?;
        }
        _ => {
            let receipt = ledger.commit(batch.clone(), now).await?.into_inner();
            acknowledge(name, receipt.batch);
            // The phone repeats it.
            let again = ledger.commit(batch, now).await?.into_inner();
            assert_eq!(again, receipt);
        }
    }
    Ok(())
}

/// The parent reads lines; what is in the pipe survives the kill.
fn acknowledge(name: &str, batch: u64) {
    println!("\nacknowledged {name} {batch}");
}

async fn deliver(ledger: Ledger) {
    let mut seq = 0;
    loop {
        let messages = ledger.outbox_after(seq, 50).await.unwrap_or_default();
        for message in &messages {
            let name = std::str::from_utf8(&message.payload).expect("a name");
            println!("\ntold {} {name}", message.seq);
        }
        match messages.last() {
            Some(last) if ledger.outbox_done(last.seq).await.is_ok() => seq = last.seq,
            _ => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    }
}
