//! One suite for both databases: what an operation may rely on.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use database::config::DatabaseSettings;
use database::testing::{Kit, PostgresKit, SqliteKit};
use database::{Database, Error, Migrations, OpenError, Operation, Schema};

/// How long operations may wait.
const TIMEOUT: Duration = Duration::from_secs(2);

const SCHEMA: Schema = Schema {
    name: "example",
    sqlite: Migrations {
        table: "example_migrations",
        steps: &["CREATE TABLE example (id INTEGER PRIMARY KEY, name TEXT, bytes BLOB) STRICT"],
    },
    postgres: Migrations {
        table: "example_migrations",
        steps: &["CREATE TABLE example (id bigint PRIMARY KEY, name text, bytes bytea)"],
    },
};

/// What the operations of these tests answer.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Taken,
    Database(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

type Named = (u64, &'static str);

/// Writes first and asks then, so that a refusal has something to roll back.
const INSERT: Operation<Named, (), Refusal> = |tx, (id, name)| {
    Box::pin(async move {
        let insert = "INSERT INTO example (id, name, bytes) VALUES ($1, $2, $3)";
        let bytes = Some(&[7_u8; 2]);
        tx.execute(insert, &[(*id).into(), (*name).into(), bytes.into()])
            .await?;
        let count = "SELECT count(*) FROM example WHERE name = $1";
        let rows = tx.query(count, &[(*name).into()]).await?;
        let count = rows.first().expect("a row").number(0)?;
        if count > 1 {
            Err(Refusal::Taken)
        } else {
            Ok(())
        }
    })
};

const NAMES: Operation<(), Vec<String>, Refusal> = |tx, ()| {
    Box::pin(async move {
        let all = "SELECT name, bytes FROM example ORDER BY id FOR UPDATE";
        let rows = tx.query(all, &[]).await?;
        let name = |row: &database::Row| {
            assert_eq!(row.blob(1)?, [7, 7]);
            Ok(row.text(0)?.to_owned())
        };
        rows.iter().map(name).collect()
    })
};

const MANY: Operation<Vec<u64>, Vec<u64>, Refusal> = |tx, ids| {
    Box::pin(async move {
        let all: Vec<_> = ids.iter().map(|&id| vec![id.into()]).collect();
        let insert = "INSERT INTO example (id, name) VALUES ($1, 'many')";
        let changed = tx.execute_all(insert, &all).await?;
        assert_eq!(changed, ids.len() as u64);
        let read = "SELECT id FROM example WHERE id = $1";
        let answers = tx.query_all(read, &all).await?;
        let id = |rows: &Vec<database::Row>| Ok(rows.first().expect("a row").number(0)?);
        answers.iter().map(id).collect()
    })
};

const BREAK: Operation<(), (), Refusal> = |tx, ()| {
    Box::pin(async move {
        let one = "INSERT INTO example (id) VALUES (1)";
        tx.execute(one, &[]).await?;
        let _ = tx.execute(one, &[]).await;
        // What the database refused is not forgotten by who does not look.
        Ok(())
    })
};

async fn open<K: Kit>(kit: &K) -> Result<Database, OpenError> {
    Database::open(kit.settings(TIMEOUT), &SCHEMA).await
}

async fn names(database: &Database) -> Vec<String> {
    database.run((), NAMES).await.expect("names")
}

async fn an_operation_is_done_whole_or_not_at_all<K: Kit>(kit: K) {
    let database = open(&kit).await.expect("a database");
    database.run((1, "ana"), INSERT).await.expect("the first");
    let refused = database.run((2, "ana"), INSERT).await;
    assert_eq!(refused, Err(Refusal::Taken));
    let broken = database.run((1, "ben"), INSERT).await;
    assert!(
        matches!(
            broken,
            Err(Refusal::Database(Error::Unavailable { unknown: false, .. }))
        ),
        "{broken:?}"
    );
    assert_eq!(names(&database).await, ["ana"]);
    database.close().await;
    let closed = database.run((3, "cleo"), INSERT).await;
    assert!(matches!(closed, Err(Refusal::Database(_))), "{closed:?}");
    let again = open(&kit).await.expect("it was let go");
    assert_eq!(names(&again).await, ["ana"]);
}

async fn a_refusal_of_the_database_is_not_forgotten<K: Kit>(kit: K) {
    let database = open(&kit).await.expect("a database");
    let broken = database.run((), BREAK).await;
    assert!(matches!(broken, Err(Refusal::Database(_))), "{broken:?}");
}

async fn many_at_once_come_one_after_the_other<K: Kit>(kit: K) {
    let database = open(&kit).await.expect("a database");
    let tasks: Vec<_> = (0..50)
        .map(|id| {
            let database = database.clone();
            tokio::spawn(async move { database.run((id, "same"), INSERT).await })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        match task.await.expect("a task") {
            Ok(()) => done += 1,
            Err(refusal) => assert_eq!(refusal, Refusal::Taken),
        }
    }
    // PostgreSQL reads what is committed, so that two who do not lock may miss each other.
    assert!(done >= 1);
    assert_eq!(names(&database).await.len(), done);
}

async fn many_statements_at_once<K: Kit>(kit: K) {
    let database = open(&kit).await.expect("a database");
    let ids: Vec<u64> = (0..500).rev().collect();
    assert_eq!(database.run(ids.clone(), MANY).await, Ok(ids));
    let again = database.run(vec![1_000, 7, 1_001], MANY).await;
    assert!(matches!(again, Err(Refusal::Database(_))), "{again:?}");
    let none = database.run(vec![1_000], MANY).await;
    assert_eq!(none, Ok(vec![1_000]), "it was rolled back");
}

async fn a_newer_schema_is_refused<K: Kit>(kit: K) {
    open(&kit).await.expect("a database").close().await;
    kit.sql("UPDATE example_migrations SET version = 99");
    let refused = open(&kit).await.expect_err("newer");
    assert!(
        matches!(refused, OpenError::Newer { found: 99, .. }),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("example"), "{refused}");
}

async fn one_that_hangs_is_not_waited_for<K: Kit>(mut kit: K) {
    let database = open(&kit).await.expect("a database");
    kit.block();
    let late = database.run((1, "ana"), INSERT).await;
    assert!(matches!(late, Err(Refusal::Database(_))), "{late:?}");
    kit.unblock();
    database.run((2, "ben"), INSERT).await.expect("it is back");
}

macro_rules! suite {
    ($($case:ident)*) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case(<super::SqliteKit as super::Kit>::new()).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case(<super::PostgresKit as super::Kit>::new()).await;
                }
            )*
        }
    };
}

suite! {
    an_operation_is_done_whole_or_not_at_all
    a_refusal_of_the_database_is_not_forgotten
    many_at_once_come_one_after_the_other
    many_statements_at_once
    a_newer_schema_is_refused
    one_that_hangs_is_not_waited_for
}

#[tokio::test]
async fn options_are_checked() {
    let mut options = database::PostgresOptions::new("host=/nowhere");
    options.connections = 65;
    let refused = Database::open(DatabaseSettings::Postgres(options), &SCHEMA).await;
    assert!(matches!(refused, Err(OpenError::Options(_))), "{refused:?}");
    let mut options = database::SqliteOptions::new("/nowhere/a.db");
    options.timeout = Duration::ZERO;
    let refused = Database::sqlite(options, &SCHEMA);
    assert!(matches!(refused, Err(OpenError::Options(_))), "{refused:?}");
}
