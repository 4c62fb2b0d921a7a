//! The thread that writes.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use database::OpenError;
use database::sqlite::Lock;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, watch};

use super::checkpoint::Log;
use super::error::{committing, is_constraint, is_lost_sync, store};
use super::load::load;
use super::write::write;
use crate::error::Error;
use crate::op::Answer;
use crate::rules::Book;
use crate::writer::{Group, Request};

/// Why a group was not committed.
#[derive(Debug)]
struct Failure {
    error: Error,
    /// Perhaps only for one of its members.
    constraint: bool,
    /// Nothing that this process reads can be trusted from now on.
    lost_sync: bool,
}

impl Failure {
    fn of(error: rusqlite::Error, translate: fn(rusqlite::Error) -> Error) -> Self {
        Self {
            constraint: is_constraint(&error),
            lost_sync: is_lost_sync(&error),
            error: translate(error),
        }
    }
}

/// Starts it; the answer closes when it has ended, and the database is free.
pub(super) fn start(
    connection: Connection,
    lock: Lock,
    (log, checkpointer): (Arc<Log>, SyncSender<()>),
    requests: mpsc::Receiver<Request>,
    group_max: usize,
) -> Result<watch::Receiver<()>, OpenError> {
    let (running, ended) = watch::channel(());
    std::thread::Builder::new()
        .name("ledger".to_owned())
        .spawn(move || {
            run(connection, &log, requests, group_max);
            drop(checkpointer);
            drop(lock);
            drop(running);
        })
        .map_err(|source| OpenError::Io {
            what: "start the ledger's thread".to_owned(),
            source,
        })?;
    Ok(ended)
}

fn run(
    mut connection: Connection,
    log: &Log,
    mut requests: mpsc::Receiver<Request>,
    group_max: usize,
) {
    while let Some(first) = requests.blocking_recv() {
        let group = Group::gather(first, &mut requests, group_max);
        if group.is_empty() {
            continue;
        }
        let lost_sync = serve(&mut connection, group);
        log.committed(&connection);
        if lost_sync {
            tracing::error!(
                "the disk failed to sync the ledger: it takes no writes until restarted"
            );
            refuse(&mut requests);
        }
    }
}

/// Commits a group and answers it; tells whether a sync failed.
fn serve(connection: &mut Connection, group: Group) -> bool {
    match commit(connection, &group) {
        Ok(answers) => {
            group.answer(answers);
            false
        }
        Err(failure) if failure.constraint && group.len() > 1 => {
            tracing::error!(error = %failure.error, "the ledger's database refused what the rules allow");
            let mut alone = group.split();
            alone.any(|one| serve(connection, one))
        }
        Err(failure) => {
            group.fail(&failure.error);
            failure.lost_sync
        }
    }
}

/// One transaction. Dropped before its end it is rolled back.
fn commit(
    connection: &mut Connection,
    group: &Group,
) -> Result<Vec<Result<Answer, Error>>, Failure> {
    let failed = |error| Failure::of(error, store);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    let needs = group.needs();
    let loaded = load(&transaction, &needs).map_err(failed)?;
    let mut book = Book::new(needs, loaded);
    let answers = group.decide(&mut book);
    if book.is_changed() {
        write(&transaction, &book).map_err(failed)?;
        let committed = transaction.commit();
        committed.map_err(|error| Failure::of(error, committing))?;
    }
    Ok(answers)
}

/// What waits, and what comes, until the process ends.
fn refuse(requests: &mut mpsc::Receiver<Request>) {
    let error = Error::unavailable("a sync of the disk failed; restart to see what is on it");
    while let Some(first) = requests.blocking_recv() {
        Group::gather(first, requests, usize::MAX).fail(&error);
    }
}
