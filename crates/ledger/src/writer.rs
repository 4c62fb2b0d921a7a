//! The queue before the one writer: bounded in length and in time.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::error::Error;
use crate::money::Timestamp;
use crate::op::{Answer, Needs, Op};
use crate::rules::Book;

/// Longer than the writer's own bounds add up to, in parts of the timeout: the last resort.
const PATIENCE: u32 = 3;

/// A write that waits for its answer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) op: Op,
    pub(crate) now: Timestamp,
    /// Not begun after this.
    deadline: Instant,
    answer: oneshot::Sender<Result<Answer, Error>>,
}

/// The way to the writer.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Request>,
    timeout: Duration,
}

impl Writer {
    pub(crate) fn new(queue_max: usize, timeout: Duration) -> (Self, mpsc::Receiver<Request>) {
        let (queue, requests) = mpsc::channel(queue_max.max(1));
        (Self { queue, timeout }, requests)
    }

    pub(crate) async fn ask(&self, op: Op, now: Timestamp) -> Result<Answer, Error> {
        let (answer, answered) = oneshot::channel();
        let request = Request {
            op,
            now,
            deadline: Instant::now() + self.timeout,
            answer,
        };
        self.queue.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => database::Error::Busy.into(),
            mpsc::error::TrySendError::Closed(_) => Error::unavailable("the ledger is closed"),
        })?;
        let unknown = |reason: &str| {
            Error::from(database::Error::Unavailable {
                reason: reason.to_owned(),
                unknown: true,
            })
        };
        match tokio::time::timeout(self.timeout * PATIENCE, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(unknown("the writer ended")),
            Err(_) => Err(unknown("the writer does not answer")),
        }
    }
}

/// What is committed together.
#[derive(Debug)]
pub(crate) struct Group(Vec<Request>);

impl Group {
    /// The first, and what waits behind it.
    pub(crate) fn gather(
        first: Request,
        requests: &mut mpsc::Receiver<Request>,
        max: usize,
    ) -> Self {
        let mut group = Vec::with_capacity(max.min(requests.len() + 1));
        let now = Instant::now();
        let mut next = Some(first);
        while let Some(request) = next {
            if request.deadline < now {
                request.reply(Err(Error::unavailable("it waited too long")));
            } else {
                group.push(request);
            }
            next = if group.len() < max {
                requests.try_recv().ok()
            } else {
                None
            };
        }
        Self(group)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn needs(&self) -> Needs {
        Needs::of(self.0.iter().map(|request| (&request.op, request.now)))
    }

    /// The answers, in order.
    pub(crate) fn decide(&self, book: &mut Book) -> Vec<Result<Answer, Error>> {
        let each = self.0.iter();
        each.map(|request| book.apply(&request.op, request.now))
            .collect()
    }

    /// Each alone: for a group that failed for one of its members.
    pub(crate) fn split(self) -> impl Iterator<Item = Self> {
        self.0.into_iter().map(|request| Self(vec![request]))
    }

    pub(crate) fn answer(self, answers: Vec<Result<Answer, Error>>) {
        for (request, answer) in self.0.into_iter().zip(answers) {
            request.reply(answer);
        }
    }

    pub(crate) fn fail(self, error: &Error) {
        for request in self.0 {
            request.reply(Err(error.clone()));
        }
    }
}

impl Request {
    fn reply(self, answer: Result<Answer, Error>) {
        // Whoever asked may have gone away. What was done is done, and found by asking again.
        let _ = self.answer.send(answer);
    }
}
