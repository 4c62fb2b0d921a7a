//! What only PostgreSQL has: a server that can be killed, and the way to it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use database::testing::Server;
use ledger::postgres::PostgresOptions;
use ledger::{Error, OpenError, Store as _};
use tempfile::TempDir;

use crate::batches::at_once;
use crate::proxy::{Cut, Proxy};
use crate::support::disk::SmallDisk;
use crate::support::kits::{Kit as _, PostgresKit, Setup, TIMEOUT, postgres_options};
use crate::support::{NOW, gift, message, top_up};
use crate::{balance, clean, with_coins};

/// Commits that lose their connection, before or after the server heard of them.
async fn cut_at_commit(cut: Cut) {
    let kit = PostgresKit::new();
    let direct = with_coins(&kit, 100).await;
    let directory = TempDir::new().expect("a directory");
    let proxy = Proxy::start(directory.path(), kit.server.socket(), cut);
    let url = format!(
        "host={} user=postgres dbname=postgres",
        directory.path().display()
    );
    let ledger = ledger::postgres::open(postgres_options(&url, Setup::default()))
        .await
        .expect("a ledger");
    for round in 0..5 {
        proxy.cuts.store(1 + round % 2, Ordering::SeqCst);
        let gifts = (0..8).map(|n| gift(&format!("{round}-{n}"), "viewer", "diamonds-a", 1));
        for outcome in at_once(&ledger, gifts.collect()).await {
            // New if the server never heard of it; or it is found when it is looked up.
            let outcome = outcome.expect("it is known what became of it");
            assert!(outcome.is_new() || matches!(cut, Cut::After));
        }
        assert_eq!(proxy.cuts.load(Ordering::SeqCst), 0, "it was cut");
        let expected = 100 - 8 * (i64::try_from(round).expect("few") + 1);
        assert_eq!(balance(&direct, "viewer").await, expected);
    }
    // Again and again, until the time is over: whether it was committed is said to be unknown.
    let setup = Setup {
        timeout: Some(TIMEOUT),
        ..Setup::default()
    };
    let ledger = ledger::postgres::open(postgres_options(&url, setup))
        .await
        .expect("a ledger");
    proxy.cuts.store(usize::MAX, Ordering::SeqCst);
    let last = gift("last", "viewer", "diamonds-a", 1);
    match (cut, ledger.commit(last.clone(), NOW).await) {
        (Cut::Before, Err(Error::Database(database::Error::Unavailable { unknown: true, .. }))) => {
        }
        (Cut::After, Ok(outcome)) => assert!(!outcome.is_new()),
        other => panic!("{other:?}"),
    }
    proxy.cuts.store(0, Ordering::SeqCst);
    ledger.commit(last, NOW).await.expect("a gift");
    assert_eq!(balance(&direct, "viewer").await, 59);
    clean(&direct).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_the_server_never_heard_of_is_made_again() {
    cut_at_commit(Cut::Before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_looked_up() {
    cut_at_commit(Cut::After).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back() {
    let mut kit = PostgresKit::new();
    let setup = |seconds| Setup {
        timeout: Some(Duration::from_secs(seconds)),
        ..Setup::default()
    };
    with_coins(&kit, 1_000).await.close().await;
    let patient = kit.open(setup(30)).await.expect("a ledger");
    let hasty = kit.open(setup(1)).await.expect("a ledger");
    for round in 0..2 {
        kit.server.kill();
        // One that still waits when the server comes back.
        let waits = patient.clone();
        let batch = gift(&format!("waits-{round}"), "viewer", "diamonds-a", 1);
        let waiting = tokio::spawn(async move { waits.commit(batch, NOW).await });
        let coin = top_up(&format!("away-{round}"), "viewer", 1);
        let refused = hasty.commit(coin.clone(), NOW).await;
        assert!(
            matches!(
                refused,
                Err(Error::Database(database::Error::Unavailable { .. }))
            ),
            "{refused:?}"
        );
        let refused = hasty.outbox_after(0, 1).await;
        assert!(
            matches!(
                refused,
                Err(Error::Database(database::Error::Unavailable { .. }))
            ),
            "{refused:?}"
        );
        assert!(!waiting.is_finished());
        kit.server.start_again();
        waiting.await.expect("a task").expect("it waited");
        hasty.commit(coin, NOW).await.expect("the server is back");
    }
    assert_eq!(balance(&patient, "viewer").await, 1_000);
    clean(&patient).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_of_somebody_else_is_waited_for() {
    let kit = PostgresKit::new();
    let ledger = with_coins(&kit, 10).await;
    let url = kit.server.url();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .expect("a connection");
    tokio::spawn(connection);
    client
        .batch_execute("BEGIN; SELECT * FROM ledger_head FOR UPDATE")
        .await
        .expect("a lock");
    let waits = ledger.clone();
    let batch = gift("g", "viewer", "diamonds-a", 1);
    let waiting = tokio::spawn(async move { waits.commit(batch, NOW).await });
    // Until the server says that it waits; each look starts a psql, which is pause enough.
    let waiters = "SELECT count(*) FROM pg_stat_activity \
                   WHERE application_name = 'weir-ledger' AND wait_event_type = 'Lock'";
    let give_up = Instant::now() + Duration::from_secs(20);
    while kit.server.sql(waiters) == "0" {
        assert!(Instant::now() < give_up, "nobody waits for the lock");
    }
    assert!(!waiting.is_finished());
    // Readers wait for nobody.
    assert_eq!(balance(&ledger, "viewer").await, 10);
    client.batch_execute("COMMIT").await.expect("a commit");
    waiting.await.expect("a task").expect("its turn");
    assert_eq!(balance(&ledger, "viewer").await, 9);
    clean(&ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_read_only() {
    let kit = PostgresKit::new();
    let ledger = with_coins(&kit, 10).await;
    let read_only = |on: &str| {
        kit.server.sql(&format!(
            "ALTER SYSTEM SET default_transaction_read_only = {on}"
        ));
        kit.server.sql("SELECT pg_reload_conf()");
    };
    read_only("on");
    let give_up = Instant::now() + Duration::from_secs(20);
    let mut n = 0;
    let refused = loop {
        n += 1;
        let outcome = ledger
            .commit(top_up(&format!("t{n}"), "viewer", 1), NOW)
            .await;
        if let Err(error) = outcome {
            break error;
        }
        assert!(Instant::now() < give_up, "it is reloaded");
    };
    assert!(
        matches!(refused, Error::Database(database::Error::Full { .. })),
        "{refused:?}"
    );
    assert_eq!(refused.status(), 507);
    assert_eq!(balance(&ledger, "viewer").await, 9 + n);
    read_only("off");
    while ledger
        .commit(top_up(&format!("t{n}"), "viewer", 1), NOW)
        .await
        .is_err()
    {
        assert!(Instant::now() < give_up, "it is reloaded");
    }
    assert_eq!(balance(&ledger, "viewer").await, 10 + n);
    clean(&ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full() {
    let Some(disk) = SmallDisk::mount(160) else {
        // Only root mounts; continuous integration is root.
        return;
    };
    let directory = TempDir::new().expect("a directory");
    let server = Server::start_in(directory, disk.path().join("data"), &["max_wal_size=48MB"]);
    let kit = PostgresKit { server };
    let ledger = with_coins(&kit, 1_000).await;
    disk.fill();
    let large = |n: usize| {
        // Not to be compressed.
        let mut random = crate::support::random::Random(n as u64);
        let payload: String = (0..1_000)
            .map(|_| format!("{:016x}", random.next()))
            .collect();
        let batch = gift(&format!("g{n}"), "viewer", "diamonds-a", 1);
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
    let before = i64::try_from(n).expect("few");
    assert_eq!(balance(&ledger, "viewer").await, 1_000 - before);
    disk.empty();
    ledger.commit(large(n), NOW).await.expect("there is room");
    assert_eq!(balance(&ledger, "viewer").await, 999 - before);
    clean(&ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_over_tls() {
    let directory = TempDir::new().expect("a directory");
    let certified =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let ca_file = directory.path().join("trusted.pem");
    std::fs::write(&ca_file, certified.cert.pem()).expect("a file");
    let certificate = Server::secret_file(&directory, "cert.pem", &certified.cert.pem());
    let key = Server::secret_file(
        &directory,
        "key.pem",
        &certified.signing_key.serialize_pem(),
    );
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let data = directory.path().join("data");
    let settings = [
        "listen_addresses=localhost".to_owned(),
        format!("port={port}"),
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", certificate.display()),
        format!("ssl_key_file={}", key.display()),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let server = Server::start_in(directory, data, &settings);
    let url = format!("postgres://postgres@localhost:{port}/postgres?sslmode=require");
    let mut options = PostgresOptions::new(&url);
    // The system does not know this certificate.
    let refused = ledger::postgres::open(options.clone()).await.map(drop);
    assert!(matches!(refused, Err(OpenError::Store(_))), "{refused:?}");
    options.ca_file = Some(ca_file);
    let ledger = ledger::postgres::open(options).await.expect("a ledger");
    crate::support::open(&ledger, &["viewer"]).await;
    ledger
        .commit(top_up("t", "viewer", 1), NOW)
        .await
        .expect("a commit");
    let encrypted = server.sql("SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'weir-ledger'");
    assert_eq!(encrypted, "t");
    clean(&ledger).await;
}

#[tokio::test]
async fn options_are_checked() {
    for url in [
        "host=",
        "postgres://user:secret@host:port/",
        "=",
        "sslmode=maybe",
    ] {
        let refused = ledger::postgres::open(PostgresOptions::new(url)).await;
        let error = refused.expect_err(url);
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    let mut options = PostgresOptions::new("host=/nowhere");
    assert!(!format!("{options:?}").contains("nowhere"));
    options.group_max = 0;
    let refused = ledger::postgres::open(options).await;
    assert!(matches!(refused, Err(OpenError::Options(_))), "{refused:?}");
}
