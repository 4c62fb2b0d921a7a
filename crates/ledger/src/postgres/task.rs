//! The task that writes.

use std::time::Duration;

use database::postgres::{Connector, Failure, Session, backoff};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::load::load;
use super::write::write;
use crate::error::Error;
use crate::op::Answer;
use crate::rules::Book;
use crate::writer::{Group, Request};

/// Attempts for one group, the first included. Time bounds them, too.
const ATTEMPTS_MAX: u32 = 20;
/// Tables grow by thousands of rows a second, so that a plan made for a small one must not be kept,
/// and no statement of the writer ever wants a whole table.
const PLANS: &str =
    "SET plan_cache_mode = force_custom_plan; SET enable_seqscan = off; SET jit = off";

/// The writer of this process.
#[derive(Debug)]
pub(super) struct Task {
    connector: Connector,
    session: Option<Session>,
    timeout: Duration,
}

type Answers = Vec<Result<Answer, Error>>;

/// Starts it; the answer closes when it has ended.
pub(super) fn start(
    connector: Connector,
    timeout: Duration,
    mut requests: mpsc::Receiver<Request>,
    group_max: usize,
) -> watch::Receiver<()> {
    let (running, ended) = watch::channel(());
    let mut task = Task {
        connector,
        session: None,
        timeout,
    };
    tokio::spawn(async move {
        while let Some(first) = requests.recv().await {
            let group = Group::gather(first, &mut requests, group_max);
            if !group.is_empty() {
                task.serve(group).await;
            }
        }
        drop(running);
    });
    ended
}

impl Task {
    /// Commits a group, and answers it.
    async fn serve(&mut self, group: Group) {
        match self.commit(&group).await {
            Ok(answers) => group.answer(answers),
            Err(failure) if failure.constraint && group.len() > 1 => {
                tracing::error!(error = %failure.error, "the ledger's database refused what the rules allow");
                for alone in group.split() {
                    match self.commit(&alone).await {
                        Ok(answers) => alone.answer(answers),
                        Err(failure) => alone.fail(&failure.error.into()),
                    }
                }
            }
            Err(failure) => group.fail(&failure.error.into()),
        }
    }

    /// Tries until it is known what became of the group, or the time is over.
    ///
    /// A connection that is lost during COMMIT leaves it open whether the server committed. The
    /// next attempt finds out: it waits for the head's lock, which the lost transaction keeps until
    /// it has ended one way or the other, and then finds the ids, or does not.
    async fn commit(&mut self, group: &Group) -> Result<Answers, Failure> {
        let deadline = Instant::now() + self.timeout;
        let mut unknown = false;
        let mut failures = 0;
        loop {
            let mut committing = false;
            let attempt = self.attempt(group, &mut committing);
            let failure = match tokio::time::timeout_at(deadline, attempt).await {
                Ok(Ok(answers)) => return Ok(answers),
                Ok(Err(failure)) => failure,
                Err(_) => {
                    Failure::lasting(database::Error::unavailable("PostgreSQL takes too long"))
                }
            };
            // Whatever is wrong, this connection is not trusted with the next attempt.
            self.session = None;
            unknown |= committing;
            failures += 1;
            let pause = backoff(failures);
            let late = Instant::now() + pause >= deadline;
            let retry = failure.retry || unknown;
            if late || !retry || failures >= ATTEMPTS_MAX {
                return Err(honest(failure, unknown));
            }
            tracing::warn!(error = %failure.error, "the ledger tries again");
            tokio::time::sleep(pause).await;
        }
    }

    /// One transaction. `committing` tells how far it came.
    async fn attempt(&mut self, group: &Group, committing: &mut bool) -> Result<Answers, Failure> {
        let session = match &mut self.session {
            Some(session) => session,
            none => {
                let session = self.connector.connect().await?;
                session.run(PLANS).await?;
                none.insert(session)
            }
        };
        session.run("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        let needs = group.needs();
        let loaded = load(session, &needs).await?;
        let mut book = Book::new(needs, loaded);
        let answers = group.decide(&mut book);
        if !book.is_changed() {
            session.run("ROLLBACK").await?;
            return Ok(answers);
        }
        write(session, &book).await?;
        *committing = true;
        session.run("COMMIT").await?;
        *committing = false;
        Ok(answers)
    }
}

/// A failure after a commit with an unknown outcome does not say that nothing is there.
fn honest(failure: Failure, unknown: bool) -> Failure {
    if !unknown {
        return failure;
    }
    Failure {
        error: database::Error::Unavailable {
            reason: failure.error.to_string(),
            unknown: true,
        },
        constraint: false,
        ..failure
    }
}
