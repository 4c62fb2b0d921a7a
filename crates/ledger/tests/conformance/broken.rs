//! Stores that hang, and all that can happen at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::{Batch, Error, Ledger, Reference, Store as _};

use crate::holds::{hold, hold_id};
use crate::support::kits::{Kit, Setup, TIMEOUT};
use crate::support::random::Random;
use crate::support::{NOW, account, gift, id, kind, top_up};
use crate::{available, balance, clean, with_coins};

pub(crate) async fn a_store_that_hangs<K: Kit>(mut kit: K) {
    with_coins(&kit, 1_000).await.close().await;
    let setup = Setup {
        queue_max: Some(16),
        group_max: Some(8),
        timeout: Some(TIMEOUT),
    };
    let ledger = kit.open(setup).await.expect("a ledger");
    // The connection is there before the server stops.
    ledger
        .commit(top_up("first", "viewer", 1), NOW)
        .await
        .expect("a coin");
    assert_eq!(balance(&ledger, "viewer").await, 1_001);
    kit.block();
    let began = Instant::now();
    let tasks: Vec<_> = (0..60)
        .map(|n| {
            let ledger = ledger.clone();
            let batch = gift(&format!("g{n}"), "viewer", "diamonds-a", 1);
            tokio::spawn(async move { ledger.commit(batch, NOW).await })
        })
        .collect();
    let (mut busy, mut late) = (0, 0);
    for task in tasks {
        match task.await.expect("a task") {
            Err(error @ Error::Database(database::Error::Busy)) => {
                assert_eq!(error.status(), 503);
                busy += 1;
            }
            Err(Error::Database(database::Error::Unavailable { .. })) => late += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(
        busy >= 60 - 16 - 8 - 8 && late >= 16,
        "{busy} busy, {late} late"
    );
    assert!(began.elapsed() < 4 * TIMEOUT, "{:?}", began.elapsed());
    kit.unblock();
    // Whatever became of them: asking again tells, and none is done twice.
    for n in 0..60 {
        let batch = gift(&format!("g{n}"), "viewer", "diamonds-a", 1);
        let give_up = Instant::now() + Duration::from_secs(20);
        while let Err(error) = ledger.commit(batch.clone(), NOW).await {
            assert!(Instant::now() < give_up, "{error}");
        }
    }
    assert_eq!(balance(&ledger, "viewer").await, 941);
    clean(&ledger).await;
}

/// Two ledgers where the store allows two processes, or one twice.
async fn two<K: Kit>(kit: &K, first: &Ledger) -> [Ledger; 2] {
    let second = kit.open(Setup::default()).await;
    [first.clone(), second.unwrap_or_else(|_| first.clone())]
}

pub(crate) async fn a_storm_with_everything<K: Kit>(kit: K) {
    const PEOPLE: u64 = 6;
    const TASKS: u64 = 12;
    const EACH: u64 = 60;
    let ledger = with_coins(&kit, 0).await;
    let names: Vec<String> = (0..PEOPLE).map(|n| format!("person-{n}")).collect();
    let people: Vec<&str> = names.iter().map(String::as_str).collect();
    crate::support::open(&ledger, &people).await;
    for person in &names {
        let coins = top_up(&format!("top-up-{person}"), person, 200);
        ledger.commit(coins, NOW).await.expect("coins");
    }
    let names = Arc::new(names);
    let tasks: Vec<_> = (0..TASKS)
        .zip(two(&kit, &ledger).await.into_iter().cycle())
        .map(|(task, ledger)| {
            let names = Arc::clone(&names);
            tokio::spawn(async move {
                let mut random = Random(task);
                for n in 0..EACH {
                    let name = format!("{task}-{n}");
                    let person = &names[random.below(PEOPLE) as usize];
                    let result = one(&ledger, &mut random, &name, person).await;
                    if let Err(error) = result {
                        // What the rules refuse; the store is well.
                        assert_eq!(error.fault(), ledger::Fault::Caller, "{error}");
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task");
    }
    for person in names.iter() {
        assert!(available(&ledger, person).await >= 0);
    }
    let house = balance(&ledger, "coins-house").await;
    let mut coins = 0;
    for person in names.iter() {
        coins += balance(&ledger, person).await;
    }
    assert_eq!(house + coins, 0);
    let messages = ledger.outbox_after(0, 1_000).await.expect("messages");
    assert!(
        messages
            .iter()
            .map(|message| message.seq)
            .eq(1..=messages.len() as u64)
    );
    clean(&ledger).await;
}

async fn one(ledger: &Ledger, random: &mut Random, name: &str, person: &str) -> Result<(), Error> {
    let coins = 1 + random.below(20);
    let batch = gift(name, person, "diamonds-a", coins);
    match random.below(6) {
        0 => {
            let expires = NOW.millis() + random.below(3);
            ledger.hold(hold(name, person, coins, expires), NOW).await?;
            ledger.post(hold_id(name), batch, NOW).await?;
        }
        1 => {
            ledger
                .hold(hold(name, person, coins, NOW.millis() + 9), NOW)
                .await?;
            ledger.void(hold_id(name), NOW).await?;
        }
        2 => {
            ledger.commit(batch, NOW).await?;
            let original = ledger.linked(&id(&format!("{name}/coins"))).await?;
            let refund = Batch::reversing(
                &original,
                &id(&format!("{name}/refund")),
                &kind("refund"),
                &Reference::default(),
            );
            ledger.commit(refund.expect("a refund"), NOW).await?;
        }
        3 => {
            let page = ledger.history(&account(person), None, 3).await?;
            assert!(page.transfers.len() <= 3);
        }
        _ => {
            ledger.commit(batch.clone(), NOW).await?;
            let again = ledger.commit(batch, NOW).await?;
            assert!(!again.is_new());
        }
    }
    Ok(())
}
