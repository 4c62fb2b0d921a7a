//! Stores that are broken, and what only one of them has.

use std::os::unix::fs::PermissionsExt as _;

use accounts::{Error, OpenError};
use database::OpenError as Refused;
use database::testing::{Kit, PostgresKit, SqliteKit};

use crate::{NOW, TIMEOUT, open, refresh, register, sign_in, store};

pub(crate) async fn a_newer_schema_is_refused<K: Kit>(kit: K) {
    let accounts = open(&kit).await;
    accounts.close().await;
    drop(accounts);
    kit.sql("UPDATE accounts_migrations SET version = 99 WHERE version = 2");
    let refused = store(&kit).await;
    assert!(
        matches!(
            refused,
            Err(OpenError::Database(Refused::Newer { found: 99, .. }))
        ),
        "{refused:?}"
    );
}

pub(crate) async fn a_store_that_hangs<K: Kit>(mut kit: K) {
    let accounts = open(&kit).await;
    let ana = register(&accounts, "ana").await.id;
    let signed_in = sign_in(&accounts, "ana", NOW).await;
    kit.block();
    let start = std::time::Instant::now();
    let late = accounts
        .refresh(signed_in.tokens.refresh.clone(), NOW)
        .await;
    assert!(
        matches!(
            late,
            Err(Error::Database(database::Error::Unavailable { .. })
                | Error::Database(database::Error::Busy))
        ),
        "{late:?}"
    );
    assert!(start.elapsed() < TIMEOUT * 3, "{:?}", start.elapsed());
    // Tokens are checked without it.
    accounts
        .verify(&signed_in.tokens.access, NOW)
        .expect("a token");
    kit.unblock();
    let account = accounts.account(&ana).await;
    assert!(account.is_ok(), "{account:?}");
    refresh(&accounts, &signed_in, NOW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_for_one_process_and_its_owner() {
    let kit = SqliteKit::new();
    let accounts = open(&kit).await;
    register(&accounts, "ana").await;
    let second = store(&kit).await;
    assert!(
        matches!(second, Err(OpenError::Database(Refused::InUse { .. }))),
        "{second:?}"
    );
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let path = format!("{}{suffix}", kit.path().display());
        let mode = std::fs::metadata(&path).expect(&path).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path}");
    }
    accounts.close().await;
    assert!(store(&kit).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_killed_and_comes_back() {
    let mut kit = PostgresKit::new();
    let accounts = open(&kit).await;
    register(&accounts, "ana").await;
    let mut signed_in = sign_in(&accounts, "ana", NOW).await;
    for n in 1..4 {
        kit.server.kill();
        let token = signed_in.tokens.refresh.clone();
        let away = accounts.refresh(token, NOW + n).await;
        assert!(
            matches!(
                away,
                Err(Error::Database(database::Error::Unavailable { .. }))
            ),
            "{away:?}"
        );
        kit.server.start_again();
        signed_in = refresh(&accounts, &signed_in, NOW + n).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_database() {
    let kit = PostgresKit::new();
    let (a, b) = tokio::join!(open(&kit), open(&kit));
    register(&a, "ana").await;
    let mut signed_in = sign_in(&b, "ana", NOW).await;
    for n in 1..20 {
        let now = NOW + n * 600_000;
        let (first, second) =
            tokio::join!(refresh(&a, &signed_in, now), refresh(&b, &signed_in, now),);
        assert_eq!(first.tokens.refresh, second.tokens.refresh);
        b.verify(&first.tokens.access, now).expect("the same keys");
        signed_in = second;
    }
}
