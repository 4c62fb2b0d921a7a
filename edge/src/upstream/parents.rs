//! The parents of one origin, or of one site: whom to ask, and asking until one answers.
//!
//! It does not read bodies, and knows nothing of who waits: its callers do.
//!
//! Attempts: a request that failed before any byte of its answer is asked again of the next
//! parent; on a pooled connection it is first asked once more of the same one, since the parent
//! may just have closed it (RFC 9112 9.3.1). If a parent can have seen it, only a request whose
//! method is idempotent is asked again (RFC 9110 9.2.2). After the first byte nothing is retried:
//! readers may have seen it.

mod answer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use telemetry::traces::Span;
use tokio::time::timeout;

use super::UpstreamSettings;
use super::choice::{self, Candidate, Choice};
use super::client_certificate::ClientCertificate;
use super::parent::{Parent, Place};
use super::standing::{Availability, Failure};
use crate::metrics::Metrics;

pub use answer::{Answer, NoAnswer, Request};

/// Attempts at one parent: one, and one more when the first was on a pooled connection.
const ATTEMPTS_PER_PARENT_MAX: usize = 2;

/// Parents that have the same objects, and how they stand.
#[derive(Debug)]
pub struct Parents {
    /// In order of preference, backups last.
    list: Box<[Arc<Parent>]>,
    choice: Choice,
    probe_interval: Duration,
    head_timeout: Duration,
    metrics: Metrics,
}

impl Parents {
    /// Parents without connections yet. Those that speak TLS are shown `certificate`.
    pub fn new(
        settings: &UpstreamSettings,
        certificate: Option<&ClientCertificate>,
        metrics: Metrics,
    ) -> Self {
        Self::made(settings, certificate, metrics, &[])
    }

    /// Other parents. Those that stay as they are keep their connections and how they stand.
    pub fn with(
        &self,
        settings: &UpstreamSettings,
        certificate: Option<&ClientCertificate>,
    ) -> Self {
        Self::made(settings, certificate, self.metrics.clone(), &self.list)
    }

    fn made(
        settings: &UpstreamSettings,
        certificate: Option<&ClientCertificate>,
        metrics: Metrics,
        known: &[Arc<Parent>],
    ) -> Self {
        let primaries = settings.parents.iter().map(|url| (url, false));
        let backups = settings.backups.iter().map(|url| (url, true));
        let list: Box<[_]> = primaries
            .chain(backups)
            .map(|(url, backup)| {
                let connect = &settings.connect;
                if let Some(same) = known.iter().find(|it| it.is(url, backup, connect)) {
                    return Arc::clone(same);
                }
                let (url, connect) = (url.clone(), connect.clone());
                let parent = Parent::new(url, backup, connect, certificate.cloned());
                metrics.parent_up(parent.authority(), true);
                Arc::new(parent)
            })
            .collect();
        Self {
            list,
            choice: settings.choice,
            probe_interval: settings.probe_interval,
            head_timeout: settings.head_timeout,
            metrics,
        }
    }

    /// All of them, in order of preference.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Parent>> {
        self.list.iter()
    }

    /// How often parents are looked at; `None`: never. A single one is asked whatever it gives.
    pub fn probes(&self) -> Option<Duration> {
        let wanted = self.list.len() > 1 && !self.probe_interval.is_zero();
        wanted.then_some(self.probe_interval)
    }

    /// Asks one parent after the other until one answers. One that says that it lacks a parent of
    /// its own (502, 504) has not, as long as there is another to ask.
    ///
    /// To be run to its end: dropped before, a parent that it was trying is left alone for up to
    /// [`DOWN_MAX`](super::standing::DOWN_MAX).
    ///
    /// # Errors
    /// What kept the last one that was asked from answering.
    pub async fn ask(&self, request: &Request<'_>) -> Result<Answer, NoAnswer> {
        let again = is_idempotent(request.method);
        let order = self.order(request.target, Instant::now());
        let last = order.len().saturating_sub(1);
        let mut failure = NoAnswer::Unreachable;
        for (index, (parent, availability)) in order.into_iter().enumerate() {
            // Before the turn to try it, which would be used up for nothing.
            let Some(place) = parent.place() else {
                self.asked(parent, NoAnswer::Busy.as_str());
                failure = NoAnswer::Busy;
                continue;
            };
            let tries = parent.tries(Instant::now());
            if availability == Availability::Trial && !tries && index < last {
                continue;
            }
            match self.ask_parent(parent, place, request).await {
                Ok(answer) if is_gateway_failure(answer.head.status) => {
                    self.failed(parent, Failure::NoAnswer, "gateway");
                    if !again || index == last {
                        return Ok(answer);
                    }
                    answer.end().await;
                    failure = NoAnswer::Closed;
                }
                Ok(answer) => {
                    self.succeeded(parent);
                    return Ok(answer);
                }
                Err(error) => {
                    if let Some(failure) = error.failure() {
                        self.failed(parent, failure, error.as_str());
                    }
                    failure = error;
                    if !error.leaves_another(again) {
                        break;
                    }
                }
            }
        }
        Err(failure)
    }

    /// Notes that a parent answered.
    pub(super) fn succeeded(&self, parent: &Parent) {
        if parent.succeeded(Instant::now()) {
            tracing::info!(parent = %parent.url, "the parent is back");
            self.metrics.parent_up(parent.authority(), true);
        }
    }

    /// Notes that a parent did not answer.
    pub(super) fn failed(&self, parent: &Parent, failure: Failure, reason: &'static str) {
        if parent.failed(failure, Instant::now()) {
            tracing::warn!(parent = %parent.url, reason, "the parent has fallen");
            self.metrics.parent_up(parent.authority(), false);
            self.metrics.parent_falls(parent.authority(), reason);
        }
    }

    /// The parents to ask for `target`, best first.
    fn order(&self, target: &str, now: Instant) -> Vec<(&Arc<Parent>, Availability)> {
        let probes = self.probes().is_some();
        let candidates: Vec<_> = self
            .iter()
            .map(|parent| Candidate {
                authority: parent.authority(),
                backup: parent.backup,
                // Where parents are looked at, no viewer's request has to find out.
                availability: match parent.availability(now) {
                    Availability::Trial if probes => Availability::Down,
                    availability => availability,
                },
            })
            .collect();
        let order = choice::order(self.choice, target, &candidates);
        order
            .into_iter()
            .filter_map(|place| {
                let candidate = candidates.get(place)?;
                Some((self.list.get(place)?, candidate.availability))
            })
            .collect()
    }

    async fn ask_parent(
        &self,
        parent: &Arc<Parent>,
        mut place: Place,
        request: &Request<'_>,
    ) -> Result<Answer, NoAnswer> {
        for _ in 0..ATTEMPTS_PER_PARENT_MAX {
            let asked_at = Instant::now();
            let mut turn = match parent.turn().await {
                Ok(turn) => turn,
                Err(error) => {
                    tracing::debug!(parent = %parent.url, %error, "parent unreachable");
                    self.asked(parent, NoAnswer::Unreachable.as_str());
                    return Err(NoAnswer::Unreachable);
                }
            };
            let reused = if turn.reused { "true" } else { "false" };
            self.metrics
                .upstream_connections
                .with_label_values(&[parent.authority(), reused])
                .inc();
            let mut span = request.span(parent.authority());
            let link = span.as_ref().map(Span::link);
            let exchange = request.exchange(&mut turn.session, parent.authority(), link);
            let outcome = tokio::select! {
                outcome = timeout(self.head_timeout, exchange) => outcome,
                () = place.parent_lost() => {
                    self.asked(parent, NoAnswer::Lost.as_str());
                    fail(span, NoAnswer::Lost);
                    return Err(NoAnswer::Lost);
                }
            };
            match outcome {
                Ok(Ok(head)) => {
                    self.asked(parent, head.status.as_str());
                    let delay = asked_at.elapsed();
                    let seconds = delay.as_secs_f64();
                    self.metrics.upstream_head_seconds.observe(seconds);
                    if let Some(span) = &mut span {
                        answered(span, head.status);
                    }
                    return Ok(Answer {
                        parent: Arc::clone(parent),
                        place,
                        turn,
                        head,
                        delay,
                        span,
                    });
                }
                Ok(Err(error)) => {
                    self.asked(parent, NoAnswer::Closed.as_str());
                    fail(span, NoAnswer::Closed);
                    if !turn.reused {
                        tracing::warn!(parent = %parent.url, %error, "parent gave no answer");
                        parent.explain_refusal();
                        return Err(NoAnswer::Closed);
                    }
                    tracing::debug!(parent = %parent.url, %error, "parent gave no answer");
                    if !is_idempotent(request.method) {
                        return Err(NoAnswer::Closed);
                    }
                }
                Err(_) => {
                    self.asked(parent, NoAnswer::Silent.as_str());
                    fail(span, NoAnswer::Silent);
                    turn.end(parent).await;
                    return Err(NoAnswer::Silent);
                }
            }
        }
        Err(NoAnswer::Closed)
    }

    fn asked(&self, parent: &Parent, outcome: &str) {
        self.metrics
            .upstream_requests
            .with_label_values(&[parent.authority(), outcome])
            .inc();
    }
}

fn answered(span: &mut Span, status: StatusCode) {
    span.set("http.response.status_code", i64::from(status.as_u16()));
    span.event("head");
    // Semantic conventions for HTTP clients.
    if status.is_client_error() || status.is_server_error() {
        span.failed(String::new());
    }
}

fn fail(span: Option<Span>, why: NoAnswer) {
    if let Some(mut span) = span {
        span.set("error.type", why.as_str());
        span.failed(why.problem().detail.to_string());
    }
}

fn is_gateway_failure(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
    )
}

/// RFC 9110 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    cache_policy::shared::is_safe(method) || [Method::PUT, Method::DELETE].contains(method)
}

#[cfg(test)]
mod tests;
