//! What only a file has.

use ledger::sqlite::SqliteOptions;
use ledger::{Error, OpenError, Store as _};

use crate::batches::at_once;
use crate::support::disk::SmallDisk;
use crate::support::kits::{Kit as _, Setup, SqliteKit};
use crate::support::{NOW, gift, message, top_up};
use crate::{balance, clean, with_coins};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_refused() {
    let kit = SqliteKit::new();
    let ledger = with_coins(&kit, 1).await;
    let refused = kit.open(Setup::default()).await;
    assert!(
        matches!(refused, Err(OpenError::InUse { .. })),
        "{refused:?}"
    );
    ledger.close().await;
    let ledger = kit.open(Setup::default()).await.expect("it is free");
    clean(&ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full() {
    let Some(disk) = SmallDisk::mount(16) else {
        // Only root mounts; continuous integration is root.
        return;
    };
    let options = SqliteOptions::new(disk.path().join("ledger.db"));
    let ledger = ledger::sqlite::open(options.clone()).expect("a ledger");
    crate::support::open(&ledger, &["viewer", "diamonds-a"]).await;
    ledger
        .commit(top_up("t", "viewer", 1_000), NOW)
        .await
        .expect("coins");
    disk.fill();
    let large = |n: usize| {
        let batch = gift(&format!("g{n}"), "viewer", "diamonds-a", 1);
        let payload = "x".repeat(16_000);
        batch
            .with_messages(vec![message("room", &payload)])
            .expect("it fits")
    };
    let mut n = 0;
    let refused = loop {
        match ledger.commit(large(n), NOW).await {
            Ok(_) => n += 1,
            Err(error) => break error,
        }
        assert!(n < 900, "the disk is full");
    };
    assert!(
        matches!(refused, Error::Database(database::Error::Full { .. })),
        "{refused:?}"
    );
    assert_eq!(refused.status(), 507);
    let before = i64::try_from(n).expect("few");
    assert_eq!(balance(&ledger, "viewer").await, 1_000 - before);
    assert_eq!(
        ledger.outbox_after(0, 1_000).await.expect("messages").len(),
        n
    );
    disk.empty();
    ledger.commit(large(n), NOW).await.expect("there is room");
    assert_eq!(balance(&ledger, "viewer").await, 999 - before);
    clean(&ledger).await;
    ledger.close().await;

    // And one that cannot be written at all.
    let read_only = disk.read_only();
    let refused = ledger::sqlite::open(SqliteOptions::new(read_only.path().join("ledger.db")));
    assert!(matches!(refused, Err(OpenError::Io { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_breaks_a_constraint_does_not_take_others_with_it() {
    let kit = SqliteKit::new();
    let ledger = with_coins(&kit, 10).await;
    kit.tamper("UPDATE accounts SET held = 1000, holds = 1 WHERE id = 'viewer'");
    let mut group: Vec<_> = (0..9)
        .map(|n| top_up(&format!("t{n}"), "other", 1))
        .collect();
    group.insert(4, top_up("bad", "viewer", 1));
    let outcomes = at_once(&ledger, group).await;
    let failed: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().err())
        .collect();
    assert!(
        matches!(
            failed[..],
            [Error::Database(database::Error::Unavailable {
                unknown: false,
                ..
            })]
        ),
        "{failed:?}"
    );
    assert_eq!(balance(&ledger, "other").await, 9);
    assert_eq!(balance(&ledger, "viewer").await, 10);
    kit.tamper("UPDATE accounts SET held = 0, holds = 0 WHERE id = 'viewer'");
    clean(&ledger).await;
}

#[tokio::test]
async fn options_are_checked() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.db");
    for wrong in [0, 1_000_000] {
        let mut options = SqliteOptions::new(&path);
        options.queue_max = wrong;
        let refused = ledger::sqlite::open(options);
        assert!(matches!(refused, Err(OpenError::Options(_))), "{refused:?}");
    }
    let nowhere = SqliteOptions::new(directory.path().join("no/such/ledger.db"));
    assert!(matches!(
        ledger::sqlite::open(nowhere),
        Err(OpenError::Io { .. })
    ));
    std::fs::write(
        &path,
        "this is no database, and long enough to be one, or so it seems",
    )
    .expect("a file");
    let refused = ledger::sqlite::open(SqliteOptions::new(&path));
    assert!(matches!(refused, Err(OpenError::Store(_))), "{refused:?}");
}
