//! Looks whether parents are alive: those that owe answers and say nothing, and those that fell.
//!
//! A held reload may be silent for seconds by right, so that silence alone says nothing. A parent that
//! answers anything is alive; one that answers its requests all the time is never asked. What is asked for is
//! `HEAD /`: whatever the answer, it is one.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use http::header;
use pingora_core::protocols::http::client::HttpSession;
use pingora_error::{Error, ErrorType};
use pingora_http::RequestHeader;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Inner;
use super::parent::Parent;
use super::standing::{Availability, Failure};

/// Looks in a row without an answer with which a parent is dead.
const MISSED_MAX: u32 = 2;

/// One task per parent, where there is another to go to.
pub(super) fn spawn(inner: &Arc<Inner>) {
    let Some(every) = inner.parents.probes() else {
        return;
    };
    for parent in inner.parents.iter() {
        let (watcher, parent) = (Arc::downgrade(inner), Arc::clone(parent));
        inner.runtime.spawn(watch(watcher, parent, every));
    }
}

async fn watch(inner: Weak<Inner>, parent: Arc<Parent>, every: Duration) {
    let parent = &*parent;
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut missed = 0;
    loop {
        ticks.tick().await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        let now = Instant::now();
        if !is_due(parent, every, now) {
            missed = 0;
            continue;
        }
        if inner.probe(parent).await {
            missed = 0;
            inner.parents.succeeded(parent);
            continue;
        }
        missed += 1;
        if missed < MISSED_MAX && parent.availability(now) == Availability::Up {
            continue;
        }
        inner
            .parents
            .failed(parent, Failure::Unreachable, "lifeless");
        inner.lose(parent);
    }
}

/// Whether to look: it fell and may be tried, or it owes answers and has not said a thing for `every`.
fn is_due(parent: &Parent, every: Duration, now: Instant) -> bool {
    if parent.availability(now) != Availability::Up {
        return parent.tries(now);
    }
    let silent = parent.silent_for(now).is_none_or(|silent| silent >= every);
    parent.requests() > 0 && silent
}

impl Inner {
    /// Whether it answers within the time for connecting.
    async fn probe(&self, parent: &Parent) -> bool {
        let patience = self.settings.connect.connect_timeout;
        let asked = timeout(patience, ask(parent)).await;
        let answers = matches!(asked, Ok(Ok(())));
        let outcome = if answers { "answered" } else { "missed" };
        self.metrics.parent_probed(parent.authority(), outcome);
        answers
    }

    /// Sends those who wait for `parent` to another, if there is one.
    fn lose(&self, parent: &Parent) {
        let now = Instant::now();
        let mut parents = self.parents.iter();
        if parents.any(|other| other.availability(now) == Availability::Up) {
            parent.lose();
        }
    }
}

async fn ask(parent: &Parent) -> pingora_error::Result<()> {
    let mut turn = parent.turn().await?;
    let mut head = RequestHeader::build("HEAD", b"/", Some(1))?;
    head.insert_header(header::HOST, parent.authority())?;
    let session = &mut turn.session;
    session.write_request_header(Box::new(head)).await?;
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let Some(response) = session.response_header() else {
        return Err(Error::new(ErrorType::ReadError));
    };
    let final_one = !response.status.is_informational();
    while final_one && session.read_response_body().await?.is_some() {}
    if final_one || matches!(turn.session, HttpSession::H2(_)) {
        parent.give_back(turn).await;
    }
    Ok(())
}
